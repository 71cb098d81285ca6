"""A Finding, and the kind that it is of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from ._evidence import Evidence

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a judge saw: where, how much, and why.

    Attributes:
        paths: of the parameters, where it starts first.
        measured: the quantity beside its threshold, in words.
        cause: why it is so.
        remedy: a line that mends it; the kind's own if empty.
        severity: the kind's own if None.
    """

    paths: tuple[str, ...]
    measured: str
    cause: str
    remedy: str = ""
    severity: Severity | None = None


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
        told_by: ids of findings beside which it says nothing new.
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
    def anchor(self) -> str:
        """Of its section in docs/diagnose.md."""
        return f"{self.id} {self.name}".lower().replace(" ", "-")


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
        remedy: what mends it.
    """

    id: str
    name: str
    severity: Severity
    paths: tuple[str, ...]
    measured: str
    cause: str
    remedy: str

    @property
    def path(self) -> str:
        """Where it starts; empty if it is the whole model."""
        return self.paths[0] if self.paths else ""

    def matches(self, ignored: str) -> bool:
        """Whether a text such as `IN201` or `IN201:head.*` means it: all of its paths, if it names any."""
        kind, _, glob = ignored.partition(":")
        return kind == self.id and (not glob or all(fnmatchcase(path, glob) for path in self.paths))
