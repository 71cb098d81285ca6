"""The Diagnosis: what is wrong with a model at step zero, where, and why."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from .._errors import counted
from .._report import List, Report, Reported, Table
from ._evidence import Evidence, Layer, Loss, Numbers
from ._finding import Finding, Severity
from ._judge import check_ignored


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Reported):
    """What one batch, forward and backward, showed of a model at step zero.

    Attributes:
        findings: the root cause first, then by severity.
        layers: what was measured at each weight, in the order of execution.
        numbers: what was measured of each parameter.
        loss: at step zero; None if nothing was differentiated.
        notes: how it was measured.
    """

    findings: tuple[Finding, ...]
    layers: tuple[Layer, ...] = ()
    numbers: tuple[Numbers, ...] = ()
    loss: Loss | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, evidence: Evidence, findings: tuple[Finding, ...]) -> "Diagnosis":
        """What was measured, with what was found in it."""
        return cls(
            findings=findings,
            layers=evidence.layers,
            numbers=evidence.numbers,
            loss=evidence.loss,
            notes=evidence.notes,
        )

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.answer}>"

    @property
    def is_healthy(self) -> bool:
        """Whether no finding is serious."""
        return not self.of_severity("serious")

    @property
    def answer(self) -> str:
        """What was found, in one sentence."""
        serious, warnings = len(self.of_severity("serious")), len(self.of_severity("warning"))
        counts = (counted(serious, "serious finding"), serious), (counted(warnings, "warning"), warnings)
        said = " and ".join(words for words, number in counts if number)
        if not said:
            return "Healthy at step zero: no finding"
        first = self.findings[0]
        where = f" at `{first.path}`" if first.path else ""
        return f"{said}; first: {first.name}{where}"

    def of_severity(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def assert_healthy(self, ignore: Iterable[str] = ()) -> None:
        """Raise unless no finding is serious.

        Args:
            ignore: findings that do not count, by id or by id and paths: `IN201:head.*`.

        Raises:
            AssertionError: with the findings as its text.
            UnknownNameError: if `ignore` names no finding.
        """
        ignored = tuple(ignore)
        check_ignored(ignored)
        left = [f for f in self.of_severity("serious") if not any(f.matches(text) for text in ignored)]
        if left:
            raise AssertionError("\n".join("\n  ".join(_lines(finding)) for finding in left))

    def to_json(self) -> str:
        """All of it as JSON."""
        import json  # costs 3 ms, and most never store a diagnosis

        return json.dumps(
            {
                "healthy": self.is_healthy,
                "findings": [asdict(finding) for finding in self.findings],
                "loss": asdict(self.loss) if self.loss else None,
                "layers": [asdict(layer) for layer in self.layers],
                "numbers": [asdict(numbers) for numbers in self.numbers],
                "notes": list(self.notes),
            },
            indent=1,
        )

    def to_pandas(self) -> Any:
        """The layers as a DataFrame, one row each.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        from .._report._frame import frame

        return frame([asdict(layer) for layer in self.layers], [one.name for one in fields(Layer)])

    def report(self) -> Report:
        """The findings, and what was measured by layer, as data."""
        return Report(
            title=f"{self.answer}.",
            subtitle=_loss_line(self.loss) if self.loss else "",
            sections=(
                *(
                    List(f"{finding.severity} {finding.id} {finding.name}{_at(finding)}", _lines(finding)[1:])
                    for finding in self.findings
                ),
                _table(self.layers),
            ),
            remarks=self.notes,
        )


def _at(finding: Finding) -> str:
    more = f" and {len(finding.paths) - 1} more" if len(finding.paths) > 1 else ""
    return f" at `{finding.path}`{more}" if finding.path else ""


def _lines(finding: Finding) -> tuple[str, ...]:
    return (
        f"{finding.id} {finding.name}{_at(finding)}",
        f"measured: {finding.measured}",
        f"cause: {finding.cause}",
        f"remedy: {finding.remedy}",
    )


def _loss_line(loss: Loss) -> str:
    if loss.chance is None:
        return f"Loss ({loss.name}) {loss.value:.4g}."
    of = f"log {loss.classes}" if loss.classes else "the targets' variance"
    return f"Loss ({loss.name}) {loss.value:.4g}; knowing nothing costs {of} = {loss.chance:.4g}."


def _table(layers: tuple[Layer, ...]) -> Table:
    columns = ("layer", "takes in", "gives", "gradient", "alike", "dead", "flat")
    return Table(
        title="",
        columns=columns,
        rows=tuple(
            (
                layer.path,
                *map(_number, (layer.fed, layer.moment, layer.gradient)),
                *map(_share, (layer.similarity, layer.dead, layer.saturated)),
            )
            for layer in layers
        ),
        note="Second moments; mean cosine between two inputs; shares of dead units, and where the activation is flat.",
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
