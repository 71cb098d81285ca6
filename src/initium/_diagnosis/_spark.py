"""Numbers as a line of small bars."""

import math
from collections.abc import Iterable, Sequence

_BARS = "▁▂▃▄▅▆▇█"
_ZERO, _BAD, _NONE = "0", "!", "·"


class Scale:
    """A logarithmic scale that several lines of bars share, so that they can be compared.

    Args:
        values: all that is to be shown; what is not finite or not above 0 does not stretch it.
        decades: that it spans at least: noise is to look flat.
    """

    def __init__(self, values: Iterable[float | None], decades: float = 2.0) -> None:
        logs = [math.log10(value) for value in values if value and 0 < value < math.inf]
        low, high = min(logs, default=0.0), max(logs, default=0.0)
        room = max(decades - (high - low), 0.0) / 2
        self._low, self._high = low - room, high + room

    def line(self, values: Sequence[float | None], width: int) -> str:
        """One bar a value, both ends among them where there are too many; `0` is 0, `!` no number, `·` none."""
        if len(values) > width:
            values = [values[round(place * (len(values) - 1) / (width - 1))] for place in range(width)]
        return "".join(map(self._bar, values))

    def _bar(self, value: float | None) -> str:
        if value is None:
            return _NONE
        if value == 0 or not math.isfinite(value):
            return _BAD if value else _ZERO
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]
