"""The Diagnosis: what is wrong with a model at step zero, where, and why."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._errors import SettingError, counted
from .._recipes import Recipe
from .._report import Report, Reported, plain
from .._rule import Rules
from ..init import Initialiser
from ._evidence import Attention, Evidence, Layer, Loss, Numbers, Recurrence
from ._finding import SEVERITIES, Finding, Severity
from ._geometry import Geometry
from ._judge import ignored_of
from ._lines import Band, bands_of

# What shows a diagnosis and what comes of it is imported by the method that needs it: `import initium` stays light.
if TYPE_CHECKING:
    from .._plan import Plan
    from ._beside import Beside

Again = Callable[[str | Initialiser | Recipe, Rules], "tuple[Plan, Diagnosis]"]


@dataclass(frozen=True, kw_only=True)
class Diagnosis(Reported):
    """What one batch, forward and backward, showed of a model at step zero.

    Attributes:
        findings: the root cause first, then by severity.
        layers: what was measured at each weight, in the order of execution.
        numbers: what was measured of each parameter.
        attentions: what was measured of each softmax attention.
        recurrences: what was measured of each weight that multiplies a state.
        loss: at step zero; None if nothing was differentiated.
        notes: how it was measured.
        start: what was diagnosed: `as built`, or the recipe that a copy was started by.
        bands: by path, where a layer lies if every layer before it keeps the signal.
        geometry: singular values, ranks and the Jacobian; None unless `thorough` was asked for.
        is_quick: whether only second moments and gradients were looked at.
        ignored: the findings that were left out.
        again: diagnoses a copy that a recipe starts, on the same batch; None once it was stored or sent elsewhere. It
            holds on to the model and the batch: `dataclasses.replace(diagnosis, again=None)` lets go of them.
    """

    findings: tuple[Finding, ...]
    layers: tuple[Layer, ...] = ()
    numbers: tuple[Numbers, ...] = ()
    attentions: tuple[Attention, ...] = ()
    recurrences: tuple[Recurrence, ...] = ()
    loss: Loss | None = None
    notes: tuple[str, ...] = ()
    start: str = "as built"
    bands: dict[str, Band] = field(default_factory=dict, repr=False, hash=False)
    geometry: Geometry | None = None
    is_quick: bool = False
    ignored: tuple[str, ...] = ()
    again: Again | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, evidence: Evidence, findings: tuple[Finding, ...], **more: Any) -> "Diagnosis":
        """What was measured, with what was found in it."""
        return cls(
            findings=findings,
            layers=evidence.layers,
            numbers=evidence.numbers,
            attentions=evidence.attentions,
            recurrences=evidence.recurrences,
            loss=evidence.loss,
            notes=evidence.notes,
            start=evidence.start,
            bands=bands_of(evidence),
            geometry=evidence.geometry,
            **more,
        )

    def __getstate__(self) -> dict[str, Any]:
        """What is stored or sent: all but the model."""
        return {**self.__dict__, "again": None}

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.answer}>"

    @property
    def is_healthy(self) -> bool:
        """Whether no finding is serious."""
        return not self.of_severity("serious")

    @property
    def answer(self) -> str:
        """What was found, in one sentence."""
        serious, warnings, notes = (len(self.of_severity(severity)) for severity in SEVERITIES)
        counts = (counted(serious, "serious finding"), serious), (counted(warnings, "warning"), warnings)
        said = " and ".join(words for words, number in counts if number)
        if not said:
            return "Healthy at step zero" + (f"; {counted(notes, 'note')}" if notes else ": no finding")
        first = self.findings[0]
        where = first.place if first.back_to else f" at `{first.path}`" if first.path else ""
        return f"{said}; first: {first.name}{where}"

    def of_severity(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def assert_healthy(self, ignore: str | Iterable[str] = ()) -> None:
        """Raise unless no finding is serious.

        Args:
            ignore: findings that do not count, one or several, by id or by id and paths: `IN201:head.*`.

        Raises:
            AssertionError: with the findings as its text.
            UnknownNameError: if `ignore` names no finding.
        """
        ignored = ignored_of(ignore)
        left = [f for f in self.of_severity("serious") if not any(f.matches(text) for text in ignored)]
        if left:
            raise AssertionError("\n".join("\n  ".join(finding.lines) for finding in left))

    def to_json(self) -> str:
        """All of it as JSON; a number that is none is null."""
        import json  # costs 3 ms, and most never store a diagnosis

        return json.dumps(self.as_data(), indent=1, allow_nan=False)

    def as_data(self) -> dict[str, Any]:
        """All of it as what JSON knows."""
        told = {
            "healthy": self.is_healthy,
            "start": self.start,
            "findings": [asdict(finding) for finding in self.findings],
            "loss": asdict(self.loss) if self.loss else None,
            "layers": [asdict(layer) for layer in self.layers],
            "numbers": [asdict(numbers) for numbers in self.numbers],
            "attentions": [asdict(attention) for attention in self.attentions],
            "recurrences": [asdict(recurrence) for recurrence in self.recurrences],
            "geometry": asdict(self.geometry) if self.geometry else None,
            "notes": self.notes,
        }
        return plain(told)

    def to_pandas(self) -> Any:
        """The layers as a DataFrame, one row each.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        from .._report._frame import frame

        return frame([asdict(layer) for layer in self.layers], [one.name for one in fields(Layer)])

    def report(self) -> Report:
        """The findings, what was measured by layer, and charts of it, as data; `save` of it writes a page."""
        from ._present import present

        return present(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one HTML page that needs nothing else, whole or not at all.

        Args:
            path: of a new file, or of a page that Initium wrote.

        Raises:
            OutputError: if it cannot be written there.
            MissingExtraError: if Jinja is not installed.
        """
        self.report().save(path)

    def beside(self, other: "str | Initialiser | Recipe | Diagnosis") -> "Beside":
        """Two diagnoses of one model under two starts: what the other mends, what it leaves, what it brings.

        Args:
            other: a recipe, which starts a copy of the model; or another diagnosis of the same model.

        Raises:
            SettingError: if it is of another model; or if a recipe is named and the model is not at hand.

        Example:
            >>> import initium
            >>> from torch import nn
            >>> model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
            >>> for value in model.parameters():
            ...     _ = nn.init.zeros_(value)
            >>> print(initium.diagnose(model).beside("auto").answer)
            auto mends zeros that never move; nothing is left
        """
        from ._beside import Beside

        return Beside(self, other if isinstance(other, Diagnosis) else self.under(other)[1])

    def under(self, recipe: "str | Initialiser | Recipe", *, rules: Rules = ()) -> "tuple[Plan, Diagnosis]":
        """What another recipe decides, and what is found in a copy of the model that it starts, on the same batch.

        Model and batch are taken as they are by then.

        Raises:
            SettingError: if the diagnosis was stored or sent elsewhere, and the model is not at hand.
        """
        if self.again is None:
            raise SettingError(
                "This diagnosis is without its model, since it was stored or sent elsewhere, or let go of it: diagnose "
                "the model anew, and ask that."
            )
        return self.again(recipe, rules)

    def cure(self, *, rules: Rules = ()) -> "Plan":
        """The plan that removes what a start can remove; its notes say which findings go, and which stay.

        It is `auto`. To know what it does, a copy of the model is started by it with seed 0, and diagnosed on the same
        batch. `plan.apply(model, seed=0)` lays it into the model.

        Args:
            rules: of the user, as `plan` takes them: {"backbone.*": "keep"} leaves what was loaded.

        Raises:
            SettingError: if the diagnosis was stored or sent elsewhere, and the model is not at hand.
        """
        from ._cure import cure

        return cure(self, rules)
