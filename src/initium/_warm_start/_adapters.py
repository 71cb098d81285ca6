"""The adapters: what becomes of numbers that are meant for a tensor of another shape; a new one is one function."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._graph import Graph, Param
from .._setting import setting
from .._stored import rows
from ..init import Initialiser
from ..init._fitted import SHARE, along, channels_from, patches_from
from ..init._resize import resize_matrix
from ._checkpoint import Checkpoint
from ._effects import as_percent, grown_effect, ratio, second_moment

Shape = tuple[int, ...]


class Fitted(NamedTuple):
    """What an adapter says.

    Attributes:
        start: the numbers; None if the tensor starts from the recipe.
        because: why, and what it was measured to do.
        is_refused: whether nothing is done before the user has said what is meant, as `because` tells.
    """

    start: Initialiser | None
    because: str
    is_refused: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A parameter, and numbers of another shape that are meant for it.

    Attributes:
        param: what the model does with it.
        name: of the tensor in the checkpoint.
        checkpoint: that has it.
        graph: of the model.
        vocabularies: how many rows embeddings have in the checkpoint, and how many in the model.
        moments: E[x x^T] over the channels of the example; None if there is none.
    """

    param: Param
    name: str
    checkpoint: Checkpoint
    graph: Graph
    vocabularies: frozenset[tuple[int, int]] = frozenset()
    moments: NDArray[np.float64] | None = None

    @property
    def old(self) -> Shape:
        """The shape in the checkpoint."""
        return self.checkpoint.tensors[self.name].shape

    @property
    def new(self) -> Shape:
        """The shape in the model."""
        return self.param.shape

    @property
    def differs_in(self) -> set[int]:
        """The axes whose sizes differ; all if there are not as many."""
        if len(self.old) != len(self.new):
            return set(range(max(len(self.old), len(self.new))))
        return {axis for axis, (a, b) in enumerate(zip(self.old, self.new, strict=True)) if a != b}

    @property
    def is_of_head(self) -> bool:
        """Whether it is what gives the model's output, or the bias of that."""
        weight = self.graph.weight_of(self.param) if self.param.role == "bias" else None
        ends = [one for one in (self.param, weight) if one and one.role in ("weight", "embedding", "bias")]
        return any(one.use.is_head for one in ends)


def adapted(case: Case) -> Fitted | None:
    """What the first adapter says that is meant for it; None if none is."""
    return next((found for adapter in _ADAPTERS if (found := adapter(case))), None)


def _vocabulary(case: Case) -> Fitted | None:
    """More words, or fewer, in an embedding and in a head that is not tied to it."""
    is_of_head = case.is_of_head and _sizes(case) in case.vocabularies
    if case.differs_in != {0} or not (case.param.role == "embedding" or is_of_head):
        return None
    have, wanted = _sizes(case)
    if wanted < have:
        start = case.checkpoint.start((case.name,), (rows(0, wanted),))
        return Fitted(start, f"the first {wanted:,} of {have:,} rows")
    if not (is_of_head or _is_words(case)):
        how = f"`grown` if its rows are words, `resampled(({have},), ({wanted},))` if they are positions"
        return _open(case, how)
    effect = grown_effect(case.checkpoint.numbers(case.name), wanted - have, SHARE)
    why = f"{have:,} rows there, and {wanted - have:,} new ones like their mean{effect}"
    return Fitted(case.checkpoint.fitted("grown", case.name, share=SHARE), why)


def _open(case: Case, how: str) -> Fitted:
    """Nothing, before the user has said what is meant."""
    return Fitted(None, f"say by {setting('adapt', {case.param.path: 'HOW'})}: {how}", is_refused=True)


def _is_words(case: Case) -> bool:
    """Whether an embedding is of words: of several that are summed, others are of positions or of kinds.

    Words are picked by what the model is given; the table that is the head, or as long as that, is theirs.
    """
    param, graph = case.param, case.graph
    tables = [one for one in graph.params if one.role == "embedding" and one is not param]
    if not graph.is_traced:
        return not tables
    if not any(use.fed_by == "tokens" for use in param.uses):
        return False
    paths = {path for use in param.uses for path in use.sums_with}
    beside = [one for one in tables if one.path in paths]
    if any(use.is_head for use in param.uses):
        return True
    if any(_is_as_head(one, graph) for one in beside):
        return False
    return _is_as_head(param, graph) or all(one.shape[0] <= case.new[0] for one in beside)


def _is_as_head(table: Param, graph: Graph) -> bool:
    heads = [one for one in graph.params if one.role in ("weight", "embedding") and any(u.is_head for u in one.uses)]
    return any(one is table or one.shape[0] == table.shape[0] for one in heads)


def _sizes(case: Case) -> tuple[int, int]:
    return case.old[0], case.new[0]


def _head(case: Case) -> Fitted | None:
    """Another number of classes: nobody knows which are which."""
    if not case.is_of_head or case.differs_in != {0}:
        return None
    return Fitted(None, f"a new head: {case.old[0]:,} outputs there, {case.new[0]:,} here")


