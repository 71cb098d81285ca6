"""Tables: weights that start as numbers without chance, and what depends on how a weight is stored."""

import base64
import binascii
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError
from .._spec import parse_call
from ._initialiser import Initialiser, initialiser
from ._kernels import start_of
from ._law import Composed, Draw, Given, Law, Rounded
from ._weight import Weight

# A spec with more letters than this is no text to read.
_LONGEST = 4000
_DTYPES = ("float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


@initialiser
def values(shape: tuple, kind: str, data: str) -> Initialiser:
    """Given numbers.

    Formula: W = the block, repeated along the axes where it has size 1 or none

    Use: to repeat a table that somebody computed. Mamba's A_log, frequencies, indices; recipe `author` writes such
        specs.
    Avoid: tables of more than some hundred unlike numbers: nobody reads that text.

    Args:
        shape: of the block.
        kind: of its numbers, such as `float32`.
        data: their little-endian bytes in order, compressed by zlib, in base64.

    Raises:
        ShapeError: when it meets a weight to which the block cannot be broadcast.

    Example:
        >>> str(values((2,), "int8", "eNpjZAIAAAYABA=="))
        "values((2,), 'int8', 'eNpjZAIAAAYABA==')"
    """
    block = _decoded(shape, kind, data)

    def law(weight: Weight) -> Law:
        try:
            whole = np.broadcast_to(block, weight.shape)
        except ValueError:
            raise ShapeError(f"holds a block of shape {shape}, but {weight} has shape {weight.shape}.") from None
        return Given(whole)

    return Initialiser(law, has_roles=False)


def values_of(table: NDArray[Any]) -> Initialiser | None:
    """The `values` that hold a table; None if their spec would be longer than 4,000 letters."""
    if table.dtype.name not in _DTYPES or not table.size:
        return None
    block = table
    for axis in range(table.ndim):
        first = block.take([0], axis)
        block = first if _same(block, first) else block
    block = block.reshape(block.shape[next((axis for axis, size in enumerate(block.shape) if size > 1), block.ndim) :])
    ordered = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
    data = base64.b64encode(zlib.compress(ordered.tobytes(), 9)).decode()
    return values(block.shape, table.dtype.name, data) if len(data) <= _LONGEST - 60 else None


def _same(block: NDArray[Any], first: NDArray[Any]) -> bool:
    """Whether all have the bits of the first: -0.0 is another number than 0.0."""
    words = f"u{block.itemsize}"
    return bool((np.ascontiguousarray(block).view(words) == np.ascontiguousarray(first).view(words)).all())


def _decoded(shape: Any, kind: str, data: str) -> NDArray[Any]:
    if not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in shape):
        raise ValueError(f"shape is of whole numbers above 0, not {shape!r}")
    if kind not in _DTYPES:
        raise ValueError(f"kind is one of {', '.join(_DTYPES)}, not {kind!r}")
    number = np.dtype(kind).newbyteorder("<")
    nbytes = math.prod(shape) * number.itemsize
    try:
        # One byte more than there should be tells what is too long, and no text unpacks to more than that.
        unpacked = zlib.decompressobj().decompress(base64.b64decode(data, validate=True), nbytes + 1)
    except (binascii.Error, zlib.error):
        raise ValueError("data is base64 of what zlib compressed, and this cannot be unpacked") from None
    if len(unpacked) != nbytes:
        found = "more" if len(unpacked) > nbytes else len(unpacked)
        raise ValueError(f"data of a block {shape} of {kind} unpacks to {nbytes} bytes, not {found}")
    return np.frombuffer(unpacked, number).reshape(shape).astype(kind)


@initialiser
def sinusoidal(base: float = 10000.0, layout: str = "interleaved", slowest: str = "beyond") -> Initialiser:
    """Sines and cosines of the position, from fast to slow.

    Formula: of row p, sin(p f_j) and cos(p f_j), f_j = base^(-j/n) for j < n, d columns of which n = d/2 are sines.
        Layout `interleaved`: columns 2j and 2j + 1; `halves`: columns j and n + j. With slowest `reached`,
        f_j = base^(-j/(n - 1)), so that the last is 1/base itself

    Use: tables of positions. The Transformer's is the default; tensor2tensor's and Whisper's is
        sinusoidal(layout='halves', slowest='reached').

    Args:
        base: 2 pi times it is the longest wavelength, above 1.
        layout: `interleaved` or `halves`.
        slowest: `beyond` or `reached`.

    Raises:
        ShapeError: when it meets a weight that is not `(positions, columns)` with an even number of columns; axes of
            size 1 do not count.

    Differs: frameworks compute it in float32, whose rounding moves a value by up to p / 2^22.

    Reference: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
        https://arxiv.org/abs/1706.03762 [vaswani2017attention]

    Example:
        >>> str(sinusoidal(layout="halves"))
        "sinusoidal(layout='halves')"
    """
    if base <= 1:
        raise ValueError(f"base is above 1, not {base}")
    if layout not in ("interleaved", "halves"):
        raise ValueError(f"layout is 'interleaved' or 'halves', not {layout!r}")
    if slowest not in ("beyond", "reached"):
        raise ValueError(f"slowest is 'beyond' or 'reached', not {slowest!r}")

    def law(weight: Weight) -> Law:
        shape = [size for size in weight.shape if size != 1]
        if len(shape) != 2 or shape[1] % 2 or (slowest == "reached" and shape[1] < 4):
            raise ShapeError(f"has positions and pairs of columns, but {weight} has shape {weight.shape}.")
        positions, num = shape[0], shape[1] // 2
        return Rounded(lambda draw: waves(positions, num, base, layout, slowest).reshape(weight.shape))

    return Initialiser(law, has_roles=False)


