"""What each primitive of JAX is in ATen's words: one function and one row."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._jax import jax
from ._composed import added, divided, multiplied, subtracted
from ._elementwise import ELEMENTWISE, IDENTITIES, REDUCTIONS
from ._recorder import Argument, Recorder
from ._shape import Shape
from ._value import JaxValue

Results = list[Any]  # a value or a number for each result
Primitive = Callable[[Recorder, Any, list[Argument]], Results]

_COMPOSED = {"div": divided, "sub": subtracted, "mul": multiplied, "add": added}
_IDLE = {"add": 0, "sub": 0, "mul": 1, "div": 1}  # the number that changes nothing


def elementwise(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Numbers alone give a number."""
    operation, run = ELEMENTWISE[eqn.primitive.name]
    aval = eqn.outvars[0].aval
    if not any(isinstance(arg, JaxValue) for arg in args):
        with np.errstate(all="ignore"):
            return [_number(run(*args), aval)]
    if (kept := _unchanged(operation, args, aval)) is not None:
        return [kept]
    if composed := _COMPOSED.get(operation):
        found = composed(recorder, args[0], args[1], aval)
        if found is not None:
            return [found]
    return [recorder.emit(operation, run, tuple(args), aval)]


def _unchanged(operation: str, args: list[Argument], aval: Any) -> JaxValue | None:
    """The one of two that is added to 0 or multiplied by 1."""
    if operation not in _IDLE:
        return None
    pairs = [(args[0], args[1])] if operation in ("sub", "div") else [(args[0], args[1]), (args[1], args[0])]
    for kept, other in pairs:
        is_idle = not isinstance(other, JaxValue) and other == _IDLE[operation]
        if is_idle and isinstance(kept, JaxValue) and kept.tensor.shape == tuple(aval.shape):
            return kept
    return None


def _number(found: Any, aval: Any) -> Any:
    return np.asarray(found).astype(bool if aval.dtype == bool else np.result_type(found)).item()