def _channels(case: Case) -> Fitted | None:
    """Another number of input channels of what meets the data."""
    param = case.param
    is_first = param.use.operation == "convolution" and param.use.fed_by == "data"
    if not is_first or case.differs_in != {1} or param.groups != 1:
        return None
    kernel = case.checkpoint.numbers(case.name)
    have, wanted = case.old[1], case.new[1]
    folded = channels_from(kernel, wanted)
    told = f"{have} input channels there, {wanted} here: "
    if wanted == 1:
        off = np.abs(folded.astype(np.float32)[:, 0] - kernel.sum(axis=1, dtype=np.float64)).max()
        size = np.abs(kernel).sum(axis=1).max()
        told += f"their sum, which gives the same of a grey image to within {ratio(off, size):.1g}"
        return Fitted(case.checkpoint.fitted("channels", case.name, scale=1.0), told)
    here = np.ones((wanted, wanted)) if case.moments is None else case.moments
    there = _alike(here, have)
    meant = second_moment(kernel, there)
    scale = math.sqrt(meant / (second_moment(folded, here) or 1.0)) or 1.0
    kept = ratio(second_moment(scale * folded, here), meant)
    under = "channels that are alike" if case.moments is None else "the example's channels"
    how = "repeated" if wanted > have else "folded"
    told += f"{how} times {scale:.3g}, which keeps {kept:.3g} of its output's second moment under {under}"
    return Fitted(case.checkpoint.fitted("channels", case.name, scale=scale), told)


def _alike(moments: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    """So many channels that are on the mean as the given ones are."""
    here, size = float(np.trace(moments)) / len(moments), len(moments)
    beside = (float(moments.sum()) - here * size) / max(1, size * (size - 1)) if size > 1 else here
    beside = max(beside, -here / max(1, num - 1))  # so many cannot all be more unlike
    return np.full((num, num), beside) + np.eye(num) * (here - beside)


def _positions(case: Case) -> Fitted | None:
    """A square grid of positions, perhaps behind a few of their own."""
    if case.param.role != "position" or len(case.new) not in (2, 3) or case.differs_in != {len(case.new) - 2}:
        return None
    have, wanted = case.old[-2], case.new[-2]
    if not _is_on_picture(case):
        how = f"`resampled(({have},), ({wanted},))` for a line, `resampled((4, 4), (6, 6), prefix=1)` for a picture"
        return _open(case, how)
    squares = [
        (p, math.isqrt(have - p), math.isqrt(wanted - p)) for p in range(_MOST_BEFORE + 1) if p < min(have, wanted)
    ]
    fitting = [(p, a, b) for p, a, b in squares if a * a == have - p and b * b == wanted - p and min(a, b) > 1]
    if len(fitting) != 1:
        return None
    [(prefix, a, b)] = fitting
    start = case.checkpoint.fitted("resampled", case.name, old=(a, a), new=(b, b), prefix=prefix)
    size = _resampled_size(case.checkpoint.numbers(case.name)[..., prefix:, :], a, b)
    before = f", {prefix} before them kept" if prefix else ""
    return Fitted(
        start, f"{a} x {a} positions there, {b} x {b} here{before}; their size {as_percent(size)} of what it was"
    )


def _is_on_picture(case: Case) -> bool:
    """Whether patches of a picture are what it is added to, and no words."""
    kernels = [one for one in case.graph.params if one.role == "weight" and one.use.operation == "convolution"]
    sees = any(one.use.fed_by == "data" and len(one.shape) == 4 for one in kernels)
    words = [use for use in case.param.uses if use.fed_by in ("embedding", "tokens") or use.sums_with]
    return sees and not words


_MOST_BEFORE = 5  # tokens that stand before the patches: a class, a distillation, four registers


def _resampled_size(grid: NDArray[np.float64], old: int, new: int) -> float:
    matrix, square = resize_matrix(old, new), grid.reshape(-1, old, old, grid.shape[-1])
    made = along(matrix, along(matrix, square, 1), 2)
    return ratio(float(np.sqrt(np.mean(made**2))), float(np.sqrt(np.mean(square**2))))


def _patches(case: Case) -> Fitted | None:
    """Patches of another size: a first convolution that meets each pixel once, or as if it did."""
    param = case.param
    space = case.new[2:]
    meets_once = (
        param.use.operation == "convolution" and param.use.fed_by == "data" and math.prod(space) == param.stride
    )
    if not space or not meets_once or case.differs_in - set(range(2, len(case.new))):
        return None
    kernel = case.checkpoint.numbers(case.name).astype(np.float64)
    back = patches_from(kernel, case.new)
    for axis in range(2, kernel.ndim):
        back = along(resize_matrix(kernel.shape[axis], case.new[axis]).T, back, axis)
    off = ratio(float(np.linalg.norm(back - kernel)), float(np.linalg.norm(kernel)))
    sizes = " x ".join(map(str, case.old[2:])), " x ".join(map(str, space))
    told = f"patches of {sizes[0]} there, {sizes[1]} here; of an enlarged image the same to within {off:.1g}"
    return Fitted(case.checkpoint.fitted("patches", case.name), told)


_ADAPTERS: tuple[Callable[[Case], Fitted | None], ...] = (_vocabulary, _head, _channels, _positions, _patches)
