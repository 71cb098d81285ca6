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
    *,
    quick: bool,
) -> tuple[Numbers, ...]:
    """Of each parameter.

    Args:
        graph: of the model.
        values: parameters by path.
        gradients: at step zero; None where none came.
        later: after all that has a gradient has moved.
        moved: the parameters then.
        quick: whether to leave out what compares units and parameters.
    """
    twins = {} if quick else _twins(graph, values)
    alike = {} if quick else {param.path: _num_alike(param, moved, later) for param in graph.params}
    return tuple(
        Numbers(
            path=path,
            rms=(rms := moment(value) ** 0.5),
            num_bad=0 if math.isfinite(rms) else value.numel() - int(value.isfinite().sum()),
            gradient=None if (own := gradients[path]) is None else moment(own) ** 0.5,
            is_trained=value.requires_grad,
            is_stuck=(last := later[path]) is not None and value.numel() > 0 and is_zero(last),
            num_units=graph.by_path[path].size("o"),
            num_alike=alike.get(path, 0),
            twin=(twin := twins.get(path, "")),
            moves_with_twin=bool(twin) and _same(own, gradients[twin]),
        )
        for path, value in values.items()
    )


def _num_alike(param: Param, moved: Mapping[str, torch.Tensor], gradients: Tensors) -> int:
    """How many units of a weight have the same numbers and the same gradient as another, which is not 0."""
    value, gradient = moved[param.path], gradients[param.path]
    if param.role != "weight" or "o" not in param.axes or gradient is None or is_zero(gradient):
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
