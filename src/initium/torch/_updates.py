"""Updates: the steps of several replicas at once, each with its own settings."""

from collections.abc import Sequence
from typing import Any

import torch

from .._study._study import Study
from ._optimizer import SGD, factor, is_constant

_BETAS, _TINY = (0.9, 0.999), 1e-8  # as torch.optim has them


class Updates:
    """What `optimizer_of` and `Pace` do for one network; `values` are `(replica, number)`.

    g is the clipped gradient, w the values, c the weight decay, r the learning rate:
    SGD: v <- m v + (g + c w), w <- w - r v, with momentum m and v = 0 before.
    Nesterov: the same v, and w <- w - r (g + c w + m v).
    Adam: with g + c w for g; m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2,
    w <- w - r m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + 1e-8).
    AdamW: w <- (1 - r c) w, and then Adam with g alone.
    """

    def __init__(self, studies: Sequence[Study], values: torch.Tensor, num_steps: int) -> None:
        """Begin at the first step.

        Args:
            studies: the cell of each replica, alike in their optimiser.
            values: what is updated in place.
            num_steps: that there will be.
        """
        self._studies, self._values, self._num_steps, self._step = studies, values, num_steps, 0
        self._name = studies[0].optimizer
        self._momentum = self._column("momentum")
        self._decay = self._column("weight_decay")
        self._clip = self._column("clip") if any(one.clip is not None for one in studies) else None
        self._is_constant = all(map(is_constant, studies))
        self._rates = self._rates_now()
        num_states = 2 if self._name not in SGD else 1 if self._momentum is not None else 0
        self._states = [torch.zeros_like(values) for _ in range(num_states)]

    def step(self, gradients: torch.Tensor) -> None:
        """Take one; the gradients are used up."""
        if not self._is_constant:
            self._rates = self._rates_now()
        self._step += 1
        if self._clip is not None:
            norm = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
            share = (self._clip / (norm + 1e-6)).clamp(max=1.0)  # as clip_grad_norm_ has it
            gradients.mul_(torch.where(self._clip.isinf(), 1.0, share))
        if self._decay is not None and self._name != "adamw":
            gradients.addcmul_(self._values, self._decay)
        if self._name in SGD:
            self._sgd(gradients)
        else:
            self._adam(gradients)

    def _sgd(self, gradients: torch.Tensor) -> None:
        step = gradients
        if self._momentum is not None:
            speed = self._states[0].mul_(self._momentum).add_(gradients)
            step = gradients.addcmul_(speed, self._momentum) if self._name == "nesterov" else speed
        self._values.addcmul_(step, self._rates, value=-1)

    def _adam(self, gradients: torch.Tensor) -> None:
        if self._decay is not None and self._name == "adamw":
            self._values.mul_(1 - self._rates * self._decay)
        mean, square = self._states
        mean.lerp_(gradients, 1 - _BETAS[0])
        square.mul_(_BETAS[1]).addcmul_(gradients, gradients, value=1 - _BETAS[1])
        corrections = [1 - beta**self._step for beta in _BETAS]
        size = torch.div(square, corrections[1], out=gradients).sqrt_().add_(_TINY)
        self._values.addcmul_(torch.div(mean, size, out=size), self._rates, value=-1 / corrections[0])

    def _rates_now(self) -> torch.Tensor:
        return self._as_column([one.lr * factor(one, self._step, self._num_steps) for one in self._studies])

    def _column(self, name: str) -> torch.Tensor | None:
        """A setting of each, `(replica, 1)`; None if no replica has it."""
        found = [getattr(one, name) for one in self._studies]
        return self._as_column([torch.inf if one is None else one for one in found]) if any(found) else None

    def _as_column(self, found: Sequence[Any]) -> torch.Tensor:
        return torch.tensor([[float(one)] for one in found], dtype=self._values.dtype)
