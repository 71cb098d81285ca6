"""verify: the numbers of a plan, drawn once more and compared with a file."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from os import PathLike

from .._decisions import Decisions, changed
from .._errors import DataError
from .._progress import progress
from .._reading import opened, path_of, read
from .._safetensors import HeaderError, places
from .._stored import pinned
from .._tensor import Tensor
from .._verification import Difference, Verification
from ._beside import Beside
from ._digest import Sums, digest
from ._manifest import Manifest
from ._pieces import ahead, is_worth_showing, pieces
from ._places import Pair, pairs
from ._tensors import tensors_of


@pinned()
def verify(
    plan: Decisions, path: str | PathLike[str], *, seed: int = 0, manifest: Manifest | None = None
) -> Verification:
    """Compare a checkpoint with what a plan draws. See `Plan.verify`."""
    path, (tensors, unknown) = path_of(path), tensors_of(plan, seed)
    close: list[str] = []
    try:
        held, flaws = places(path)
    except HeaderError as error:
        differences = [Difference(path="", what=f"the file {error}")]
    else:
        differences = [Difference(path="", what=flaw) for flaw in flaws]
        fitting, misfits = pairs(tensors, held, unknown)
        seen = _compared(fitting, manifest.sha256 if manifest else {})
        differences += _contradictions(tensors, manifest) + misfits + [one.difference for one in seen if one.difference]
        differences += [Difference(path=name, what=what) for name, what in changed(plan)]
        close = [one.place.path for one in seen if one.is_close]
    return Verification(
        path=path,
        seed=int(seed),
        num_tensors=len(tensors),
        num_bytes=sum(tensor.num_bytes for tensor in tensors),
        differences=tuple(differences),
        close=tuple(close),
        unknown=unknown,
    )


def _contradictions(tensors: Sequence[Tensor], manifest: Manifest | None) -> list[Difference]:
    """Where a manifest fits neither its plan nor itself."""
    if manifest is None:
        return []
    odd = sorted({tensor.path for tensor in tensors} ^ manifest.sha256.keys())
    if odd:
        return [Difference(path=path, what="is in the plan or in the manifest alone") for path in odd]
    if manifest.digest != digest(tensors, manifest.sha256):
        return [Difference(path="", what="the manifest's digest is not that of its own tensors")]
    return []


def _compared(fitting: Sequence[Pair], sha256: Mapping[str, str]) -> list[Beside]:
    """Each tensor beside what the file has of it, piece by piece."""
    seen = [Beside(tensor, place, sha256.get(tensor.path)) for tensor, place in fitting]
    by_path: dict[str, list[Beside]] = {}
    for one in seen:
        by_path.setdefault(one.tensor.path, []).append(one)
    tensors = {one.tensor.path: one.tensor for one in seen}.values()
    found = Sums(tensors)
    drawn = ahead(pieces(tensors))
    with ExitStack() as stack:
        files = {file: stack.enter_context(opened(file, refuse=DataError)) for file in {one.place.file for one in seen}}
        total = sum(tensor.num_bytes for tensor in tensors)
        bar = progress("verifying", total, shown=is_worth_showing(total), in_bytes=True)
        advance = stack.enter_context(bar)
        for piece in stack.enter_context(closing(ahead(found.over(drawn)) if sha256 else drawn)):
            for one in by_path[piece.tensor.path]:
                one.meet(piece, read(files[one.place.file], one.place.start + piece.start, piece.bytes.nbytes))
            advance(piece.bytes.nbytes)
    for one in seen:
        one.drawn = found.result()[one.tensor.path] if sha256 else None
    return seen
