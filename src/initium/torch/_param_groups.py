"""A model's parameters in groups for an optimiser."""

from typing import Any

from torch import nn

from .._decisions import Decisions
from ._parameters import parameters


def param_groups(
    plan: Decisions, model: nn.Module, *, lr: float, weight_decay: float = 0.0, **options: Any
) -> list[dict[str, Any]]:
    """The model's parameters by the learning rate that the plan asks for. See `Plan.param_groups`."""
    values = parameters(plan, model)
    groups: list[dict[str, Any]] = []
    for multiplier in dict.fromkeys(choice.lr for choice in plan.choices):
        members = [values[choice.path] for choice in plan.choices if choice.lr == multiplier]
        rates = {"lr": lr * multiplier, "weight_decay": weight_decay / (multiplier or 1)}
        groups.append({"params": members, "name": f"lr x {multiplier:g}", **options, **rates})
    return groups
