"""compare(): train every start on the same data and say which is better."""

import time
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._draw import num_threads
from .._engine import Contender, Engine, Processes, decided, named, settled, train
from .._errors import OutputError, SettingError, TrainingError
from .._progress import progress as bar
from .._reading import path_of
from .._study._cause import Cause
from .._study._settings import check_number
from .._study._study import SETTINGS, Study
from ._comparison import Comparison
from ._grid import Grid
from ._precision import Precision, precision_of

# What keeps runs is imported by whoever keeps some: `import initium` stays light.
if TYPE_CHECKING:
    from .._store._store import Store
    from .._study._kept import Cell
    from .._study._signal import LayerSignal


def compare(
    model: Any,
    data: Any = None,
    *,
    inits: Any = (),
    margin: float | None = None,
    store: str | PathLike[str] | None = None,
    resume: bool = False,
    jobs: int | None = None,
    limit: float | None = None,
    chunk: int | None = None,
    memory: float = 1.0,
    engine: Engine | str | None = None,
    address: str | None = None,
    cpus: float | None = None,
    precision: float | None = None,
    budget: float | str | None = None,
    progress: bool = True,
    **settings: Any,
) -> Comparison | Grid:
    """Train a network from several starts, in paired runs, and test which is better.

    Run r of every start sees the same order of samples and the same underlying random draws, so
    that `he_normal` and `glorot_normal` differ by scale alone (`framework`, which draws by itself,
    shares the order only). Data without a split of its own are split five ways, so that every sample is
    tested. The paired differences of the final test score are tested for other seeds and other data, and corrected for
    the number of pairs (Holm); a winner is named only if that carries it.

    A list in the place of a setting makes a grid: `lr=[0.1, 0.01], depth=[3, 10]` is four places. Every run is kept
    in a file as it finishes, and none is lost or repeated: see `store` and `resume`.

    Args:
        model: `"mlp"` (two hidden layers, 128 and 64), `"mlp(10, 20, 2)"`, `"cnn"`, `"rnn"`, `"transformer"`,
            `"file.py:function"`, or a function that returns a new `torch.nn.Module`; or a list of such functions, which
            are then what is compared. Or a Study, which says all that follows up to `split_seed`.
        data: `"digits"`, `"breast_cancer"`, `"wine"`, `"iris"` or `"diabetes"`, narrowed as in
            `"diabetes(features=5)"`; the path of a `.npz`, `.csv`, `.parquet` or `.txt` file; `(X, y)` or
            `(x_train, y_train, x_test, y_test)`, as arrays or tensors; a DataFrame; a data set of torch or of
            `datasets`. Whole-number or text labels are classes, floating ones a regression, whose targets are
            standardised like the features.
        inits: at least two starts, as specs (`"he_normal"`, `"he_normal bias=0.1"`), initialisers, recipes, plans, or
            pairs of one of these and rules; a dict gives them names.
        margin: the difference in score that is too small to matter, in points of accuracy, or as it is of another
            score; None is 1 point, or 0.02. Starts that the tests show to differ by less are called the same.
        store: the file that keeps the runs; None is one in the cache folder, which the result names.
        resume: whether it may be there already: then what it holds is not trained again. More seeds, starts and
            places of a grid only add; anything else that differs is refused.
        jobs: processes, or tasks at once; as many as there are processors unless said.
        limit: seconds that a run may take; None is ten minutes, or twenty times what a trial says if that is more.
        chunk: how many runs train together, as replicas; None is by a rule from the model, and 1 is one by one.
        memory: GB that a process may take for runs that train together, and their data.
        engine: what trains the runs: `"local"`, `jobs` processes of this machine, `"ray"`, as many tasks of a Ray
            cluster, or a function of your own. The numbers are the same.
        address: of the Ray cluster, as in `"auto"` or `"ray://host:10001"`; None is a Ray of this machine.
        cpus: that each of Ray's tasks has for itself; None is one. Each trains in one thread.
        precision: half the width that every interval between the best start and another that trains is to have, in
            points of a score in percent, else in its own unit: runs are added to `seeds` until they have, until no
            number of runs would narrow them, or until the budget is spent. The tests allow for every look at them.
        budget: seconds, or a time as in `"10m"`, after which no run is added.
        progress: show a progress bar on stderr.
        settings: `rules`, for all starts. `seeds` (20), runs of each start, 2 or more. `epochs` (20), passes over the
            training split, or `steps`. `batch_size` (32); a last, smaller batch is trained on as well. `lr` (0.1).
            `optimizer` (`"sgd"`), or `"nesterov"`, `"adam"` or `"adamw"`; `momentum`, of the first two; `weight_decay`;
            `schedule` (`"constant"`), or `"cosine"` or `"step"`; `warmup` steps; `clip`, the largest gradient norm.
            `loss`, `metric`: names, or functions of all outputs and targets of a split; `f1` is the mean over classes.
            `depth`, `width`, `activation`: of the model.
            `target`: the column of a table that is predicted. `splits` (5): run r is tested on fold r mod `splits`, and
            the folds are dealt anew for every `splits` runs; 1 is one split, a fifth for testing. `standardise` (True):
            give each feature zero mean and unit std over the training split. (The pixels of `"digits"` share one mean
            and one std, as images usually do.) `seed` (0): run r draws its weights under seed + r. `order_seed` (0): it
            orders its samples, and drops out, under order_seed + r. `split_seed` (0). All others are arguments of the
            model function.

    Returns:
        A Comparison, or of a grid a Grid, which has one for each place. After Ctrl-C it holds what had finished, and
        `interrupted` is true.

    Raises:
        InitiumError: naming what is wrong with the model, data, starts or settings, before any
            training.
        TrainingError: if a run failed twice; what had finished is kept.
        KeyboardInterrupt: if Ctrl-C came before two runs of two starts had finished.

    Example:
        >>> result = compare("mlp(4, 8, 3)", "iris", inits=["he_normal", "zeros"],
        ...                  seeds=2, epochs=1, progress=False)
        >>> sorted(result.runs)
        ['he_normal', 'zeros']
    """
    trains = named(engine, jobs=jobs, limit=limit, chunk=chunk, memory=memory, address=address, cpus=cpus)
    check_margin(margin)
    if isinstance(model, Study):
        _check_alone(
            settings | {name: one for name, one in (("data", data), ("inits", inits)) if one is not None and one != ()}
        )
    study = model if isinstance(model, Study) else study_of(model, data, inits, settings)
    found = trained(
        study,
        store=store,
        resume=resume,
        engine=trains,
        progress=progress,
        jobs=jobs or num_threads(),
        precision=precision_of(precision, budget),
    )
    return judged(found, margin)


