"""Which tensors of a plan a checkpoint has, and where."""

from collections.abc import Sequence

from .._safetensors import CODES, Place
from .._tensor import Tensor
from .._verification import Difference

Pair = tuple[Tensor, Place]


def pairs(
    tensors: Sequence[Tensor], held: dict[str, Place], unknown: Sequence[str]
) -> tuple[list[Pair], list[Difference]]:
    """Each tensor with its place, or the places of all its names; and what there is too little, too much or otherwise.

    One of several tied names is enough, whichever it is.
    """
    fitting, differences = [], []
    for tensor in tensors:
        names = [name for name in (tensor.path, *tensor.tied) if name in held]
        differences += [] if names else [Difference(path=tensor.path, what="is missing")]
        for name in names:
            flaw = _misfit(tensor, held[name])
            differences += [Difference(path=name, what=flaw)] if flaw else []
            fitting += [] if flaw else [(tensor, held[name])]
    known = {name for tensor in tensors for name in (tensor.path, *tensor.tied)} | set(unknown)
    more = [Difference(path=name, what="is not in the plan") for name in sorted(held.keys() - known)]
    return fitting, differences + more


def _misfit(tensor: Tensor, place: Place) -> str:
    there, planned = (place.code, place.shape), (CODES[tensor.dtype], tensor.shape)
    return "" if there == planned else f"is {_kind(*there)}, and {_kind(*planned)} in the plan"


def _kind(code: str, shape: tuple[int, ...]) -> str:
    return f"{code} {shape}"
