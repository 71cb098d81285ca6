"""Axes: which of a parameter's own axes an operation sums over, found through views and casts."""

from ._operations import ELEMENTWISE
from ._value import Value

_Dims = list[tuple[int, ...]]  # for each axis of a value, the parameter's axes that it runs along


def axes_of(param: Value, operand: Value, letters: str) -> str | None:
    """The role of each of the parameter's axes if the operand's are these; None if it cannot be followed.

    A letter `-` says nothing. An axis from which one entry was picked is a stack of blocks.
    """
    dims = [(axis,) for axis in range(param.tensor.ndim)] if operand is param else _dims(param, operand)
    if dims is None or len(dims) != len(letters):
        return None
    roles = {axis: letter for along, letter in zip(dims, letters, strict=True) for axis in along if letter != "-"}
    rest = [axis for axis in range(param.tensor.ndim) if axis not in roles]
    if operand.tensor.shape == param.tensor.shape and any(param.tensor.shape[axis] > 1 for axis in rest):
        return letters  # taken apart and put together again
    for axis in rest:
        missing = [letter for letter in "oi" if letter in letters and letter not in roles.values()]
        single = param.tensor.shape[axis] == 1
        roles[axis] = missing[0] if single and missing else "b"
    return "".join(roles[axis] for axis in range(param.tensor.ndim))


def path_to(param: Value, operand: Value) -> list[Value]:
    """The values from a parameter, left out, to an operand, along what keeps most of its elements."""
    path, value = [], operand
    while value is not param:
        path.append(value)
        key = next(iter(param.params))
        sources = [v for v in value.inputs if key in v.params]
        value = max(sources, key=lambda v: v.tensor.numel())
    return path[::-1]


def _dims(param: Value, operand: Value) -> _Dims | None:
    own: _Dims = [(axis,) for axis in range(param.tensor.ndim)]
    dims, source = own, param
    for value in path_to(param, operand):
        step = _step(source, value)
        if step is None or dims is None:  # something else was made; of the same shape, it stands for the parameter
            dims = own if value.tensor.shape == param.tensor.shape else None
        else:
            dims = [tuple(axis for along in one for axis in dims[along]) for one in step]
        source = value
    return dims


def _step(source: Value, value: Value) -> _Dims | None:
    """For each axis of a value, those of what it was made from."""
    old, new = source.tensor, value.tensor
    if value.operation == "permute":
        return [(axis % old.ndim,) for axis in value.args[1]]
    if value.operation == "mm" and old.ndim == 2:  # of two in a row both have the axes of their product
        return [(0,), (1,)]
    if source.storage != value.storage:
        same = new.shape == old.shape and value.operation in ELEMENTWISE
        return [(axis,) for axis in range(new.ndim)] if same else None
    if new.shape == old.shape and new.stride() == old.stride():
        return [(axis,) for axis in range(new.ndim)]
    found: _Dims = []
    for size, stride in zip(new.shape, new.stride(), strict=True):
        along = [
            axis
            for axis in range(old.ndim)
            if size > 1 and old.shape[axis] > 1 and stride <= old.stride(axis) < stride * size
        ]
        found.append(tuple(along))
    return found
