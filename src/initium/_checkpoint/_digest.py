"""One hash of a whole checkpoint."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

from .._safetensors import CODES
from .._stream import VERSION
from .._tensor import Tensor
from ._pieces import Piece, ahead, pieces


class Sums:
    """The SHA-256 of each tensor's bytes, while they pass by."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._hashes = {tensor.path: hashlib.sha256() for tensor in tensors}

    def over(self, items: Iterator[Piece]) -> Iterator[Piece]:
        """The same pieces, each hashed before it is handed on."""
        for item in items:
            self._hashes[item.tensor.path].update(item.bytes.data)
            yield item

    def result(self) -> dict[str, str]:
        """In hexadecimal digits, by path."""
        return {path: found.hexdigest() for path, found in self._hashes.items()}


def sums(tensors: Iterable[Tensor]) -> dict[str, str]:
    """The SHA-256 of each tensor's bytes, by its path; nothing is kept of them."""
    tensors = tuple(tensors)
    found = Sums(tensors)
    with closing(ahead(pieces(tensors))) as drawn:
        for _ in found.over(drawn):
            pass
    return found.result()


def digest(tensors: Iterable[Tensor], sha256: Mapping[str, str]) -> str:
    """SHA-256 over a line for the stream, and then the sorted lines of all tensors and tied names."""
    lines = []
    for tensor in tensors:
        lines.append(f"{tensor.path} {CODES[tensor.dtype]} {list(tensor.shape)} {sha256[tensor.path]}\n")
        lines += [f"{name} is {tensor.path}\n" for name in tensor.tied]
    text = f"initium stream {VERSION}\n{''.join(sorted(lines))}"
    return hashlib.sha256(text.encode()).hexdigest()
