"""Files of PyTorch's, read without running what they may hold besides."""

import os
import re
import warnings
import zipfile
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch

from .._errors import CheckpointError, few
from .._reading import check_regular, opened
from .._safetensors import SUFFIX, HeaderError, read_index
from .._setting import setting
from .._stored import READERS, TORCH, Stamp, Tensors, changed, stamp_of
from ._warm_archive import in_archive, starts_of
from ._warm_held import weights_in

_GLOBAL = re.compile(r"GLOBAL (\w+(?:\.\w+)*)(?!\S)")  # a whole name: a damaged one says nothing


class _Bounded:
    """A file that is never asked for more than it has: Python makes room for what a damaged length claims."""

    def __init__(self, file: BufferedReader) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size
        self.readline, self.readinto, self.seek, self.tell = file.readline, file.readinto, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._file.tell()
        return self._file.read(left if size < 0 else min(size, left))


def tensors(path: Path) -> Tensors:
    """Every tensor of a file, or of the files of an index, by its name.

    Raises:
        CheckpointError: if it cannot be read, or needs code to be.
    """
    if not path.name.endswith(SUFFIX):
        return _tensors(path)
    try:
        by_name = read_index(path)
    except HeaderError as error:
        raise CheckpointError(f"'{path}' {error}. Fetch or write it again.") from None
    held = {file: _tensors(file) for file in sorted(set(by_name.values()))}
    if lacking := [name for name, file in by_name.items() if name not in held[file]]:
        raise CheckpointError(f"'{path}' places {few(lacking)} in files that lack them. Fetch or write it again.")
    return Tensors((name, held[file][name]) for name, file in by_name.items())


def trusted(path: Path) -> Tensors:
    """The same of a file whose code may run.

    Raises:
        CheckpointError: if it cannot be read.
    """
    return _tensors(path, trust=True)


def _tensors(path: Path, *, trust: bool = False) -> Tensors:
    check_regular(path, refuse=CheckpointError)
    stamp = stamp_of(path.stat())
    found = _loaded(path, stamp, trust=trust)
    if stamp_of(path.stat()) != stamp:
        raise changed(path)
    return found


def _loaded(path: Path, stamp: Stamp, *, trust: bool) -> Tensors:
    starts = starts_of(path) if zipfile.is_zipfile(path) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of storages and old formats: nothing that a reader could act on
        if starts and not trust and (found := in_archive(path, stamp, starts)):
            return found
        return weights_in(_whole(path, trust=trust), f"'{path}'")


def _whole(path: Path, *, trust: bool) -> Any:
    """All that a file holds, in memory."""
    try:
        with opened(path, refuse=CheckpointError) as file:
            bounded: Any = _Bounded(file)  # it has what PyTorch asks for, not all that a file has
            return torch.load(bounded, map_location="cpu", weights_only=not trust)
    except Exception as error:  # whatever PyTorch's reader, or a file's own code, may raise
        reason = str(error)
        if not trust and "weights_only" in reason:
            raise CheckpointError(_needs_code(path, reason)) from None
        first = next(iter(reason.splitlines()), type(error).__name__)
        if not trust:
            first = first.partition(". ")[0]  # what follows guesses why
            raise CheckpointError(
                f"'{path}' is damaged, or no file of PyTorch's: {first}. Fetch or write it again."
            ) from None
        raise CheckpointError(f"'{path}' cannot be read by PyTorch: {first}") from None


def _needs_code(path: Path, reason: str) -> str:
    """What a reader may do; to trust is advised only where it is known whom."""
    remedy = "load it yourself and save its state dict as safetensors."
    runs = "holds more than tensors{}, and to read that is to run code from the file"
    if names := dict.fromkeys(f"`{name}`" for name in _GLOBAL.findall(reason)):
        what = runs.format(f" ({few([*names])})")
        return f"'{path}' {what}. If you know who wrote it, pass {setting('trust', True)}; or {remedy}"
    what = runs.format("")
    return f"'{path}' is damaged, or {what}, which nothing names. Fetch or write it again; if you know it, {remedy}"


READERS[TORCH] = tensors
