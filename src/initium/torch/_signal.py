"""What each weight gives while a model runs."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from .._errors import ModelError
from ._memory import extent
from ._operations import weight_operation


class Signal(TorchDispatchMode):
    """Measures the second moment of what each weight gives at its first use, before any bias, and rescales it.

    Nothing of the model is changed: a weight that is to be multiplied by a factor has its outputs multiplied, at every
    use. A normalisation over the batch takes its statistics from the batch, also where the model would take the ones
    it keeps, which mean nothing before training.

    Attributes:
        moments: second moment by path, in the order in which the weights were met.
        factors: by path.
        num_uses: by path.
        empty: paths of weights that were used on no data, as an expert that no token reaches.
        seen: paths of weights that took part in anything.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], meant: Mapping[str, float] | None = None) -> None:
        """Watch weights, and rescale them to the moments that are meant, if any are."""
        super().__init__()
        self.moments: dict[str, float] = {}
        self.factors: dict[str, float] = {}
        self.num_uses: Counter[str] = Counter()
        self.empty: set[str] = set()
        self.seen: set[str] = set()
        self._meant = meant or {}
        spans = sorted((w.data_ptr(), w.data_ptr() + extent(w), path) for path, w in weights.items())
        self._starts, self._spans = [start for start, _, _ in spans], spans
        # What is a multiple of a weight and lies elsewhere: a cast, a copy.
        self._multiples: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation of the model."""
        kwargs, name = kwargs or {}, func.overloadpacket.__name__
        if torch.is_inference_mode_enabled() and func._can_decompose():
            with self:  # there PyTorch leaves the taking apart to whoever watches
                return func.decompose(*args, **kwargs)
        if name in _STATISTICS:
            args = _of_the_batch(args)
        row = weight_operation(name)
        for place in row.weights if row.is_use else ():
            if path := self._path(args[place]):
                return self._use(path, args[place], *row.split(func, args, kwargs))
        self.seen.update(path for arg in args if (path := self._path(arg)))
        given = func(*args, **kwargs)
        if args and (func.is_view or name in _COPIES or name in _MULTIPLES):
            self._follow(name, args, given)
        return given

    def _path(self, tensor: Any) -> str | None:
        """The weight that a tensor is, or is a part or a multiple of."""
        address = _address(tensor)
        if address is None:
            return None
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._spans[index][1]:
            return self._spans[index][2]
        return self._multiples.get(tensor)

    def _follow(self, name: str, args: Any, given: Any) -> None:
        """Remember what is a weight still, in other memory."""
        weights = [(self._path(arg), arg) for arg in (args[:2] if name in _MULTIPLES else args[:1])]
        weights = [(path, weight) for path, weight in weights if path]
        if len(weights) == 1 and (name not in _MULTIPLES or given.shape == weights[0][1].shape):
            for part in tree_leaves(given):
                self._multiples[part] = weights[0][0]

    def _use(self, path: str, weight: Any, given: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Measure what a weight gives, and add the bias."""
        if not given.numel():
            self.empty.add(path)
        else:
            self.num_uses[path] += 1
            if path not in self.moments:
                self.moments[path] = _moment(given)
                if path in self._meant:
                    _check(path, self.moments[path], weight)
                    self.factors[path] = math.sqrt(self._meant[path] / self.moments[path])
            if path in self.factors:
                given.mul_(self.factors[path])
        return given if bias is None else given + bias


def _address(tensor: Any) -> int | None:
    """Where a tensor lies; None if it is none, or one that a transform holds."""
    try:
        return tensor.data_ptr()
    except (AttributeError, RuntimeError):
        return None


_STATISTICS = {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"}
_COPIES = {"_to_copy", "clone", "_unsafe_view", "_reshape_alias", "_weight_norm_interface"}
_MULTIPLES = {"mul", "div", "neg"}


def _of_the_batch(args: Any) -> Any:
    """The arguments of a batch normalisation by the batch's own statistics, if it holds more than one value each."""
    x = args[0]
    return (*args[:3], None, None, True, *args[6:]) if x.numel() > x.shape[1] else args


def _moment(x: torch.Tensor) -> float:
    """The mean square, row by row: one long sum in float32 loses digits."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    rows = torch.linalg.vector_norm(x.reshape(len(x) if x.ndim else 1, -1), dim=1, dtype=dtype)
    return rows.cpu().double().square().sum().item() / x.numel()


def _check(path: str, moment: float, weight: torch.Tensor) -> None:
    """Refuse a signal that no factor mends."""
    if 0 < moment < math.inf:
        return
    if moment == 0:
        what, is_own = "only zeros", not weight.any()
        cause = "The weight is zero" if is_own else "All that reaches it is zero"
    else:
        what, is_own = "NaN or infinite numbers", not weight.isfinite().all()
        cause = "The weight holds such numbers" if is_own else "What reaches it holds such numbers, or too large ones"
    remedy = "Fill the model first: plan.apply(model)." if is_own else "Look at the batch, and at the layers before it."
    raise ModelError(f"`{path}` gives {what} on this batch. {cause}. No weight was rescaled. {remedy}")