def integer_power(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """x^n; a square goes by its name."""
    power = eqn.params["y"]
    if not isinstance(args[0], JaxValue):
        return [args[0] ** power]
    if power == 2:
        return [recorder.emit("square", np.square, (args[0],), eqn.outvars[0].aval)]
    return [recorder.emit("pow", lambda x, y: np.asarray(x, float) ** y, (args[0], power), eqn.outvars[0].aval)]


def clamp(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """JAX has the signal between its ends."""
    low, x, high = args
    return [recorder.emit("clamp", np.clip, (x, low, high), eqn.outvars[0].aval)]


def select(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Of two cases the first is where the condition is false."""
    if len(args) != 3:
        return other(recorder, eqn, args)
    which, no, yes = args
    if not isinstance(which, JaxValue):
        return [yes if which else no]
    if not isinstance(no, JaxValue) and not isinstance(yes, JaxValue) and no == yes:
        return [no]
    return [recorder.emit("where", np.where, (which, yes, no), eqn.outvars[0].aval)]


def cast(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Another dtype, which rounds fractions to whole numbers and else nothing that matters here."""
    aval, (x,) = eqn.outvars[0].aval, args
    if not isinstance(x, JaxValue):
        return [bool(x) if aval.dtype == bool else int(x) if np.dtype(aval.dtype).kind in "iu" else x]
    if x.tensor.dtype == str(aval.dtype):
        return [x]
    kind = np.dtype(aval.dtype).kind
    run = (lambda x: np.asarray(x).astype(kind)) if kind in "iub" else _as_fractions
    is_rounded = kind not in "iub" and x.tensor.is_floating_point()
    made = x.tensor.in_dtype(str(aval.dtype)) if is_rounded else aval  # a part of a stack stays that part
    return [recorder.emit("_to_copy", run, (x,), made, key=f"to {kind}")]


def _as_fractions(x: Any) -> Any:
    x = np.asarray(x)
    return x.astype(np.float32) if x.dtype.kind in "iub" else x


def reduction(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Over some axes, which then are gone."""
    operation, run = REDUCTIONS[eqn.primitive.name]
    axes, aval = tuple(eqn.params["axes"]), eqn.outvars[0].aval
    x = recorder.full(args[0], eqn.invars[0].aval)
    if not axes:
        return [x]
    return [recorder.emit(operation, lambda x, axes: run(x, axis=tuple(axes)), (x, axes), aval)]


def reshape(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Also of what is squeezed."""
    return [args[0] if not isinstance(args[0], JaxValue) else recorder.view(args[0], eqn.outvars[0].aval.shape)]


def broadcast(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Axes of size 1 are put in, and then repeated; a number stays one."""
    x, shape = args[0], eqn.outvars[0].aval.shape
    if not isinstance(x, JaxValue):
        return [x]
    sizes = [1] * len(shape)
    for axis, place in enumerate(eqn.params["broadcast_dimensions"]):
        sizes[place] = x.tensor.shape[axis]
    return [recorder.expanded(recorder.view(x, sizes), shape)]


def transpose(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """A number has no axes."""
    x = args[0]
    return [recorder.permuted(x, eqn.params["permutation"]) if isinstance(x, JaxValue) else x]


def reverse(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Along some axes."""
    x, axes = recorder.full(args[0], eqn.invars[0].aval), tuple(eqn.params["dimensions"])
    return [recorder.emit("flip", np.flip, (x, axes), eqn.outvars[0].aval)]


def cut(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """From places that are known."""
    x, p = args[0], eqn.params
    if not isinstance(x, JaxValue):
        return [x]
    strides = p["strides"] or (1,) * x.tensor.ndim
    cuts = zip(p["start_indices"], p["limit_indices"], strides, strict=True)
    return [recorder.cut(x, tuple(slice(*one) for one in cuts))]


def cut_somewhere(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """From places that are computed."""
    x, *starts = args
    if not isinstance(x, JaxValue) or any(isinstance(start, JaxValue) for start in starts):
        return other(recorder, eqn, args, "slice")
    sizes = eqn.params["slice_sizes"]
    lows = [min(max(start, 0), whole - size) for start, whole, size in zip(starts, x.tensor.shape, sizes, strict=True)]
    return [recorder.cut(x, tuple(slice(low, low + size, 1) for low, size in zip(lows, sizes, strict=True)))]


def split(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """In parts of given sizes; each is a view."""
    x = recorder.full(args[0], eqn.invars[0].aval)
    sizes, axis = tuple(eqn.params["sizes"]), eqn.params["axis"]
    ends = [0, *np.cumsum(sizes).tolist()]
    tensors = []
    for low, high, var in zip(ends, ends[1:], eqn.outvars, strict=False):
        cuts = tuple(slice(low, high) if place == axis else slice(None) for place in range(x.tensor.ndim))
        tensors.append(x.tensor.moved(lambda view, cuts=cuts: view[cuts], var.aval.shape))
    run = lambda x, sizes, axis: np.split(x, np.cumsum(sizes)[:-1], axis)  # noqa: E731
    return recorder.emit_all("split", run, (x, sizes, axis), tensors)


def concatenate(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Beside each other along an axis."""
    parts = [recorder.full(arg, var.aval) for arg, var in zip(args, eqn.invars, strict=True)]
    axis = eqn.params["dimension"]
    return [recorder.emit("cat", np.concatenate, (parts, axis), eqn.outvars[0].aval)]


def pad(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Numbers around, as convolutions and losses of causal models have them."""
    x, number = args
    config = eqn.params["padding_config"]
    if not isinstance(x, JaxValue) or isinstance(number, JaxValue) or min(min(one) for one in config) < 0:
        return other(recorder, eqn, args, "pad")
    if any(inner for _, _, inner in config):
        return other(recorder, eqn, args, "pad")
    widths = [(low, high) for low, high, _ in config]
    run = lambda x, _, number: np.pad(x, widths, constant_values=number)  # noqa: E731
    flat = [size for pair in widths[::-1] for size in pair]  # ATen begins with the last axis
    while flat and not (flat[-1] or flat[-2]):
        flat = flat[:-2]
    return [recorder.emit("constant_pad_nd", run, (x, tuple(flat), number), eqn.outvars[0].aval)]


def iota(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Numbers that count."""
    del args
    aval, axis = eqn.outvars[0].aval, eqn.params["dimension"]
    sizes = [size if place == axis else 1 for place, size in enumerate(aval.shape)]
    kind = np.dtype(aval.dtype) if np.dtype(aval.dtype).kind in "iuf" else np.float32
    numbers = np.broadcast_to(np.arange(aval.shape[axis], dtype=kind).reshape(sizes), aval.shape)
    return [recorder.declare("constant", aval.shape, str(aval.dtype), numbers)]


def product(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Any contraction, as a product of matrices: blocks, what is left of each operand, what is summed over."""
    left, right = (recorder.full(arg, var.aval) for arg, var in zip(args, eqn.invars, strict=True))
    (left_in, right_in), (left_batch, right_batch) = eqn.params["dimension_numbers"]
    left_out = [axis for axis in range(left.tensor.ndim) if axis not in (*left_in, *left_batch)]
    right_out = [axis for axis in range(right.tensor.ndim) if axis not in (*right_in, *right_batch)]
    sizes = [[value.tensor.shape[axis] for axis in axes] for value, axes in ((left, left_batch), (left, left_out))]
    batch, rows = sizes
    columns = [right.tensor.shape[axis] for axis in right_out]
    summed = math.prod(left.tensor.shape[axis] for axis in left_in)
    blocks = [math.prod(batch)] if batch else []
    one = recorder.view(recorder.permuted(left, (*left_batch, *left_out, *left_in)), (*blocks, math.prod(rows), summed))
    two = recorder.view(
        recorder.permuted(right, (*right_batch, *right_in, *right_out)), (*blocks, summed, math.prod(columns))
    )
    return [recorder.view(recorder.product(one, two), (*batch, *rows, *columns))]


def convolution(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """With channels first, as ATen has it; one whose input is dilated goes the other way."""
    p = eqn.params
    x, kernel = (recorder.full(arg, var.aval) for arg, var in zip(args, eqn.invars, strict=True))
    numbers = p["dimension_numbers"]
    is_transposed = any(size > 1 for size in p["lhs_dilation"])
    x = recorder.permuted(x, numbers.lhs_spec)
    out, into, *space = numbers.rhs_spec
    kernel = recorder.permuted(kernel, (into, out, *space) if is_transposed else (out, into, *space))
    shape = [eqn.outvars[0].aval.shape[axis] for axis in numbers.out_spec]
    stride = p["lhs_dilation"] if is_transposed else p["window_strides"]

    def run(x: Any, kernel: Any, *_: Any) -> Any:
        kernel = np.swapaxes(kernel, 0, 1) if is_transposed else kernel
        windows = (p["window_strides"], p["padding"], p["lhs_dilation"], p["rhs_dilation"])
        x, kernel = (jax.numpy.asarray(part, "float32") for part in (x, kernel))
        with jax.ensure_compile_time_eval():
            return jax.lax.conv_general_dilated(x, kernel, *windows, feature_group_count=p["feature_group_count"])

    given = (
        *(x, kernel, None, tuple(stride), tuple(p["padding"]), tuple(p["rhs_dilation"]), is_transposed, ()),
        p["feature_group_count"],
    )
    made = recorder.emit("convolution", run, given, Shape(shape, str(eqn.outvars[0].aval.dtype)))
    return [recorder.permuted(made, np.argsort(numbers.out_spec).tolist())]


def gather(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """Rows of a table are an embedding; all else is picked somehow."""
    table, indices = (recorder.full(arg, var.aval) for arg, var in zip(args, eqn.invars, strict=True))
    numbers, sizes = eqn.params["dimension_numbers"], tuple(eqn.params["slice_sizes"])
    aval, rest = eqn.outvars[0].aval, table.tensor.shape[1:]
    trailing = tuple(range(len(aval.shape) - len(rest), len(aval.shape)))
    is_rows = numbers.collapsed_slice_dims == numbers.start_index_map == (0,) and sizes == (1, *rest)
    if not is_rows or tuple(numbers.offset_dims) != trailing or numbers.operand_batching_dims:
        return other(recorder, eqn, [table, indices], "gather")
    places = recorder.view(indices, indices.tensor.shape[:-1])
    run = lambda table, places: table[np.clip(np.asarray(places, int), 0, len(table) - 1)]  # noqa: E731
    return [recorder.emit("embedding", run, (table, places), aval)]


def pool(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """The greatest of each window, or their sum."""
    name = "max_pool2d_with_indices" if "max" in eqn.primitive.name else "avg_pool2d"
    return other(recorder, eqn, args, name)


def other(recorder: Recorder, eqn: Any, args: list[Argument], name: str = "") -> Results:
    """Whatever has no words of its own, done again by JAX."""
    operands = [recorder.full(arg, var.aval) for arg, var in zip(args, eqn.invars, strict=True)]
    primitive, params = eqn.primitive, eqn.params

    def run(*arrays: Any) -> Any:
        avals = [var.aval for var in eqn.invars]
        given = [jax.numpy.asarray(array, aval.dtype) for array, aval in zip(arrays, avals, strict=True)]
        with jax.ensure_compile_time_eval():
            return primitive.bind(*given, **params)

    avals = [var.aval for var in eqn.outvars]
    key = f"{primitive.name} {sorted((name, str(one)) for name, one in params.items())}"
    return list(recorder.emit_all(name or primitive.name, run, tuple(operands), avals, key=key))


def identity(recorder: Recorder, eqn: Any, args: list[Argument]) -> Results:
    """What it is given."""
    del recorder, eqn
    return list(args)


def _rows() -> dict[str, Primitive]:
    windows: Sequence[str] = ("reduce_window_max", "reduce_window_sum", "reduce_window_min")
    return {
        **dict.fromkeys(ELEMENTWISE, elementwise),
        **dict.fromkeys(REDUCTIONS, reduction),
        **dict.fromkeys(IDENTITIES, identity),
        **dict.fromkeys(windows, pool),
        "integer_pow": integer_power,
        "clamp": clamp,
        "select_n": select,
        "convert_element_type": cast,
        "reshape": reshape,
        "squeeze": reshape,
        "expand_dims": reshape,
        "broadcast_in_dim": broadcast,
        "transpose": transpose,
        "rev": reverse,
        "slice": cut,
        "dynamic_slice": cut_somewhere,
        "split": split,
        "concatenate": concatenate,
        "pad": pad,
        "iota": iota,
        "dot_general": product,
        "conv_general_dilated": convolution,
        "gather": gather,
    }


PRIMITIVES: dict[str, Primitive] = _rows()
