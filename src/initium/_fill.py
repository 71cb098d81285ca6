"""Fill: the only thing that draws numbers."""

import math

import numpy as np

from . import _stream
from ._stream import Floats
from .init._law import Constant, Keep, Law, Normal, Orthogonal, TruncatedNormal, Uniform
from .init._weight import Weight


def fill(out: Floats, law: Law, weight: Weight, *, key: int) -> None:
    """Write the numbers of a law into a float32 array of the weight's shape, in place.

    Element i of the flattened array is a function of (key, i) alone, whatever the shape.
    """
    match law:
        case Keep():
            return
        case Constant(value):
            out[...] = value
        case Orthogonal(gain):
            out[...] = _orthogonal(weight, key) * np.float32(gain)
        case _:
            out[...] = _draw(law, _stream.words(key, 0, out.size)).reshape(out.shape)


def _draw(law: Uniform | Normal | TruncatedNormal, words: _stream.Words) -> Floats:
    match law:
        case Uniform(low, high):
            return _stream.uniform(words, low, high)
        case Normal(mean, std):
            return _stream.normal(words, mean, std)
        case TruncatedNormal(mean, std, cut):
            return _stream.truncated_normal(words, mean, std, cut)


def _orthogonal(weight: Weight, key: int) -> Floats:
    """One orthogonal block for each group: its inputs meet no other group's outputs."""
    grouped = weight.axes.index("i" if weight.transposed else "o")
    shape = list(weight.shape)
    shape[grouped] //= weight.groups
    blocks = [_block(shape, weight.axes, key, number) for number in range(weight.groups)]
    return np.concatenate(blocks, axis=grouped)


def _block(shape: list[int], axes: str, key: int, number: int) -> Floats:
    """Q of a Gaussian matrix, its columns turned so that R has a positive diagonal.

    Without the turn Q is not uniform over orthogonal matrices (Mezzadri 2007). In float64, so that
    what differs between LAPACK builds is far below a float32 ulp of most elements.
    """
    order = ["o", *(letter for letter in axes if letter != "o")]
    size = dict(zip(axes, shape, strict=True))
    rows, columns = size["o"], math.prod(shape) // max(size["o"], 1)
    tall = (max(rows, columns), min(rows, columns))
    words = _stream.words(key, number * math.prod(tall), math.prod(tall))
    q, r = np.linalg.qr(_stream.normal(words, 0.0, 1.0).reshape(tall).astype(np.float64))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    matrix = (q if rows >= columns else q.T).reshape([size[letter] for letter in order])
    return matrix.transpose([order.index(letter) for letter in axes]).astype(np.float32)
