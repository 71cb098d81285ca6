"""A Finding, and the kind that it is of."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from ._evidence import Attention, Evidence, Layer, Numbers, Recurrence

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")
_FEW = 4  # paths that a line can name


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a judge saw: where, how much, and why.

    Attributes:
        paths: of the parameters, where it starts first.
        measured: the quantity beside its threshold, in words.
        cause: why it is so.
        remedy: a line that mends it; the kind's own if empty.
        severity: the kind's own if None.
        back_to: the last of the paths, where what starts at the first is felt most; empty if nothing travels.
    """

    paths: tuple[str, ...]
    measured: str
    cause: str
    remedy: str = ""
    severity: Severity | None = None
    back_to: str = ""

    @classmethod
    def at(cls, them: Iterable[Layer | Numbers | Attention | Recurrence], **told: Any) -> "Found":
        """At all of these, the first first."""
        return cls(paths=tuple(dict.fromkeys(one.path for one in them)), **told)


class Anew(str):
    """A remedy that starts parameters anew, as a line that runs."""

    __slots__ = ()


def anew(paths: Sequence[str] = ()) -> Anew:
    """The line that starts some parameters anew; the whole model where they are many."""
    only = "" if not 0 < len(paths) <= _FEW else f", only_new={list(paths)}"
    return Anew(f"initium.initialize(model, seed=0{only})")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One row of the table of findings.

    Attributes:
        id: such as `IN101`.
        name: a few words.
        claim: what is wrong, in one sentence.
        measure: what is measured.
        threshold: beyond which value of it, in words.
        source: where the threshold comes from.
        severity: unless the judge says otherwise.
        remedy: what mends it.
        judge: finds it in what was measured.
        told_by: ids of findings that it says nothing new of, where they are or lead.
    """

    id: str
    name: str
    claim: str
    measure: str
    threshold: str
    source: str
    severity: Severity
    remedy: str
    judge: Callable[[Evidence], Iterator[Found]]
    told_by: frozenset[str] = frozenset()

    @property
    def docs(self) -> str:
        """Where its section is."""
        return "docs/diagnose.md#" + f"{self.id} {self.name}".lower().replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong at step zero.

    Attributes:
        id: of its kind, such as `IN101`.
        name: of its kind.
        severity: `serious` if training is expected to fail or to be slow for it; `warning`; `note`.
        paths: of the parameters, where it starts first; empty if it is the whole model.
        measured: the quantity beside its threshold, in words.
        cause: why it is so.
        remedy: a line that mends it, or what to change where no start does.
        docs: where more is said of its kind.
        back_to: where what starts at the first path is felt most; empty if nothing travels.
    """

    id: str
    name: str
    severity: Severity
    paths: tuple[str, ...]
    measured: str
    cause: str
    remedy: str
    docs: str = ""
    back_to: str = ""

    @property
    def path(self) -> str:
        """Where it starts; empty if it is the whole model."""
        return self.paths[0] if self.paths else ""

    @property
    def place(self) -> str:
        """Where it starts, and to where it travels, or in how many places more it is, in words."""
        if self.back_to and self.back_to != self.path:
            return f" from `{self.path}` back to `{self.back_to}`"
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f" at `{self.path}`{more}" if self.path else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, line by line."""
        return (
            f"{self.id} {self.name}{self.place}",
            f"measured: {self.measured}",
            f"cause: {self.cause}",
            f"remedy: {self.remedy}",
            f"more: {self.docs}",
        )

    def matches(self, ignored: str) -> bool:
        """Whether a text such as `IN201` or `IN201:head.*` means it: all of its paths, if it names any."""
        kind, _, glob = ignored.partition(":")
        return kind == self.id and (not glob or all(fnmatchcase(path, glob) for path in self.paths))
