"""A model's parameters in groups for an optimiser."""

from typing import Any

from torch import nn

from .._plan import Plan
from ._parameters import parameters


def param_groups(
    plan: Plan, model: nn.Module, *, lr: float, weight_decay: float = 0.0, **options: Any
) -> list[dict[str, Any]]:
    """The model's parameters by the learning rate that the plan asks for: lr times each one's multiplier.

    A weight decay is divided by the multiplier: optimisers multiply it by the learning rate, and what is taken from
    a weight at a step stays the same in each group. It stands in each group, so an optimiser's own default, 0.01 of
    AdamW, does not hold: name it here.

    Args:
        plan: whose choices have the multipliers.
        model: that the plan was made for.
        lr: of a parameter whose multiplier is 1.
        weight_decay: of a parameter whose multiplier is 1; none unless it is given.
        options: of every group, such as `betas`.

    Raises:
        PlanError: if the model has other parameters than the plan.

    Differs: PyTorch's own Adam (not AdamW) adds its weight decay to the gradient, whose size does not matter to it;
        there the division makes decay as strong beside the gradient as muP's own optimisers do.

    Reference: Yang et al., "Tensor Programs V", 2022, appendix B.3. https://arxiv.org/abs/2203.03466

    Example:
        >>> import torch
        >>> from initium import plan
        >>> model = nn.Linear(3, 2)
        >>> groups = param_groups(plan(model, "he_normal"), model, lr=0.1, weight_decay=0.01)
        >>> _ = torch.optim.AdamW(groups)
        >>> [(group["name"], group["lr"], len(group["params"])) for group in groups]
        [('lr x 1', 0.1, 2)]
    """
    values = parameters(plan, model)
    groups: list[dict[str, Any]] = []
    for multiplier in dict.fromkeys(choice.lr for choice in plan.choices):
        members = [values[choice.path] for choice in plan.choices if choice.lr == multiplier]
        rates = {"lr": lr * multiplier, "weight_decay": weight_decay / (multiplier or 1)}
        groups.append({"params": members, "name": f"lr x {multiplier:g}", **options, **rates})
    return groups
