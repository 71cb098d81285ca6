"""`initium warm-start`."""

from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from . import _files
from ._checkpoint import target, write
from ._decisions import sums
from ._decisions._store import MARK
from ._errors import ModelError, SettingError
from ._model_name import model_function
from ._printable import printable
from ._recipes import parse_recipe
from ._rule import Rule, read_rule_text
from ._warm import warm_start as plan_from

Values = list[str] | None


def warm_start(
    model: Annotated[str, typer.Argument(help="file.py:function, package.module:function, or 'mlp(64, 128, 10)'.")],
    checkpoint: Annotated[
        str, typer.Argument(help="A file of safetensors, PyTorch or NumPy, an index of several, or a folder.")
    ],
    rename: Annotated[
        Values, typer.Option(metavar="OLD=NEW", help="Globs: 'encoder.*=bert.*', of the checkpoint and the model.")
    ] = None,
    skip: Annotated[
        Values, typer.Option(metavar="GLOB", help="What takes nothing from the checkpoint: 'head.*'.")
    ] = None,
    structure: Annotated[
        bool, typer.Option("--structure", help="Pair by order and shape what has found nothing by its name.")
    ] = False,
    adapt: Annotated[
        Values, typer.Option(metavar="GLOB=HOW", help="What becomes of another shape: 'pos=resampled((64,), (256,))'.")
    ] = None,
    no_adapt: Annotated[bool, typer.Option("--no-adapt", help="Refuse what has another shape.")] = False,
    min_coverage: Annotated[
        str | None, typer.Option(help="Fail if less of the model comes from it: 0.9, or 90%.", metavar="SHARE")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="Of what the checkpoint lacks: auto, or another of `initium list`.")
    ] = "auto",
    rules: Annotated[
        Values, typer.Option("--rule", metavar="GLOB=SPEC", help="Wins over the checkpoint: 'head.*=zeros'.")
    ] = None,
    example: Annotated[
        str | None, typer.Option(help="Inputs to trace the model with: a function that returns them, as MODEL.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn, from 0 to 2^64 - 1.")] = 0,
    dtype: Annotated[str | None, typer.Option(help="Of the numbers that are written: bfloat16.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let a file of PyTorch's run its code: only if you know who wrote it.")
    ] = False,
    digests: Annotated[bool, typer.Option("--digests", help="Show the SHA-256 of each tensor that is used.")] = False,
    plan: Annotated[str | None, typer.Option(help="A JSON file to write the plan to.")] = None,
    out: Annotated[str | None, typer.Option(help="A file to write all numbers to: NAME.safetensors.")] = None,
) -> None:
    """Begin from another model's weights: what is copied, adapted, new and left out, and why.

    Example: initium warm-start model.py:build w.safetensors --skip "head.*" --out start.safetensors
    """
    from .torch import _load

    if out:
        _ = target(out, 1)
    if plan:
        _files.check_writable(plan, mark=MARK)
    if out and plan and Path(out).absolute() == Path(plan).absolute():
        raise SettingError(f"`--out` and `--plan` are both '{printable(out)}'. Name two files.")
    renames, share = _by_name("--rename", map(_pair, rename or ())), _share(min_coverage)
    adapters = _by_name("--adapt", map(_adapter, adapt or ()))
    if adapters and no_adapt:
        raise SettingError("`--no-adapt` refuses what has another shape, and `--adapt` fits it. Leave one of them out.")
    said = tuple(Rule(*read_rule_text(text)) for text in rules or ())
    start = parse_recipe(recipe)
    with chdir("."):  # somebody's code may change the folder
        built = _load.load(model, must_defer=not start.traces)
        inputs = model_function(example)() if example else None
    try:
        made = plan_from(
            built,
            Path(checkpoint),
            rename=renames,
            adapt=adapters or not no_adapt,
            skip=skip or (),
            structure=structure,
            recipe=start,
            rules=said,
            min_coverage=share,
            dtype=dtype,
            trust=trust,
            example=inputs,
        )
    except ModelError as error:
        if example or not error.needs_example:
            raise
        raise ModelError(f"{error} Here that is --example FILE.py:FUNCTION, which returns it.") from None
    Console(highlight=False).print(made, soft_wrap=True)  # a path is never broken in two
    if digests:
        typer.echo("\n" + "\n".join(f"{one.sha256}  {printable(one.name)}" for one in sums(made)))
    if plan:
        made.save(plan)
        typer.echo(f"\nPlan: {printable(plan)}")
    if out:
        typer.echo(f"\n{write(made, out, seed=seed)}")


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError:
        raise SettingError(f"`--min-coverage` is a share, as in 0.9 or 90%; got '{text}'.") from None


def _by_name(option: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise SettingError(
                f"`{option}` says of '{name}' both '{found[name]}' and '{value}'. Leave one of them out."
            )
    return found


def _adapter(text: str) -> tuple[str, str]:
    glob, equals, how = text.partition("=")  # what comes behind may have more of them
    if not (glob.strip() and equals and how.strip()):
        raise SettingError(f"`--adapt` is written GLOB=HOW, as in 'embed.*=grown'; got '{text}'.")
    return glob.strip(), how.strip()


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new) or "=" in new:
        raise SettingError(f"`--rename` is written OLD=NEW, as in 'encoder.*=bert.*'; got '{text}'.")
    return old.strip(), new.strip()
