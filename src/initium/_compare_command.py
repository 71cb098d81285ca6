"""`initium compare` and `initium studies`."""

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from . import _files
from ._compare import Comparison, Grid, show, study_of, trained
from ._draw import num_threads
from ._engine import Contender, Processes
from ._errors import OutputError, SettingError, counted, in_bytes
from ._files import check_writable
from ._printable import printable, printable_lines
from ._recipes import parse_recipe
from ._report._page import MARK
from ._rule import read_rule_text
from ._store._cache import cached, folder
from ._store._export import check_export, export
from ._store._store import Store
from ._study._prepared import Data
from ._study._settings import check_whole
from ._study._study import AXES, Study
from ._study._toml import read_toml, write_toml
from ._told import Interrupted

_HOUR = 3600.0  # what takes longer is asked about
_MANY = 2000  # starts in cells: a trial of each would take long itself
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
    optimizer: Annotated[Values, _axis("sgd, adam or adamw. [sgd]")] = None,
    momentum: Annotated[Values, _axis("Of sgd. [0]")] = None,
    weight_decay: Annotated[Values, _axis("[0]")] = None,
    schedule: Annotated[Values, _axis("constant, cosine or step. [constant]")] = None,
    warmup: Annotated[Values, _axis("Steps over which the learning rate rises. [0]")] = None,
    clip: Annotated[Values, _axis("The largest norm of all gradients. [none]")] = None,
    seeds: Annotated[int | None, typer.Option(help="Paired runs of each start. [20]")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split. [20]")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps, instead of epochs.")] = None,
    splits: Annotated[
        int | None, typer.Option(help="Run r is tested on fold r mod SPLITS, dealt anew each time.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy, bce, mse, mae or huber.")] = None,
    metric: Annotated[str | None, typer.Option(help="accuracy, r2, balanced_accuracy or f1.")] = None,
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
    jobs: Annotated[int | None, typer.Option(help="Processes; default: one a processor.")] = None,
    limit: Annotated[float | None, typer.Option(help="Seconds that a run may take. [600, or 20 times a trial]")] = None,
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
        _shown(show_, out, export_)
        return
    page = out or "compare.html"
    check_writable(page, mark=MARK)
    if export_:
        check_export(Path(export_))
    asked = _asked(inits or [], given)
    if save_study:
        write_toml(save_study, asked)
    study = _study(asked)
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
            engine=Processes(_jobs(jobs), limit),
            progress=True,
            jobs=_jobs(jobs),
            check=_check(yes, limit),
        )
    except KeyboardInterrupt as error:
        if not str(error):  # it came before anything was kept
            raise
        raise Interrupted(f"{error}. Go on with: {_resumed()}") from None
    _told(result, page, export_, names=asked["inits"])
    if result.interrupted:
        done = _finished(result)
        raise Interrupted(
            f"Interrupted: {done} of {study.seeds} runs of each start had finished; they are above and saved. Go on "
            f"with: {_resumed()}"
        )


_SETTINGS = {
    *AXES,
    *("model", "data", "target", "seeds", "epochs", "steps", "splits", "loss", "metric", "rules"),
    *("seed", "order_seed", "split_seed"),
}


def studies(
    prune: Annotated[bool, typer.Option("--prune", help="Remove those that nobody is at work on.")] = False,
) -> None:
    """The studies in the cache folder, the latest first, with their sizes.

    Example: initium studies
    """
    found = list(cached())
    if not found:
        typer.echo(f"No study in {printable(str(folder()))}.")
        return
    freed = 0
    for path in found:
        size = path.stat().st_size
        try:
            with Store.read(path) as one:
                said, num, is_held = one.facts(), len(one.finished()), one.is_held
        except OutputError as error:  # of another version, say; the others are listed all the same
            typer.echo(printable(str(error)))
            continue
        cells = said.get("cells", {}).values()
        asked = sum(len(cell["starts"]) * cell["seeds"] for cell in cells)
        what = next((f"{cell['model']} on {cell['data']}" for cell in cells), "nothing yet")
        gone = prune and not is_held
        state = "removed" if gone else "in use" if is_held else ""
        typer.echo(
            f"{printable(str(path))}\n    {what}; {num} of {asked} runs, {in_bytes(size)}{state and f'; {state}'}"
        )
        if gone:
            path.unlink()
            freed += size
    if prune:
        typer.echo(f"\nRemoved {in_bytes(freed)}.")


