"""Which tensors a checkpoint has, in one file or in several."""

from collections.abc import Sequence
from pathlib import Path

from .._errors import DataError
from .._verification import Difference
from ._header import HeaderError, Place, read_header
from ._index import SUFFIX, read_index
from ._tensors import Tensor

Pair = tuple[Tensor, Place]


def places(path: Path) -> tuple[dict[str, Place], list[Difference]]:
    """Where each tensor of a checkpoint lies, and what is wrong with its files.

    Raises:
        DataError: if there is no such file or it cannot be read.
        HeaderError: if it is no checkpoint.
    """
    if not path.name.endswith(SUFFIX):
        found, flaw = read_header(path)
        return found, [Difference(path="", what=f"the file {flaw}")] if flaw else []
    told, flaws = read_index(path), []
    held: dict[str, Place] = {}
    for file in sorted(set(told.values())):
        try:
            found, flaw = read_header(file)
        except (HeaderError, DataError) as error:
            found, flaw = {}, "" if isinstance(error, DataError) else str(error)
            flaws += [Difference(path="", what=str(error))] if isinstance(error, DataError) else []
        flaws += [Difference(path="", what=f"'{file.name}' {flaw}")] if flaw else []
        held |= {name: place for name, place in found.items() if told.get(name, file) == file}
    return held, flaws


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
    there, planned = (place.code, place.shape), (tensor.code, tensor.shape)
    return "" if there == planned else f"is {_kind(*there)}, and {_kind(*planned)} in the plan"


def _kind(code: str, shape: tuple[int, ...]) -> str:
    return f"{code} {shape}"
