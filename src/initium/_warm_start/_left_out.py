"""left_out: what of a checkpoint no tensor of the model takes, and why."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from .._decisions import LeftOut
from .._graph import Graph
from .._setting import setting
from ._checkpoint import Checkpoint
from ._match import Match
from ._names import plain
from ._target import Target

_NAMED, _AMONG = 20, 300  # how many are told the nearest name, and of how many: each letter is compared


def left_out(
    checkpoint: Checkpoint,
    matches: Mapping[str, Match],
    targets: Sequence[Target],
    graph: Graph,
    skip: Sequence[str],
    new: Mapping[str, str],
    called: Mapping[str, str],
) -> tuple[LeftOut, ...]:
    """Every tensor of a checkpoint that goes nowhere.

    Args:
        checkpoint: that has it.
        matches: what was found, by path.
        targets: all of the model's tensors.
        graph: of the model.
        skip: globs of what the user leaves out.
        new: what starts from the recipe though something is meant for it, and why.
        called: what each tensor of the checkpoint is in the model, if that has it.
    """
    replaced = {name: new[path] for path, one in matches.items() if path in new for name in one.names}
    matches = {path: one for path, one in matches.items() if path not in new}
    used = {name for one in matches.values() for name in one.names}
    known = {plain(name): target for target in targets for name in target.names}
    unsaved = {plain(name) for buffer in graph.buffers if not buffer.is_saved for name in (buffer.path, *buffer.tied)}
    open_ = [target.path for target in targets if target.path not in matches]
    found = []
    for name, stored in checkpoint.tensors.items():
        if name not in used:
            why = replaced.get(name) or _why(called[name], known, matches, unsaved, skip)
            why = why or _nearest(called[name], open_ if len(found) < _NAMED else ())
            found.append(LeftOut(name=name, shape=stored.shape, because=why))
    return tuple(found)


def _why(
    name: str, known: Mapping[str, Target], matches: Mapping[str, Match], unsaved: Iterable[str], skip: Sequence[str]
) -> str:
    here = known.get(name)
    if name in unsaved:
        return "the model computes it itself"
    if here is None:
        return ""
    if here.is_named(skip):
        return f"left out by {setting('skip')}"
    if here.path in matches:
        return f"the model has `{here.path}` from `{matches[here.path].names[0]}`"
    return "your rule decides that parameter"


def _nearest(name: str, others: Sequence[str]) -> str:
    last = name.rpartition(".")[2]
    among = [other for other in others if other.rpartition(".")[2] == last][:_AMONG] or others[:_AMONG]
    near = difflib.get_close_matches(name, among, n=1, cutoff=0.4)
    return f"not in the model; the nearest that is new there is `{near[0]}`" if near else "not in the model"
