"""Two diagnoses of one model beside each other."""

from dataclasses import dataclass
from os import PathLike

from .._errors import SettingError, few
from .._report import List, Report, Reported, Table
from ._by_block import both_by_block, number, share
from ._diagnosis import Diagnosis, at
from ._figures import figures
from ._finding import Finding
from ._present import told


@dataclass(frozen=True)
class Beside(Reported):
    """One model under two starts: what the other mends, what it leaves, what it brings.

    Attributes:
        before: the one that was asked first.
        after: the other.
    """

    before: Diagnosis
    after: Diagnosis

    def __post_init__(self) -> None:
        """Refuse what nobody could compare.

        Raises:
            SettingError: if they are of models with other layers.
        """
        if not isinstance(self.after, Diagnosis):
            raise SettingError(
                f"A diagnosis stands beside another Diagnosis, not beside a {type(self.after).__name__}."
            )
        if [layer.path for layer in self.before.layers] != [layer.path for layer in self.after.layers]:
            raise SettingError(
                "Two diagnoses stand beside each other if they are of one model; these have other layers."
            )

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
        if not parts:
            return f"Neither {self.before.start} nor under {self.after.start} is there a finding"
        serious = "" if self.left or self.brought else "; nothing is left"
        return f"{self.after.start} {', '.join(parts)}{serious}"

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
        both = {self.before.start: self.before, self.after.start: self.after}
        return Report(
            title=f"{self.answer}.",
            sections=(
                List(
                    f"under {self.after.start} no longer", tuple(f"{f.id} {f.name}: {f.measured}" for f in self.mended)
                ),
                *map(told, (*self.left, *self.brought)),
                *both_by_block({name: diagnosis.layers for name, diagnosis in both.items()}),
                *figures(both),
                _table(self.before, self.after),
            ),
            remarks=tuple(dict.fromkeys((*self.before.notes, *self.after.notes))),
        )


def _gone(finding: Finding) -> str:
    return f"{finding.id} {finding.name}{at(finding)}: {finding.measured}"


def _only(one: Diagnosis, other: Diagnosis) -> tuple[Finding, ...]:
    ids = {finding.id for finding in other.findings}
    return tuple(finding for finding in one.findings if finding.id not in ids)


def _table(before: Diagnosis, after: Diagnosis) -> Table:
    columns = ("gives", "gradient", "alike")
    return Table(
        title="Layer by layer",
        columns=("layer", *(name for column in columns for name in (column, f"under {after.start}"))),
        rows=tuple(
            (
                one.path,
                *map(number, (one.moment, other.moment, one.gradient, other.gradient)),
                *map(share, (one.similarity, other.similarity)),
            )
            for one, other in zip(before.layers, after.layers, strict=True)
        ),
        note=f"Second moments and cosines, {before.start} and under {after.start}.",
        only="page",
        is_linked=True,
    )
