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
    """Q of a Gaussian matrix, its columns turned so that R has a positive diagonal.

    Without the turn Q is not uniform over orthogonal matrices (Mezzadri 2007). In float64, so that
    what differs between LAPACK builds is far below a float32 ulp of most elements.
    """
    order = ["o", *(letter for letter in weight.axes if letter != "o")]
    size = dict(zip(weight.axes, weight.shape, strict=True))
    rows, columns = size["o"], math.prod(weight.shape) // max(size["o"], 1)
    tall = (max(rows, columns), min(rows, columns))
    gaussian = _stream.normal(_stream.words(key, 0, math.prod(tall)), 0.0, 1.0).reshape(tall)
    q, r = np.linalg.qr(gaussian.astype(np.float64))
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    matrix = (q if rows >= columns else q.T).reshape([size[letter] for letter in order])
    return matrix.transpose([order.index(letter) for letter in weight.axes]).astype(np.float32)
