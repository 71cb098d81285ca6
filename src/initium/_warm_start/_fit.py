"""fit: how the numbers that are meant for a tensor become its own, or why they cannot."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._loaded import unfit
from .._rule import Decision
from .._stored import SHAPED, TURNED, rows
from ._adapting import Adapting
from ._checkpoint import Checkpoint
from ._match import Match
from ._target import Target

Shape = tuple[int, ...]
# Up to the number of its block: `h.0.` of `h.0.attn.c_attn.weight`.
_BLOCK = re.compile(r"(.*\.)?\d+\.")


@dataclass(frozen=True)
class Fits:
    """What was found of tensors that are meant for each other.

    Attributes:
        starts: of those that fit, by path.
        misfits: of the others, what the checkpoint has and what is wrong.
        new: those that start from the recipe though something is meant for them, and why.
    """

    starts: dict[str, Decision] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)


def fit(targets: Iterable[Target], matches: Mapping[str, Match], checkpoint: Checkpoint, adapting: Adapting) -> Fits:
    """Each number is copied as it is, if need be from a transposed matrix or without axes of size 1; or adapted."""
    found = Fits()
    meant = [target for target in targets if target.path in matches]
    turned = _turned(meant, matches, checkpoint)
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
    if target.path in turned or (one.part and shape != wanted and shape == wanted[::-1]):
        views, why, shape = (TURNED,), [turned.get(target.path, f"{shape} there")], shape[::-1]
    if shape != wanted:
        if one.part or _without_ones(shape) != _without_ones(wanted):
            return None
        views, why = (*views, SHAPED), [*why, f"{shape} there"]
    if one.part:
        first = sum(one.part.sizes[: one.part.block])
        views = (*views, rows(first, first + one.part.sizes[one.part.block]))
    return views, why


def _held(one: Match, checkpoint: Checkpoint) -> tuple[Shape, str]:
    """What all of it is together; what cannot be laid one after another has no shape that fits anything."""
    held = [checkpoint.tensors[name] for name in one.names]
    if len(held) == 1:
        return held[0].shape, held[0].dtype
    is_alike = len({(stored.dtype, stored.shape[1:]) for stored in held}) == 1 and all(stored.shape for stored in held)
    shape = (sum(stored.shape[0] for stored in held), *held[0].shape[1:]) if is_alike else ()
    return shape, held[0].dtype


def _without_ones(shape: Shape) -> list[int]:
    return [size for size in shape if size != 1]


def _turned(targets: Iterable[Target], matches: Mapping[str, Match], checkpoint: Checkpoint) -> dict[str, str]:
    """The matrices that are stored (input, output) on one side alone, and by what that is known.

    Of a square one its shape does not say so, and the others of its block do.
    """
    votes: dict[str, set[bool]] = {}
    squares, found = [], {}
    for target in targets:
        shape, _ = _held(matches[target.path], checkpoint)
        is_matrix = len(shape) == 2 and matches[target.path].part is None
        if not is_matrix or target.param is None or target.param.role != "weight":
            continue
        if shape[0] == shape[1] == target.shape[0]:
            squares.append(target.path)
        elif shape == target.shape[::-1]:
            found[target.path] = f"{shape} there"
        if shape[0] != shape[1]:
            votes.setdefault(_block(target.path), set()).add(shape == target.shape[::-1])
    alike = [path for path in squares if votes.get(_block(path)) == {True}]
    return found | dict.fromkeys(alike, "square, and transposed as the others of its block")


def _block(path: str) -> str:
    found = _BLOCK.match(path)
    return found[0] if found else path.rpartition(".")[0].rpartition(".")[0]
