"""Findings about what the model's own structure says of its numbers."""

import math
from collections.abc import Iterator

from .._decisions._fold import folded
from ._evidence import Evidence
from ._finding import Found
from ._signal import size_beside_wanted

_OFF, _BESIDE, _HIDDEN = 16.0, 10.0, 100.0


def hidden_scale(evidence: Evidence) -> Iterator[Found]:
    """Weights whose size is far from usual, which a normalisation behind them hides."""
    rms = {n.path: n.rms for n in evidence.numbers}
    off = [
        path
        for path, wanted in evidence.wanted.items()
        if evidence.graph.by_path[path].use.is_normalised
        and rms.get(path)
        and not 1 / _HIDDEN < rms[path] / wanted < _HIDDEN
    ]
    if off:
        yield Found(
            paths=tuple(off),
            measured=f"rms {rms[off[0]]:.3g}, where {evidence.wanted[off[0]]:.3g} is usual",
            cause="the normalisation behind it divides the size out of the signal, but not out of the learning rate: "
            "the larger a weight, the less a step turns it",
        )


def one_off(evidence: Evidence) -> Iterator[Found]:
    """Weights that alone change the signal by much, where nothing normalises it."""
    factors = {}
    for layer in evidence.layers:
        use, size = evidence.graph.by_path[layer.path].use, size_beside_wanted(evidence, layer.path)
        free = use.is_normalised or use.is_head or use.is_sized or use.branch or use.output
        if size and not free and use.fed_by != "normalisation" and abs(size.log) > math.log(_OFF):
            factors[layer.path] = size
    if factors:
        first, size = next(iter(factors.items()))
        yield Found(
            paths=tuple(factors),
            measured=f"{size.words}: its second moment is multiplied by {math.exp(size.log):.3g}",
            cause=f"a fan or a gain that is not that of this {evidence.graph.by_path[first].use.operation}",
        )


def beside(evidence: Evidence) -> Iterator[Found]:
    """Embeddings that are added to others of another size."""
    rms = {n.path: n.rms for n in evidence.numbers if n.rms}
    for param in evidence.graph.params:
        others = [path for path in param.use.sums_with if path in rms and path in evidence.graph.by_path]
        for other in others:
            ratio = rms.get(param.path, math.nan) / rms[other]
            if ratio > _BESIDE:
                yield Found(
                    paths=(other, param.path),
                    measured=f"rms {rms[other]:.3g} beside {rms[param.path]:.3g} in one sum; beyond {_BESIDE:g} times "
                    "the smaller is not heard",
                    cause=f"{folded([other, param.path])} are added and start at different sizes",
                )
