"""fit: how the numbers that are meant for a tensor become its own, or why they cannot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._errors import CheckpointError
from .._loaded import unfit
from .._rule import Decision
from .._stored import SHAPED, TURNED, joined, rows, without_ones
from ._adapting import Adapting
from ._checkpoint import Checkpoint
from ._match import Match
from ._target import Target
from ._turned import turned_of

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Fits:
    """What was found of tensors that are meant for each other.

    Attributes:
        starts: of those that fit, by path.
        misfits: of the others, what the checkpoint has and what is wrong.
        new: those that start from the recipe though something is meant for them, and why.
        notes: what a reader must know of how they fit.
    """

    starts: dict[str, Decision] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fit(targets: Iterable[Target], matches: Mapping[str, Match], checkpoint: Checkpoint, adapting: Adapting) -> Fits:
    """Each number is copied as it is, if need be from a transposed matrix or without axes of size 1; or adapted."""
    meant = [target for target in targets if target.path in matches]
    turned, unsure = turned_of(meant, matches, checkpoint)
    found = Fits(
        notes=tuple(unsure[target.path] for target in meant if target.path in unsure and not adapting.is_asked(target))
    )
    for target in meant:
        one = matches[target.path]
        shape, dtype = _held(one, checkpoint)
        if flaw := unfit(dtype, target.dtype):
            found.misfits[target.path] = flaw
            continue
        seen = None if adapting.is_asked(target) else _views(one, shape, target, turned)
        if seen is None:
            made = adapting.adapted(target, one, checkpoint)
            if made is None:
                found.misfits[target.path] = f"checkpoint {shape}   model {target.shape}"
            elif made.is_refused:
                found.misfits[target.path] = f"checkpoint {shape}   model {target.shape}   {made.because}"
            elif made.start is None:
                found.new[target.path] = made.because
            else:
                why = f"{one.because}, {made.because}"
                found.starts[target.path] = Decision(init=made.start, because=why, by="checkpoint")
            continue
        views, why = seen
        told = [one.because, *why, *([f"{dtype} there"] if dtype != target.dtype else [])]
        start = checkpoint.start(one.names, views)
        found.starts[target.path] = Decision(init=start, because=", ".join(told), by="checkpoint")
    return found


def _views(
    one: Match, shape: Shape, target: Target, turned: Mapping[str, str]
) -> tuple[tuple[str, ...], list[str]] | None:
    """How the numbers must be laid out to be the target's, and why; None if they cannot."""
    views, why = (), []
    wanted = target.shape if one.part is None else (sum(one.part.sizes), *target.shape[1:])
    if target.path in turned or _has_moved_ones(shape, wanted):
        if len(one.names) > 1:
            return None  # each is to be transposed before they are laid one after another
        views, why, shape = (TURNED,), [turned.get(target.path, f"{shape} there")], shape[::-1]
    if shape != wanted:
        if one.part or without_ones(shape) != without_ones(wanted) or _is_either_way(shape, target):
            return None
        views, why = (*views, SHAPED), [*why, f"{shape} there"]
    if one.part:
        first = sum(one.part.sizes[: one.part.block])
        views = (*views, rows(first, first + one.part.sizes[one.part.block]))
    return views, why


def _held(one: Match, checkpoint: Checkpoint) -> tuple[Shape, str]:
    """What all of it is together; what cannot be laid one after another has no shape that fits anything."""
    held = [checkpoint.tensors[name] for name in one.names]
    try:
        return joined(held).shape, held[0].dtype
    except CheckpointError:
        return (), held[0].dtype


def _has_moved_ones(shape: Shape, wanted: Shape) -> bool:
    """Whether axes of size 1 lie at other ends: a kernel of one pixel, stored (height, width, input, output)."""
    if len(without_ones(shape)) < 2:
        return False
    before, behind = (
        _leading_ones(wanted) - _leading_ones(shape),
        _leading_ones(wanted[::-1]) - _leading_ones(shape[::-1]),
    )
    return before * behind < 0


def _is_either_way(shape: Shape, target: Target) -> bool:
    """Whether a square matrix loses axes of size 1 in front of it, where kernels (input, output) have their space."""
    inner = without_ones(shape)
    is_weight = target.param is not None and target.param.role == "weight"
    return is_weight and len(inner) == 2 and inner[0] == inner[1] and _leading_ones(shape) > _leading_ones(target.shape)


def _leading_ones(shape: Shape) -> int:
    return next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
