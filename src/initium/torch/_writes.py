"""writes_of: everything that a plan writes into a model, decided before any of it is written."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import nn

from .._decisions import Choice, Decisions
from .._tensor import of_choice
from ._buffers import buffer_writes
from ._deferred import Recorded, is_marked, record_of
from ._lengths import length, lengths
from ._memory import DTYPES
from ._read import dtype_name, named
from ._write import Write


def writes_of(plan: Decisions, model: nn.Module, values: Mapping[str, torch.Tensor], seed: int) -> tuple[Write, ...]:
    """What a fill draws, what the constructor's operations compute again, the buffers, and then what follows of them.

    Raises:
        ModelError: naming the buffers of which nobody knows how they are computed.
    """
    choices = [choice for choice in plan.choices if choice.path in values]
    records = _records(model, values, choices)
    params: dict[str, Write] = {}
    for choice in choices:
        value, record = values[choice.path], records.get(choice.path)
        tensor = of_choice(choice, seed, dtype_name(value))
        if _is_drawn(choice, value, record):
            params[choice.path] = Write(choice.path, value, tensor, choice.law.how, str(choice.init))
        elif record:
            params[choice.path] = _recorded(choice.path, value, record, tensor.key)
    follow = _lengths(model, values, choices, params)
    return (
        *(write for path, write in params.items() if path not in follow),
        *buffer_writes(model, plan, seed),
        *follow.values(),
    )


def _recorded(path: str, value: torch.Tensor, record: Recorded, key: int) -> Write:
    return Write(path, value, lambda: record.value(key), start=record.made.because, is_unset=record.is_unset)


def _lengths(
    model: nn.Module, values: Mapping[str, torch.Tensor], choices: Sequence[Choice], written: Mapping[str, Write]
) -> dict[str, Write]:
    """The length of each weight norm whose direction is written; else the weight would keep its old size.

    A frozen length, and one that a rule or the plan decides, stays.
    """
    paths = {id(value): path for path, value in values.items()}
    is_free = {choice.path for choice in choices if choice.law.how == "kept" and choice.by != "you"}
    found = {}
    for size, direction in lengths(model):
        path, write = paths[id(size)], written.get(paths[id(direction)])
        if write and path in is_free and size.requires_grad:
            make = partial(_length, write, size)
            found[path] = Write(path, size, make, "length", "length of its direction")
    return found


def _length(direction: Write, size: torch.Tensor) -> torch.Tensor:
    return length(direction.whole(), size)


def _records(model: nn.Module, values: Mapping[str, torch.Tensor], choices: Sequence[Choice]) -> dict[str, Recorded]:
    """How the constructor makes each parameter that is on meta, or was and is to be made anew by recipe `author`."""
    anew = {choice.path for choice in choices if choice.by == "author" and is_marked(values[choice.path])}
    paths = {id(value): path for path, value in values.items() if value.is_meta or path in anew}
    found: dict[str, Recorded] = {}
    for _, module, name, value in named(model) if paths else ():
        record = record_of(module).get(name)
        if id(value) in paths and record:
            found.setdefault(paths[id(value)], record)
    return found


def _is_drawn(choice: Choice, value: torch.Tensor, record: Recorded | None) -> bool:
    """Whether a fill writes it. Integers are none that it writes; those of the constructor are computed again."""
    if value.dtype not in DTYPES and record and choice.init == record.made.init:
        return False
    return choice.law.how != "kept"
