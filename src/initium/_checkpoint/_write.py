"""write: a checkpoint of any size, in constant memory."""

import bisect
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

from .. import _files
from .._decisions import Decisions, as_seen_from, files_of
from .._errors import OutputError, SettingError
from .._progress import progress
from .._reading import path_of
from .._safetensors import ENDING, MARK, SUFFIX, header, index, shards_of
from .._stored import pinned
from .._stream import VERSION
from .._tensor import Tensor
from .._written import Written
from ._digest import Sums, digest
from ._manifest import MARK as MANIFEST_MARK
from ._manifest import manifest_of
from ._pieces import ahead, is_worth_showing, pieces
from ._sync import synced
from ._tensors import tensors_of

_DIGITS = 8  # of a hash, in the names of shards


@dataclass(frozen=True)
class _File:
    """What one file holds.

    Attributes:
        tensors: in the order in which they lie in it.
        metadata: of its header.
    """

    tensors: Sequence[Tensor]
    metadata: Mapping[str, str]

    @cached_property
    def header(self) -> bytes:
        return header([(one.path, one.dtype, one.shape, one.num_bytes) for one in self.tensors], self.metadata)

    @property
    def num_bytes(self) -> int:
        return len(self.header) + sum(tensor.num_bytes for tensor in self.tensors)


@pinned()
def write(
    plan: Decisions, path: str | PathLike[str], *, seed: int = 0, shards: int = 1, manifest: Path | None = None
) -> Written:
    """Draw a plan's numbers to disk, as safetensors; a manifest too, in the same moment. See `Plan.write`."""
    final, path = target(path, shards), _files.destination(path)
    manifest = manifest and _files.destination(manifest)
    tensors, left_out = tensors_of(plan, seed)
    _check_sources(plan, {final, path, *shards_of(final)})
    mark = f"seed {seed}, stream {VERSION}"
    files = [_File(_in_file_order(part), _metadata(part, mark)) for part in _split(tensors, shards)]
    _files.check_room(final, sum(file.num_bytes for file in files))
    found = Sums(tensors)
    with ExitStack() as stack:
        # Entered first: what fails while numbers are drawn is told of their file.
        beside = stack.enter_context(_files.temporary(manifest, mark=MANIFEST_MARK)) if manifest else None
        sizes = [file.num_bytes for file in files]
        hidden = stack.enter_context(_files.temporaries(path, mark=MARK, sizes=sizes))
        _draw(files, hidden, found)
        sha256 = found.result()
        whole = digest(tensors, sha256)
        names = [path] if shards == 1 else _names(path, whole, files)
        if beside and manifest:
            beside.write_text(manifest_of(seed, whole, sha256).text(as_seen_from(plan, manifest)), encoding="utf-8")
        if shards == 1:
            _files.commit(hidden[0], path)
        else:
            _publish(hidden, names, final, _index(files, names, mark))
        if beside and manifest:
            _files.commit(beside, manifest)
    return Written(
        path=final,
        files=tuple(names),
        sha256=sha256,
        digest=whole,
        num_bytes=sum(tensor.num_bytes for tensor in tensors),
        seed=int(seed),
        tied={name: tensor.path for tensor in tensors for name in tensor.tied},
        left_out=left_out,
    )


def _check_sources(plan: Decisions, written: set[Path]) -> None:
    """Refuse to take the place of what the numbers come from: the plan would then begin from its own end.

    Raises:
        OutputError: naming it.
    """
    for file in files_of(plan):
        if any(os.path.exists(one) and os.path.samefile(file, one) for one in written):
            raise OutputError(f"'{file}' is what this plan begins from. Name another file.")


def target(path: str | PathLike[str], shards: int) -> Path:
    """The file to load a checkpoint from, once it is found that it can be written: the one named, or an index.

    Raises:
        OutputError: if it cannot be written there.
        SettingError: if `shards` is no number of files.
    """
    path = path_of(path)
    if path.suffix != ENDING:
        raise OutputError(f"A checkpoint is a file that ends in {ENDING}, not '{path}'.")
    if type(shards) is not int or shards < 1:
        raise SettingError(f"`shards` is a whole number, 1 or more, not {shards!r}.")
    if shards > 1 and os.path.lexists(path):
        raise OutputError(f"'{path}' exists, and loaders take it before the shards. Remove it, or name another file.")
    several = path.with_name(f"{path.name}{SUFFIX}")
    if shards == 1 and shards_of(several):
        raise OutputError(f"'{several}' exists, of the same checkpoint in shards. Remove them, or name another file.")
    final = _files.destination(path) if shards == 1 else several
    if shards > 1 and os.path.islink(several):
        raise OutputError(f"'{several}' is a link, and shards lie beside their index. Remove it, or name another file.")
    _files.check_writable(final, mark=MARK)
    return final


