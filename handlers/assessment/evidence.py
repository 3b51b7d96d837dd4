"""Evidence for an answer: words, a photo, a file; or the branch is asked to vouch."""

from handlers.account.guards import heading
from handlers.assessment.rules import open_question
from handlers.errors import Misheard
from handlers.incoming import Said, Sent
from handlers.router import Router
from handlers.titles.model import Question, Title
from handlers.turn import Row, Turn, button
from locales import Kept, Text, Words, _, join
from storage.assessment import Assessment, Status
from storage.evidence import Evidence, evidence_of
from storage.person import Person
from storage.statements import new

router = Router("evidence")

LONGEST = 1000  # characters of one note
MOST = 10  # pieces for one question


@router.page
async def ask(turn: Turn, paper_id: int, question_id: str) -> None:
    paper, title, question = await open_question(turn, paper_id, question_id)
    present = await evidence_of(turn.session, paper_id, question_id)
    person = await turn.session.get(Person, paper.person_id)
    about = heading(turn, person) if person else None
    if about is None and not present:
        words = title.keep("evidence", question_id, make=lambda: Kept(_request(title, question, None, 0)))
    else:
        words = _request(title, question, about, len(present))
    turn.ask(words, *_ways(paper, question_id, bool(present)), waits=hear.token(paper_id, question_id))


def _request(title: Title, question: Question, about: Words | None, count: int) -> Words:
    return join(
        [
            about,
            _("Câu {number}. {question}", number=title.number(question.id), question=Text(question.label)),
            _("Đã có {count} minh chứng.", count=count) if count else None,
            _("{You} có gì làm minh chứng không ạ? Gửi ảnh, tệp, hoặc viết một câu."),
            _("Ví dụ: {evidence}", evidence=Text(question.evidence)),
        ]
    )


@router.hears_files
async def hear(turn: Turn, paper_id: int, question_id: str) -> None:
    """Keeps what was sent; never claims what is not stored."""
    paper, title, _question = await open_question(turn, paper_id, question_id)
    if len(await evidence_of(turn.session, paper_id, question_id)) >= MOST:
        raise Misheard(_("Câu này đã đủ {most} minh chứng. {You} chọn “Câu tiếp theo” giúp ạ.", most=MOST))
    piece = _piece(turn, paper, question_id)
    turn.session.add(piece)
    paper.updated_at = turn.now
    turn.note("assessment:evidence:add", paper.id, question=question_id, kind=piece.kind, sha256=piece.sha256)
    number = title.number(question_id)
    turn.settle(_("✓ Câu {number}: đã nhận {kind}", number=number, kind=kind_name(piece.kind)))
    turn.page = ask.token(paper_id, question_id)
    turn.ask(
        _("Đã lưu {kind} cho câu {number}. {You} gửi thêm, hoặc sang câu tiếp theo.", number=number, kind=kind_name(piece.kind)),
        *_ways(paper, question_id, True),
        waits=hear.token(paper_id, question_id),
    )


@router.call
async def vouch(turn: Turn, paper_id: int, question_id: str) -> None:
    """Asks the branch to vouch for the answer."""
    paper, title, _question = await open_question(turn, paper_id, question_id)
    if turn.conversation.here != ask.token(paper_id, question_id):
        raise Misheard(_("Câu này đã qua rồi. Mời {you} làm tiếp từ đây."))
    present = await evidence_of(turn.session, paper_id, question_id)
    if not any(piece.kind == "asked" for piece in present):
        turn.session.add(
            new(Evidence, assessment_id=paper_id, question_id=question_id, kind="asked", added_by=turn.me, added_at=turn.now)
        )
        paper.updated_at = turn.now
        turn.note("assessment:evidence:add", paper.id, question=question_id, kind="asked")
    turn.settle(_("✓ Câu {number}: nhờ chi hội xác nhận", number=title.number(question_id)))
    await turn.go("assess.go_on", paper_id, question_id)


@router.call
async def done(turn: Turn, paper_id: int, question_id: str) -> None:
    """On to the next question, with or without evidence."""
    _paper, title, _question = await open_question(turn, paper_id, question_id)
    if turn.conversation.here != ask.token(paper_id, question_id):
        raise Misheard(_("Câu này đã qua rồi. Mời {you} làm tiếp từ đây."))
    count = len(await evidence_of(turn.session, paper_id, question_id))
    turn.settle(title.keep("counted", question_id, count, make=lambda: Kept(_counted(title.number(question_id), count))))
    await turn.go("assess.go_on", paper_id, question_id)


def _counted(number: int, count: int) -> Words:
    if not count:
        return _("Câu {number}: chưa có minh chứng", number=number)
    return _("✓ Câu {number}: {count} minh chứng", number=number, count=count)


def kind_name(kind: str) -> Words:
    return {
        "text": _("lời kể"),
        "photo": _("ảnh"),
        "file": _("tệp"),
        "asked": _("nhờ chi hội xác nhận"),
    }[kind]


def _piece(turn: Turn, paper: Assessment, question_id: str) -> Evidence:
    piece = new(Evidence, assessment_id=paper.id or 0, question_id=question_id, kind="text", added_by=turn.me, added_at=turn.now)
    meaning = turn.incoming.meaning
    if isinstance(meaning, Said):
        piece.text = turn.text(_("{You} viết gọn trong 1.000 chữ giúp ạ, ví dụ: Tôi mượn sách ở thư viện xã mỗi tháng."), LONGEST)
        return piece
    if not isinstance(meaning, Sent) or meaning.stored is None:
        raise Misheard(_trouble(meaning.problem if isinstance(meaning, Sent) else None))
    stored = meaning.stored
    piece.kind = "photo" if stored.media_type.startswith("image/") else "file"
    piece.sha256, piece.media_type, piece.size, piece.file_name = stored.sha256, stored.media_type, stored.size, stored.name
    piece.text = meaning.caption[:LONGEST] if meaning.caption else None
    return piece


def _trouble(problem: str | None) -> Words:
    """What was wrong with what was sent, in words, and what to do."""
    known = {
        "too_big": _("Tệp lớn quá 20 MB nên chưa lưu được. {You} gửi ảnh nhỏ hơn giúp ạ."),
        "not_readable": _("Trợ lý không mở được tệp này nên chưa lưu. {You} gửi ảnh, tệp PDF hoặc Word giúp ạ."),
        "not_fetched": _("Trợ lý chưa tải được tệp nên chưa lưu. {You} gửi lại giúp ạ."),
    }
    return known.get(problem or "") or _(
        "Trợ lý chỉ nhận lời viết, ảnh, tệp PDF hoặc Word. Ví dụ: gửi một tấm ảnh, hoặc viết “Tôi đọc báo mỗi sáng”."
    )


FINISHED, NEXT, NONE_NEXT = _("Xong, xem lại phiếu"), Kept(_("Câu tiếp theo")), Kept(_("Chưa có, câu tiếp theo"))
VOUCH, MEND = Kept(_("Nhờ chi hội xác nhận")), Kept(_("Sửa câu trả lời"))


def _ways(paper: Assessment, question_id: str, has_some: bool) -> tuple[Row, ...]:
    at = (paper.id or 0, question_id)
    onwards = FINISHED if paper.status == Status.NEED_MORE else NEXT if has_some else NONE_NEXT
    return (
        button(onwards, "evidence.done", *at),
        None if has_some else button(VOUCH, "evidence.vouch", *at),
        button(MEND, "assess.question", *at),
    )
