"""Fill: laws into arrays, one or many."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._draw import Box, Task, run, tasks
from ._errors import SpecError
from ._haar import haar
from ._kernel import Kernel, kernel
from ._stream import child, words
from .init._law import DTYPES as DTYPES
from .init._law import Elementwise, Given, Keep, Law, Orthogonal, Packed, Rows, block_name
from .init._weight import Weight

# bfloat16, which NumPy cannot name, travels as uint16.
_DTYPES = {np.dtype(name): name for name in ("float32", "float64", "float16")} | {np.dtype(np.uint16): "bfloat16"}
_GREATEST = {
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One weight to fill.

    Attributes:
        out: written in place: C-contiguous, in memory or mapped from a file; float32, float64,
            float16, or uint16 that holds the bits of bfloat16.
        law: what to draw.
        weight: the whole weight, whatever part of it `out` is.
        key: of the weight.
        box: which part `out` is, one slice of step 1 an axis; None is the whole.
    """

    out: NDArray[Any]
    law: Law
    weight: Weight
    key: int
    box: Box | None = None


def fill(
    out: NDArray[Any], law: Law, weight: Weight, *, key: int, box: Box | None = None, threads: int | None = None
) -> None:
    """Write the numbers of a law into an array, in place. See `Job` and `fill_all`."""
    fill_all([Job(out=out, law=law, weight=weight, key=key, box=box)], threads=threads)


def fill_all(jobs: Iterable[Job], *, threads: int | None = None) -> None:
    """Fill many weights as one stretch of work: every byte is written once, by whichever thread is free.

    Element i of a flattened weight is a function of (key, i) alone, whatever the shape, the part,
    the threads and the other weights. Orthogonal weights are matrix products: those depend on
    NumPy's BLAS and its threads in the last bits, and a part of one costs the whole.

    Args:
        jobs: what to fill.
        threads: None is one for each processor.

    Raises:
        TypeError: if an array cannot be written in place.
        SpecError: if a law leaves the numbers that a dtype has.
    """
    chosen = [(part, _checked(part)) for job in jobs if not isinstance(job.law, Keep) for part in _split(job)]
    todo: list[Task] = []
    for job, drawn in chosen:
        if drawn is not None:
            todo += tasks(job.out, drawn, key=job.key, shape=job.weight.shape, box=job.box, threads=threads)
    run(todo, threads=threads)
    for job, drawn in chosen:
        if drawn is None and job.out.size:
            _compute(job, threads)


def check(job: Job) -> None:
    """Refuse what `fill` would refuse, before anything is written.

    A weight that is computed as a whole is computed here for float16 alone; the other dtypes end beyond 1e38.

    Raises:
        TypeError: if the array cannot be written in place.
        SpecError: if the law leaves the numbers that the dtype has.
    """
    for part in _split(job):
        _ = _checked(part)
        if isinstance(part.law, Packed):
            for law, weight, key in _blocks(part):
                check(Job(out=np.empty(weight.shape, job.out.dtype), law=law, weight=weight, key=key))
        elif job.out.dtype == np.float16 and not isinstance(part.law, Elementwise | Orthogonal | Given | Keep):
            _check_reach(float(np.abs(_whole(part, np.float32, None)).max(initial=0)), part)


def _split(job: Job) -> Iterator[Job]:
    """A job as those of its runs of rows, or of its packed blocks where the output axis is the outermost."""
    _check(job)
    first = 0
    match job.law:
        case Rows(parts):
            for num, law in parts:
                out, here = _rows(job, first, first + num)
                yield replace(job, out=out, law=law, box=(here, *_box(job)[1:]))
                first += num
        case Packed() if job.weight.axes[0] == "o":
            for law, weight, key in _blocks(job):
                out, here = _rows(job, first, first + weight.shape[0])
                within = slice(max(0, here.start - first), max(0, here.stop - first))
                box = None if job.box is None else (within, *job.box[1:])
                yield from _split(Job(out=out, law=law, weight=weight, key=key, box=box))
                first += weight.shape[0]
        case _:
            yield job


def _rows(job: Job, first: int, last: int) -> tuple[NDArray[Any], slice]:
    """What a job holds of some rows of the weight: its memory, and which rows."""
    low, high, _ = _box(job)[0].indices(job.weight.shape[0])
    length = job.out.size // max(1, high - low)
    start, end = (min(max(row, low), max(low, high)) for row in (first, last))
    return job.out.reshape(-1)[(start - low) * length : (end - low) * length], slice(start, end)


def _box(job: Job) -> Box:
    return (slice(None),) * len(job.weight.shape) if job.box is None else job.box


def _blocks(job: Job) -> Iterator[tuple[Law, Weight, int]]:
    """Each packed block: what to draw, for which weight, from which key."""
    laws = job.law.laws if isinstance(job.law, Packed) else ()
    for index, (law, weight) in enumerate(zip(laws, job.weight.parts, strict=True)):
        yield law, weight, child(job.key, block_name(index))


def _checked(job: Job) -> Kernel | None:
    """What draws a job element by element; None if it is computed as a whole."""
    match job.law:
        case Elementwise():
            drawn = kernel(job.law, _DTYPES[job.out.dtype])
            _check_reach(drawn.reach, job)
            return drawn
        case Orthogonal(gain):
            _check_reach(abs(gain), job)
    return None


