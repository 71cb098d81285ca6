"""The command line."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from . import _compare_command, _files, _studies_command, _warm_start_command
from ._as_exit import Interrupted, as_exit
from ._checkpoint import read, target, write
from ._checkpoint import verify as compare_with
from ._checkpoint._manifest import MARK as MANIFEST_MARK
from ._coordinate_check import coordinate_check as run_coordinate_check
from ._decisions import from_source, in_dtype
from ._decisions._store import MARK as PLAN_MARK
from ._diagnose import diagnose as run_diagnosis
from ._edge import building_edge
from ._errors import DataError, ModelError, OutputError, SettingError, counted
from ._graph import Graph
from ._guide import about
from ._guide import explain as tell
from ._initialize import graph_of
from ._initialize import plan as decide
from ._model_name import model_function
from ._plan import Plan
from ._printable import printable
from ._reading import check_regular, path_of
from ._recipes import Recipe, parse_recipe
from ._report._page import check_page
from ._require import versions
from ._rule import Rule, read_rule_text
from ._safetensors import SUFFIX
from ._setting import to_a_command
from ._study._data import load_data

T = TypeVar("T")

_MODEL_HELP = (
    "file.py:function, package.module:function (both called without arguments), 'mlp(64, 128, 10)', or a saved plan: "
    "plan.json."
)


class _Commands(TyperGroup):
    """All commands, which tell what goes wrong alike."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with as_exit():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with as_exit(), to_a_command():
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"initium {versions(['initium']).get('initium', 'unknown')}")
        raise typer.Exit


@app.callback()
def _whole(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """A neural network's weights before the first training step."""


# What is no option of these is an argument of a model function.
app.command(context_settings={"ignore_unknown_options": True})(_compare_command.compare)
app.command()(_studies_command.studies)
app.command()(_warm_start_command.warm_start)


@app.command(name="list")
def list_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD]", help="Only what each word is a part of: residual, xavier.")
    ] = None,
) -> None:
    """Every start of the catalogue, family by family, and every recipe, with when to use it.

    Example: initium list embedding
    """
    console = Console(highlight=False)
    found = about(words or [])
    for group, members in groupby(found, key=lambda entry: entry.family):
        console.print(f"\n[bold]{group}[/bold]")
        for entry in members:
            console.print(f"  {entry.name:<23}  {escape(entry.when)}", soft_wrap=True)
            if words and entry.aliases:
                console.print(f"  {'':<23}  also called {', '.join(entry.aliases)}", soft_wrap=True)
    kinds = Counter("recipe" if entry.is_recipe else "start" for entry in found)
    counts = " and ".join(counted(number, kind) for kind, number in kinds.items())
    console.print(f"\n{counts}. `initium explain NAME` tells the rest.")


_RECIPE = typer.Option(help="auto, another recipe of `initium list`, or a start for all weights.", show_default="auto")
_RULE = typer.Option("--rule", metavar="GLOB=SPEC", help="Wins over the recipe: 'head.*=zeros'. May be repeated.")
_SOURCE = typer.Option(metavar="FILE", help="Where the checkpoint of a saved plan lies, if it was moved.")
_EXAMPLE = typer.Option(help="Inputs to trace the model with: a function that returns them, named as MODEL is.")


@app.command()
def plan(
    model: Annotated[str, typer.Argument(help=_MODEL_HELP)],
    recipe: Annotated[str | None, _RECIPE] = None,
    rules: Annotated[list[str] | None, _RULE] = None,
    example: Annotated[str | None, _EXAMPLE] = None,
    source: Annotated[str | None, _SOURCE] = None,
    out: Annotated[str | None, typer.Option(help="A JSON file to write the plan to.")] = None,
) -> None:
    """How every parameter of a model starts, and why; nothing is filled.

    Example: initium plan model.py:build --rule "head.*=zeros" --out plan.json
    """
    if out:
        _files.check_writable(out, mark=PLAN_MARK)
    made = _plan_of(model, recipe, rules or [], example, source)
    Console(highlight=False).print(made, soft_wrap=True)  # a path is never broken in two
    if out:
        made.save(out)
        typer.echo(f"\nPlan: {printable(out)}")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="A saved plan: plan.json; or a model.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another, which `auto` plans if it is a model.")],
) -> None:
    """How two plans differ.

    Exit code 0 if they are the same, 1 if not, 2 if refused.

    Example: initium diff plan.json model.py:build
    """
    old, new = (_plan_of(text, None, [], None) for text in (before, after))
    found = old.diff(new)
    typer.echo(found)
    if found:
        raise typer.Exit(1)


