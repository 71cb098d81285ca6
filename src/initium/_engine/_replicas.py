"""Replicas: which runs of a study train together, and their training."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._study._run import Run
from .._study._way import FEWEST
from ._contender import Contender, trainer

if TYPE_CHECKING:
    from .._store._store import Store

Runs = list[tuple[Contender, int]]
_FACT = "replicas"  # how many runs of a start in a cell train together, by the cell's key and the start's name
_FEWEST = 4  # runs that another process begins for: fewer take about as long as these
# Bytes held, times steps: about five minutes, which is what an interruption may cost. No clock is asked, so that a
# command trains the same runs together wherever it runs.
_WORK = 300 << 30


def settled(
    contenders: Sequence[Contender], store: "Store", *, jobs: int, chunk: int | None, memory: float
) -> tuple[Contender, ...]:
    """Contenders that know how many of their runs train together: as the store says, so that a study keeps its way.

    Args:
        contenders: each start in each cell.
        store: of their study.
        jobs: processes.
        chunk: how many, whatever the store and a trial say; 1 is one by one.
        memory: bytes that a process may take for replicas and their data.
    """
    sizes = dict(_sizes(contenders, jobs, chunk, memory))

    def said(facts: dict[str, Any]) -> dict[str, Any]:
        kept = facts.get(_FACT, {})
        for one in contenders:
            own = kept.setdefault(one.study.key, {})
            own[one.start.name] = sizes[id(one)] if chunk else own.get(one.start.name, sizes[id(one)])
        return {_FACT: kept}

    store.say(said)
    kept = store.facts()[_FACT]
    found = [(one, kept[one.study.key][one.start.name] if one.stacks else 1) for one in contenders]
    return tuple(replace(one, way=replace(one.way, size=size)) for one, size in found)


def _sizes(contenders: Sequence[Contender], jobs: int, chunk: int | None, memory: float) -> Iterator[tuple[int, int]]:
    """How many runs of each train together: of all that are alike equal parts, as many as keep the processes busy."""
    totals = Counter[Any]()
    for one in contenders:
        totals[one.kind] += one.study.seeds
    for one in contenders:
        most, total = _most(one, memory) if one.stacks else 1, totals[one.kind]
        if not one.stacks or chunk:
            yield id(one), chunk if one.stacks and chunk else 1
        elif most < FEWEST or total < _FEWEST:
            yield id(one), 1
        else:
            parts = -(-total // most)
            parts = min(jobs, total // _FEWEST) if parts <= jobs else -(-parts // jobs) * jobs
            yield id(one), -(-total // parts)


def _most(one: Contender, memory: float) -> int:
    """How many of a start's runs may train together: by what suits the processor, by memory, and by time."""
    work = one.way.bytes * one.study.num_steps(one.study.num_rows(0))
    in_time = max(FEWEST, _WORK // work)
    return min(one.way.size, in_time, int(memory // (one.way.bytes + one.study.bytes_of_data)))


def in_order(contenders: Sequence[Contender], seeds: int) -> Runs:
    """All runs, those that train together beside each other; what an interruption leaves is mostly whole pairs."""
    kinds: dict[Any, Runs] = {}
    for index in range(seeds):
        for one in contenders:
            kinds.setdefault(_together(one, index), []).append((one, index))
    parts = [part for runs in kinds.values() for part in _cut(runs, runs[0][0].way.size)]
    return [run for part in sorted(parts, key=lambda part: part[0][1]) for run in part]


def chunks(runs: Iterable[tuple[Contender, int]]) -> Iterator[Runs]:
    """Runs as they train together; of those that come no more is taken than is given."""
    chunk: Runs = []
    for one, index in runs:
        if chunk and _together(*chunk[0]) != _together(one, index):
            yield chunk
            chunk = []
        chunk.append((one, index))
        if len(chunk) >= one.way.size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def trained(chunk: Runs) -> list[Run]:
    """Train some runs, as replicas if they do; what replicas fail at is trained in the plain loop."""
    first, _ = chunk[0]
    if not first.stacks or first.way.size == 1:
        return [one.run(index) for one, index in chunk]
    try:
        asked = [(one.study, one.model(index), one.graph, one.start.name, index) for one, index in chunk]
        return trainer().train_together(asked, first.way)
    except Exception:  # a branch that its trial did not come to, say: the plain loop tells what is really wrong
        return [one.run(index) for one, index in chunk]


def _together(one: Contender, index: int) -> Any:
    """What is equal of runs that train together."""
    return one.kind, one.way.size, one.study.num_rows(index)


def _cut(runs: Runs, size: int) -> list[Runs]:
    return [runs[first : first + size] for first in range(0, len(runs), size)]
