"""turned_of: the matrices that are stored (input, output) on one side alone."""

from collections.abc import Iterable, Iterator, Mapping

from .._setting import setting
from .._stored import TURNED
from ._checkpoint import Checkpoint
from ._match import Match
from ._target import Target

Shape = tuple[int, ...]


def turned_of(
    targets: Iterable[Target], matches: Mapping[str, Match], checkpoint: Checkpoint
) -> tuple[dict[str, str], dict[str, str]]:
    """Those, and by what that is known; and those of which nothing tells, as a note.

    Of a square one its shape does not say so: the nearest around it do. Gates of a recurrence tell of each other alone,
    for who writes them by hand may multiply from the other side than a layer does.
    """
    votes: dict[tuple[bool, str], set[bool]] = {}
    found: dict[str, str] = {}
    squares = list[Target]()
    for target in targets:
        one = matches[target.path]
        shape = checkpoint.tensors[one.names[0]].shape
        if len(shape) != 2 or len(target.shape) != 2 or not _is_matrix(target, one):
            continue
        is_turned, is_straight = _fits(shape[::-1], target, one), _fits(shape, target, one)
        if is_turned and is_straight:
            squares.append(target)
        elif is_turned or is_straight:
            for owner in _owners(target.path):
                votes.setdefault((_is_recurrent(target), owner), set()).add(is_turned)
            if is_turned:
                found[target.path] = f"{shape} there"
    unsure: dict[str, str] = {}
    for target in squares:
        one = matches[target.path]
        places = [(owner, votes.get((_is_recurrent(target), owner), set())) for owner in _owners(target.path)]
        owner, said = next((place for place in places if place[1]), ("", set[bool]()))
        if said == {True}:
            around = "around it" if owner else "of the model"  # alike in each block, so that a table folds
            found[target.path] = f"square, and transposed as the others {around}"
        elif len(said) > 1 or (not said and _is_recurrent(target) and len(one.names) > 1):
            unsure[target.path] = _unsure(target, one)
    return found, unsure


def _is_matrix(target: Target, one: Match) -> bool:
    return target.param is not None and (target.param.role == "weight" or one.part is not None)


def _is_recurrent(target: Target) -> bool:
    return target.param is not None and target.param.use.operation == "recurrent"


def _fits(shape: Shape, target: Target, one: Match) -> bool:
    """Whether a tensor of that shape is the target's, has it as a part, or is one of its parts."""
    if one.part:
        return shape == (sum(one.part.sizes), *target.shape[1:])
    return shape == target.shape if len(one.names) == 1 else shape[1:] == target.shape[1:]


def _owners(path: str) -> Iterator[str]:
    """What a parameter lies in, the nearest first; last the model."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def _unsure(target: Target, one: Match) -> str:
    if len(one.names) > 1:
        which = ", ".join(f"`{name}`" for name in one.names)
        return (
            f"nothing tells whether the square {which} are stored (input, output): they were taken as PyTorch stores "
            "them, (output, input). Where they multiply from the right, as in x @ W, transpose them in a dict, and "
            "pass that"
        )
    return (
        f"`{target.path}` is square, and the matrices around it are stored both ways: it was taken as it is. If it is "
        f"transposed there: {setting('adapt', {target.path: TURNED})}"
    )
