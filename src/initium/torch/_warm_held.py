"""held: a module or a state dict as a checkpoint."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy

from .._errors import CheckpointError, few, with_article
from .._fill import bits
from .._printable import printable
from .._rule import shown
from .._stored import Box, Held, Stored, Tensors
from .._warm_start import Checkpoint
from ._path import plain_paths
from ._read import dtype_name
from ._shards import is_sharded

# Under which name programs save a model's weights beside an optimiser's, the first that is there.
_USUAL = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params")
_DEEPEST = 4  # that weights are looked for
_OPTIMISERS = re.compile(r"opts?$|.*optim", re.IGNORECASE)  # whose state is no model's

Place = tuple[str, ...]  # the names of dicts within dicts
Store = Callable[[Any], Stored]  # what a tensor or an array is, as one that exists already


class Living(Stored):
    """A tensor in PyTorch's memory, as it is when it is read."""

    def __init__(self, value: torch.Tensor) -> None:
        self.value, self.shape, self.dtype = value.detach(), tuple(value.shape), dtype_name(value)

    def read(self, box: Box | None = None) -> NDArray[Any]:
        found = (self.value if box is None else self.value[(*box, ...)]).cpu().resolve_neg().resolve_conj()
        return (found.view(torch.uint16) if found.dtype == torch.bfloat16 else found).numpy()


def held(source: Any) -> Checkpoint:
    """What a module or a state dict holds, by name.

    Raises:
        CheckpointError: if it is neither, or holds what has no numbers.
    """
    if isinstance(source, nn.Module):
        plain = plain_paths(source)
        tensors = {plain(name): value for name, value in source.state_dict().items()}
        return Checkpoint(tensors=stored_by_name(tensors), what=with_article(type(source).__name__))
    if isinstance(source, Mapping):
        return Checkpoint(tensors=weights_in(source, "The dict"), what="a state dict")
    raise CheckpointError(
        f"A checkpoint is the path of a file or a folder, a module, or a dict of tensors by name, not {shown(source)}."
    )


def weights_in(saved: Any, what: str, *, store: Store | None = None) -> Tensors:
    """The tensors of what a program saved, which may be nested beside the state of an optimiser, or single tensors.

    Args:
        saved: by it.
        what: it is, for a reader.
        store: of each; None is of what is in memory.

    Raises:
        CheckpointError: if there are none, several dicts may be meant, or a tensor has no numbers.
    """
    if isinstance(saved, nn.Module):
        return stored_by_name(saved.state_dict())
    likely = _likely(saved)
    if not likely:
        raise CheckpointError(f"{what} holds no tensors by name, but {_what(saved)}.")
    if len(likely) > 1:
        names = few([_shown(place) for place in likely])
        raise CheckpointError(f"{what} holds several dicts of tensors: {names}. Pass the one that is meant as a dict.")
    [(place, taken)] = likely.items()
    tensors = stored_by_name(taken, store)
    others = [_shown(other) for other in _dicts(saved) if other != place]
    if place or others:
        where = f"its tensors lie {'under' if place else 'at'} {_shown(place)}"
        tensors.notes += (f"{where}; not taken: {few(others)}" if others else where,)
    return tensors


def _what(saved: Any) -> str:
    if not isinstance(saved, Mapping):
        return with_article(type(saved).__name__)
    inside = [f"{printable(repr(name))} of {with_article(type(value).__name__)}" for name, value in saved.items()]
    return few(inside) if inside else "nothing"


def _likely(saved: Any, place: Place = (), depth: int = 0) -> dict[Place, Mapping[str, Any]]:
    """What may be a model's weights: what is called so, else what lies least deep; several if none is alone there."""
    inside = {name: _likely(value, (*place, name), depth + 1) for name, value in _inside(saved, depth)}
    inside = {name: found for name, found in inside.items() if found}
    if usual := next((name for name in _USUAL if name in inside), ""):
        return inside[usual]
    own = _tensors_of(saved)
    others = {other: value for found in inside.values() for other, value in found.items()}
    # A loss, a step and a generator's state have no owner.
    if own and (not others or any("." in name for name in own)):
        is_most = all(len(own) > len(_tensors_of(value)) for value in others.values())
        return {place: saved} | ({} if is_most else others)
    least = min(map(len, others), default=0)
    return {other: value for other, value in others.items() if len(other) == least}


def _dicts(saved: Any, place: Place = (), depth: int = 0) -> Iterator[Place]:
    """Where tensors lie by name."""
    if _tensors_of(saved):
        yield place
    for name, value in _inside(saved, depth):
        yield from _dicts(value, (*place, name), depth + 1)


def _inside(saved: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The dicts and modules of a dict, but those of optimisers."""
    if isinstance(saved, Mapping) and depth < _DEEPEST:
        for name, value in saved.items():
            found = value.state_dict() if isinstance(value, nn.Module) else value
            if isinstance(name, str) and isinstance(found, Mapping) and not _OPTIMISERS.match(name):
                yield name, found


def _tensors_of(saved: Any) -> list[str]:
    return [name for name, value in saved.items() if _is_one(name, value)] if isinstance(saved, Mapping) else []


def _shown(place: Place) -> str:
    return f"`{'.'.join(place)}`" if place else "the top"


def stored_by_name(tensors: Mapping[Any, Any], store: Store | None = None) -> Tensors:
    """Tensors and arrays by their names, in their order. See `weights_in`.

    Raises:
        CheckpointError: naming what has no numbers that can be copied.
    """
    wrong = [f"`{name}` is {flaw}" for name, value in tensors.items() if not store and (flaw := _flaw(value))]
    if wrong:
        raise CheckpointError(f"A checkpoint holds plain tensors with numbers, and {few(wrong)}. Leave those out.")
    within = {name for name, _ in _inside(tensors, 0) if any(True for _ in _dicts(tensors[name]))}
    others = [f"`{name}`" for name, value in tensors.items() if name not in within and not _is_one(name, value)]
    found = Tensors((name, (store or _stored)(value)) for name, value in tensors.items() if _is_one(name, value))
    found.notes = (f"no tensors by name, and left out: {few(others)}",) if others else ()
    return found


def _is_one(name: Any, value: Any) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor | np.ndarray)


def _flaw(value: Any) -> str:
    """Why a tensor's numbers cannot be copied; empty if they can, or if it is none."""
    if isinstance(value, np.ndarray):
        return "an array of objects" if value.dtype.hasobject else ""
    if not isinstance(value, torch.Tensor):
        return ""
    flaws = {
        "without a shape yet": is_lazy(value),
        "quantised": value.is_quantized,
        "on meta": value.is_meta,
        "sharded": is_sharded(value),
        "sparse": value.layout is not torch.strided,
        "nested": value.is_nested,
    }
    return next((flaw for flaw, holds in flaws.items() if holds), "")


def _stored(value: Any) -> Stored:
    if isinstance(value, torch.Tensor):
        return Living(value)
    found = bits(value)
    return Held(found, "bfloat16" if found is not value else "")
