"""Every golden talk on every channel, over real HTTP: what is said arrives there, with the same choices."""

import re
from pathlib import Path

import pytest

from storage.database import Database
from tests.conformance.phones import CHANNELS, CODE, MORE, POINTS, CannotBeDone, Phone, Town, Typing

FOLDER = Path(__file__).parent.parent / "conversations"
TALKS = sorted(FOLDER.glob("*.chat"))
_SPOKEN = re.compile(r"(\w+(?:@\w+)?) > (.*)")
_SHOWN = re.compile(r"(\w+(?:@\w+)?) ([<~]) (.*)")
_PRESS = re.compile(r'\[(.+?)\](?: ở "(.+)")?')
_DEED = re.compile(r"\((\w+)(?: ([^)]*))?\)(?: (.*))?")
_AS_A_FILE = re.compile(r"(Đã lưu |\(|   – )tệp")
_FILE = re.compile(r"^\((?:ảnh|[\w.-]+\.pdf)\) ")


# Where there are no buttons, only what was offered last has numbers: what a person does there instead of pressing an
# older button.
INSTEAD: dict[tuple[str, str], list[str]] = {
    ("gui_lai_mot_cau", "Lan > [Bổ sung ngay]"): ["[Phiếu 1]", "[Bổ sung ngay]"],
}
# Lines that show that an old button does no harm: where the button is gone there is nothing to show.
GONE = {
    "bao_tin": {"Lan > [Công dân học tập]"},
    "di_roi_quay_lai": {'Lan > [Thường xuyên (8 điểm)] ở "Câu 5/10"'},
    "dong_y": {'Tâm > [Thường xuyên (8 điểm)] ở "Câu 1/10"'},
    "gui_lai_mot_cau": {
        'Lan > [Thành nếp, giúp người (10 điểm)] ở "Câu 1/10"',
        'Hùng > [Đề nghị công nhận] ở "Đã xử lý: đề nghị bổ sung"',
    },
    "hai_nguoi_mot_may": {'Hoa > [Thành nếp, giúp người (10 điểm)] ở "chị có"'},
    "lien_ket": {"An > [Làm tiếp]"},
    "mat_may": {"Lan > [Vừa đủ (5 điểm)]"},
    "nut_cu": {
        'Lan > [Thường xuyên (8 điểm)] ở "Câu 1/10"',
        'Lan > [Chưa làm được (0 điểm)] ở "Câu 1/10"',
        "Lan > [Giữ nguyên, làm tiếp]",
        'Lan > [Đồng ý] ở "nhắn nhắc việc"',
        'Lan > [bác] ở "gọi"',
        'Lan > [Công dân học tập] ở "Mời bác chọn"',
    },
    "thieu_thon": {"Mai > [Là thôn đã có]"},
}
# The same where the number still stands there and means something else now.
MEANS_NOTHING = {("mat_may", "Lan > [Vừa đủ (5 điểm)]")}


