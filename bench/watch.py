"""What each weight of a model gives, whatever became of it on the way to its use."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The operations that multiply and sum, and where their two operands stand.
PRODUCTS = {
    "mm": (0, 1),
    "addmm": (1, 2),
    "bmm": (0, 1),
    "baddbmm": (1, 2),
    "mv": (0, 1),
    "addmv": (1, 2),
    "dot": (0, 1),
    "convolution": (0, 1),
    "_grouped_mm": (0, 1),
    "_trilinear": (0, 1, 2),
    "_embedding_bag": (0, 1),
    "_embedding_bag_forward_only": (0, 1),
}
PICKS = {"index", "index_select", "gather", "embedding"}


class Watch(TorchDispatchMode):
    """The second moment of what each weight gives, before a bias.

    What is made of one weight and of constants alone (a view, a mask, a multiple, a cast, a picked row) is that weight
    still; what any input or two weights had part in is a signal. Both are told by the memory that they lie in, which is
    kept until the end, so that no address comes twice.
    """

    def __init__(self, weights: dict[str, torch.Tensor], batch: Any):
        super().__init__()
        self.weights = {_place(weight): path for path, weight in weights.items()}
        self.signals = {_place(value) for value in tree_leaves(batch) if isinstance(value, torch.Tensor)}
        self.summands: dict[int, str] = {}  # elementwise products with a weight, which may be summed
        self.kept: list[Any] = []
        self.found: dict[str, list[float]] = {}
        self.zeros: set[str] = set()  # paths of weights that were given zeros

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, torch.Tensor)]
        made = [each for each in tree_leaves(out) if isinstance(each, torch.Tensor) and each.numel()]
        own = [place for place in PRODUCTS.get(name, ()) if _place(args[place]) in self.weights]
        if len(own) == 1:
            others = [args[place] for place in PRODUCTS[name] if place != own[0]]
            self._met(self.weights[_place(args[own[0]])], others, _without_bias(name, args, made[0]) if made else None)
            self._signal(made)
            return out
        paths = {self.weights[_place(each)] for each in tensors if _place(each) in self.weights}
        among = [each for each in tensors if name not in PICKS or each.is_floating_point()]
        if name == "sum" and _place(args[0]) in self.summands and made:
            self._met(self.summands[_place(args[0])], [args[0]], made[0])
        if any(_place(each) in self.signals for each in among) or len(paths) > 1:
            self._signal(made)
            if name == "mul" and len(paths) == 1:
                self.summands |= {_place(each): next(iter(paths)) for each in made}
        elif paths:
            self.weights |= {_place(each): next(iter(paths)) for each in made}
            self.kept += made
        elif any(_place(each) in self.signals for each in tensors):
            self._signal(made)
        return out

    def _signal(self, made: list[torch.Tensor]) -> None:
        self.kept += made
        for each in made:
            self.signals.add(_place(each))
            self.weights.pop(_place(each), None)

    def _met(self, path: str, others: list[torch.Tensor], given: torch.Tensor | None) -> None:
        if given is None:
            return
        if any(not other.any() for other in others if other.is_floating_point()):
            self.zeros.add(path)
        else:
            self.found.setdefault(path, []).append(given.double().square().mean().item())


def _place(value: Any) -> int:
    return value.untyped_storage().data_ptr() if isinstance(value, torch.Tensor) else 0


def _without_bias(name: str, args: Any, given: torch.Tensor) -> torch.Tensor:
    if name in ("addmm", "baddbmm", "addmv"):
        return given - args[0]
    if name == "convolution" and args[2] is not None:
        return given - args[2].view(-1, *[1] * (given.ndim - 2))
    return given
