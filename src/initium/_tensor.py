"""The Tensor: one tensor between a decision and its bytes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _fill, _stream
from ._decisions import Choice, Decisions
from ._errors import CheckpointError, SpecError, listed
from ._graph import Buffer
from .init import Initialiser
from .init._law import Constant, Elementwise, Given, Law, Loaded
from .init._weight import Weight

Box = Sequence[slice]


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor, and all that its numbers follow from.

    Attributes:
        path: its dotted name.
        tied: its other names.
        start: the spec of its initialiser, as errors tell it.
        dtype: of its numbers, as frameworks spell it.
        law: what they are drawn from.
        weight: its shape as it is stored, and how its elements are numbered.
        key: of its stream.
        is_buffer: whether it is none of the parameters.
    """

    path: str = ""
    tied: tuple[str, ...] = ()
    start: str
    dtype: str
    law: Law
    weight: Weight
    key: int
    is_buffer: bool = False

    @classmethod
    def of(cls, init: Initialiser, weight: Weight, *, dtype: str, key: int, **names: Any) -> "Tensor":
        """What an initialiser makes of a weight."""
        seen = init.sees(weight)
        return cls(start=str(init), dtype=dtype, law=init.law(seen.in_order), weight=seen, key=key, **names)

    @cached_property
    def number(self) -> "np.dtype[Any]":
        """Of an array that holds its bits; NumPy cannot name bfloat16."""
        return np.dtype("uint16" if self.dtype == "bfloat16" else self.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """As it is stored."""
        return self.weight.shape

    @property
    def num_bytes(self) -> int:
        """Of all its numbers."""
        return math.prod(self.shape) * self.number.itemsize

    @property
    def comes_in_parts(self) -> bool:
        """Whether a part costs what it holds."""
        if isinstance(self.law, Loaded):
            return self.law.find().comes_in_parts
        return self.law.comes_in_parts(self.weight.in_order)

    def job(self, out: NDArray[Any], box: Box | None = None) -> _fill.Job:
        """The work of filling it, or a box of it, into memory that lies in the order of numbering."""
        numbered = None if box is None else tuple(box[axis] for axis in self.weight.order)
        return _fill.Job(out=out, law=self.law, weight=self.weight.in_order, key=self.key, box=numbered)

    def part(self, box: Box | None = None, *, threads: int | None = None) -> NDArray[Any]:
        """All of it or a box, as a new array.

        Raises:
            SpecError: if what is computed leaves the dtype.
        """
        order = self.weight.order
        cuts = (slice(None),) * len(order) if box is None else tuple(box)
        if isinstance(self.law, Loaded):
            from ._loaded import read  # which opens files: rarely needed

            return read(self, self.law, cuts)
        if isinstance(self.law, Given):
            out = _fill.rounded(self.law.numbers[(*(cuts[axis] for axis in order), ...)], self.dtype)
        else:
            sizes = [len(range(size)[cut]) for size, cut in zip(self.shape, cuts, strict=True)]
            out = np.empty([sizes[axis] for axis in order], self.number)
            _fill.fill_all([self.job(out, box)], threads=threads)
        return out.transpose(np.argsort(order))

    def write(self, out: NDArray[Any], box: Box) -> None:
        """A box of it into an array: in place where elements are numbered as they are stored, else beside it."""
        if isinstance(self.law, Loaded):
            from ._loaded import read_into

            read_into(self, self.law, out, box)
        elif isinstance(self.law, Given) or self.weight.order != tuple(range(out.ndim)):
            out[...] = self.part(box)
        else:
            _fill.fill_all([self.job(out, box)])

    def check(self) -> None:
        """Refuse numbers that its dtype does not have, as far as they are known before they are computed.

        Raises:
            SpecError: saying how far they reach.
        """
        if isinstance(self.law, Loaded):
            from ._loaded import check

            check(self, self.law)
        elif self.dtype in _fill.DTYPES:
            nothing = (slice(0, 0),) * len(self.shape)  # every law is looked at, whatever the box holds
            _fill.check(self.job(np.empty([0] * len(self.shape), self.number), nothing))
        elif self.dtype != "bool" and isinstance(self.law, Given) and self.law.numbers.size:
            _check_range(self.law.numbers, self.dtype)


def _check_range(numbers: NDArray[Any], dtype: str) -> None:
    """Whole numbers are never wrapped around."""
    ends = np.iinfo(dtype)
    low, high = (numbers.item(place(numbers)) for place in (np.argmin, np.argmax))
    if not ends.min <= low <= high <= ends.max:
        raise SpecError(f"it reaches from {low} to {high}, but {dtype} goes from {ends.min} to {ends.max}.")


def check_all(tensors: Iterable[Tensor]) -> None:
    """Refuse tensors whose numbers leave their dtype, or are not there.

    Raises:
        SpecError: naming all of the first kind.
        CheckpointError: naming all of the second.
    """
    misfits, absent = [], []
    fit = set[tuple[Law, str]]()  # of what is drawn element by element the shape does not matter
    for tensor in tensors:
        if isinstance(tensor.law, Elementwise) and (tensor.law, tensor.dtype) in fit:
            continue
        try:
            tensor.check()
            fit.add((tensor.law, tensor.dtype))
        except CheckpointError as error:
            absent.append(f"  {tensor.path}  {error}")
        except SpecError as error:
            misfits.append(f"  {tensor.path}  {tensor.start}: {str(error).replace(str(tensor.law), 'it')}")
    if misfits:
        raise SpecError(
            f"These starts leave the numbers of their dtype:\n{listed(sorted(misfits))}\n"
            "Choose a smaller std or limit, or float32."
        )
    if absent:
        raise CheckpointError(
            f"These numbers are not where the plan says:\n{listed(sorted(absent))}\n"
            "Plan the model with this checkpoint again, `initium.warm_start(model, source)`."
        )


def of_choice(choice: Choice, seed: int, dtype: str = "") -> Tensor:
    """A parameter as it is decided, in its own dtype or in the one that a model has by now."""
    return Tensor(
        path=choice.path,
        tied=choice.param.tied,
        start=str(choice.init),
        dtype=dtype or choice.param.dtype,
        law=choice.law,
        weight=choice.init.sees(choice.param),
        key=_stream.key(seed, choice.stream),
    )


def of_buffer(buffer: Buffer, decisions: Decisions, seed: int) -> Tensor | None:
    """A buffer as it is drawn; nothing if nobody knows its numbers."""
    from ._safetensors import CODES  # what a file can hold; its readers are rarely needed

    init = buffer.made.init if buffer.made else None
    if init is None or buffer.dtype not in CODES:
        return None
    # Axes without a role: its elements are numbered as they are stored, or as those of what it is a copy of.
    copied = (choice for choice in decisions.choices if choice.path == buffer.draws_as)
    same = (choice.init.sees(choice.param) for choice in copied if choice.param.shape == buffer.shape)
    weight = next(same, Weight(shape=buffer.shape, axes="b" * len(buffer.shape)))
    law = init.law(weight.in_order)
    if isinstance(law, Loaded):
        law, weight = init.law(stored := Weight(shape=buffer.shape, axes="b" * len(buffer.shape))), stored
    if isinstance(law, Constant):  # whatever number was recorded: it is no start that may be too large
        law = Given(np.broadcast_to(law.value, buffer.shape))
    if law.how == "kept" or (buffer.dtype not in _fill.DTYPES and not isinstance(law, Given | Loaded)):
        return None
    return Tensor(
        path=buffer.path,
        tied=buffer.tied,
        start="buffer",
        dtype=buffer.dtype,
        law=law,
        weight=weight,
        key=_stream.key(seed, buffer.draws_as or buffer.path),
        is_buffer=True,
    )
