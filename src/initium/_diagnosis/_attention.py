"""Findings about softmax attention."""

from collections.abc import Iterator

from ._evidence import Evidence
from ._finding import Found
from ._signal import HARM, SIMILAR

_FREE = 0.05  # as of a function that is flat: what is left of the softmax's slope


def collapsed(evidence: Evidence) -> Iterator[Found]:
    """Attention that looks at one place alone, or whose places are all the same."""
    sharp = [one for one in evidence.attentions if one.freedom is not None and one.freedom < _FREE]
    if sharp:
        yield Found.at(
            sharp,
            measured=f"{sharp[0].freedom:.2g} of the freedom to choose is left, where a mean over all places has 1; "
            f"under {_FREE:g} is counted",
            cause="queries and keys are so large that the softmax puts all on one place, and hands them little back",
            severity="serious" if (sharp[0].freedom or 0) < 1 / HARM else None,
        )
    alike = [one for one in evidence.attentions if one.similarity is not None and one.similarity > SIMILAR]
    if alike:
        yield Found.at(
            alike,
            measured=f"two places of one sample have values of cosine {alike[0].similarity:.6f}; above {SIMILAR} they "
            "are one",
            cause="whatever it looks at, it finds the same: a bias outweighs the signal, or each layer before took a "
            "mean over places",
        )
