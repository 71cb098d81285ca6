"""The Ledger: what became of every parameter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ._errors import counted
from ._report import List, Report, Reported, Table
from .init._law import How as LawHow

# How a parameter's numbers come about: as its law says, or set to the `length` of a direction, or `recorded`, which is
# computed by the constructor's own operations.
How = Literal[LawHow, "length", "recorded"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one parameter.

    Attributes:
        path: its dotted name.
        num_elements: how many numbers it holds.
        start: the initialiser's spec.
        rule: the rule that decided.
        tied: its other names, which were filled with it.
        how: how its numbers came about; of what is `recorded`, `start` tells the operations.
    """

    path: str
    num_elements: int
    start: str
    rule: str = ""
    tied: tuple[str, ...] = ()
    how: How = "drawn"

    @property
    def is_filled(self) -> bool:
        """Whether it was written; otherwise it is left as it was built."""
        return self.how != "kept"

    @property
    def is_computed(self) -> bool:
        """Whether the constructor's own operations wrote it."""
        return self.how == "recorded"


@dataclass(frozen=True, kw_only=True)
class Ledger(Reported):
    """What became of every parameter of a model, in the plan's order.

    Attributes:
        entries: one for each parameter.
        seed: that it was filled with.
        buffers: paths of those that had no memory and were computed, or were started anew.
        on_meta: plain attributes that still have no memory, since nobody knows how they were drawn.
        loaded_buffers: paths of those that a checkpoint held.
    """

    entries: tuple[Entry, ...]
    seed: int
    buffers: tuple[str, ...] = ()
    on_meta: tuple[str, ...] = ()
    loaded_buffers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        all_ = counted(len(self.entries), "parameter")
        return f"<Ledger: filled {len(self.filled):,} of {all_}, seed {self.seed}>"

    @property
    def filled(self) -> tuple[Entry, ...]:
        """The parameters that were written."""
        return tuple(entry for entry in self.entries if entry.is_filled)

    @property
    def left(self) -> tuple[Entry, ...]:
        """The parameters that are as they were built."""
        return tuple(entry for entry in self.entries if not entry.is_filled)

    @property
    def tied(self) -> dict[str, str]:
        """The path that each further name stands for."""
        return {name: entry.path for entry in self.entries for name in entry.tied}

    @property
    def by_rule(self) -> dict[str, tuple[Entry, ...]]:
        """The parameters that were written, by the rule that decided."""
        rules = dict.fromkeys(entry.rule for entry in self.filled)
        return {rule: tuple(entry for entry in self.filled if entry.rule == rule) for rule in rules}

    def report(self) -> Report:
        """What was filled, by which rule; what was tied, left and computed.

        Example:
            >>> print(Ledger(entries=(Entry(path="bias", num_elements=3, start="zeros", rule="mine"),), seed=7))
            Filled 1 of 1 parameter, 3 of 3 elements, seed 7.
            <BLANKLINE>
            rule  parameters  elements
            --------------------------
            mine           1         3
        """
        num_filled, num_all = _num_elements(self.filled), _num_elements(self.entries)
        computed = tuple(f"{entry.path}: {entry.start}" for entry in self.entries if entry.is_computed)
        return Report(
            title=f"Filled {len(self.filled):,} of {counted(len(self.entries), 'parameter')}, "
            f"{num_filled:,} of {counted(num_all, 'element')}, seed {self.seed}.",
            sections=(
                _by_rule(self),
                List("Tied", tuple(f"{name} is {path}" for name, path in self.tied.items())),
                List("Computed by the constructor's own operations", computed),
                List("Left as built", tuple(entry.path for entry in self.left)),
                List(f"Computed {counted(len(self.buffers), 'buffer')}", self.buffers),
                List(f"Loaded {counted(len(self.loaded_buffers), 'buffer')}", self.loaded_buffers),
                List("Still on meta, attributes that the constructor drew", self.on_meta),
            ),
        )


def _by_rule(ledger: Ledger) -> Table:
    return Table(
        title="",
        columns=("rule", "parameters", "elements"),
        rows=tuple(
            (rule or "no named rule", f"{len(entries):,}", f"{_num_elements(entries):,}")
            for rule, entries in ledger.by_rule.items()
        ),
    )


def _num_elements(entries: Sequence[Entry]) -> int:
    return sum(entry.num_elements for entry in entries)