@app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME|MODEL", help="A start or a recipe; or a model, and PATH.")],
    path: Annotated[
        str | None, typer.Argument(help="A parameter of the model: h.3.attn.c_attn.weight.", metavar="PATH")
    ] = None,
    recipe: Annotated[str | None, _RECIPE] = None,
    rules: Annotated[list[str] | None, _RULE] = None,
    example: Annotated[str | None, _EXAMPLE] = None,
) -> None:
    """A start's formula and when to use it; or how and why one parameter of a model starts.

    Examples: initium explain he_normal; initium explain model.py:build head.weight
    """
    if path is None and (":" in name or name.endswith((".py", _SAVED))):
        raise ModelError(
            f"Name a parameter of the model too: initium explain {name} PATH. `initium plan` shows them all."
        )
    if path is None and "." in name and "(" not in name:
        raise ModelError(f"A parameter belongs to a model, which is named before it: initium explain MODEL {name}.")
    typer.echo(tell(name) if path is None else _plan_of(name, recipe, rules or [], example).explain(path))


@app.command()
def init(
    model: Annotated[str, typer.Argument(help=_MODEL_HELP)],
    out: Annotated[str, typer.Option(help="The file to write: NAME.safetensors.")],
    recipe: Annotated[str | None, _RECIPE] = None,
    seed: Annotated[int, typer.Option(help="Of all numbers, from 0 to 2^64 - 1.")] = 0,
    shards: Annotated[int, typer.Option(help="In how many files; with 2 or more there is an index besides.")] = 1,
    dtype: Annotated[
        str | None, typer.Option(help="Of the floating-point numbers: bfloat16; default: as built.")
    ] = None,
    rules: Annotated[list[str] | None, _RULE] = None,
    example: Annotated[str | None, _EXAMPLE] = None,
    source: Annotated[str | None, _SOURCE] = None,
) -> None:
    """Draw a model's weights to a safetensors file, with a manifest, NAME.json, to verify them by.

    Example: initium init model.py:build --recipe author --out w.safetensors
    """
    began = time.perf_counter()
    final, manifest = target(out, shards), _manifest_beside(out)
    made = _plan_of(model, recipe, rules or [], example, source)
    made = made if dtype is None else in_dtype(made, dtype)
    with _true_of([final, manifest]):
        written = write(made, out, seed=seed, shards=shards, manifest=manifest)
        typer.echo(f"{written}\nManifest: {printable(str(manifest))}\nTook {time.perf_counter() - began:.1f} s.")


