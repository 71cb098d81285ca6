"""in_archive: what an archive of PyTorch's holds, each tensor known by where its numbers lie."""

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._errors import CheckpointError
from .._reading import opened
from .._safetensors import Place
from .._stored import Box, InFile, Stamp, Stored, Tensors
from ._read import dtype_name
from ._torch import offset_in_archive
from ._warm_held import weights_in

Starts = Mapping[int, int]  # where a member's bytes begin in its archive, and how many they are
_LOCAL = 30  # bytes of a member's own header, before its name


class _ElsewhereError(Exception):
    """A tensor does not lie in the file as it is in memory."""


class Strided(Stored):
    """A tensor that lies in a file with gaps, or in another order."""

    def __init__(self, span: InFile, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.span, self.shape, self.strides, self.dtype = span, shape, strides, span.dtype

    @property
    def comes_in_parts(self) -> bool:
        return False

    def read(self, box: Box | None = None) -> NDArray[Any]:
        line = self.span.read()
        steps = [step * line.itemsize for step in self.strides]
        found = np.lib.stride_tricks.as_strided(line, self.shape, steps, writeable=False)
        return found if box is None else found[(*box, ...)]


def in_archive(path: Path, stamp: Stamp, starts: Starts) -> Tensors | None:
    """Its tensors, whose numbers are read from the file once they are asked for; None if it must be read whole.

    It is not mapped into memory: whoever cuts off a file that is would kill whoever reads it.

    Raises:
        CheckpointError: if it holds no tensors by name.
    """
    try:
        saved = torch.load(path, map_location="meta", weights_only=True)
    except Exception:  # whatever PyTorch's reader may raise, of what is damaged or has no place without memory
        return None
    try:
        return weights_in(saved, f"'{path}'", store=lambda value: _placed(value, path, stamp, starts))
    except _ElsewhereError:
        return None


def starts_of(path: Path) -> Starts:
    """Where each member of an archive begins; none if it is not sure that PyTorch says which a tensor lies in.

    Raises:
        CheckpointError: if it is packed, and would grow as it is read, or broken.
    """
    try:
        with opened(path, refuse=CheckpointError) as file, zipfile.ZipFile(file) as archive:
            members = sorted(archive.infolist(), key=lambda one: one.header_offset)
            found = {_start(file, one): one.file_size for one in members}
            names = [one.filename.partition("/")[2].lower() for one in members]  # as PyTorch looks for them
            order = [archive.read(one) for one, name in zip(members, names, strict=True) if name == "byteorder"]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' is a broken archive: {error}") from None
    if any(one.compress_type != zipfile.ZIP_STORED for one in members):
        raise CheckpointError(f"'{path}' is packed, as PyTorch packs nothing. Save it again by `torch.save`.")
    held = [name for name in names if name.startswith("data/")]
    # Where the next one lies PyTorch then reckons from the one before, which holds only in the order that it wrote.
    is_reckoned = ".format_version" in names and held != [f"data/{number}" for number in range(len(held))]
    # Of numbers that are turned round without memory PyTorch breaks down.
    is_turned = any(one.decode("ascii", "replace") != sys.byteorder for one in order)
    return {} if is_reckoned or is_turned else found


def _start(file: Any, member: zipfile.ZipInfo) -> int:
    file.seek(member.header_offset)
    head = file.read(_LOCAL)
    if len(head) < _LOCAL:
        raise zipfile.BadZipFile("it is cut off")
    lengths = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")  # of its name, and of more
    return member.header_offset + _LOCAL + sum(lengths)


def _placed(value: Any, path: Path, stamp: Stamp, starts: Starts) -> Stored:
    offset = offset_in_archive(value) if isinstance(value, torch.Tensor) and _is_plain(value) else None
    if offset is None or value.untyped_storage().nbytes() > starts.get(offset, -1):
        raise _ElsewhereError
    shape, size = tuple(value.shape), value.element_size()
    first = int(value.storage_offset())
    num = value.numel() and 1 + sum(step * (of - 1) for step, of in zip(value.stride(), shape, strict=True))
    if (first + num) * size > value.untyped_storage().nbytes():
        raise _ElsewhereError

    def lies(shape: tuple[int, ...]) -> InFile:
        place = Place(path="", file=path, start=offset + first * size, num_bytes=num * size, code="", shape=shape)
        return InFile(place, stamp, shape, dtype_name(value))

    return lies(shape) if value.is_contiguous() else Strided(lies((num,)), shape, value.stride())


def _is_plain(value: torch.Tensor) -> bool:
    is_dense = value.layout is torch.strided and not value.is_quantized and not value.is_nested
    return is_dense and not (value.is_conj() or value.is_neg())
