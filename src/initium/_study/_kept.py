"""A study's store: opened, what is said in it, and what it holds as runs by cell and start."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from .._errors import InitiumError, OutputError, SettingError
from .._reading import path_of
from .._store._cache import cached, new_path
from .._store._store import Store
from ._cause import Cause
from ._facts import Facts, facts
from ._identity import file_name, identity
from ._run import Run
from ._signal import LayerSignal
from ._study import AXES, Study, cell_name

Runs = dict[str, list[Run]]


@dataclass(frozen=True)
class Cell:
    """What a store holds of one cell.

    Attributes:
        facts: what was asked for.
        runs: by start, those of the numbers that all of these starts have.
        lacking: the starts that have too few for that, and how many they have.
        causes: by start, why it may have failed, where that was looked for.
        signals: by start, its layers at step zero, where they were measured.
    """

    facts: Facts
    runs: Runs
    lacking: dict[str, int]
    causes: dict[str, Cause]
    signals: dict[str, tuple[LayerSignal, ...]]

    @property
    def is_partial(self) -> bool:
        """Whether more was asked for."""
        return bool(self.lacking) or len(next(iter(self.runs.values()))) < self.facts.seeds


def open_store(study: Study, path: str | PathLike[str] | None, *, resume: bool) -> Store:
    """The file in which a study lives.

    Args:
        study: the study.
        path: of the file; None is one in the cache folder.
        resume: whether it may be there already; without a path the latest of this study is meant.

    Raises:
        SettingError: if it is another study's, saying what differs.
        OutputError: if it is there and is not to be resumed, or cannot be used.
    """
    place = _place(study, path, resume=resume)
    store = Store.resume(place, identity(study)) if resume else Store.begin(place, identity(study))
    store.say(partial(_said, study))
    return store


def check_store(study: Study, path: str | PathLike[str] | None, *, resume: bool) -> None:
    """Refuse now what `open_store` would refuse later, and write nothing.

    Raises:
        SettingError: if it is another study's, saying what differs.
        OutputError: if it is there and is not to be resumed, or cannot be used.
    """
    place = _place(study, path, resume=resume)
    if resume and place.exists():
        Store.check_old(place, identity(study))
    else:
        Store.check_new(place)


def _place(study: Study, path: str | PathLike[str] | None, *, resume: bool) -> Path:
    if path is not None:
        return path_of(path)
    name = file_name(study)
    return (next(cached(name), None) if resume else None) or new_path(name)


def _said(study: Study, before: dict[str, Any]) -> dict[str, Any]:
    """What is noted of a study, with what was noted when it was smaller."""
    cells = dict(before.get("cells", {}))
    for cell in study.cells:
        new = facts(cell)
        if cell.key in cells:
            old = Facts.of(cells[cell.key])
            starts = tuple(dict.fromkeys([*old.starts, *new.starts]))
            cells[cell.key] = new.stored | {"starts": starts, "seeds": max(old.seeds, new.seeds)}
        else:
            cells[cell.key] = new.stored
    return {"cells": cells, "axes": list(dict.fromkeys([*before.get("axes", ()), *study.axes]))}


def say_causes(store: Store, causes: dict[str, dict[str, Cause]]) -> None:
    """Note why starts may have failed, by cell and start, beside what was noted before."""
    _say_more(store, "causes", causes)


def say_signals(store: Store, signals: dict[str, dict[str, tuple[LayerSignal, ...]]]) -> None:
    """Note the layers of starts at step zero, likewise."""
    stored = {
        cell: {start: [layer.stored for layer in layers] for start, layers in new.items()}
        for cell, new in signals.items()
    }
    _say_more(store, "signals", stored)


def _say_more(store: Store, name: str, told: dict[str, dict[str, Any]]) -> None:
    def more(before: dict[str, Any]) -> dict[str, Any]:
        known = before.get(name, {})
        return {name: {**known, **{cell: known.get(cell, {}) | new for cell, new in told.items()}}}

    store.say(more)


def say_look(store: Store, study: Study, num_runs: int, points: float | None) -> None:
    """Note that somebody looks at what the runs of a study say, and how precise it is to be.

    The same runs are looked at once, however often. What was to be precise stays so.
    """

    def more(before: dict[str, Any]) -> dict[str, Any]:
        looks = sorted({*before.get("looks", ()), num_runs})
        asked = before.get("precision") if points is None else points
        return {**_said(study, before), "looks": looks, "precision": asked}

    store.say(more)


def cells_of(store: Store, *, study: Study | None = None) -> list[Cell]:
    """Each cell of which two starts or more have two common runs or more.

    Args:
        store: where they are kept.
        study: of which cells and starts; None is all.

    Raises:
        OutputError: if it cannot be read.
    """
    try:
        return _cells_of(store, study)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InitiumError):
            raise
        raise OutputError(f"'{store.path}' is damaged: what it says of its runs cannot be read.") from None


def _cells_of(store: Store, study: Study | None) -> list[Cell]:
    said = store.facts()
    seen = {"looks": tuple(said.get("looks", ())), "precision": said.get("precision")}
    wanted = [replace(one, **seen) for one in ([facts(cell) for cell in study.cells] if study else _placed(said))]
    keys = [cell.key for cell in study.cells] if study else list(said["cells"])
    causes, signals = said.get("causes", {}), said.get("signals", {})
    by_cell: dict[str, list[Run]] = {key: [] for key in keys}
    for row in store.rows():
        if row.key.cell in by_cell:
            by_cell[row.key.cell].append(Run.of(row))
    found = [
        Cell(
            one,
            *_paired(one, by_cell[key]),
            {start: Cause.of(kept) for start, kept in causes.get(key, {}).items()},
            _layers(signals.get(key, {})),
        )
        for one, key in zip(wanted, keys, strict=True)
    ]
    return [one for one in found if one.runs]


def _layers(stored: dict[str, Any]) -> dict[str, tuple[LayerSignal, ...]]:
    return {start: tuple(map(LayerSignal.of, layers)) for start, layers in stored.items()}


def _placed(said: dict[str, Any]) -> list[Facts]:
    """Each cell by its place among all that were ever asked for."""
    axes, found = axes_of(said), [Facts.of(stored) for stored in said["cells"].values()]
    return [replace(one, name=cell_name(one.settings, axes if len(found) > 1 else ())) for one in found]


def axes_of(said: dict[str, Any]) -> tuple[str, ...]:
    """What was listed, and what differs among cells that were asked for one by one."""
    settings = [cell["settings"] for cell in said["cells"].values()]
    names = dict.fromkeys([*said["axes"], *AXES, *(name for one in settings for name in one)])
    return tuple(
        name for name in names if name in said["axes"] or len({cell_name(one, [name]) for one in settings}) > 1
    )


def _paired(cell: Facts, runs: Sequence[Run]) -> tuple[Runs, dict[str, int]]:
    """The runs of those numbers that each of some starts has, and how many the other starts have.

    Starts with the fewest runs are left out where the others then have more runs in all: one that was only begun takes
    nothing from those that are whole.
    """
    found: dict[str, dict[int, Run]] = {start: {} for start in cell.starts}
    for run in runs:
        if run.recipe in found and run.index < cell.seeds:
            found[run.recipe][run.index] = run
    counts = Counter({start: len(one) for start, one in found.items()})
    most = [start for start, _ in counts.most_common()]  # of equals the first that was asked for
    best, numbers = 0, set[int]()
    for num in range(2, len(most) + 1):
        common = set[int].intersection(*(set(found[start]) for start in most[:num]))
        if len(common) >= 2 and len(common) * num >= len(numbers) * best:
            best, numbers = num, common
    chosen = [start for start in cell.starts if start in most[:best]]
    kept = {start: [found[start][number] for number in sorted(numbers)] for start in chosen}
    return kept, {start: counts[start] for start in cell.starts if start not in kept}


def check_some(found: Sequence[Any], store: Store) -> None:
    """Refuse to show what holds too little.

    Raises:
        SettingError: saying how to go on.
    """
    if not found:
        raise SettingError(
            f"'{store.path}' has no two runs of two starts yet; go on by the command that began it and --resume."
        )