@app.command()
def diagnose(
    model: Annotated[
        str, typer.Argument(help="file.py:function, package.module:function, or an mlp: 'mlp(64, 128, 10)'.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="digits, ..., a .npz or .csv file, or file.py:function, which returns inputs and targets."),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy, mse, bce or next_token.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Start it so first; default: as it is built.")] = None,
    activation: Annotated[str, typer.Option(help="Of an mlp's hidden layers.")] = "relu",
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw: judge the first step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Its learning rate.")] = None,
    micro_batch: Annotated[int | None, typer.Option(help="At most so many samples.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Second moments and gradients alone.")] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Singular values, ranks and the Jacobian besides.")
    ] = False,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="ID[:GLOB]", help="A finding to leave out: IN201:head.*")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what the model draws by itself.")] = 0,
    against: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Show beside it what it is under this recipe: auto.")
    ] = None,
    out: Annotated[str | None, typer.Option(help="A page to write, with charts.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """What is wrong with a model at step zero, in which layer, and why.

    One batch goes forward and backward. Exit code 0 if nothing is serious, 1 if something is, 2 if refused.

    Example: initium diagnose model.py:build --data digits
    """
    from .torch import _load

    if out:
        check_page(out)
    inputs, targets, note = _in_place(lambda: _batch(data)) if data else (None, None, "")
    built = _in_place(lambda: _load.built(model, seed, activation))
    if thorough:
        typer.echo(f"Thorough: {_load.geometry_cost(built)} for the singular values, and 25 more passes.", err=True)
    try:
        found = run_diagnosis(
            built,
            inputs,
            targets,
            loss=loss,
            recipe=recipe,
            ignore=ignore or (),
            optimizer=optimizer,
            lr=lr,
            micro_batch=micro_batch,
            quick=quick,
            thorough=thorough,
        )
    except ModelError as error:
        if data or not error.needs_example:
            raise
        raise ModelError(f"{error} Here that is --data FILE.py:FUNCTION, which returns it.") from None
    found = replace(found, notes=(*found.notes, note)) if note else found
    shown = found.beside(against) if against else found
    if out:
        shown.report().save(out)
    typer.echo(shown.to_json()) if as_json else _print(shown, found.answer)
    if out and not as_json:
        typer.echo(f"\nPage with charts: {printable(out)}")
    if not found.is_healthy:
        raise typer.Exit(1)


@app.command()
def coordinate_check(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="FILE:FUNCTION", help="file.py:function or package.module:function, which takes a width."
        ),
    ],
    recipe: Annotated[str, typer.Option(help="Start each so; `framework`: as it is built, with one rate.")] = "mup",
    widths: Annotated[str, typer.Option(help="Two or more, with commas.")] = "64,128,256,512",
    data: Annotated[
        str | None,
        typer.Option(help="digits, ..., a .npz or .csv file, or file.py:function, which returns inputs and targets."),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="cross_entropy, mse, bce or next_token.")] = None,
    rules: Annotated[list[str] | None, _RULE] = None,
    optimizer: Annotated[str, typer.Option(help="adam, adamw or sgd.")] = "adam",
    lr: Annotated[float, typer.Option(help="Its learning rate.")] = 1e-3,
    steps: Annotated[int, typer.Option(help="How many are trained.")] = 3,
    seeds: Annotated[int, typer.Option(help="Models of each width.")] = 5,
    out: Annotated[str | None, typer.Option(help="A page to write, with curves.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Whether sizes go with the width, at the start and over the first steps.

    If not, a learning rate that suits a narrow model suits a wide one. Exit code 0 if so, 1 if not, 2 if refused.

    Example: initium coordinate-check model.py:build --recipe "mup(base_width=64)"
    """
    if out:
        check_page(out)
    inputs, targets, _ = _in_place(lambda: _batch(data)) if data else (None, None, "")
    build = model_function(factory, given=("width",))
    found = run_coordinate_check(
        lambda width: _in_place(lambda: build(width)),
        _whole_numbers(widths),
        inputs=inputs,
        targets=targets,
        loss=loss,
        recipe=recipe,
        rules=tuple(Rule(*read_rule_text(text)) for text in rules or ()),
        optimizer=optimizer,
        lr=lr,
        steps=steps,
        seeds=seeds,
    )
    if out:
        found.report().save(out)
    typer.echo(found.to_json()) if as_json else Console(highlight=False).print(found, soft_wrap=True)
    if not found.passes:
        raise typer.Exit(1)


def _whole_numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise SettingError(f"`--widths` are whole numbers with commas, as in '64,128,256'; got '{text}'.")
    return [*map(int, parts)]


def _print(shown: Any, answer: str) -> None:
    """A report, and after a long one its answer once more: that has left the screen."""
    console = Console(highlight=False)
    with console.capture() as printed:
        console.print(shown, soft_wrap=True)
    text = printed.get()
    console.out(text, end="")
    if text.count("\n") > _SCREEN:
        typer.echo(f"\n{printable(answer)}.")


def _batch(data: str) -> tuple[Any, Any, str]:
    """Inputs and targets that a text names, of which a few are enough, and what was done to them."""
    if ":" in data or data.endswith(".py"):
        given = model_function(data)()
        return (*given, "") if isinstance(given, tuple) and len(given) == 2 else (given, None, "")
    found = load_data(data)
    x, y = found.x_train[:_SAMPLES], found.y_train[:_SAMPLES]
    return (
        x,
        y,
        f"data {found.name}: {found.preparation}; {len(x):,} of {len(found.x_train):,} training samples were run",
    )


_SAMPLES, _SCREEN = 256, 40  # of a batch; lines of a terminal that is large


@contextmanager
def _true_of(files: list[Path]) -> Iterator[None]:
    """Ctrl-C tells which of the files were written before it came."""
    before = [_stamp(file) for file in files]
    try:
        yield
    except KeyboardInterrupt:
        new = [f"'{file}'" for file, stamp in zip(files, before, strict=True) if _stamp(file) != stamp]
        if not new:
            raise
        are = "is" if len(new) == 1 else "are"
        raise Interrupted(f"Interrupted, but {' and '.join(new)} {are} written") from None


def _stamp(file: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced."""
    found = file.stat() if file.exists() else None
    return found and (found.st_ino, found.st_mtime_ns)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="NAME.safetensors, or NAME.safetensors.index.json.")],
    plan: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="A manifest, or a saved plan; default: NAME.json.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the manifest's; of a saved plan 0.")] = None,
    source: Annotated[str | None, _SOURCE] = None,
) -> None:
    """Draw a checkpoint once more and compare it bit by bit.

    Exit code 0 if it is equal, 1 if not, 2 if refused.

    Example: initium verify w.safetensors
    """
    if plan is None:
        check_regular(path_of(file), refuse=DataError)  # else a manifest would be missed that nobody can write
    decisions, manifest = read(plan or _beside(file))
    decisions = from_source(decisions, source) if source else decisions
    if decisions.origin:
        _ = building_edge()  # which reads its own framework's files
    if manifest and seed not in (None, manifest.seed):
        manifest = None  # another seed has other digests
    drawn = seed if seed is not None else manifest.seed if manifest else 0
    found = compare_with(decisions, file, seed=drawn, manifest=manifest)
    typer.echo(found)
    if not found:
        raise typer.Exit(1)


def _manifest_beside(out: str) -> Path:
    """Where the manifest of a checkpoint is written; not over a plan, which somebody may have edited."""
    path = _beside(out)
    if os.path.isfile(path) and _files.bears(path, PLAN_MARK) and not _files.bears(path, MANIFEST_MARK):
        raise OutputError(f"'{path}' is a saved plan, and a manifest would take its place. Name another --out.")
    _files.check_writable(path, mark=MANIFEST_MARK)
    return path


def _beside(file: str) -> Path:
    """Where the manifest of a checkpoint lies: beside the file itself, not beside a link to it."""
    return Path(str(_files.destination(file)).removesuffix(SUFFIX)).with_suffix(_SAVED)


_SAVED = ".json"  # how the name of a saved plan ends, and that of no model


def _plan_of(model: str, recipe: str | None, rules: list[str], example: str | None, source: str | None = None) -> Plan:
    if model.endswith(_SAVED):
        _check_decided(model, {"--recipe": recipe, "--rule": rules, "--example": example})
        return Plan.load(model, source=source)
    if source:
        raise SettingError(
            f"`--source` goes with a saved plan, and '{model}' is none. To begin from a checkpoint: initium warm-start."
        )
    recipe = recipe or "auto"
    start, said = (
        parse_recipe(recipe),
        tuple(Rule(*read_rule_text(text)) for text in rules),
    )  # refused before a model is built
    inputs = _in_place(model_function(example)) if example else None
    try:
        return decide(_graph_of(model, start, said, inputs), start, rules=said)
    except ModelError as error:
        if example or not error.needs_example:
            raise
        raise ModelError(f"{error} Here that is --example FILE.py:FUNCTION, which returns it.") from None


def _check_decided(plan: str, options: dict[str, Any]) -> None:
    if given := [option for option, value in options.items() if value]:
        raise SettingError(
            f"'{plan}' is a saved plan, in which all is decided. Leave out {' and '.join(given)}, or name the model."
        )


def _graph_of(model: str, recipe: Recipe, rules: tuple[Rule, ...] = (), inputs: Any = None) -> Graph:
    """What a model does that a text names; one that needs numbers to run is built a second time, with them."""
    from .torch import _load

    def seen() -> tuple[Graph, bool]:
        built = _load.load(model, must_defer=not recipe.traces)
        return graph_of(built, recipe, rules, inputs), _load.is_large(built)

    graph, is_large = _in_place(seen)
    if graph.is_traced or not recipe.traces or is_large:
        return graph
    return _in_place(lambda: graph_of(_load.load(model, with_numbers=True), recipe, rules, inputs))


def _in_place(action: Callable[[], T]) -> T:
    """Somebody's code may change the folder; every path that was typed means the one where the command began."""
    with chdir("."):
        return action()