def check_margin(margin: float | None) -> None:
    """Refuse what is no difference.

    Raises:
        SettingError: saying what it can be.
    """
    if margin is not None:
        check_number("margin", margin)


def judged(found: Comparison | Grid, margin: float | None) -> Comparison | Grid:
    """The same runs, judged by another margin, in points where a score is shown in percent; None leaves it."""
    if margin is None:
        return found
    if isinstance(found, Comparison):
        return replace(found, margin=margin / 100 if found.study.is_share else margin)
    cells = {
        name: replace(one, margin=margin / 100 if one.study.is_share else margin) for name, one in found.cells.items()
    }
    return replace(found, cells=cells)


def _check_alone(besides: dict[str, Any]) -> None:
    if besides:
        name = next(iter(besides))
        raise SettingError(f"A Study says `{name}` itself; leave it out, or make the Study with it.")


def study_of(model: Any, data: Any, inits: Any, settings: dict[str, Any]) -> Study:
    """The study that some settings are of; what is none of its settings is an argument of the model function."""
    own = {name: value for name, value in settings.items() if name in SETTINGS}
    more = {name: value for name, value in settings.items() if name not in SETTINGS}
    return Study(model, data, inits, arguments=more, **own)


def trained(
    study: Study,
    *,
    store: str | PathLike[str] | None,
    resume: bool,
    engine: Engine,
    progress: bool,
    jobs: int,
    precision: Precision | None = None,
    check: Callable[[Study, tuple[Contender, ...], int], object] = lambda *_: None,
) -> Comparison | Grid:
    """Train what a store has not of a study, and say what it holds then.

    Args:
        study: what is trained.
        store: the file; None is one in the cache folder.
        resume: whether it may be there already.
        engine: what trains.
        progress: whether a bar is shown.
        jobs: how many runs an engine of somebody's own trains at once.
        precision: until when runs are added; None adds none.
        check: may refuse what would take too long, before anything is written.
    """
    from .._store._store import beating
    from .._study._as_loaded import check_as_loaded
    from .._study._kept import check_store, open_store, say_causes, say_look, say_signals

    check_store(study, store, resume=resume)
    if isinstance(engine, Processes):
        engine = engine.prepare(study)
        jobs = engine.jobs
    contenders, began = decided(study), time.monotonic()
    check_as_loaded(study)  # models have been built, and what they import is loaded
    check(study, contenders, jobs)
    with open_store(study, store, resume=resume) as kept, beating(kept):
        if precision and (most := max(kept.facts().get("looks", ()), default=0)) > study.seeds:
            study = replace(study, seeds=most)  # it goes on where it was interrupted
        if isinstance(engine, Processes):
            contenders = settled(contenders, kept, jobs=jobs, chunk=engine.chunk, memory=engine.memory * 2**30)
        while True:
            interrupted = _train(study, contenders, engine, kept, progress=progress)
            num_seen = _num_seen(study, contenders, kept) if interrupted else study.seeds
            say_look(kept, study, num_seen, precision.points if precision else None)
            found = compared(kept, study=study, interrupted=interrupted)
            assert found
            if interrupted or precision is None:
                break
            cells = list(_cells(found).values())
            taken = sum(run.seconds for one in cells for runs in one.runs.values() for run in runs) / jobs
            num_runs = precision.more(study.seeds, cells, taken, time.monotonic() - began)
            if num_runs == study.seeds:
                break
            study = replace(study, seeds=num_runs)
        causes = _causes(found, contenders, progress=progress)
        signals = _signals(found, contenders, progress=progress) if isinstance(found, Grid) and not interrupted else {}
        if not causes and not signals:
            return found
        say_causes(kept, causes)
        say_signals(kept, signals)
        found = compared(kept, study=study, interrupted=interrupted)
        assert found
        return found