def waves(positions: int, num: int, base: float, layout: str, slowest: str) -> NDArray[np.float64]:
    """The table of `sinusoidal`, of `num` sines and as many cosines."""
    speeds = base ** (-np.arange(num) / (num if slowest == "beyond" else num - 1))
    angles = np.multiply.outer(np.arange(positions), speeds)
    pairs = np.stack([np.sin(angles), np.cos(angles)], axis=2 if layout == "interleaved" else 1)
    return pairs.reshape(positions, 2 * num)


@initialiser
def flattened(start: str) -> Initialiser:
    """A weight drawn as one matrix, its first stored axis against all others.

    Formula: W drawn by `start` as a matrix (first axis, others), whatever the axes mean

    Use: to repeat torch.nn.init.orthogonal_. It does so with kernels, transposed kernels and packed gates.
    Avoid: new models: fans and orthonormal rows are then those of the storage, and not of the layer.

    Args:
        start: the spec for that matrix.

    Raises:
        ShapeError: when it meets a weight of fewer than two axes.

    Example:
        >>> str(flattened("orthogonal"))
        "flattened('orthogonal')"
    """
    init = start_of(start)

    def law(weight: Weight) -> Law:
        if len(weight.shape) < 2:
            raise ShapeError(f"is a matrix, but {weight} has shape {weight.shape}.")
        matrix = Weight(shape=(weight.shape[0], math.prod(weight.shape[1:])), axes="oi")
        found = init.law(matrix)

        def make(draw: Draw) -> NDArray[Any]:
            return draw(found, matrix).reshape(weight.shape)

        return Composed(make)

    return Initialiser(law, has_roles=False)


# What `through` knows: functions of one number, and of one and a given one.
_PLAIN = ("exp", "expm1", "log", "log1p", "sqrt", "square", "tanh", "absolute", "negative", "reciprocal")
_WITH_NUMBER = ("add", "multiply", "power", "maximum", "minimum")


@initialiser
def through(start: str, steps: tuple) -> Initialiser:
    """Each drawn number put through some functions, one after another.

    Formula: W = f_n(... f_1(V)), V drawn by `start`

    Use: decays and time constants, drawn on another scale. The logarithm of U[1, 16], as in gated linear attention, is
        through('uniform(1, 16)', ('log',)).

    Args:
        start: the spec of V.
        steps: NumPy's names, in order: exp, expm1, log, log1p, sqrt, square, tanh, absolute, negative, reciprocal; and
            with a number add, multiply, power, maximum, minimum, as in `multiply(0.5)`.

    Example:
        >>> str(through("uniform(1, 16)", ("log", "multiply(0.5)")))
        "through('uniform(1, 16)', ('log', 'multiply(0.5)'))"
    """
    init, functions = start_of(start), [_function(step) for step in steps]

    def law(weight: Weight) -> Law:
        found = init.law(weight)

        def make(draw: Draw) -> NDArray[Any]:
            out = draw(found, weight).astype(np.float64)
            for function in functions:
                out = function(out)
            return out

        return Rounded(make)

    return Initialiser(law)


def _function(step: Any) -> Any:
    if not isinstance(step, str):
        raise ValueError(f"steps are quoted calls, not {step!r}")
    call = parse_call(step)
    if call.name in _PLAIN and not call.args and not call.kwargs:
        return getattr(np, call.name)
    is_number = len(call.args) == 1 and isinstance(call.args[0], int | float) and not call.kwargs
    if call.name in _WITH_NUMBER and is_number:
        return lambda x: getattr(np, call.name)(x, float(call.args[0]))
    raise ValueError(f"steps are {', '.join(_PLAIN)} and, with a number, {', '.join(_WITH_NUMBER)}; not {step!r}")