def _asked(words: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """What a study is made of, by the names that `compare` has: from a file, and from the command line, which wins."""
    inits, arguments = _split(words)
    files = [word for word in inits if word.endswith(".toml")]
    if files and len(inits) > 1:
        raise SettingError(f"'{files[0]}' names the starts itself; leave out the others.")
    base = read_toml(files[0]) if files else {}
    inits = base.pop("inits", []) if files else inits
    rules = dict(read_rule_text(text) for text in given.pop("rules", []))
    own = {name: _values(name, value) if name in AXES else value for name, value in given.items()}
    found = {"model": "mlp", "data": "digits", **base, **own, **arguments}
    found["rules"] = {**base.get("rules", {}), **rules}
    return {"inits": inits, **found}


def _split(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Starts, and what no option is: arguments of a model function, each with its values."""
    inits: list[str] = []
    arguments: dict[str, list[str]] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            inits.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        value = value if equals else next(rest, "")
        if not name.replace("-", "_").isidentifier() or not value or value.startswith("--"):
            raise SettingError(f"`{word}` is no option, and an argument of a model function has a value: --hidden 16.")
        arguments.setdefault(name.replace("-", "_"), []).append(value)
    return inits, {name: _values(name, texts) for name, texts in arguments.items()}


def _values(name: str, texts: list[str]) -> Any:
    """One value, or a list of several."""
    cells = [cell.strip() for text in texts for cell in _parts(text)]
    if not all(cells):
        raise SettingError(f"--{name.replace('_', '-')} lists nothing between two commas: {', '.join(texts)}.")
    values = [_literal(cell) for cell in cells]
    return values if len(values) > 1 else values[0]


def _parts(text: str) -> list[str]:
    """What commas part that stand in no bracket."""
    return re.split(r",(?![^()\[\]]*[)\]])", text)


def _literal(cell: str) -> Any:
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"true": True, "false": False}.get(cell.lower(), cell)


def _study(asked: dict[str, Any]) -> Study:
    """The study, announced before anything slow is done."""
    settings = {name: value for name, value in asked.items() if name not in ("model", "data", "inits")}
    probe = study_of(asked["model"], _NOTHING, asked["inits"], {**settings, "splits": None})
    told = f"Comparing {probe.told} on {asked['data']}."
    typer.echo(printable_lines(told), err=True)
    study = study_of(asked["model"], asked["data"], tuple(probe.inits), settings)
    typer.echo(printable_lines(f"Data: {study.data.preparation}."), err=True)
    for note in study.notes:
        typer.echo(f"Note: {note}.", err=True)
    return study


def _check(yes: bool, limit: float | None) -> Any:
    """Say how long it takes, and refuse what takes long unless it is wanted."""

    def check(study: Study, contenders: tuple[Contender, ...], jobs: int) -> None:
        runs = len(contenders) * study.seeds
        seconds = sum(one.seconds for one in contenders) * study.seeds / min(jobs, runs)
        if seconds > _HOUR and not yes:
            raise SettingError(
                f"{runs:,} runs would take about {_long(seconds)} in {counted(jobs, 'process')}, by a trial of each. "
                "Add --yes to train them all the same; fewer seeds, epochs or places of the grid take less."
            )
        slowest = limit or max(600.0, 20 * max(one.seconds for one in contenders))
        processes = counted(min(jobs, runs), "process")
        typer.echo(
            f"Starting {processes}; by a trial about {_long(seconds)}. A run may take {_long(slowest)}.", err=True
        )

    return check


def _long(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:,.0f} h"


def _jobs(jobs: int | None) -> int:
    check_whole("jobs", num_threads() if jobs is None else jobs, 1)
    return num_threads() if jobs is None else jobs


def _told(result: Comparison | Grid, page: str, table: str | None, *, names: list[Any]) -> None:
    """The page, the table, the runs, and what to know of them."""
    result = _with_command(result)
    result.save(page)
    for alias, name in _renamed(names):
        typer.echo(f"{alias} is {name}: one method, two names.")
    Console(highlight=False).print(result)
    if table:
        _export(result.store, table)
    typer.echo(f"\nRuns: {printable(result.store)}\nPage with curves: {printable(page)}")


def _shown(path: str, page: str | None, table: str | None) -> None:
    if page:
        _files.check_writable(page, mark=MARK)
    if table:
        check_export(Path(table))
    result = show(path)
    Console(highlight=False).print(result)
    if table:
        _export(path, table)
    if page:
        _with_command(result).save(page)
        typer.echo(f"\nPage with curves: {printable(page)}")


def _export(path: str, table: str) -> None:
    from ._study._kept import axes_of

    with Store.read(Path(path)) as store:
        export(Path(table), store.rows(), axes_of(store.facts()))
    typer.echo(f"\nTable: {printable(table)}")


def _with_command(result: Comparison | Grid) -> Comparison | Grid:
    command = f"initium {shlex.join(sys.argv[1:])}"
    if isinstance(result, Comparison):
        return replace(result, command=command)
    return replace(result, cells={name: replace(one, command=command) for name, one in result.cells.items()})


def _finished(result: Comparison | Grid) -> int:
    return result.num_runs if isinstance(result, Comparison) else min(one.num_runs for one in result.cells.values())


def _resumed() -> str:
    """The command that goes on; without a store it finds the latest of this study in the cache folder."""
    return f"initium {shlex.join([*(word for word in sys.argv[1:] if word != '--resume'), '--resume'])}"


def _check_alone(given: dict[str, Any], inits: list[str] | None) -> None:
    if given or inits:
        what = (inits or [f"--{name.replace('_', '-')}" for name in given])[0]
        raise SettingError(f"`--show` shows what a store holds, and trains nothing; leave out '{what}'.")


def _renamed(inits: list[Any]) -> Iterator[tuple[str, str]]:
    """The starts that are reported under another name than they were asked for."""
    for spec in inits:
        if not isinstance(spec, str) or spec.endswith(".json"):
            continue
        asked, name = (re.match(r"\w*", text.strip())[0] for text in (spec, str(parse_recipe(spec))))  # pyright: ignore
        if asked != name:
            yield asked, name