def _metadata(tensors: Sequence[Tensor], mark: str) -> dict[str, str]:
    """What makes Initium know the file, what transformers asks for, and ties as safetensors.torch tells them."""
    ties = {name: tensor.path for tensor in tensors for name in tensor.tied}
    own = {"initium": mark, "format": "pt"}
    return own | {name: path for name, path in ties.items() if name not in own}


def _split(tensors: Sequence[Tensor], shards: int) -> list[tuple[Tensor, ...]]:
    """Runs of tensors of about the same size; fewer than asked for where a tensor is as large as several."""
    ends = list(itertools.accumulate(tensor.num_bytes for tensor in tensors))
    total = max(1, ends[-1]) if ends else 1
    limits = [total * (number + 1) / shards for number in range(shards - 1)]
    # A tensor belongs where its middle lies.
    places = [bisect.bisect(limits, end - tensor.num_bytes / 2) for tensor, end in zip(tensors, ends, strict=True)]
    runs = itertools.groupby(zip(places, tensors, strict=True), key=lambda pair: pair[0])
    return [tuple(tensor for _, tensor in run) for _, run in runs] or [()]


def _in_file_order(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Wide numbers first, so that each tensor is aligned; else as they come."""
    return sorted(tensors, key=lambda tensor: -tensor.number.itemsize)


def _draw(files: Sequence[_File], hidden: Sequence[Path], found: Sums) -> None:
    total = sum(tensor.num_bytes for file in files for tensor in file.tensors)
    with progress("writing", total, shown=is_worth_showing(total), in_bytes=True) as advance:
        for file, path in zip(files, hidden, strict=True):
            _draw_one(file, path, found, advance)


def _draw_one(file: _File, path: Path, found: Sums, advance: Callable[[int], object]) -> None:
    """One piece is drawn while the one before is hashed and the one before that is written."""
    with ExitStack() as stack:
        out = stack.enter_context(path.open("r+b"))
        written = stack.enter_context(synced(out))
        drawn = stack.enter_context(closing(ahead(found.over(ahead(pieces(file.tensors))))))
        out.write(file.header)
        for piece in drawn:
            out.write(piece.bytes.data)
            written()
            advance(piece.bytes.nbytes)


def _names(path: Path, whole: str, files: Sequence[_File]) -> list[Path]:
    """Other numbers or another allotment have other names, and never take the place of those that an index names."""
    allotted = json.dumps([whole, [[tensor.path for tensor in file.tensors] for file in files]])
    stem = f"{path.name.removesuffix(ENDING)}-{hashlib.sha256(allotted.encode()).hexdigest()[:_DIGITS]}"
    return [path.with_name(f"{stem}-{number:05}-of-{len(files):05}{ENDING}") for number in range(1, len(files) + 1)]


def _index(files: Sequence[_File], names: Sequence[Path], mark: str) -> str:
    held = {tensor.path: name for file, name in zip(files, names, strict=True) for tensor in file.tensors}
    num_bytes = sum(tensor.num_bytes for file in files for tensor in file.tensors)
    return index(held, num_bytes, mark)


def _publish(hidden: Sequence[Path], names: Sequence[Path], final: Path, text: str) -> None:
    """The shards first and their index last: until then a reader finds the older ones, and then never those."""
    older = shards_of(final)
    for name in names:
        if os.path.lexists(name) and not _files.bears(name, MARK):
            raise OutputError(f"'{name}' exists and Initium did not write it; move it, or name another file.")
    try:
        for file, name in zip(hidden, names, strict=True):
            _files.commit(file, name)
        _files.write_text(final, text, mark=MARK)
    finally:
        # Whether it came to the index or not, what that does not name is in nobody's way.
        for name in (older | set(names)) - shards_of(final):
            name.unlink(missing_ok=True)
