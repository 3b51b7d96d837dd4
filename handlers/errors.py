"""The expected noes: in words for the person, and nothing that the turn did remains."""

from locales import Words


class Refusal(Exception):
    """An expected no; undoes the turn and says why."""

    def __init__(self, text: Words) -> None:
        super().__init__(text)
        self.text = text


class Misheard(Refusal):
    """The answer does not fit the question; says what would, with an example, and asks again."""


class UnknownCall(Exception):
    """A token that names nothing, or with arguments of the wrong kind: forged, or older than we remember."""
