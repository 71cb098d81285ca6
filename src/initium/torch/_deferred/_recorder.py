"""Recorder: runs a constructor's operations on tensors without memory and writes them down."""

import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ..._errors import ModelError
from .._torch import ModeWithoutDynamo, conj, conj_physical, neg_view, schema_of, storage_of
from ._blank import CPU, DEVICE, META, Blank, View
from ._log import Event, Log, constant, is_random, mapped, name_of, places_written, trunc_normal_, unseen
from ._place import place_of
from ._replay import replay, tensors

# What constructors ask for numbers at once: schedules, and tables of positions.
_REAL = {"arange", "linspace", "logspace", "range", "scalar_tensor", "tensor"}
# As many elements are computed where they stand; more are computed when they are asked for.
_FEW = 1 << 16


class Recorder(ModeWithoutDynamo):
    """While it is entered, nothing is drawn, and tensors have no memory but for small ones without chance.

    Attributes:
        log: what was done so far.
        own: storages that operations made; what is not among them came from outside.
        stale: storages of real tensors that were written as if they had no memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log, self.own, self.stale = Log(), set[int](), set[int]()
        self._numbers: dict[int, int] = {}
        self._alive: list[torch.UntypedStorage] = []  # an address stands for a storage as long as that lives

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operation."""
        if op is DEVICE:
            return args[0].device
        kwargs, op = kwargs or {}, _PLAIN.get(op, op)
        if _is_view(op) or torch.Tag.inplace_view in op.tags:
            return self._looked_at(op, args, kwargs)
        seen = mapped(args, torch.Tensor, self.view), mapped(kwargs, torch.Tensor, self.view)
        given = [*_tensors(args), *_tensors(tuple(kwargs.values()))]
        out = self._run(op, args, kwargs, given)
        self._note(op, *seen, out)
        return out

    def view(self, tensor: torch.Tensor) -> View:
        """Where a tensor lies; a storage that was not met before is written down as it is now."""
        number = self.number(tensor)
        if number is None:
            number, storage = self._number(tensor), tensor.untyped_storage()
            whole = View(number, 0, (storage.nbytes() // tensor.dtype.itemsize,), (1,), tensor.dtype)
            has_numbers = not isinstance(tensor, Blank) and not tensor.is_meta
            values = (whole.on(storage).clone().cpu(),) if has_numbers else ()
            self.log.add(Event(constant if values else unseen, values, {}, (whole,), ()))
        return View(number, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def number(self, tensor: torch.Tensor) -> int | None:
        """The number of a tensor's storage, if that was met."""
        return self._numbers.get(storage_of(tensor))

    def _number(self, tensor: torch.Tensor) -> int:
        storage = tensor.untyped_storage()
        self._alive.append(storage)
        self.log.nbytes.append(storage.nbytes())
        self._numbers[storage_of(tensor)] = number = len(self._alive) - 1
        return number

    def _looked_at(self, op: Any, args: Any, kwargs: Any) -> Any:
        """Another view of the same numbers: nothing happens to them."""
        first = args[0]
        if not isinstance(first, Blank):
            out = op(*args, **kwargs)
            # What `torch.tensor` makes of a list, and what a copy is put in, is the constructor's own.
            if op is _LIFT or (self.number(first) is None and torch.Tag.inplace_view in op.tags):
                self.own.add(self.view(first).storage)
            return out
        meta = _meta(first)
        out = op(*mapped(args, torch.Tensor, lambda tensor: meta if tensor is first else _meta(tensor)), **kwargs)
        if torch.Tag.inplace_view not in op.tags:
            return mapped(out, torch.Tensor, lambda made: Blank(made, first.claimed))
        first.data = Blank(meta, first.claimed)
        number = self.view(first).storage
        self.log.nbytes[number] = max(self.log.nbytes[number], meta.untyped_storage().nbytes())
        return first

    def _run(self, op: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        if self._stays_real(op, args, kwargs, given):
            return op(*args, **kwargs)
        if _asks_for_numbers(op):
            return self._computed(op, args, kwargs)
        for tensor in _written(op, args, kwargs):
            if not isinstance(tensor, Blank):
                self.stale.add(self.view(tensor).storage)
        if len(given) == 1 and _writes_first(op):
            return args[0]  # no other shape that might not fit
        return self._without_memory(op, args, kwargs, given)

    def _stays_real(self, op: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> bool:
        device = kwargs.get("device")
        if is_random(op) or (device is not None and torch.device(device).type != "cpu"):
            return False
        if not given:
            return name_of(op) in _REAL or (name_of(op) == "empty" and 0 in args[0])
        if any(isinstance(tensor, Blank) or tensor.device != CPU for tensor in given):
            return False
        is_current = not self.stale or not any(self.view(tensor).storage in self.stale for tensor in given)
        return is_current and sum(tensor.numel() for tensor in given) <= _FEW

    def _without_memory(self, op: Any, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """The shape of the outcome, from tensors on meta."""
        twins = {id(tensor): _meta(tensor) for tensor in given}
        args, kwargs = mapped((args, kwargs), torch.Tensor, lambda tensor: twins[id(tensor)])
        wanted = kwargs.get("device") or next((tensor.device for tensor in given), CPU)
        if "device" in kwargs or (not given and _takes_device(op)):
            kwargs["device"] = META
        kwargs.pop("pin_memory", None)
        out = op(*args, **kwargs)
        same = {id(twins[id(tensor)]): tensor for tensor in given}
        return mapped(out, torch.Tensor, lambda made: same.get(id(made)) if id(made) in same else _blank(made, wanted))

    def _computed(self, op: Any, args: Any, kwargs: Any) -> Any:
        """What cannot be known without the numbers, from the numbers."""
        return op(*mapped(args, torch.Tensor, self.real(op)), **mapped(kwargs, torch.Tensor, self.real(op)))

    def real(self, op: Any) -> Any:
        """A function from a tensor to its numbers, if those are without chance."""

        def of(tensor: torch.Tensor) -> torch.Tensor:
            view = self.view(tensor)
            if self.log.is_random(self.log.needed(view.storage)):
                place = place_of(traceback.extract_stack())
                raise ModelError(
                    "The constructor asks for a number that is not drawn yet, and a deferred model has none "
                    f"(`{name_of(op)}`, {place}). Build the model for real, or on meta, and take another recipe."
                )
            return replay(self.log, view)

        return of

    def _note(self, op: Any, args: Any, kwargs: Any, out: Any) -> None:
        writes = tuple(_written(op, args, kwargs, kind=View))
        makes = tuple(self._made(tensor) for tensor in tensors(out))
        if writes or any(makes):
            self.log.add(Event(op, args, kwargs, makes, writes))

    def _made(self, tensor: torch.Tensor) -> View | None:
        """Where a tensor lies, if its storage is new."""
        if self.number(tensor) is not None:
            return None
        self.own.add(self._number(tensor))
        return self.view(tensor)

    def note_truncated(self, tensor: torch.Tensor, mean: float, std: float, a: float, b: float) -> torch.Tensor:
        """A truncated normal, which is one operation here."""
        view = self.view(tensor)
        if not isinstance(tensor, Blank):
            self.stale.add(view.storage)
        self.log.add(Event(trunc_normal_, (view, mean, std, a, b), {}, (None,), (view,)))
        return tensor

    def refresh(self, tensor: torch.Tensor) -> None:
        """Write down the numbers of a real tensor that is unlike its operations, since NumPy writes past them."""
        if isinstance(tensor, Blank) or is_lazy(tensor) or tensor.device != CPU:
            return
        number = self.number(tensor)
        if number is None or number in self.stale:
            return
        view = self.view(tensor)
        if not torch.equal(_bytes(tensor), _bytes(replay(self.log, view))):
            self.log.add(Event(constant, (tensor.detach().clone(),), {}, (view,), ()))


# What marks numbers as conjugate or negative changes them instead: a View knows of no marks.
_PLAIN: dict[Any, Any] = {conj: conj_physical, neg_view: torch.ops.aten.neg.default}
_LIFT = torch.ops.aten.lift_fresh.default


def _meta(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on meta over a blank one's storage, or of the shape of a real one."""
    if not isinstance(tensor, Blank):
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
    made = torch.empty(0, dtype=tensor.dtype, device=META)
    return made.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)


def _blank(made: torch.Tensor, device: Any) -> torch.Tensor:
    return Blank(made, torch.device(device)) if made.is_meta else made


def _tensors(tree: Any) -> Iterator[torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from _tensors(part)


@cache
def _is_view(op: Any) -> bool:
    return any(value.alias_info and not value.alias_info.is_write for value in schema_of(op).returns)


@cache
def _takes_device(op: Any) -> bool:
    return any(argument.name == "device" for argument in schema_of(op).arguments)


@cache
def _asks_for_numbers(op: Any) -> bool:
    return bool({torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & set(op.tags))


@cache
def _writes_first(op: Any) -> bool:
    return [place for place, _ in places_written(op)] == [0]


def _written(op: Any, args: Any, kwargs: Any, kind: type = torch.Tensor) -> list[Any]:
    """The arguments that an operation changes."""
    found = []
    for place, name in places_written(op):
        value = args[place] if place < len(args) else kwargs.get(name)
        found += value if isinstance(value, list) else [value] if isinstance(value, kind) else []
    return found
