"""A model's parameters under the names of a Plan."""

from collections.abc import Mapping

import torch
from torch import nn

from .._decisions import Choice, Decisions
from .._errors import PlanError, listed
from ._read import check_shapes, named
from ._shards import is_flat, is_sharded

_PART = "\nA stage of a pipeline takes its part of the plan: plan.apply(model, partial=True)."
_SPLIT = (
    "Put all names of a tied weight in one fully_shard unit, so that it stays one; sharded by other means, tie it "
    "again: `b.weight = a.weight`."
)
_FLAT = (
    "\nUnder FullyShardedDataParallel weights are flat: fill the model before it is wrapped, or within "
    "`with FullyShardedDataParallel.summon_full_params(model)`; fully_shard needs neither."
)


def parameters(plan: Decisions, model: nn.Module, *, partial: bool = False) -> dict[str, torch.Tensor]:
    """The parameter of each choice, by its path; a tied one once.

    Args:
        plan: for the model.
        model: that it was made for, or another of the same parameters.
        partial: whether the model may lack what the plan has, as one stage of a pipeline does.

    Raises:
        ModelError: if a parameter has no shape yet, or two have one name.
        PlanError: listing every difference between the plan and the model.
    """
    check_shapes(model)
    values = {path: value for path, _, _, value in named(model)}
    absent = [f"  {name}  only in the plan" for choice in plan.choices for name in _names(choice) if name not in values]
    others = _differences(plan, values)
    if lines := others + ([] if partial else absent):
        what = "one parameter" if len(lines) == 1 else f"{len(lines)} parameters"
        remedy = _SPLIT if _is_split(plan, values) else "Plan this model itself: initium.plan(model)."
        hint = _FLAT if is_flat(model) else "" if others else _PART
        raise PlanError(
            f"This plan was made for another model, which differs in {what}:\n{listed(sorted(lines))}\n{remedy}{hint}"
        )
    held = {choice.path: [values[name] for name in _names(choice) if name in values] for choice in plan.choices}
    return {path: same[0] for path, same in held.items() if same}


def _names(choice: Choice) -> tuple[str, ...]:
    return (choice.path, *choice.param.tied)


def _differences(plan: Decisions, values: Mapping[str, torch.Tensor]) -> list[str]:
    """A line for each name that only the model has, or that the plan means otherwise."""
    planned = {name: choice for choice in plan.choices for name in _names(choice)}
    lines = [f"  {name}  only in the model" for name in values.keys() - planned.keys()]
    owners: dict[int, str] = {}
    for name, choice in planned.items():
        value, first = values.get(name), values.get(choice.path)
        if value is None:
            continue
        owner = owners.setdefault(id(value), choice.path)
        if tuple(value.shape) != choice.param.shape:
            lines.append(f"  {name}  plan {choice.param.shape}, model {tuple(value.shape)}")
        elif owner != choice.path:
            lines.append(f"  {name}  its own in the plan, tied to {owner} in the model")
        elif first is not None and value is not first:
            lines.append(f"  {name}  tied to {choice.path} in the plan, its own in the model")
    return lines


def _is_split(plan: Decisions, values: Mapping[str, torch.Tensor]) -> bool:
    """Whether a weight that is tied in the plan was sharded under each of its names apart."""
    groups = [[values[name] for name in _names(choice) if name in values] for choice in plan.choices]
    return any(len(set(map(id, group))) > 1 and all(map(is_sharded, group)) for group in groups)
