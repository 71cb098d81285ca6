"""What is measured of each parameter, and of its gradient."""

import math
from collections.abc import Mapping

import torch

from ..._diagnosis import Numbers
from ..._graph import Graph, Param
from ._layers import is_zero, moment

_ALIKE = 1e-4  # of the largest gradient: equal units part by rounding
_CLOSE = 1e-5
_TWINS = ("weight", "embedding", "position")

Tensors = Mapping[str, torch.Tensor | None]


def numbers_of(
    graph: Graph,
    values: Mapping[str, torch.Tensor],
    gradients: Tensors,
    later: Tensors,
    moved: Mapping[str, torch.Tensor],
) -> tuple[Numbers, ...]:
    """Of each parameter.

    Args:
        graph: of the model.
        values: parameters by path.
        gradients: at step zero; None where none came.
        later: after all that has a gradient has moved.
        moved: the parameters then.
    """
    twins = _twins(graph, values)
    return tuple(
        _numbers(param, values[param.path], gradients, later, moved[param.path], twins.get(param.path, ""))
        for param in graph.params
    )


def _numbers(
    param: Param, value: torch.Tensor, gradients: Tensors, later: Tensors, moved: torch.Tensor, twin: str
) -> Numbers:
    own, last, rms = gradients[param.path], later[param.path], moment(value) ** 0.5
    is_weight = param.role == "weight" and "o" in param.axes
    return Numbers(
        path=param.path,
        rms=rms,
        num_bad=0 if math.isfinite(rms) else value.numel() - int(value.isfinite().sum()),
        gradient=None if own is None else moment(own) ** 0.5,
        is_trained=value.requires_grad,
        is_stuck=last is not None and value.numel() > 0 and is_zero(last),
        num_units=value.shape[param.axes.index("o")] if is_weight else 0,
        num_alike=_num_alike(param, moved, last) if is_weight and last is not None else 0,
        twin=twin,
        moves_with_twin=bool(twin) and _same(own, gradients[twin]),
    )


def _num_alike(param: Param, value: torch.Tensor, gradient: torch.Tensor) -> int:
    """How many units have the same weights and the same gradient as another, which is not 0."""
    if is_zero(gradient):
        return 0
    axis = param.axes.index("o")
    rows = value.movedim(axis, 0).reshape(value.shape[axis], -1)
    # Two random directions tell rows apart as well as all inputs do.
    directions = torch.randn(rows.shape[1], 2, generator=torch.Generator().manual_seed(0)).to(rows)
    sketch = rows @ directions
    order = sketch[:, 0].argsort()
    sketch = sketch[order]
    are_close = (sketch.diff(dim=0).abs() <= _CLOSE * sketch[1:].abs()).all(1)
    if not are_close.any():
        return 0
    rows, slopes = rows[order], gradient.movedim(axis, 0).reshape(rows.shape)[order]
    are_close &= torch.isclose(rows[1:], rows[:-1], rtol=_CLOSE, atol=0).all(1)
    tolerance = _ALIKE * slopes.abs().max()
    are_alike = are_close & ((slopes[1:] - slopes[:-1]).abs().amax(1) <= tolerance)
    num_groups = 1 + int((~are_alike).sum())
    return len(rows) - num_groups + (1 if are_alike.any() else 0)


def _twins(graph: Graph, values: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Of each parameter that holds an earlier one's numbers, which that is."""
    first: dict[object, str] = {}
    twins: dict[str, str] = {}
    for param in graph.params:
        value = values[param.path]
        if param.role not in _TWINS or value.numel() < 2 or bool((value == value.reshape(-1)[0]).all()):
            continue
        key = (value.shape, value.dtype, *value.reshape(-1)[:8].tolist())
        other = first.setdefault(key, param.path)
        if other != param.path and torch.equal(value, values[other]):
            twins[param.path] = other
    return twins


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and not is_zero(one) and torch.allclose(one, other, rtol=1e-4)
