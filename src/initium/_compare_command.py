"""`initium compare`."""

import shlex
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ._as_exit import Interrupted
from ._asked import asked
from ._compare import Comparison, Grid, check_margin, judged, study_of, trained
from ._compare._precision import precision_of
from ._engine import Contender, Processes, named
from ._errors import SettingError, counted
from ._printable import printable_lines
from ._report._page import check_page
from ._show import show_result, show_store
from ._store._export import check_export
from ._store._store import Store
from ._study._prepared import Data
from ._study._study import AXES, Study
from ._study._toml import write_toml

_HOUR = 3600.0  # what takes longer is asked about
_MANY = 2000  # starts in cells: a trial of each would take long itself
_REASONS = 3  # that are told; a grid may have one for each shape
_INITS_HELP = (
    "Two or more of `initium list`, with arguments as in 'uniform(-0.1, 0.1)'; saved plans, plan.json; or study.toml."
)
_EMPTY = np.zeros(2)
_NOTHING = Data("", "classification", _EMPTY, _EMPTY, _EMPTY, _EMPTY, 2)  # stands for the data until it is read
_GRID = "Grid"

Values = list[str] | None


def _axis(text: str) -> Any:
    return typer.Option(help=f"{text} Several, as in 1,2, make a grid.", rich_help_panel=_GRID, metavar="VALUES")


