"""Contender: one start at one place of the grid, decided once, and laid into a new model for every run."""

from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any

from .._diagnose import diagnose
from .._diagnosis import Diagnosis
from .._edge import edge_for
from .._errors import InitiumError, ModelError, counted
from .._graph import Graph
from .._initialize import begin, graph_of, plan
from .._plan import Plan
from .._recipes import parse_recipe
from .._require import require
from .._study._cause import Cause
from .._study._run import Run
from .._study._signal import LayerSignal
from .._study._start import Start
from .._study._study import Study
from .._study._way import Way

_ALONE = Way()
_ROWS = 256  # of the training split: what a recipe traces and calibrates with


def trainer() -> ModuleType:
    """The part of an edge that trains: a module with `build`, `checked`, `way`, `train`, `train_together` and more."""
    require("torch", to="Training")
    from ..torch import _trainer

    return _trainer


@dataclass(frozen=True)
class Contender:
    """One of the starts that are compared, in one cell.

    Attributes:
        study: the cell, a study without a grid.
        start: that was asked for.
        plan: what it decides; None for `framework` on a model that nothing can be said of.
        seconds: that a run of it takes, by a trial.
        way: whether its runs train together, by a trial.
    """

    study: Study
    start: Start
    plan: Plan | None
    seconds: float = 0.0
    way: Way = _ALONE

    @property
    def stacks(self) -> bool:
        """Whether its runs can train together."""
        return bool(self.way.bytes)

    @cached_property
    def kind(self) -> Any:
        """What is equal of contenders whose runs can train together; of one that trains alone nothing is."""
        study = self.study
        own = () if self.stacks else (self.start.name, study.key)
        return (id(self.start.model), study.shape, study.batch_size, study.optimizer, self.way.unused, *own)

    def model(self, index: int) -> Any:
        """A model at step zero of one run, as `initialize` makes it of the same example."""
        seed = (self.study.seed + index) % 2**64
        model = _built(self.study, self.start, seed)
        if self.plan:
            begin(self.plan, self.start.recipe, model, seed, self.study.data_of(index).x_train[:_ROWS])
        return model

    @property
    def graph(self) -> Graph:
        """What is known of the model's parameters."""
        return Graph(tuple(choice.param for choice in self.plan.choices) if self.plan else ())

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before it is trained."""
        if not self.plan or not (rates := self.plan.own_rates):
            return ()
        told = ", ".join(f"lr x {rate:g}" for rate in dict.fromkeys(rates))
        some = f"{len(rates)} of {counted(len(self.plan.choices), 'parameter')}"
        place = f" at {self.study.name}" if self.study.name else ""
        return (f"{self.start.name}{place} trains {some} at rates of its own: {told}",)

    def run(self, index: int) -> Run:
        """Train a network once: the same seed, the same numbers, whatever else runs."""
        return trainer().train(self.study, self.model(index), self.graph, self.start.name, index, plan=self.plan)

    def cause(self) -> Cause | None:
        """What a diagnosis of run 0 at its first step finds first; None if it finds nothing."""
        # The first step of nesterov is that of sgd, but for its length, which the momentum about doubles.
        optimizer = "sgd" if self.study.optimizer == "nesterov" else self.study.optimizer
        found = self._diagnosed(optimizer=optimizer, lr=self.study.lr)
        first = next((finding for finding in found.findings if finding.severity != "note"), None) if found else None
        return Cause(f"{first.name}{first.place}", f"{first.measured}; {first.cause.rstrip('.')}") if first else None

    def signals(self) -> tuple[LayerSignal, ...]:
        """What it does to signal and gradient at each layer, at the first step of run 0."""
        found = self._diagnosed(quick=True)
        layers = found.layers if found else ()
        return tuple(LayerSignal.measured(one.path, one.moment, one.gradient) for one in layers)

    def _diagnosed(self, **how: Any) -> Diagnosis | None:
        try:
            with trainer().first_step(self.study, lambda: self.model(0), 0) as (model, inputs, targets, loss):
                return diagnose(model, inputs, targets, loss=loss, **how)
        except InitiumError:  # what cannot be diagnosed has trained all the same
            return None


def decided(study: Study) -> tuple[Contender, ...]:
    """What each start decides in each cell, a model traced once; and whether all can be trained, before any is.

    Raises:
        InitiumError: what does not fit, and in which cell.
    """
    kept: dict[Any, Any] = {}
    return tuple(contender for cell in study.cells for contender in _in_cell(cell, kept))


def _in_cell(cell: Study, kept: dict[Any, Any]) -> list[Contender]:
    """The contenders of a cell; what another of the same shape has found out is not found out again."""
    try:
        with trainer().checked(cell, kept) as check:
            contenders = [Contender(cell, start, _plan(cell, start, kept)) for start in cell.inits]
            seconds = [check(one.start, lambda one=one: one.model(0)) for one in contenders]
        ways = [_way(one, kept) for one in contenders]
        return [replace(one, seconds=two, way=way) for one, two, way in zip(contenders, seconds, ways, strict=True)]
    except InitiumError as error:
        if not cell.name:
            raise
        raise type(error)(f"At {cell.name}: {error}") from error


def _way(one: Contender, kept: dict[Any, Any]) -> Way:
    """Whether its runs train together."""
    if one.plan and one.plan.own_rates:
        return Way(why=f"the plan of {one.start.name} has learning rates of its own")
    return trainer().way(one.study, one.start, kept)


def _built(study: Study, start: Start, seed: int) -> Any:
    """A new model, of a framework whose models are trained here."""
    model = trainer().build(study, start, seed, is_deferred=_is_deferred(start))
    _ = edge_for(model, "compare")
    return model


def _is_deferred(start: Start) -> bool:
    """Whether what the constructor does has to be recorded."""
    return not start.recipe.traces if start.plan is None else start.plan.remakes


def _plan(study: Study, start: Start, kept: dict[Any, Any]) -> Plan | None:
    if start.plan is not None:
        return start.plan if isinstance(start.plan, Plan) else Plan.of(start.plan)
    shape = ("plan", start.name, study.shape)
    if shape not in kept:
        kept[shape] = _planned(study, start, kept)
    return kept[shape]


def _planned(study: Study, start: Start, kept: dict[Any, Any]) -> Plan | None:
    recipe, rules = start.recipe, start.rules
    # A recipe that looks at the layers' types alone looks closer where a rule asks for it.
    shape: Any = ("graph", start.model, study.shape, recipe.traces, rules if not recipe.traces else ())
    try:
        if shape not in kept:
            model = _built(study, start, study.seed)
            kept[shape] = graph_of(model, recipe, rules, example=study.data.x_train[:_ROWS])
    except ModelError:
        if recipe != parse_recipe("framework") or rules:
            raise
        return None
    return plan(kept[shape], recipe, rules=rules)