def dtype_name(dtype: Any) -> str:
    """What frameworks call the numbers that a fill writes; others are refused.

    A table, since NumPy imports what names its dtypes, and Python that is ending imports nothing.
    """
    if dtype not in _DTYPES:
        names = "float32, float64, float16 and bfloat16 (as uint16)"
        raise TypeError(f"a fill writes {names}; got {dtype}. Fill another array and convert it.")
    return _DTYPES[dtype]


def _check(job: Job) -> None:
    out = job.out
    _ = dtype_name(out.dtype)
    if not out.flags.c_contiguous or not out.flags.writeable:
        what, other = ("strided", "a contiguous") if out.flags.writeable else ("read-only", "another")
        raise TypeError(f"a fill writes in place, but this array is {what}. Fill {other} one and copy it.")
    shape = job.weight.shape
    if isinstance(job.law, Rows) and sum(num for num, _ in job.law.parts) != shape[0]:
        raise ValueError(f"the runs of {job.law} are not the rows of shape {shape}.")
    if job.box is not None:
        shape = tuple(len(range(*part.indices(size))) for part, size in zip(job.box, shape, strict=True))
        if any(part.step not in (None, 1) for part in job.box):
            raise ValueError("a part of a weight is a box of slices with step 1.")
    if out.size != math.prod(shape):
        raise ValueError(f"the array has shape {out.shape}, but what it is to hold has shape {shape}.")


def _check_reach(reach: float, job: Job) -> None:
    name = _DTYPES[job.out.dtype]
    if not reach <= _GREATEST[name]:
        what = job.law if isinstance(job.law, Elementwise | Orthogonal) else "What it computes"
        raise SpecError(f"{what} reaches {reach:.3g}, but {name} ends at {_GREATEST[name]:.6g}.")


def _compute(job: Job, threads: int | None) -> None:
    """In place where the dtype computes in itself; else beside it, and rounded."""
    number = np.float64 if job.out.dtype == np.float64 else np.float32
    if isinstance(job.law, Orthogonal) and job.box is None and job.out.dtype == number:
        _fill_orthogonal(job.out.reshape(job.weight.shape), job.weight, job.law.gain, job.key, threads)
        return
    whole = _whole(job, number, threads)
    part = (whole if job.box is None else whole[tuple(job.box)]).astype(number, copy=False)
    if not isinstance(job.law, Orthogonal | Given):
        _check_reach(float(np.abs(part).max(initial=0)), job)
    rounded = _to_bfloat16(part) if job.out.dtype == np.uint16 else part.astype(job.out.dtype, copy=False)
    job.out[...] = rounded.reshape(job.out.shape)


@np.errstate(over="ignore")  # what leaves the dtype is refused by its reach
def _whole(job: Job, number: type, threads: int | None) -> NDArray[Any]:
    """The whole weight of a law that has no kernel."""
    draw = Drawing(job.key, number, threads)
    made = draw(job.law, job.weight) if isinstance(job.law, Orthogonal) else job.law.make(draw, job.weight)
    return made.reshape(job.weight.shape)


@dataclass(frozen=True)
class Drawing:
    """What a law is made from: other laws, drawn under names of their own."""

    key: int
    number: type
    threads: int | None = None

    def __call__(self, law: Law, weight: Weight, name: str = "") -> NDArray[Any]:
        out = np.empty(weight.shape, self.number)
        fill(out, law, weight, key=child(self.key, name) if name else self.key, threads=self.threads)
        return out

    def words(self, length: int, name: str) -> NDArray[np.uint32]:
        return words(child(self.key, name), 0, length)


def _fill_orthogonal(out: NDArray[Any], weight: Weight, gain: float, key: int, threads: int | None) -> None:
    """One matrix for each kernel, its output axis against all others: no group's inputs meet another's outputs."""
    rows, columns = weight.kernel_shape[0], math.prod(weight.kernel_shape[1:])
    shape = (weight.num_kernels, rows, columns)
    lies_in_order = weight.order == tuple(range(out.ndim)) and weight.axes[0] in "bgo" and not weight.transposed
    matrices = out.reshape(shape) if lies_in_order else np.empty(shape, out.dtype)
    haar(matrices if rows <= columns else matrices.swapaxes(1, 2), key=key, threads=threads)
    matrices *= gain
    if not lies_in_order:
        out[...] = weight.join(matrices.reshape(-1, *weight.kernel_shape))


def rounded(x: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Given numbers in a dtype, as its bits: what is beyond a float's end is infinite, as frameworks convert."""
    with np.errstate(over="ignore"):
        if dtype in ("bfloat16", "float16"):
            x = x.astype(np.float32)  # as a fill computes
        return _to_bfloat16(x) if dtype == "bfloat16" else x.astype(dtype, order="C")


def bits(x: NDArray[Any]) -> NDArray[Any]:
    """An array as a fill takes it: the bfloat16 of ml_dtypes as uint16, all else as it is."""
    return x.view(np.uint16) if x.dtype.kind == "V" and x.dtype.name == "bfloat16" else x


def _to_bfloat16(x: NDArray[Any]) -> NDArray[np.uint16]:
    """The bits of the bfloat16 nearest to each float32, ties to even."""
    bits = np.asarray(x, order="C").view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) >> 16).astype(np.uint16)
