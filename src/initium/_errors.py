"""Every error a user can meet, under one base class."""

import textwrap
from collections.abc import Sequence


class InitiumError(Exception):
    """Anything Initium refuses to do, said in a sentence a user can act on."""


class SpecError(InitiumError, ValueError):
    """A text that names an initialiser, a model or a data set cannot be read."""


class UnknownNameError(InitiumError, ValueError):
    """A name that is in no table."""


class ShapeError(InitiumError, ValueError):
    """An initialiser was asked of a weight whose axes it cannot use."""


class RuleError(InitiumError, ValueError):
    """The rules leave a parameter undecided, disagree, or match nothing."""


class PlanError(InitiumError, ValueError):
    """A plan does not fit a model, or its file cannot be read."""


class DataError(InitiumError, ValueError):
    """The data cannot be trained on."""


class ModelError(InitiumError, ValueError):
    """The model cannot be read, or does not fit the data.

    Attributes:
        needs_example: whether inputs to run it with are the way out.
    """

    def __init__(self, message: str = "", *, needs_example: bool = False) -> None:
        super().__init__(message)
        self.needs_example = needs_example


class SettingError(InitiumError, ValueError):
    """A number or a choice outside what a study can use."""


class OutputError(InitiumError, RuntimeError):
    """A file cannot be written where it was asked for."""


class MissingExtraError(InitiumError, RuntimeError):
    """A part of Initium needs a package that is not installed."""


def counted(number: int, what: str) -> str:
    """How many there are, in words: `1 weight`, `2,000 weights`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def section(title: str, lines: Sequence[str]) -> list[str]:
    """A title and the first of some lines below it; nothing if there are none."""
    return [f"{title}:", *(f"  {line}" for line in listed(lines).splitlines())] if lines else []


def listed(lines: Sequence[str]) -> str:
    """The first five of some lines, and how many more there are."""
    more = [f"... and {len(lines) - 5} more"] if len(lines) > 5 else []
    return "\n".join([*lines[:5], *more])


def filled(line: str) -> str:
    """A line wrapped to 80 columns; a path is never broken in two."""
    return textwrap.fill(line, 80, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def few(names: Sequence[str]) -> str:
    """The first five of some names, and how many more there are, in a sentence."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def with_article(name: str) -> str:
    """A noun with `a` or `an`."""
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"
