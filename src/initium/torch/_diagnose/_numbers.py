"""What is measured of each parameter, and of its gradient."""

import math
from collections.abc import Collection, Mapping

import torch

from ..._diagnosis import Numbers
from ..._graph import Graph, Param
from ._layers import as_real, is_zero, moment

_ALIKE = 1e-4  # of the largest gradient: equal units part by rounding
_CLOSE = 1e-5
_FEW = 8  # numbers that tell rows and parameters apart, mostly
_TWINS = ("weight", "embedding", "position")

_HEADS = {"query", "key", "value"}
_SAMPLE = 1 << 12  # numbers that are looked at for what memory held
_HUGE, _TINY = 1e10, 1e-30

_Rows = tuple[int, int]
Tensors = Mapping[str, torch.Tensor | None]


def numbers_of(
    graph: Graph,
    values: Mapping[str, torch.Tensor],
    gradients: Tensors,
    later: Tensors,
    moved: Mapping[str, torch.Tensor],
    *,
    unset: Collection[str] = (),
    quick: bool,
) -> tuple[Numbers, ...]:
    """Of each parameter.

    Args:
        graph: of the model.
        values: parameters by path.
        gradients: at step zero; None where none came.
        later: after all that has a gradient has moved.
        moved: the parameters then.
        unset: paths of those that their constructor is known not to have filled.
        quick: whether to leave out what compares units and parameters.
    """
    twins = {} if quick else _twins(graph, values)
    alike = {} if quick else {param.path: _num_alike(param, moved, later) for param in graph.params}
    repeats = {} if quick else {param.path: _repeats(param, values[param.path]) for param in graph.params}
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
            repeats=tuple(again := repeats.get(path, {})),
            repeats_move=bool(again) and own is not None and all(_same(*_at(own, two)) for two in again.values()),
            odd=0.0 if quick or graph.by_path[path].role == "kept" else _odd(value),
            is_unset=path in unset,
        )
        for path, value in values.items()
    )


def _num_alike(param: Param, moved: Mapping[str, torch.Tensor], gradients: Tensors) -> int:
    """How many units of a weight have the same numbers and the same gradient as another, which is not 0."""
    value, gradient = moved[param.path], gradients[param.path]
    if param.role != "weight" or "o" not in param.axes or gradient is None or is_zero(gradient):
        return 0
    axis, value, gradient = param.axes.index("o"), as_real(value), as_real(gradient)
    rows = value.movedim(axis, 0).reshape(value.shape[axis], -1)
    if not _sorted(rows[:, :_FEW])[1].any():  # rows that are alike are so in their first numbers
        return 0
    order, are_close = _sorted(rows)
    rows, slopes = rows[order], gradient.movedim(axis, 0).reshape(rows.shape)[order]
    are_close &= torch.isclose(rows[1:], rows[:-1], rtol=_CLOSE, atol=0).all(1)
    tolerance = _ALIKE * slopes.abs().max()
    are_alike = are_close & ((slopes[1:] - slopes[:-1]).abs().amax(1) <= tolerance)
    num_groups = 1 + int((~are_alike).sum())
    return len(rows) - num_groups + (1 if are_alike.any() else 0)


def _sorted(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An order in which equal rows are neighbours, and whether each may equal the one before.

    Two random directions tell rows apart as well as all numbers do.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    directions = torch.randn(rows.shape[1], 2, generator=generator, device="cpu").to(rows)
    sketch = rows @ directions
    order = sketch[:, 0].argsort()
    sketch = sketch[order]
    return order, (sketch.diff(dim=0).abs() <= _CLOSE * sketch[1:].abs()).all(1)


def _twins(graph: Graph, values: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Of each parameter that holds an earlier one's numbers, which that is."""
    first: dict[object, str] = {}
    twins: dict[str, str] = {}
    for param in graph.params:
        value = values[param.path]
        if param.role not in _TWINS or value.numel() < 2:
            continue
        key = (value.shape, value.dtype, *value.reshape(-1)[:_FEW].tolist())
        other = first.setdefault(key, param.path)
        if other != param.path and torch.equal(value, values[other]) and not _is_constant(value):
            twins[param.path] = other
    return twins


def _repeats(param: Param, value: torch.Tensor) -> dict[str, tuple[_Rows, _Rows]]:
    """By name, the rows of blocks or heads packed in a weight that hold the numbers of earlier ones, and those rows."""
    if param.role != "weight" or param.axes[:1] != "o" or value.numel() < 2:
        return {}
    parts = _parts(param)
    first: dict[object, _Rows] = {}
    found: dict[str, tuple[_Rows, _Rows]] = {}
    heads = value.reshape(len(value), -1)[:, :_FEW]
    for name, rows in parts.items() if len(parts) > 1 else ():
        other = first.setdefault((rows[1] - rows[0], *heads[rows[0]].tolist()), rows)
        one, before = value[slice(*rows)], value[slice(*other)]
        if other != rows and torch.equal(one, before) and not _is_constant(one):
            found[name] = rows, other
    return found


def _parts(param: Param) -> dict[str, _Rows]:
    """The rows of each packed block, and of each head of a query, a key or a value."""
    parts: dict[str, _Rows] = {}
    begin, width = 0, param.use.head_size or 0
    for place, size in enumerate(param.sizes):
        name = param.packs[place] if place < len(param.packs) else f"block {place}"
        has_heads = width and width < size and size % width == 0 and _HEADS & {name, *param.use.followed_by}
        if len(param.sizes) > 1:
            parts[name] = begin, begin + size
        for head in range(size // width if has_heads else 0):
            parts[f"head {head} of {name}" if param.packs else f"head {head}"] = (
                begin + head * width,
                begin + (head + 1) * width,
            )
        begin += size
    return parts


def _at(value: torch.Tensor, two: tuple[_Rows, _Rows]) -> tuple[torch.Tensor, torch.Tensor]:
    return value[slice(*two[0])], value[slice(*two[1])]


def _odd(value: torch.Tensor) -> float:
    """The share of numbers that no start draws, of some."""
    flat = value.detach().reshape(-1)
    some = flat[:: max(flat.numel() // _SAMPLE, 1)].abs().float()
    is_odd = (some > _HUGE) & some.isfinite() | (some > 0) & (some < _TINY)
    return is_odd.float().mean().item() if len(some) else 0.0


def _is_constant(value: torch.Tensor) -> bool:
    return bool((value == value.reshape(-1)[0]).all())


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and not is_zero(one) and torch.allclose(one, other, rtol=1e-4)
