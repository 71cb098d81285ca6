"""apply: from a Plan to a Keras model's variables."""

import math
from collections.abc import Mapping
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .._decisions import Choice, Decisions, starts_anew
from .._errors import PlanError, SettingError, listed
from .._ledger import Entry, Ledger
from .._paused import paused
from .._tensor import Tensor, check_all, of_choice
from ._history import RUNNING, history_of, running
from ._named import Named, named
from ._tensor import tensor


@paused()
def apply(plan: Decisions, model: Any, *, seed: int = 0, device: Any = None, partial: bool = False) -> Ledger:
    """Fill a model's variables in place, once all is decided and checked. See `Plan.apply`."""
    if device is not None:
        raise SettingError("A Keras model stays where it is built; build it under keras.device(...) instead.")
    found = named(model)
    values = _values(plan, found, partial=partial)
    drawn = {
        choice.path: of_choice(choice, seed, keras.backend.standardize_dtype(values[choice.path].dtype))
        for choice in plan.choices
        if choice.path in values and choice.law.how != "kept"
    }
    check_all(drawn.values())
    anew = _anew(plan, model, found)
    for path, one in drawn.items():
        _assign(values[path], one)
    for one in anew:
        one.variable.assign(keras.ops.full(one.variable.shape, RUNNING[one.variable.name], one.variable.dtype))
    return Ledger(
        entries=tuple(_entry(choice, choice.path in drawn) for choice in plan.choices if choice.path in values),
        seed=int(seed),
        buffers=tuple(one.path for one in anew),
    )


def _assign(variable: Any, one: Tensor) -> None:
    variable.assign(tensor(one.part, one.shape, one.dtype))


def _values(plan: Decisions, found: list[Named], *, partial: bool) -> dict[str, Any]:
    """The variable of each choice, by its path in the plan.

    A layer without a name of its own is known by its place, as it is where its numbers are drawn: a model that is
    built a second time calls it otherwise.

    Raises:
        PlanError: listing every difference between the plan and the model.
    """
    here = {one.path: one for one in found if one.is_weight}
    seats = {one.stream: one for one in here.values()}
    paired = {choice.path: here.get(choice.path) or seats.get(_seat(choice)) for choice in plan.choices}
    if {one.path for one in paired.values() if one} != set(here) and set(seats) == {_seat(c) for c in plan.choices}:
        paired = {choice.path: seats[_seat(choice)] for choice in plan.choices}
    taken = {one.path for one in paired.values() if one}
    lines = [f"  {path}  only in the model" for path in here if path not in taken]
    lines += [] if partial else [f"  {path}  only in the plan" for path, one in paired.items() if one is None]
    for choice in plan.choices:
        one = paired[choice.path]
        if one and tuple(one.variable.shape) != choice.param.shape:
            lines.append(f"  {choice.path}  plan {choice.param.shape}, model {tuple(one.variable.shape)}")
    if lines:
        what = "one parameter" if len(lines) == 1 else f"{len(lines)} parameters"
        raise PlanError(
            f"This plan was made for another model, which differs in {what}:\n{listed(sorted(lines))}\n"
            "Plan this model itself: initium.plan(model)."
        )
    return {path: one.variable for path, one in paired.items() if one}


def _seat(choice: Choice) -> str:
    return choice.param.stream or choice.path


def _anew(plan: Decisions, model: Any, found: list[Named]) -> list[Named]:
    """The running statistics of weights that the plan replaces."""
    choices: Mapping[str, Choice] = {choice.path: choice for choice in plan.choices}
    statistics = {one.path: one for one in history_of(model, found)["statistics"]}
    return [
        one
        for path, kept in running(found).items()
        if statistics[path].has_counted and starts_anew(statistics[path], choices)
        for one in kept
    ]


def _entry(choice: Choice, is_filled: bool) -> Entry:
    return Entry(
        path=choice.path,
        num_elements=math.prod(choice.param.shape),
        start=str(choice.init),
        rule=choice.rule,
        tied=choice.param.tied,
        how=choice.law.how if is_filled else "kept",
    )
