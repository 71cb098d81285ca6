"""tied_apart: what a model has once and a checkpoint twice, with other numbers."""

from collections.abc import Mapping, Sequence

import numpy as np

from .._loaded import unfit
from .._stored import Stored
from ._match import Match
from ._target import Target


def tied_apart(
    targets: Sequence[Target],
    found: Mapping[str, Match],
    also: Mapping[str, Sequence[str]],
    tensors: Mapping[str, Stored],
) -> tuple[str, ...]:
    """A note of each tensor that is tied here and not there.

    Args:
        targets: of the model.
        found: what each begins from.
        also: the other tensors that are meant for a target, by its path.
        tensors: of the checkpoint.
    """
    return tuple(
        f"`{other}` has other numbers than `{taken}` there, which are one here; those of `{taken}` are taken"
        for target in targets
        for taken in found[target.path].names[:1]
        for other in also.get(target.path, ())
        if not unfit(tensors[taken].dtype, target.dtype) and not _same(tensors[taken], tensors[other])
    )


def _same(one: Stored, other: Stored) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return all(np.array_equal(one.read(box), other.read(box)) for box in one.stretches())
