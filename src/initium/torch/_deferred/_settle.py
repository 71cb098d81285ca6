"""settle: plain tensors in the place of what a constructor left in a model."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._torch import IS_PARAMETER, hooks_of, own_buffers, own_parameters, put_hooks
from ._blank import META, Blank, View
from ._record import RECORDS, Recorded, record_of
from ._recorder import Recorder
from ._replay import replay


def settle(model: nn.Module, recorder: Recorder) -> None:
    """Put parameters and buffers on meta under every name that they have, and remember how they were made."""
    _Settling(model, recorder).run()


class _Settling:
    def __init__(self, model: nn.Module, recorder: Recorder) -> None:
        self.recorder = recorder
        self.modules = _modules(model)
        self.made: dict[int, torch.Tensor] = {}
        held = {id(value): value for module in self.modules for _, value in _own(module) if self._is_ours(value)}
        self.old = list(held.values())
        self.views = {key: recorder.view(value) for key, value in held.items()}
        self.num_holders = Counter(view.storage for view in self.views.values())
        named = model.named_parameters(remove_duplicate=False)
        self.params: dict[str, Recorded] = {}
        self.params |= {path: self._recorded(self.views[id(value)]) for path, value in named if id(value) in self.views}
        self.storages: dict[int, torch.UntypedStorage] = {}
        self.seen: dict[int, Any] = {}  # what holds itself is gone through once

    def run(self) -> None:
        for value in self.old:
            self.made[id(value)] = self._on_meta(value)
        for module in self.modules:
            ours = [(name, self.views[id(value)]) for name, value in _own(module) if id(value) in self.views]
            RECORDS[module] = {**record_of(module), **{name: self._recorded(view) for name, view in ours}}
            self._placed(vars(module))

    def _is_ours(self, value: torch.Tensor) -> bool:
        """Whether the constructor made or wrote it; what was there before it keeps its memory."""
        if isinstance(value, Blank) or is_lazy(value):
            return isinstance(value, Blank)
        known = self.recorder.number(value)
        return known is not None and (known in self.recorder.own or len(self.recorder.log.writers[known]) > 1)

    def _on_meta(self, value: torch.Tensor) -> torch.Tensor:
        made = self._place(value)
        if isinstance(value, nn.Parameter):
            made = nn.Parameter(made, requires_grad=value.requires_grad)
            put_hooks(made, hooks_of(value))
        kept = {name: held for name, held in vars(value).items() if name not in (IS_PARAMETER, "claimed")}
        vars(made).update({name: held for name, held in kept.items() if not isinstance(held, Blank)})
        return made

    def _place(self, value: torch.Tensor) -> torch.Tensor:
        """A storage of its own, but one for all that share one."""
        view = self.views[id(value)]
        if self.num_holders[view.storage] == 1:
            return torch.empty_strided(view.size, view.stride, dtype=view.dtype, device=META)
        if view.storage not in self.storages:
            nbytes = self.recorder.log.nbytes[view.storage]
            self.storages[view.storage] = torch.empty(nbytes, dtype=torch.uint8, device=META).untyped_storage()
        return view.on(self.storages[view.storage])

    def _recorded(self, view: View) -> Recorded:
        return Recorded(self.recorder.log, view, is_shared=self.num_holders[view.storage] > 1, beside=self.params)

    def _placed(self, value: Any) -> Any:
        """The same thing with plain tensors in it."""
        if isinstance(value, torch.Tensor):
            return self.made[id(value)] if id(value) in self.made else self._attribute(value)
        if isinstance(value, tuple):
            parts = [self._placed(held) for held in value]
            if all(part is held for part, held in zip(parts, value, strict=True)):
                return value
            kind: Any = type(value)
            return kind._make(parts) if hasattr(kind, "_make") else kind(parts)
        held = _contained(value)
        if held is not None and id(held) not in self.seen:
            self.seen[id(held)] = held
            for place, inner in list(held.items() if isinstance(held, dict) else enumerate(held)):
                if (placed := self._placed(inner)) is not inner:
                    held[place] = placed
        return value

    def _attribute(self, value: torch.Tensor) -> torch.Tensor:
        """A tensor that is no buffer: its numbers if they are without chance, since nobody else would compute them."""
        if not isinstance(value, Blank) and (is_lazy(value) or self.recorder.number(value) not in self.recorder.stale):
            return value
        log, view = self.recorder.log, self.recorder.view(value)
        if log.is_random(log.needed(view.storage)):
            return torch.empty_strided(view.size, view.stride, dtype=view.dtype, device=META)
        return replay(log, view)


def _contained(value: Any) -> Any:
    """What a container holds, to be changed in place; None of what is none. An optimiser holds its parameters."""
    if isinstance(value, torch.optim.Optimizer) or (
        is_dataclass(value) and isinstance(getattr(value, "__dict__", None), dict)
    ):
        return vars(value)
    return value if isinstance(value, list | dict | deque) else None


def _own(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for held in (own_parameters(module), own_buffers(module)):
        yield from ((name, value) for name, value in held.items() if value is not None)


def _modules(model: nn.Module) -> list[nn.Module]:
    """Every module, also those that hide in a list or a dict."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [model]
    while waiting:
        thing = waiting.pop()
        held = vars(thing) if isinstance(thing, nn.Module) else thing if isinstance(thing, tuple) else _contained(thing)
        if id(thing) in seen or held is None:
            continue
        seen[id(thing)] = thing
        waiting += held.values() if isinstance(held, dict) else held
    return [thing for thing in seen.values() if isinstance(thing, nn.Module)]
