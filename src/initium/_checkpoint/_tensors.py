"""The tensors of a checkpoint, before a number of them is drawn."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _fill, _stream
from .._errors import PlanError, SpecError, listed
from .._graph import Buffer
from .._plan import Choice, Plan
from .._plan._store import repeated
from ..init._law import Constant, Given, Keep, Law, given
from ..init._weight import Weight

# How safetensors calls each dtype, and the array that holds its bits.
DTYPES: dict[str, tuple[str, Any]] = {
    "float64": ("F64", np.float64),
    "float32": ("F32", np.float32),
    "float16": ("F16", np.float16),
    "bfloat16": ("BF16", np.uint16),
    "int64": ("I64", np.int64),
    "int32": ("I32", np.int32),
    "int16": ("I16", np.int16),
    "int8": ("I8", np.int8),
    "uint64": ("U64", np.uint64),
    "uint32": ("U32", np.uint32),
    "uint16": ("U16", np.uint16),
    "uint8": ("U8", np.uint8),
    "bool": ("BOOL", np.bool_),
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor, and all that its numbers follow from.

    Attributes:
        path: its dotted name.
        tied: its other names.
        dtype: of its numbers, as frameworks spell it.
        law: what they are drawn from.
        weight: its shape as it is stored, and how its elements are numbered.
        key: of its stream.
    """

    path: str
    tied: tuple[str, ...]
    dtype: str
    law: Law
    weight: Weight
    key: int

    @property
    def code(self) -> str:
        """Its dtype as safetensors calls it."""
        return DTYPES[self.dtype][0]

    @property
    def number(self) -> "np.dtype[Any]":
        """Of an array that holds its bits."""
        return np.dtype(DTYPES[self.dtype][1])

    @property
    def shape(self) -> tuple[int, ...]:
        """As it is stored."""
        return self.weight.shape

    @property
    def num_bytes(self) -> int:
        """Of all its numbers."""
        return math.prod(self.shape) * self.number.itemsize


def tensors_of(plan: Plan, seed: int) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """What a checkpoint holds, parameters and then buffers; and the paths of buffers whose numbers nobody knows.

    Raises:
        PlanError: naming every parameter that has no numbers, or a dtype that no fill writes; every name that is there
            twice.
        SpecError: naming every parameter whose numbers leave its dtype.
        SettingError: if the seed is out of range.
    """
    _check_start(plan)
    _check_dtype(plan)
    _check_names(plan)
    buffers = {buffer.path: of_buffer(buffer, plan, seed) for buffer in plan.buffers}
    tensors = [_of_choice(choice, seed) for choice in plan.choices]
    tensors += [tensor for tensor in buffers.values() if tensor]
    _check_reach(plan, tensors)
    return tuple(tensors), tuple(path for path, tensor in buffers.items() if not tensor)


def _of_choice(choice: Choice, seed: int) -> Tensor:
    return Tensor(
        path=choice.path,
        tied=choice.param.tied,
        dtype=choice.param.dtype,
        law=choice.law,
        weight=choice.init.sees(choice.param),
        key=_stream.key(seed, choice.draws_as or choice.path),
    )


def of_buffer(buffer: Buffer, plan: Plan, seed: int) -> Tensor | None:
    """A buffer as it is drawn; nothing if nobody knows its numbers."""
    init = buffer.made.init if buffer.made else None
    if init is None or buffer.dtype not in DTYPES:
        return None
    # Axes without a role: its elements are numbered as they are stored, or as those of what it is a copy of.
    weight = Weight(shape=buffer.shape, axes="b" * len(buffer.shape))
    copied = [
        choice for choice in plan.choices if choice.path == buffer.draws_as and choice.param.shape == buffer.shape
    ]
    weight = copied[0].init.sees(copied[0].param) if copied else weight
    law = init.law(weight.in_order)
    if isinstance(law, Constant):  # whatever number was recorded: it is no start that may be too large
        law = given(np.broadcast_to(law.value, buffer.shape))
    if isinstance(law, Keep) or (_is_other(buffer.dtype) and not isinstance(law, Given)):
        return None
    key = _stream.key(seed, buffer.draws_as or buffer.path)
    return Tensor(path=buffer.path, tied=buffer.tied, dtype=buffer.dtype, law=law, weight=weight, key=key)


def _check_names(plan: Plan) -> None:
    if lines := [f"  {name}: is there {count} times" for name, count in repeated(plan.choices, plan.buffers).items()]:
        raise PlanError(f"A checkpoint holds each name once:\n{listed(lines)}\nRename one of each.")


def _check_start(plan: Plan) -> None:
    kept = [choice for choice in plan.choices if isinstance(choice.law, Keep)]
    lines = [f"  {choice.path}  {choice.init} ({choice.because})" for choice in kept]
    if lines:
        raise PlanError(
            f"These parameters stay as a model is built, so that a plan has no numbers for them:\n{listed(lines)}\n"
            "Give them a start by a rule, such as Rule('PATH', 'zeros'); or take recipe `author` of a model built with "
            "`initium.torch.deferred`. What no start can say is in `plan.apply(model)` alone."
        )


def _check_dtype(plan: Plan) -> None:
    lines = [f"  {choice.path}  {choice.param.dtype}" for choice in plan.choices if _is_other(choice.param.dtype)]
    if lines:
        raise PlanError(
            f"A fill writes {', '.join(_fill.DTYPES)}, and these parameters are something else:\n{listed(lines)}\n"
            "Plan the model in one of these."
        )


def _is_other(dtype: str) -> bool:
    return dtype not in _fill.DTYPES


def _check_reach(plan: Plan, tensors: list[Tensor]) -> None:
    starts: dict[str, Any] = {choice.path: choice.init for choice in plan.choices}
    misfits = []
    for tensor in tensors:
        try:
            _check_range(tensor) if _is_other(tensor.dtype) else _check_law(tensor)
        except SpecError as error:
            misfits.append(f"  {tensor.path}  {starts.get(tensor.path, 'buffer')}: {error}")
    if misfits:
        raise SpecError(
            f"These starts leave the numbers of their dtype:\n{listed(sorted(misfits))}\n"
            "Choose a smaller std or limit, or plan the model in float32."
        )


def _check_law(tensor: Tensor) -> None:
    # Memory that is never touched costs nothing; only its shape and dtype are looked at.
    weight = tensor.weight.in_order
    out = np.empty(weight.shape, tensor.number)
    _fill.check(_fill.Job(out=out, law=tensor.law, weight=weight, key=tensor.key))


def _check_range(tensor: Tensor) -> None:
    """Whole numbers are never wrapped around."""
    if tensor.dtype == "bool" or not isinstance(tensor.law, Given) or not tensor.law.numbers.size:
        return
    ends, numbers = np.iinfo(tensor.number), tensor.law.numbers
    low, high = (numbers.item(place(numbers)) for place in (np.argmin, np.argmax))
    if not ends.min <= low <= high <= ends.max:
        raise SpecError(f"it reaches from {low} to {high}, but {tensor.dtype} goes from {ends.min} to {ends.max}.")