def compare(
    inits: Annotated[list[str] | None, typer.Argument(metavar="INIT INIT", help=_INITS_HELP)] = None,
    model: Annotated[
        str | None,
        typer.Option(help="mlp, or its widths: 'mlp(10, 20, 2)'; cnn, rnn, transformer; file.py:function. [mlp]"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, breast_cancer, wine, iris, diabetes; a .npz, .csv, .parquet or .txt file; file.py:function. "
            "[digits]"
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict; default: target, else the last.")] = None,
    depth: Annotated[Values, _axis("Hidden layers.")] = None,
    width: Annotated[Values, _axis("Units of each.")] = None,
    activation: Annotated[Values, _axis("relu, tanh, sigmoid, gelu, silu, selu, ...")] = None,
    lr: Annotated[Values, _axis("Learning rate. [0.1]")] = None,
    batch_size: Annotated[Values, _axis("Samples a step. [32]")] = None,
    optimizer: Annotated[Values, _axis("sgd, nesterov, adam or adamw. [sgd]")] = None,
    momentum: Annotated[Values, _axis("Of sgd and nesterov. [0]")] = None,
    weight_decay: Annotated[Values, _axis("[0]")] = None,
    schedule: Annotated[Values, _axis("constant, cosine or step. [constant]")] = None,
    warmup: Annotated[Values, _axis("Steps over which the learning rate rises. [0]")] = None,
    clip: Annotated[Values, _axis("The largest norm of all gradients. [none]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Paired runs of each start. [20]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split. [20]")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, instead of epochs.")] = None,
    splits: Annotated[
        int | None, typer.Option(help="Run r is tested on fold r mod SPLITS, dealt anew each time; 1: a fifth. [5]")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy, bce, mse, mae or huber.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="accuracy, r2, balanced_accuracy or f1, a mean over classes.")
    ] = None,
    rules: Annotated[
        list[str] | None, typer.Option("--rule", metavar="GLOB=SPEC", help="Wins over each start: 'head.*=zeros'.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the weights: run r uses seed + r. [0]")] = None,
    order_seed: Annotated[int | None, typer.Option(help="Seed of the order of samples, likewise. [0]")] = None,
    split_seed: Annotated[int | None, typer.Option(help="Seed of the split into training and test. [0]")] = None,
    store: Annotated[str | None, typer.Option(help="The file that keeps the runs; default: one in a cache.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the store holds.")] = False,
    show_: Annotated[
        str | None, typer.Option("--show", metavar="STORE", help="Train nothing; show what a store holds.")
    ] = None,
    save_study: Annotated[str | None, typer.Option(help="Write what is asked for to a TOML file as well.")] = None,
    export_: Annotated[
        str | None, typer.Option("--export", metavar="FILE", help="A table, a row a run: .csv, .parquet or .json.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="A difference too small to matter, in points of accuracy. [1; of R^2 0.02]")
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Add runs until every interval that matters is +-PRECISION points or as narrow as can be."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Add none after that time: 90s, 10m. [1h, with --yes none]")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes, or tasks at once; default: one a processor.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="local, or ray: tasks of a Ray cluster, and the same numbers. [local]")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of the cluster: auto, host:port, ray://host:port. [a Ray of this machine]")
    ] = None,
    cpus: Annotated[float | None, typer.Option(help="That each of Ray's tasks has for itself. [1]")] = None,
    limit: Annotated[float | None, typer.Option(help="Seconds that a run may take. [600, or 20 times a trial]")] = None,
    chunk: Annotated[
        int | None, typer.Option(help="Runs that train together; 1 is one by one. [by a rule from the model]")
    ] = None,
    memory: Annotated[float, typer.Option(help="GB that a process may take for runs that train together.")] = 1.0,
    yes: Annotated[bool, typer.Option("--yes", help="Also if it takes more than an hour.")] = False,
    out: Annotated[str | None, typer.Option(help="The page to write. [compare.html]")] = None,
) -> None:
    """Train a network from several starts and say which is better.

    An argument of a model function is given by its name: --hidden 16,32.

    Examples: initium compare glorot_uniform "uniform(-0.1, 0.1)" --data digits;
    initium compare he_normal zeros --lr 0.1,0.01 --depth 3,10 --store study.db; initium compare --show study.db
    """
    given = {name: value for name, value in locals().items() if name in _SETTINGS and value is not None}
    if show_ is not None:
        _check_alone(given, inits)
        show_store(show_, out, export_, margin)
        return
    check_margin(margin)
    if precision is not None and budget is None and not yes:
        budget = str(_HOUR)  # what takes longer is asked for by --yes, or by a budget
    page, sure = out or "compare.html", precision_of(precision, budget)
    check_page(page)
    if export_:
        check_export(Path(export_))
    wanted = asked(inits or [], given)
    if save_study:
        write_toml(save_study, wanted)
    trains = named(engine, jobs=jobs, limit=limit, chunk=chunk, memory=memory, address=address, cpus=cpus)
    assert isinstance(trains, Processes)
    study = _study(wanted, trains)
    if (trials := len(study.cells) * len(study.inits)) > _MANY and not yes:
        raise SettingError(
            f"The grid has {trials * study.seeds:,} runs, of {trials:,} starts in places; a trial of each takes long "
            "itself. Add --yes to train them all the same; fewer values of its axes make fewer."
        )
    try:
        result = trained(
            study,
            store=store,
            resume=resume,
            engine=trains,
            progress=True,
            jobs=trains.jobs,
            precision=sure,
            check=_check(yes, trains),
        )
    except KeyboardInterrupt as error:
        if not str(error):  # it came before anything was kept
            raise
        raise Interrupted(f"{error}. Go on with: {_resumed()}") from None
    show_result(judged(result, margin), page, export_, names=wanted["inits"])
    if result.interrupted:
        raise Interrupted(
            f"Interrupted: {_finished(result)} had finished; they are saved, and above is what can be compared. Go on "
            f"with: {_resumed()}"
        )


_SETTINGS = {
    *AXES,
    *("model", "data", "target", "seeds", "epochs", "steps", "splits", "loss", "metric", "rules"),
    *("seed", "order_seed", "split_seed"),
}


def _study(wanted: dict[str, Any], engine: Processes) -> Study:
    """The study, announced before anything slow is done; processes get ready while the data are read."""
    settings = {name: value for name, value in wanted.items() if name not in ("model", "data", "inits")}
    probe = study_of(wanted["model"], _NOTHING, wanted["inits"], {**settings, "splits": None})
    told = f"Comparing {probe.outline} on {wanted['data']}."
    _say(told)
    engine.prepare(probe)
    study = study_of(wanted["model"], wanted["data"], tuple(probe.inits), settings)
    _say(f"Data: {study.data.told_task}; {study.data.preparation}.")
    for note in study.notes:
        _say(f"Note: {note}.")
    return study


def _check(yes: bool, engine: Processes) -> Any:
    """Say how long it takes, and refuse what takes long unless it is wanted."""

    def check(study: Study, contenders: tuple[Contender, ...], jobs: int) -> None:
        runs = len(contenders) * study.seeds
        for note in dict.fromkeys(note for one in contenders for note in one.notes):
            _say(f"Note: {note}.")
        seconds = sum(one.seconds for one in contenders) * study.seeds / min(jobs, runs)
        if seconds > _HOUR and not yes:
            raise SettingError(
                f"{runs:,} runs would take about {_long(seconds)} in {counted(jobs, engine.told)}, by a trial of each. "
                "Add --yes to train them all the same; fewer seeds, epochs or places of the grid take less."
            )
        slowest = engine.limit_of(max(one.seconds for one in contenders))
        for why in list(dict.fromkeys(one.way.why for one in contenders if one.way.why))[:_REASONS]:
            _say(f"Runs train one by one: {why}.")
        processes = counted(min(jobs, runs), engine.told)
        told = f"by a trial about {_long(seconds)}"
        told += " one by one, and less together" if any(one.stacks for one in contenders) else ""
        _say(f"Starting {processes}; {told}. A run may take {_long(slowest)}.")

    return check


def _say(line: str) -> None:
    """What is going on, on stderr; a terminal has it broken between words, and a file as one line."""
    line = printable_lines(line)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    typer.echo(line, err=True)


def _long(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:,.0f} h"


def _finished(result: Comparison | Grid) -> str:
    """How many runs are kept of those that were asked for; many may be of places where nothing can be compared yet."""
    first, places = (
        (result, 1) if isinstance(result, Comparison) else (next(iter(result.cells.values())), result.num_asked)
    )
    with Store.read(Path(result.store)) as store:
        num = len(store.finished())
    return f"{num:,} of {counted(len(first.study.starts) * places * first.study.seeds, 'run')}"


def _resumed() -> str:
    """The command that goes on; without a store it finds the latest of this study in the cache folder."""
    return f"initium {shlex.join([*(word for word in sys.argv[1:] if word != '--resume'), '--resume'])}"


def _check_alone(given: dict[str, Any], inits: list[str] | None) -> None:
    if given or inits:
        what = (inits or [f"--{name.replace('_', '-')}" for name in given])[0]
        raise SettingError(f"`--show` shows what a store holds, and trains nothing; leave out '{what}'.")
