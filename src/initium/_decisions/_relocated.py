"""relocated: the same decisions of checkpoints elsewhere; a plan's file names them from where it lies itself."""

import os
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TypeVar

from .._errors import CheckpointError, PlanError
from .._reading import check_regular
from .._spec import parse_call
from ..init import Initialiser
from ..init._initialiser import FROM_FILES
from ._decisions import Decisions

D = TypeVar("D", bound=Decisions)


def relocated(plan: D, place: Callable[[str], str], *, only_origin: bool = False) -> D:
    """The plan with other paths.

    Args:
        plan: as it is.
        place: a path from another.
        only_origin: whether what a rule of the user takes from a file stays.
    """

    def moved(init: Initialiser) -> Initialiser:
        name = str(init).partition("(")[0]
        if name not in FROM_FILES:
            return init
        call = parse_call(str(init))
        return FROM_FILES[name](place(call.args[0]), *call.args[1:], **call.kwargs)

    return replace(
        plan,
        choices=tuple(
            choice if only_origin and choice.by != "checkpoint" else replace(choice, init=moved(choice.init))
            for choice in plan.choices
        ),
        buffers=tuple(
            replace(buffer, made=replace(buffer.made, init=moved(buffer.made.init)))
            if buffer.made and buffer.made.init
            else buffer
            for buffer in plan.buffers
        ),
    )


def from_source(plan: D, source: str | PathLike[str]) -> D:
    """The plan of a checkpoint that was moved.

    Raises:
        PlanError: if the plan begins from none.
        CheckpointError: if there is none where it is said to be.
    """
    from .._stored import file_of  # which reads files: rarely needed

    if plan.origin is None:
        raise PlanError(f"The plan begins from no checkpoint, so that none can lie at '{source}'.")
    file = file_of(source).absolute()
    check_regular(file, refuse=CheckpointError)
    moved = relocated(plan, lambda _: str(file), only_origin=True)
    return replace(moved, origin=replace(plan.origin, source=f"'{source}'"))


def as_seen_from(plan: D, file: str | PathLike[str]) -> D:
    """The plan as it is written to a file: what lies beside that, or below, is found again where both are moved to."""
    folder = _folder(file)

    def seen(path: str) -> str:
        path = os.path.abspath(path)
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))  # a link is a file too
        pairs = ((path, folder), (real, os.path.realpath(folder)))
        return next((Path(p).relative_to(f).as_posix() for p, f in pairs if Path(p).is_relative_to(f)), path)

    return relocated(plan, seen)


def as_found_from(plan: D, file: str | PathLike[str]) -> D:
    """The plan as it is read from a file."""
    folder = _folder(file)
    return relocated(plan, lambda path: os.path.join(folder, path))


def _folder(file: str | PathLike[str]) -> str:
    return os.path.dirname(os.path.realpath(file) if os.path.islink(file) else os.path.abspath(file))
