"""Two diagnoses of one model beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from .._errors import SettingError, few
from .._report import List, Report, Reported, Table
from ._by_block import both_by_block, number, share
from ._figures import figures
from ._finding import Finding
from ._geometry_report import geometry_figure, geometry_table, jacobian_line
from ._present import told

if TYPE_CHECKING:
    from ._diagnosis import Diagnosis


@dataclass(frozen=True)
class Beside(Reported):
    """One model under two starts: what the other mends, what it leaves, what it brings.

    Attributes:
        before: the one that was asked first.
        after: the other.
    """

    before: "Diagnosis"
    after: "Diagnosis"

    def __post_init__(self) -> None:
        """Refuse what nobody could compare.

        Raises:
            SettingError: if they are of models with other layers, or did not look for the same.
        """
        before, after = self.before, self.after
        if [layer.path for layer in before.layers] != [layer.path for layer in after.layers]:
            raise SettingError("Two diagnoses of one model stand beside each other; these are of other layers.")
        if (before.is_quick, before.ignored) != (after.is_quick, after.ignored):
            raise SettingError(
                "Two diagnoses stand beside each other if both looked for the same: give both the same `quick` and "
                "`ignore`."
            )

    @property
    def names(self) -> tuple[str, str]:
        """What the two are called; `before` and `after` if both are of one start."""
        own = self.before.start, self.after.start
        return own if own[0] != own[1] else ("before", "after")

    def __repr__(self) -> str:
        return f"<Beside: {self.answer}>"

    @property
    def mended(self) -> tuple[Finding, ...]:
        """What the first has and the other has not, by kind."""
        return _only(self.before, self.after)

    @property
    def left(self) -> tuple[Finding, ...]:
        """What the other has as well, as it has it."""
        ids = {finding.id for finding in self.before.findings}
        return tuple(finding for finding in self.after.findings if finding.id in ids)

    @property
    def brought(self) -> tuple[Finding, ...]:
        """What the other alone has."""
        return _only(self.after, self.before)

    @property
    def answer(self) -> str:
        """What the other start does, in one sentence."""
        parts = [
            f"{verb} {few([finding.name for finding in found])}"
            for verb, found in (("mends", self.mended), ("leaves", self.left), ("brings", self.brought))
            if found
        ]
        before, after = self.names
        if not parts:
            return f"Neither {before} nor {after}: no finding"
        rest = "" if self.left or self.brought else "; nothing is left"
        return f"{after} {', '.join(parts)}{rest}"

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HTML page with both, whole or not at all.

        Raises:
            OutputError: if it cannot be written there.
        """
        self.report().save(path)

    def to_json(self) -> str:
        """Both as JSON."""
        import json  # as in Diagnosis

        return json.dumps({"before": self.before.as_data(), "after": self.after.as_data()}, indent=1)

    def report(self) -> Report:
        """What becomes of each finding, and what was measured by layer under both starts, as data."""
        both = dict(zip(self.names, (self.before, self.after), strict=True))
        shapes = {name: diagnosis.geometry for name, diagnosis in both.items() if diagnosis.geometry}
        lengths = [f"{name}: {jacobian_line(shape.jacobian)}" for name, shape in shapes.items() if shape.jacobian]
        return Report(
            title=f"{self.answer}.",
            sections=(
                List(f"no longer found under {self.names[1]}", tuple(map(_gone, self.mended))),
                *map(told, (*self.left, *self.brought)),
                *both_by_block({name: diagnosis.layers for name, diagnosis in both.items()}),
                *(geometry_table(shape, name) for name, shape in shapes.items()),
                *figures(both),
                *(geometry_figure(shape, name) for name, shape in shapes.items()),
                _table(both),
            ),
            remarks=tuple(dict.fromkeys((*lengths, *self.before.notes, *self.after.notes))),
        )


def _gone(finding: Finding) -> str:
    return f"{finding.id} {finding.name}{finding.place}: {finding.measured}"


def _only(one: "Diagnosis", other: "Diagnosis") -> tuple[Finding, ...]:
    ids = {finding.id for finding in other.findings}
    return tuple(finding for finding in one.findings if finding.id not in ids)


def _table(both: Mapping[str, "Diagnosis"]) -> Table:
    before, after = both
    columns = ("gives", "gradient", "alike")
    return Table(
        title="Layer by layer",
        columns=("layer", *(name for column in columns for name in (f"{column}, {before}", after))),
        rows=tuple(
            (
                one.path,
                *map(number, (one.moment, other.moment, one.gradient, other.gradient)),
                *map(share, (one.similarity, other.similarity)),
            )
            for one, other in zip(*(diagnosis.layers for diagnosis in both.values()), strict=True)
        ),
        note=f"Second moments and cosines, {before} and {after}.",
        only="page",
        is_linked=True,
    )
