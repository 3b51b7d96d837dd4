"""For whom a person may speak, and whether that person agreed."""

from handlers.errors import Refusal
from handlers.turn import Turn
from locales import Words, _, plain
from storage.consent import EXAMINE, has_agreed
from storage.person import Person, proxy

CHILD = 16  # years


async def spoken_for(turn: Turn, person_id: int) -> Person:
    """The person, if the speaker is that person or may speak for them. Raises Refusal."""
    if person_id == turn.me:
        return turn.person
    person = await turn.session.get(Person, person_id)
    if person is None or not await proxy(turn.session, turn.me, person_id):
        raise Refusal(_("Lựa chọn này của người khác, {you} không dùng được."))
    return person


async def agreed(turn: Turn, person_id: int) -> Person:
    """The same, if the person agreed to the examination. Raises Refusal."""
    person = turn.person if person_id == turn.me else await spoken_for(turn, person_id)
    if not await has_agreed(turn.session, person_id, EXAMINE):
        raise Refusal(_("Cần có sự đồng ý trước khi khai. {You} gửi /batdau để xem và chọn lại."))
    return person


def is_known(person: Person) -> bool:
    """Whether a paper may be begun: name, year of birth and village are there."""
    return bool(person.full_name and person.birth_year and person.place_id)


def is_child(turn: Turn, person: Person) -> bool:
    """Under 16, as far as is known: a parent speaks, and nothing is published (Luật 91/2025/QH15, Điều 24)."""
    return person.birth_year is not None and turn.year - person.birth_year < CHILD


async def subject(turn: Turn) -> Person:
    """The person for whom the speaker is answering at present."""
    chosen = turn.conversation.speaking_for
    if chosen and await proxy(turn.session, turn.me, chosen):
        person = await turn.session.get(Person, chosen)
        if person:
            return person
    return turn.person


def who(turn: Turn, person: Person) -> Words:
    """How the person answered for is called in a question: "bác", or their name."""
    if person.id == turn.me:
        return _("{you}")
    return plain(person.full_name) if person.full_name else _("người được khai hộ")


def heading(turn: Turn, person: Person) -> Words | None:
    """The line over a question that is answered for somebody else."""
    return None if person.id == turn.me else _("👤 Khai hộ: {name}", name=who(turn, person))
