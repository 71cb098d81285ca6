"""Numbers of a checkpoint, fitted to another shape."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._errors import CheckpointError
from .._setting import setting
from ._copied import named
from ._initialiser import Initialiser, from_file
from ._law import Adapted, Draw, From, Normal
from ._resize import resize_matrix
from ._weight import Weight

if TYPE_CHECKING:
    from .._stored import Stored

Numbers = NDArray[Any]
Fit = Callable[[Numbers, Draw, Weight], Numbers]
# Of the covariance of the rows that are there: the size that Hewitt draws with.
SHARE = 1e-5
_ROWS = 4096  # that a covariance is summed over at a time


@from_file
def grown(file: str, tensor: str, share: float = SHARE) -> Initialiser:
    """A table with more rows than the checkpoint has: those that it has as they are, new ones like their mean.

    Formula: W[v] = E[v] for v < n, else N(mean(E), share cov(E))

    Use: new words of a vocabulary, in the embedding and in the head alike. By Jensen's inequality exp of the mean logit
        is at most 1/n of the softmax's sum, so that k new rows take at most log(1 + k/n) of any log-probability, but
        for the small spread.

    Args:
        file: as of `copied`.
        tensor: its name in the file.
        share: of the covariance of the rows that are there.

    Reference: Hewitt, "Initializing New Word Embeddings for Pretrained Language Models", 2021.
        https://nlp.stanford.edu/~johnhew/vocab-expansion.html

    Example:
        >>> str(grown("w.safetensors", "embed.weight"))
        "grown('w.safetensors', 'embed.weight')"
    """
    return fitted(partial(named, file), "grown", tensor, told=f"in '{file}'", share=share)


@from_file
def picked(file: str, tensor: str, rows: tuple, share: float = SHARE) -> Initialiser:
    """Rows of a table, in an order of one's own; where there is none, one like the mean of all.

    Formula: W[j] = E[rows[j]] if rows[j] >= 0, else N(mean(E), share cov(E))

    Use: a head for some of the classes that a checkpoint knows.

    Args:
        file: as of `copied`.
        tensor: its name in the file.
        rows: which row each is, from 0; -1 for a new one.
        share: of the covariance of the rows that are there.

    Example:
        >>> str(picked("w.safetensors", "fc.weight", (281, -1)))
        "picked('w.safetensors', 'fc.weight', (281, -1))"
    """
    if not all(type(row) is int and row >= -1 for row in rows):
        raise ValueError("rows are whole numbers from 0, and -1 for a new one")
    return fitted(partial(named, file), "picked", tensor, told=f"in '{file}'", rows=rows, share=share)


@from_file
def channels(file: str, tensor: str, scale: float = 1.0) -> Initialiser:
    """A kernel for another number of input channels.

    Formula: W[:, j] = scale sum of E[:, c] over c = j mod m, for m < n channels; scale E[:, j mod n] for m > n

    Use: grey images (m = 1: the sum, which gives the same on grey as E on colours), or more channels than three.

    Args:
        file: as of `copied`.
        tensor: its name in the file.
        scale: that keeps the second moment of the output.

    Example:
        >>> str(channels("w.safetensors", "conv1.weight"))
        "channels('w.safetensors', 'conv1.weight')"
    """
    return fitted(partial(named, file), "channels", tensor, told=f"in '{file}'", scale=scale)


@from_file
def resampled(file: str, tensor: str, old: tuple, new: tuple, prefix: int = 0) -> Initialiser:
    """Absolute positions on another grid, by cubic convolution; what stands before them stays.

    Formula: W[p + j] = sum_i R[j, i] E[p + i] with R the product of the axes' resize matrices; W[:p] = E[:p]

    Use: images of another size, longer texts.

    Args:
        file: as of `copied`.
        tensor: its name in the file.
        old: the grid of the checkpoint: `(14, 14)`, or `(512,)` of a text.
        new: the grid of the model.
        prefix: how many rows stand before the grid, as that of a class token does.

    Example:
        >>> str(resampled("w.safetensors", "pos_embed", (14, 14), (8, 20), prefix=1))
        "resampled('w.safetensors', 'pos_embed', (14, 14), (8, 20), prefix=1)"
    """
    if len(old) != len(new) or not all(type(size) is int and size > 0 for size in (*old, *new)):
        raise ValueError(f"grids are as many whole numbers on both sides, not {old!r} and {new!r}")
    told = f"in '{file}'"
    return fitted(partial(named, file), "resampled", tensor, told=told, old=old, new=new, prefix=prefix)


@from_file
def patches(file: str, tensor: str) -> Initialiser:
    """A kernel of patches for patches of another size: of an enlarged image it gives what E gives of the image.

    Formula: W = pinv(B^T) E over the pixels of a patch, B the resize matrix of a patch

    Use: a patch embedding. Exact for larger patches, the nearest in least squares for smaller.

    Args:
        file: as of `copied`.
        tensor: its name in the file.

    Reference: Beyer et al., "FlexiViT: One Model for All Patch Sizes", CVPR 2023, section 3.4.
        https://arxiv.org/abs/2212.08013

    Example:
        >>> str(patches("w.safetensors", "patch_embed.weight"))
        "patches('w.safetensors', 'patch_embed.weight')"
    """
    return fitted(partial(named, file), "patches", tensor, told=f"in '{file}'")


def fitted(find: Callable[[str], "Stored"], how: str, tensor: str, *, told: str, **settings: Any) -> Initialiser:
    """One of the above of anything that is found by its name.

    Args:
        find: gives what goes by a name.
        how: which of the above.
        tensor: its name.
        told: where it is, for a reader.
        settings: of that one.
    """

    def law(weight: Weight) -> Adapted:
        return Adapted(
            lambda draw: fit(how, numbers(find(tensor), tensor), draw, weight, **settings), text, source, how
        )

    source = From(find, (tensor,))
    text = f"{_WORDS[how]} '{tensor}' {told}"
    spec = " ".join([how, f"'{tensor}'", told, *(f"{name}={value}" for name, value in settings.items())])
    return Initialiser(law, spec=spec, has_roles=False)


def numbers(stored: "Stored", name: str) -> Numbers:
    """All of a tensor, to compute with.

    Raises:
        CheckpointError: if it holds what is no number.
    """
    from .._stored import widened

    found = widened(stored.read(), stored.dtype)
    found = found.astype(np.float32) if found.dtype == np.float16 else found
    if found.dtype.kind != "f" or not np.isfinite(found).all():
        raise CheckpointError(
            f"'{name}' holds what is no number, in the checkpoint. Leave it out by {setting('skip')}."
        )
    return found


def fit(how: str, found: Numbers, draw: Draw, weight: Weight, **settings: Any) -> Numbers:
    """What one of the above makes of numbers.

    Raises:
        CheckpointError: if they cannot become that shape.
    """
    try:
        made = _FITS[how](found, draw, weight.shape, **settings)
    except (ValueError, IndexError):
        made = None
    if made is None or made.shape != weight.shape:
        raise CheckpointError(f"a tensor of shape {found.shape} cannot be {how} to {weight.shape}.")
    return made


def _grown(found: Numbers, draw: Draw, shape: tuple[int, ...], share: float = SHARE) -> Numbers:
    new = _like(found, shape[0] - len(found), draw, share)
    return np.concatenate([found, new.astype(found.dtype)])


def _picked(found: Numbers, draw: Draw, shape: tuple[int, ...], rows: tuple[int, ...], share: float = SHARE) -> Numbers:
    made = found[np.maximum(rows, 0)]
    new = np.asarray(rows) < 0
    made[new] = _like(found, int(new.sum()), draw, share)
    return made


def _like(rows: Numbers, num: int, draw: Draw, share: float) -> Numbers:
    """New rows of the same mean, and of a share of the covariance."""
    flat = rows.reshape(len(rows), -1)
    mean = flat.mean(axis=0, dtype=np.float64)
    normal = draw(Normal(0, 1), Weight(shape=(num, flat.shape[1]), axes="bb"), "new rows")
    values, vectors = np.linalg.eigh(_covariance(flat, mean))
    root = vectors * np.sqrt(share * np.maximum(values, 0))  # (dimension, direction)
    return (mean + normal @ root.T).reshape(num, *rows.shape[1:])


def _covariance(flat: Numbers, mean: Numbers) -> Numbers:
    """Summed piece by piece, in double precision and little memory."""
    out = np.zeros((len(mean), len(mean)))
    for first in range(0, len(flat), _ROWS):
        part = flat[first : first + _ROWS] - mean
        out += part.T @ part
    return out / max(1, len(flat))


def _channels(found: Numbers, draw: Draw, shape: tuple[int, ...], scale: float = 1.0) -> Numbers:
    return scale * channels_from(found, shape[1])


def channels_from(found: Numbers, num: int) -> Numbers:
    """A kernel of so many input channels: folded where they are fewer, repeated where they are more."""
    have = found.shape[1]
    if num >= have:
        return found[:, np.arange(num) % have]
    return np.stack([found[:, first::num].sum(axis=1, dtype=np.float64) for first in range(num)], axis=1)


def _resampled(
    found: Numbers, draw: Draw, shape: tuple[int, ...], old: tuple[int, ...], new: tuple[int, ...], prefix: int = 0
) -> Numbers:
    before, grid = found[..., :prefix, :], found[..., prefix:, :]
    made = grid.reshape(*grid.shape[:-2], *old, grid.shape[-1])
    first = grid.ndim - 2
    for axis, (was, becomes) in enumerate(zip(old, new, strict=True), start=first):
        made = along(resize_matrix(was, becomes), made, axis)
    made = made.reshape(*grid.shape[:-2], math.prod(new), grid.shape[-1])
    return np.concatenate([before, made], axis=-2)


def along(matrix: Numbers, found: Numbers, axis: int) -> Numbers:
    """A matrix times the numbers, along one of their axes."""
    return np.moveaxis(np.tensordot(matrix, found, axes=(1, axis)), 0, axis)


def _patches(found: Numbers, draw: Draw, shape: tuple[int, ...]) -> Numbers:
    return patches_from(found, shape)


def patches_from(found: Numbers, shape: tuple[int, ...]) -> Numbers:
    """A kernel of patches of another size: the pseudo-inverse of a product of axes is that of each axis."""
    for axis in range(2, found.ndim):
        found = along(np.linalg.pinv(resize_matrix(found.shape[axis], shape[axis]).T), found, axis)
    return found


_FITS: dict[str, Callable[..., Numbers]] = {
    "grown": _grown,
    "picked": _picked,
    "channels": _channels,
    "resampled": _resampled,
    "patches": _patches,
}
_WORDS = {
    "grown": "the rows of, and new ones like the mean of",
    "picked": "rows of",
    "channels": "for another number of channels,",
    "resampled": "on another grid,",
    "patches": "for patches of another size,",
}
BUILDS: dict[str, Callable[..., Initialiser]] = {
    "grown": grown,
    "picked": picked,
    "channels": channels,
    "resampled": resampled,
    "patches": patches,
}
