"""Every error a user can meet, under one base class."""

from collections.abc import Sequence

from ._printable import printable_lines


class InitiumError(Exception):
    """Anything Initium refuses to do, said in a sentence a user can act on."""

    def __str__(self) -> str:
        """What is wrong; names may come from a file, and nothing in them reaches a terminal as it is."""
        return printable_lines(Exception.__str__(self))  # a KeyError would print its message in quotes


class SpecError(InitiumError, ValueError):
    """A text that names an initialiser, a model or a data set cannot be read."""


class UnknownNameError(InitiumError, ValueError, KeyError):
    """A name that is in no table."""


class ShapeError(InitiumError, ValueError):
    """An initialiser was asked of a weight whose axes it cannot use."""


class RuleError(InitiumError, ValueError):
    """The rules leave a parameter undecided, disagree, or match nothing."""


class PlanError(InitiumError, ValueError):
    """A plan does not fit a model, or its file cannot be read."""


class DataError(InitiumError, ValueError):
    """The data cannot be trained on."""


class CheckpointError(InitiumError, ValueError):
    """A checkpoint cannot be read, or does not fit the model."""


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


class TrainingError(InitiumError, RuntimeError):
    """A run could not be trained; what had finished is kept."""


class OutputError(InitiumError, RuntimeError):
    """A file cannot be written where it was asked for."""


class MissingExtraError(InitiumError, RuntimeError):
    """A part of Initium needs a package that is not installed."""


def counted(number: int, what: str) -> str:
    """How many there are, in words: `1 weight`, `2,000 weights`."""
    plural = "es" if what.endswith("s") else "s"
    return f"{number:,} {what}{'' if number == 1 else plural}"


def in_bytes(number: float) -> str:
    """How much memory it is, in words: `640 bytes`, `14.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 999.95 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} bytes" if unit == "bytes" else f"{number:,.1f} {unit}"


def listed(lines: Sequence[str]) -> str:
    """The first five of some lines, and how many more there are."""
    first, more = first_few(lines)
    return "\n".join([*first, f"... {more}"] if more else first)


def few(names: Sequence[str]) -> str:
    """The first five of some names, and how many more there are, in a sentence."""
    first, more = first_few(names)
    return " ".join(filter(None, [", ".join(first), more]))


def first_few(texts: Sequence[str]) -> tuple[Sequence[str], str]:
    """The first five, and in words how many more there are."""
    return texts[:5], f"and {len(texts) - 5} more" if len(texts) > 5 else ""


def with_article(name: str) -> str:
    """A noun with `a` or `an`."""
    return f"{'an' if name[:1].lower() in tuple('aeiou') else 'a'} {name}"
