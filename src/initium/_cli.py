"""The command line."""

import functools
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Annotated, NoReturn, ParamSpec

import typer
from rich.console import Console
from rich.markup import escape

from . import _files
from ._compare import compare as run_compare
from ._errors import InitiumError
from ._guide import entries
from ._guide import explain as tell
from ._recipe import Recipe
from ._report._page import MARK
from ._report._text import renderable

P = ParamSpec("P")

_INITS_HELP = "Two or more of `initium list`, with arguments as in 'uniform(-0.1, 0.1)'."

app = typer.Typer(
    help="A neural network's weights before the first training step.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _told(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose refusals are one message and exit code 2, without a traceback."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except InitiumError as error:
            _refuse(f"{type(error).__name__}: {error}")
        except KeyboardInterrupt as error:
            _refuse(f"{error or 'Interrupted'}; nothing was written.")

    return told


@app.command()
@_told
def compare(
    inits: Annotated[list[str], typer.Argument(metavar="INIT INIT", help=_INITS_HELP)],
    model: Annotated[
        str, typer.Option(help="mlp (hidden layers of 128 and 64), or its widths: 'mlp(10, 20, 2)'.")
    ] = "mlp",
    data: Annotated[str, typer.Option(help="digits, breast_cancer, wine, iris, diabetes; or a .npz file.")] = "digits",
    activation: Annotated[
        str, typer.Option(help="Of the hidden layers: relu, tanh, sigmoid, gelu, silu, selu, ...")
    ] = "relu",
    epochs: Annotated[int, typer.Option(help="Passes over the training split.")] = 20,
    seeds: Annotated[int, typer.Option(help="Paired runs of each initialiser.")] = 20,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.1,
    optimizer: Annotated[str, typer.Option(help="sgd or adam.")] = "sgd",
    batch_size: Annotated[int, typer.Option(help="Samples a step.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of the weights: run r uses seed + r.")] = 0,
    order_seed: Annotated[int, typer.Option(help="Seed of the order of samples, likewise.")] = 0,
    split_seed: Annotated[int, typer.Option(help="Seed of the split into training and test.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes; default: one a processor.")] = None,
    out: Annotated[str, typer.Option(help="The page to write.")] = "compare.html",
) -> None:
    """Train a network from several initialisers and say which is better.

    Example: initium compare glorot_uniform "uniform(-0.1, 0.1)" --data digits
    """
    _files.check_writable(out, mark=MARK)
    result = run_compare(
        model,
        data,
        inits=inits,
        seeds=seeds,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,
        activation=activation,
        seed=seed,
        order_seed=order_seed,
        split_seed=split_seed,
        jobs=jobs,
    )
    result = replace(result, command=f"initium {shlex.join(sys.argv[1:])}")
    result.save(out)
    for alias, name in _renamed(inits):
        typer.echo(f"{alias} is {name}: one method, two names.")
    Console(highlight=False).print(renderable(result.report()))
    typer.echo(f"\nPage with curves: {out}")
    if result.interrupted:
        _refuse(f"Interrupted: {result.num_runs} of {seeds} runs of each start had finished; they are above and saved.")


@app.command(name="list")
@_told
def list_() -> None:
    """Every start of the catalogue, family by family, and when to use it."""
    console = Console(highlight=False)
    for group, members in groupby(entries(), key=lambda entry: entry.group):
        console.print(f"\n[bold]{group}[/bold]")
        for entry in members:
            console.print(f"  {entry.name:<23}  {escape(entry.when)}", soft_wrap=True)
    console.print("\n`initium explain NAME` tells the rest.")


@app.command()
@_told
def explain(name: Annotated[str, typer.Argument(help="Of a start, or its spec: he_normal.")]) -> None:
    """The formula of a start, when to use it and when not, and where it comes from.

    Example: initium explain he_normal
    """
    typer.echo(tell(name))


def _renamed(inits: list[str]) -> Iterator[tuple[str, str]]:
    """The starts that are reported under another name than they were asked for."""
    for spec in inits:
        asked, name = (re.match(r"\w*", text.strip())[0] for text in (spec, str(Recipe.parse(spec))))  # pyright: ignore
        if asked != name:
            yield asked, name


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
