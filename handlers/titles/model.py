"""A title: its criteria as data, exactly as one TOML file states them."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from locales import Text, Words, plain

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,24}$")]
Day = Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
T = TypeVar("T")
ALL = "all"  # the wording of a title without groups


class Subject(StrEnum):
    CITIZEN = "citizen"
    FAMILY = "family"


class Standing(StrEnum):
    """How sure the criteria are."""

    OFFICIAL = "official"
    PROVISIONAL = "provisional"
    SAMPLE = "sample"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(Strict):
    id: Id
    label: str
    hint: str = ""


class Part(Strict):
    id: Id
    label: str


class Choice(Strict):
    """One step of the ladder, or of a question's own ladder."""

    id: Id
    label: str
    points: int = Field(ge=0)
    example: str = ""
    exempt: bool = False


class Wording(Strict):
    text: str
    examples: list[str] = []


class Question(Strict):
    id: Id
    part: Id
    label: str
    points: int = Field(gt=0)
    why: str
    evidence: str
    wording: dict[str, Wording]
    choices: list[Choice] = []


class Title(Strict):
    """The criteria of one title in one revision."""

    id: Id
    name: str
    subject: Subject
    status: Standing
    basis: str
    notice: str
    valid_from: date
    valid_to: date | None = None
    province: str | None = None
    window_from: Day = "01-01"
    window_to: Day = "12-31"
    total: int = Field(gt=0)
    floor: int | None = None
    threshold: int | None = None
    threshold_difficult_area: int | None = None
    minutes: int = Field(default=10, gt=0)
    route: list[str] = Field(min_length=1)
    groups: list[Group] = []
    parts: list[Part] = Field(min_length=1)
    ladder: list[Choice] = []
    questions: list[Question] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _dates(cls, data: Any) -> Any:
        # A revision comes back from JSON with its dates as text; TOML gives dates.
        if isinstance(data, dict):
            return {key: str(value) if isinstance(value, date) else value for key, value in data.items()}
        return data

    @cached_property
    def _kept(self) -> dict[tuple[Any, ...], Any]:
        return {}

    def keep(self, *key: Any, make: Callable[[], T]) -> T:
        """What is put together from a revision, which never changes, is put together once."""
        if (known := self._kept.get(key)) is None:
            known = self._kept[key] = make()
        return known  # type: ignore[no-any-return]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {question.id: number for number, question in enumerate(self.questions, 1)}

    @cached_property
    def order(self) -> list[str]:
        return [question.id for question in self.questions]

    @cached_property
    def by_id(self) -> dict[str, Question]:
        return {question.id: question for question in self.questions}

    def number(self, question_id: str) -> int:
        """The question's place in the order in which they are asked, from 1."""
        return self._numbers[question_id]

    def last_day(self, year: int) -> date:
        """The day on which the year's window closes."""
        return self.keep("last day", year, make=lambda: date.fromisoformat(f"{year:04}-{self.window_to}"))

    def choices(self, question: Question, group: str | None) -> list[Choice]:
        """The steps to choose from, with the examples of the person's group, lowest first."""
        return question.choices or self.keep("choices", question.id, group, make=lambda: self._ladder(question, group))

    def _ladder(self, question: Question, group: str | None) -> list[Choice]:
        steps = zip(self.ladder, self.wording(question, group).examples, strict=True)
        return [step.model_copy(update={"example": example}) for step, example in steps]

    def choice(self, question_id: str, choice_id: str) -> Choice | None:
        for step in self.by_id[question_id].choices or self.ladder:
            if step.id == choice_id:
                return step
        return None

    def wording(self, question: Question, group: str | None) -> Wording:
        return question.wording[group if group and self.groups else ALL]

    def part(self, question: Question) -> Part:
        return next(part for part in self.parts if part.id == question.part)

    @property
    def shown_name(self) -> Words:
        """The name; a sample says so wherever it is shown."""
        from locales import _

        if self.status == Standing.SAMPLE:
            return _("{title} (mẫu – chờ Hội xác nhận)", title=Text(self.name))
        return Text(self.name)


def said(words: str, **values: Any) -> Words:
    """A string of a title's file as a text that can be translated."""
    return Text(words, values) if words else plain("")
