"""The catalogue on tensors: `he_normal()(layer.weight)`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from .. import _stream
from .._errors import ModelError, SettingError
from .._tensor import Tensor
from ..init import Initialiser, framework
from ..init._offered import offered
from ..init._weight import usual_weight
from . import init
from ._fill import fill
from ._read import dtype_name
from ._shards import notice, parts
from ._torch import uncompiled_function, without_modes
from ._writable import check_one
from .init import _key


@dataclass(frozen=True)
class Start:
    """An initialiser of the catalogue that fills tensors in place."""

    init: Initialiser

    @torch.no_grad()
    @uncompiled_function
    def __call__(
        self,
        tensor: torch.Tensor,
        *,
        axes: str | None = None,
        groups: int = 1,
        stride: int = 1,
        transposed: bool = False,
        blocks: int | tuple[int, ...] = 1,
        seed: int | None = None,
        path: str | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Fill a tensor and return it.

        Args:
            tensor: float32, float64, float16 or bfloat16, on any device; of a DTensor each process fills its part.
            axes: the role of each axis, see `initium.fans`; None is (output, input, *space), or for a transposed
                convolution (input, output, *space).
            groups: of a convolution.
            stride: of a convolution, the product over its axes of space.
            transposed: a transposed convolution.
            blocks: matrices packed along the output axis, such as q, k and v.
            seed: of the weight, from 0 to 2^64 - 1; None takes one from torch's generator, so that
                `torch.manual_seed` governs it.
            path: the weight's dotted name, which makes it independent of all others; goes with a seed.
            generator: from which a seed is taken; None is torch's own.

        Raises:
            ShapeError: if the initialiser cannot use these axes.
            SpecError: if its numbers leave the dtype.
            ModelError: if the tensor has another dtype or no plain memory, and what to call instead.
            SettingError: if a seed is out of range, comes without a path, or beside a generator.
        """
        _check_call(self, tensor, seed, path, generator)
        if self.init == framework():
            return tensor
        check_one(tensor, self, is_named=seed is not None)
        windows = {"groups": groups, "stride": stride, "blocks": blocks}
        weight = usual_weight("torch", tuple(tensor.shape), axes, transposed=transposed, **windows)
        made = Tensor.of(self.init, weight, dtype=dtype_name(tensor), key=0)
        with without_modes():
            key = _key(tensor, generator) if seed is None else _stream.key(seed, path or "")
            fill((replace(made, key=key), part) for part in parts(tensor))
        notice(tensor)
        return tensor

    def __str__(self) -> str:
        return str(self.init)


_WHOLE = 'Pass a layer\'s weight, `layer.weight`; a whole model is started by initium.initialize(model, 0, "{start}").'


def _check_call(start: Start, tensor: Any, seed: Any, path: Any, generator: Any) -> None:
    if not isinstance(tensor, torch.Tensor):
        what = type(tensor).__name__
        raise ModelError(f"`{start}` fills a tensor, not a {what}. {_WHOLE.format(start=start)}")
    if seed is not None and path is None:
        raise SettingError(
            "A seed alone would start weights of one shape alike. It goes with a path, the weight's dotted name "
            f"such as 'fc1.weight'. Inside `model.apply` no path is known; for a whole model: "
            f'initium.initialize(model, {seed}, "{start}").'
        )
    if path is not None and seed is None:
        raise SettingError(f"A path goes together with a seed: pass seed=0 beside path={path!r}.")
    if seed is not None and generator is not None:
        raise SettingError("A weight starts from a seed and a path or from a generator, not from both.")


def start(name: str) -> Callable[..., Start]:
    """The function of the catalogue that a name stands for, giving starts for tensors."""
    return offered(name, Start, drop_in=init)  # pyright: ignore[reportArgumentType]  a module hashes