def _train(study: Study, contenders: tuple[Contender, ...], engine: Engine, kept: "Store", *, progress: bool) -> bool:
    """Train what is not kept yet, and keep it; whether Ctrl-C ended it."""
    total = len(contenders) * study.seeds
    try:
        with bar("training runs", total, shown=progress) as on_run:
            train(study, contenders, engine, kept, on_run=on_run)
    except KeyboardInterrupt:
        return True
    except TrainingError as error:
        num = len(kept.finished())
        raise TrainingError(
            f"{error} What had finished is kept, {num} of {total} runs, in '{kept.path}': go on with it by "
            "--resume (from Python: resume=True)."
        ) from None
    return False


def _num_seen(study: Study, contenders: tuple[Contender, ...], kept: "Store") -> int:
    """How many runs of each start an interruption leaves to be looked at.

    Raises:
        KeyboardInterrupt: if they are too few to be.
    """
    if (seen := compared(kept, study=study)) is None:
        raise KeyboardInterrupt(
            f"Interrupted before two runs of two starts had finished; {len(kept.finished())} of "
            f"{len(contenders) * study.seeds} runs are kept in '{kept.path}'"
        )
    return min(cell.num_runs for cell in _cells(seen).values())


def _signals(
    found: Grid, contenders: tuple[Contender, ...], *, progress: bool
) -> "dict[str, dict[str, tuple[LayerSignal, ...]]]":
    """The layers of each start at step zero that nobody has measured, once for all the ways to train a place."""
    first = {cell.study.name for place in found.places for cell in list(place.cells.values())[:1]}
    asked = [
        one
        for one in contenders
        if one.study.name in first and one.start.name not in found.signals.get(one.study.name, {})
    ]
    signals: dict[str, dict[str, tuple[LayerSignal, ...]]] = {}
    with bar("diagnoses", len(asked), shown=progress and bool(asked)) as on_diagnosis:
        for one in asked:
            signals.setdefault(one.study.key, {})[one.start.name] = one.signals()
            on_diagnosis(1)
    return signals


def _causes(
    found: Comparison | Grid, contenders: tuple[Contender, ...], *, progress: bool
) -> dict[str, dict[str, Cause]]:
    """What a diagnosis says of each start that never trained and of which nobody has asked yet, by cell and start."""
    cells = _cells(found)
    failed = [
        one
        for one in contenders
        if (cell := cells.get(one.study.name)) and one.start.name in cell.failed and one.start.name not in cell.causes
    ]
    causes: dict[str, dict[str, Cause]] = {}
    with bar("diagnoses", len(failed), shown=progress and bool(failed)) as on_diagnosis:
        for one in failed:
            if why := one.cause():
                causes.setdefault(one.study.key, {})[one.start.name] = why
            on_diagnosis(1)
    return causes


def _cells(found: Comparison | Grid) -> dict[str, Comparison]:
    return found.cells if isinstance(found, Grid) else {"": found}


def compared(store: "Store", *, study: Study | None = None, interrupted: bool = False) -> Comparison | Grid | None:
    """What a store's runs say; of a study those that it asks for. None if they are too few."""
    from .._study._kept import axes_of, cells_of

    cells = cells_of(store, study=study)
    path = str(store.path)
    made = {one.facts.name: _made(one, path) for one in cells}
    if not made:
        return None
    said = store.facts()
    axes, num_asked = (study.axes, len(study.cells)) if study else (axes_of(said), len(said["cells"]))
    if len(made) == 1 and not next(iter(made)):
        return next(iter(made.values()))
    signals = {one.facts.name: one.signals for one in cells if one.signals}
    return Grid(made, tuple(axes), interrupted, path, num_asked, signals)


def _made(cell: "Cell", path: str) -> Comparison:
    made = Comparison(cell.facts, cell.runs, cell.is_partial, store=path, lacking=cell.lacking)
    failed = made.failed  # more runs may have left chance since a cause was looked for
    return replace(made, causes={start: why for start, why in cell.causes.items() if start in failed})


def show(path: str | PathLike[str]) -> Comparison | Grid:
    """What the runs of a store say, without its model, its data or a framework.

    Raises:
        OutputError: if it is no study, or cannot be read.
        SettingError: if it holds too little.
    """
    from .._store._store import Store
    from .._study._kept import check_some

    with Store.read(path_of(path)) as store:
        found = compared(store)
        check_some([found] if found else [], store)
    try:
        assert found
        found.report()
    except Exception as error:  # whatever figures that contradict each other lead to
        raise OutputError(f"'{path}' is damaged: its runs do not fit each other ({type(error).__name__}).") from error
    return found
