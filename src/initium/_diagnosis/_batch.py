"""Findings about the batch: what no start of the weights can mend."""

import math
from collections.abc import Iterator

from ._evidence import Evidence, Layer
from ._finding import Found
from ._loss import is_far

_OFF = 16.0  # times 1, of a second moment
_SAME = 0.9999  # mean cosine: less than a degree between inputs


def unscaled(evidence: Evidence) -> Iterator[Found]:
    """Inputs of a size that weights for data of size 1 do not suit."""
    off = [layer for layer in _of_data(evidence) if is_off(layer.fed)]
    if off:
        rms = math.sqrt(off[0].fed or 0.0)
        yield Found(
            paths=tuple(layer.path for layer in off),
            measured=f"the inputs have second moment {off[0].fed:.3g}; beyond {_OFF:g} times 1 either way is counted",
            cause=f"the inputs have rms {rms:.3g}: the first layer, and each step of its weights, is off by that",
            severity="serious" if is_far(evidence.loss) else None,
        )


def alike(evidence: Evidence) -> Iterator[Found]:
    """Inputs of which all are one."""
    found = [layer for layer in _of_data(evidence) if layer.fed == 0 or (layer.similarity or 0) > _SAME]
    if found:
        first = found[0]
        yield Found(
            paths=tuple(layer.path for layer in found),
            measured="the inputs are all 0"
            if first.fed == 0
            else f"two inputs have cosine {first.similarity:.6f}; above {_SAME} they are one",
            cause="the samples of the batch are the same, or differ by little beside what they share: whether the net "
            "keeps inputs apart was not seen",
        )


def is_off(fed: float | None) -> bool:
    """Whether a second moment is out of scale; one of 0 says nothing."""
    return bool(fed) and not 1 / _OFF < fed < _OFF


def _of_data(evidence: Evidence) -> list[Layer]:
    """Layers that take in the inputs, which nothing normalises behind them."""
    uses = {layer.path: evidence.graph.by_path[layer.path].use for layer in evidence.layers}
    return [x for x in evidence.layers if uses[x.path].fed_by == "data" and not uses[x.path].is_normalised]
