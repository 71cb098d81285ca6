"""inventory: what of a model comes from a checkpoint, what does not, and what the checkpoint has besides."""

import math
from collections.abc import Iterable, Iterator

from .._errors import counted
from .._graph import Buffer
from .._report import List, Table
from ._choice import Choice
from ._decisions import Decisions
from ._fold import fold
from ._origin import Origin
from ._shortened import shortened

_KINDS = {"loaded": "loaded", "adapted": "adapted", "new": "new, from the recipe or a rule", "kept": "left as built"}


def inventory(plan: Decisions) -> Iterator[Table | List]:
    """Every tensor of the model and of the checkpoint, each in one place; nothing of a plan without a checkpoint."""
    if plan.origin is None:
        return
    yield _totals(plan, plan.origin)
    yield from _lists(plan, plan.origin)


def _totals(plan: Decisions, origin: Origin) -> Table:
    held: dict[str, list[int]] = {kind: [] for kind in _KINDS}
    for choice in plan.choices:
        held[_kind(choice)].append(math.prod(choice.param.shape))
    all_ = sum(map(sum, held.values()))
    rows = [(_KINDS[kind], held[kind], all_) for kind in _KINDS if held[kind]]
    loaded, others = ([math.prod(one.shape) for one in found] for found in split_buffers(plan.buffers))
    count = [("buffers, loaded", loaded), ("buffers, not in it", others)]
    unused = [math.prod(one.shape) for one in origin.left_out]
    count.append(("left out of it", unused))
    lines = [(kind, f"{len(sizes):,}", f"{sum(sizes):,}", f"{sum(sizes) / max(1, of):.1%}") for kind, sizes, of in rows]
    lines += [(kind, f"{len(sizes):,}", f"{sum(sizes):,}", "") for kind, sizes in count if sizes]
    return Table(
        title=f"From {origin.source}, which holds {counted(origin.num_tensors, 'tensor')}",
        columns=("what", "tensors", "elements", "of the model"),
        rows=tuple(lines),
    )


def _kind(choice: Choice) -> str:
    how = choice.how
    return how if how in ("loaded", "adapted", "kept") else "new"


def _lists(plan: Decisions, origin: Origin) -> Iterator[Table | List]:
    by_kind = {kind: [one for one in plan.choices if _kind(one) == kind] for kind in _KINDS}
    yield _list("Adapted", (f"{_told(one)}: {one.because}" for one in by_kind["adapted"]))
    yield _list("New", (f"{_told(one)}: {shortened(str(one.init))}, {one.because}" for one in by_kind["new"]))
    yield _list("Left as built", (f"{_told(one)}: {one.because}" for one in by_kind["kept"]))
    tied = [(name, one.path) for one in plan.choices for name in one.param.tied]
    yield _list("Tied", (f"{name} is {path}" for name, path in tied))
    loaded, others = split_buffers(plan.buffers)
    yield _loaded(loaded)
    yield _list("Buffers that it lacks", (f"{one.path} {one.shape}" for one in others))
    yield _list("Left out of it", (f"{one.name} {one.shape}: {one.because}" for one in origin.left_out))


def _loaded(buffers: Iterable[Buffer]) -> Table:
    """Each with its reason, as the parameters have theirs."""
    rows = fold((one.path, _why(one)) for one in buffers)
    lines = tuple((row.paths, row.kind) for row in rows)
    return Table(title="Buffers that are loaded", columns=("buffer", "because"), rows=lines, words=("because",))


def _list(title: str, lines: Iterable[str]) -> List:
    found = tuple(lines)
    return List(f"{title} ({len(found)})", found)


def _told(choice: Choice) -> str:
    return f"{choice.path} {choice.param.shape}"


def _why(buffer: Buffer) -> str:
    return buffer.made.because if buffer.made else ""


def split_buffers(buffers: Iterable[Buffer]) -> tuple[list[Buffer], list[Buffer]]:
    """Those that a checkpoint gives, and the others."""
    loaded, others = [], []
    for one in buffers:
        (loaded if one.is_loaded else others).append(one)
    return loaded, others