class Reading:
    """Plays a talk; keeps how often each text must have been shown to each person."""

    def __init__(self, town: Town, talk: str) -> None:
        self.town, self.talk, self.seen = town, talk, 0
        self.wanted: dict[tuple[str, str], int] = {}
        self.skipped: list[str] = []

    async def play(self, source: str) -> None:
        for block in source.split("\n\n"):
            lines = block.split("\n")
            for line in lines:
                if line.startswith("* "):
                    self.town.player.set_clock(line[2:])
            if spoken := next((m for line in lines if (m := _SPOKEN.fullmatch(line))), None):
                await self._line(spoken[1], spoken[2], lines)

    async def _line(self, who: str, words: str, lines: list[str]) -> None:
        try:
            if words == "(rời)":
                await self.town.leaves(who)
            elif "@" in who:
                await self.town.beside(who, words)
            else:
                await self._do(who, words)
        except CannotBeDone:
            self.skipped.append(f"{who} > {words}")
            return
        await self.town.quiet()
        for name, text, choices in said_in(lines):
            if isinstance(self.town.phones.get(name), Typing):
                text = _AS_A_FILE.sub(r"\1ảnh", text)  # what it cannot carry as a file was sent as a picture
            if "@" not in name:
                await self._arrived(name, text, choices, f"{who} > {words}")

    async def _do(self, who: str, words: str) -> None:
        phone = await self.town.phone(who)
        if isinstance(phone, Typing) and (self.talk, f"{who} > {words}") in MEANS_NOTHING:
            raise CannotBeDone(words)
        try:
            await self._deed(phone, words)
        except CannotBeDone:
            steps = INSTEAD.get((self.talk, f"{who} > {words}"))
            for step in steps or ():
                await self._deed(phone, step)
                await self.town.quiet()
            if not steps:
                raise

    async def _deed(self, phone: Phone, words: str) -> None:
        if press := _PRESS.fullmatch(words):
            return await phone.presses(press[1], press[2])
        deed = _DEED.fullmatch(words)
        match deed[1] if deed else None:
            case "mời":
                await phone.opens("m-" + await self.town.player.invitation(*deed[2].split(" ở ")))
            case "mở":
                await phone.opens(deed[2])
            case "ảnh":
                await phone.sends_photo(deed[2], deed[3])
            case "tệp":
                await phone.sends_document(deed[2], b"%PDF-1.7 " + deed[2].encode())
            case "mã":
                await phone.says(self.town.code())
            case None:
                await phone.says(words)
            case _:
                raise CannotBeDone(words)

    async def _arrived(self, name: str, text: str, choices: list[str], after: str) -> None:
        phone = await self.town.phone(name)
        key = (name, squash(text))
        self.wanted[key] = self.wanted.get(key, 0) + 1
        shown = CODE.sub("••• •••", squash("\n".join(phone.texts())))
        assert shown.count(key[1]) >= self.wanted[key], f"after {after!r}: {text!r} not in {phone.texts()[-3:]}"
        self.seen += 1
        if choices:
            shown = [labels for text, labels in phone.messages() if key[1] in CODE.sub("••• •••", squash(text))]
            further = any(more in labels for labels in shown[-1:] for more in MORE)
            missing = [label for label in ([] if further else choices) if not (shown and _offered(label, shown[-1]))]
            assert not missing, f"after {after!r}: {missing} not among {shown[-1:]}"


def _offered(label: str, shown: list[str]) -> bool:
    """As it is, or as a step whose example stands beside it."""
    bare = POINTS.sub("", label)
    return any(one == label or one.startswith(f"{bare}:") for one in shown)


def squash(text: str) -> str:
    return " ".join(text.split())


def said_in(lines: list[str]) -> list[tuple[str, str, list[str]]]:
    """The texts that a block of the talk shows, with their readers; the last of each person with its choices."""
    said: list[list] = []
    for line in lines:
        if shown := _SHOWN.fullmatch(line):
            said.append([shown[1], shown[2], _FILE.sub("", shown[3]), []])
        elif line.startswith("    |") and said:
            said[-1][2] += "\n" + line[6:]
        elif line.startswith("    [") and said:
            said[-1][3] += re.findall(r"\[([^\]]+)\]", line)
    kept = [one for one in said if one[1] == "<"]
    last = {one[0]: one for one in kept if one[3]}
    return [(one[0], one[2], one[3] if last.get(one[0]) is one else []) for one in kept]


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.stem)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_golden_talk(channel: str, talk: Path, sqlite_database: Database, tmp_path: Path) -> None:
    async with CHANNELS[channel](sqlite_database, tmp_path) as town:
        reading = Reading(town, talk.stem)
        await reading.play(talk.read_text(encoding="utf-8"))
        assert set(reading.skipped) <= GONE.get(talk.stem, set())
        assert reading.seen > 15
