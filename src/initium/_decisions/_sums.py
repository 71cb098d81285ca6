"""sums: the SHA-256 of each tensor of a checkpoint that a plan uses, by which it is known again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .._errors import CheckpointError
from ..init._law import Adapted, From, Loaded
from ._decisions import Decisions
from ._origin import Sum


def with_sums(plan: Decisions) -> Decisions:
    """The plan as it is saved: its checkpoint may lie elsewhere, or be another, when it is read."""
    return replace(plan, origin=replace(plan.origin, sums=sums(plan))) if plan.origin else plan


def sums(plan: Decisions) -> tuple[Sum, ...]:
    """Of each tensor that is used, in the order of the plan.

    Raises:
        CheckpointError: if it cannot be read.
    """
    from .._stored import pinned  # which reads files: rarely needed

    found = {name: source for source in _sources(plan) for name in source.names}
    with pinned():
        return tuple(Sum(name=name, sha256=source.find(name).sha256()) for name, source in found.items())


def changed(plan: Decisions) -> Iterator[tuple[str, str]]:
    """Which tensors of the checkpoint are not what they were when the plan was saved, and what is the matter."""
    told = {one.name: one.sha256 for one in plan.origin.sums} if plan.origin else {}
    sources = {name: source for source in _sources(plan) for name in source.names} if told else {}
    for name, source in sources.items():
        try:
            if name in told and source.find(name).sha256() != told[name]:
                yield name, "has another SHA-256 in the checkpoint than when the plan was saved"
        except CheckpointError as error:
            yield name, str(error)


def files_of(plan: Decisions) -> set[Path]:
    """The files of safetensors that numbers come from, those of an index one by one."""
    from .._stored import InFile  # which reads files: rarely needed

    laws = [choice.law for choice in plan.choices] + [buffer.law for buffer in plan.buffers]
    sources = [law.source for law in laws if isinstance(law, Loaded | Adapted)]
    held = [source.find(name) for source in sources for name in source.names]
    return {one.place.file for one in held if isinstance(one, InFile)}


def _sources(plan: Decisions) -> Iterator[From]:
    by_it = (choice.law for choice in plan.choices if choice.by == "checkpoint")  # a rule may name another file
    laws = [*by_it, *(buffer.law for buffer in plan.buffers)]
    yield from (law.source for law in laws if isinstance(law, Loaded | Adapted))
