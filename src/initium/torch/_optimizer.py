"""The optimiser of a study, and its learning rate over the steps."""

import math
from typing import Any

import torch
from torch import nn

from .._decisions import Decisions
from .._study._study import Study
from ._param_groups import param_groups

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
SGD = ("sgd", "nesterov")  # of a study: both are torch's SGD, which has a momentum
_DROPS = (0.5, 0.75)  # of all steps: there schedule `step` divides the learning rate by ten


def optimizer_of(study: Study, model: nn.Module, plan: Decisions | None = None) -> torch.optim.Optimizer:
    """What takes the steps, of each parameter at the rate that a plan multiplies the study's to."""
    looks_ahead = study.optimizer == "nesterov"
    own = {"momentum": float(study.momentum), "nesterov": looks_ahead} if study.optimizer in SGD else {}
    made: Any = torch.optim.SGD if looks_ahead else OPTIMIZERS[study.optimizer]
    rates = {"lr": float(study.lr), "weight_decay": float(study.weight_decay)}
    groups = param_groups(plan, model, **rates) if plan and plan.own_rates else model.parameters()
    return made(groups, **rates, fused=True, **own)


class Pace:
    """Counts steps, and gives each its learning rate."""

    def __init__(self, study: Study, optimizer: torch.optim.Optimizer, num_steps: int) -> None:
        self._study, self._optimizer, self._num_steps = study, optimizer, num_steps
        self._step = 0
        self._rates = [group["lr"] for group in optimizer.param_groups]
        self._is_constant = is_constant(study)

    def goes_on(self) -> bool:
        """Whether there is a next step; if so its learning rate is set."""
        if self._step >= self._num_steps:
            return False
        if not self._is_constant:
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * factor(self._study, self._step, self._num_steps)
        self._step += 1
        return True


def is_constant(study: Study) -> bool:
    """Whether `factor` is 1 at every step."""
    return study.schedule == "constant" and not study.warmup


def factor(study: Study, step: int, num_steps: int) -> float:
    """What the learning rate is multiplied by at a step, counted from 0.

    It rises over `warmup` steps in equal parts, and then stays, falls along half a cosine to 0, or is divided by ten
    at half and at three quarters of all steps.
    """
    if step < study.warmup:
        return (step + 1) / (study.warmup + 1)
    if study.schedule == "cosine":
        passed = (step - study.warmup) / max(num_steps - study.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * passed))
    if study.schedule == "step":
        return 0.1 ** sum(step >= share * num_steps for share in _DROPS)
    return 1.0
