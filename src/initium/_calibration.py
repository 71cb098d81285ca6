"""The Calibration: what one pass of real data changed in each weight."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from ._errors import counted, section

_WIDTH = 80
_PATHS = 40  # columns that the table has for paths; a longer one stands on a line of its own


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """One weight that was rescaled.

    Attributes:
        path: its dotted name.
        meant: the second moment that its output is meant to have.
        before: the one it had when the signal, rescaled as far as this weight, first reached it.
        after: the one a further pass measured; NaN if that pass did not meet the weight.
        factor: what the weight was multiplied by.
        num_uses: how often the pass used it; only the first use was measured.
    """

    path: str
    meant: float
    before: float
    after: float
    factor: float
    num_uses: int = 1

    @property
    def off(self) -> float:
        """How many times too large or too small the output is after, from 1."""
        ratio = self.after / self.meant
        return max(ratio, 1 / ratio) if 0 < ratio < math.inf else math.inf


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What one pass of real data changed.

    Attributes:
        weights: those that were rescaled, in the order in which the signal met them.
        left: the path of every other weight, and why it was left alone.
    """

    weights: tuple[Calibrated, ...]
    left: tuple[tuple[str, str], ...] = ()

    @property
    def worst(self) -> Calibrated | None:
        """The weight whose output is farthest from what is meant; None if none was rescaled."""
        return max(self.weights, key=lambda weight: weight.off, default=None)

    def __str__(self) -> str:
        lines = [_headline(self.worst, len(self.weights)), *_table(self.weights)]
        shared = [f"{weight.path}  {weight.num_uses} uses" for weight in self.weights if weight.num_uses > 1]
        lines += section("Used more than once, rescaled for the first use", shared)
        for because in dict.fromkeys(because for _, because in self.left):
            lines += section(f"Left alone, {because}", [path for path, why in self.left if why == because])
        return "\n".join(lines)


def _headline(worst: Calibrated | None, num_weights: int) -> str:
    if worst is None:
        return "No weight was rescaled."
    told = f"{worst.path} is farthest from what is meant, {worst.after:.4f} for {worst.meant:.4g}"
    return textwrap.fill(f"Rescaled {counted(num_weights, 'weight')}; {told}.", _WIDTH)


def _table(weights: Sequence[Calibrated]) -> list[str]:
    if not weights:
        return []
    rows = [("weight", "before", "after", "meant")]
    rows += [(w.path, *(f"{value:.4g}" for value in (w.before, w.after, w.meant))) for w in weights]
    width = min(_PATHS, max(len(path) for path, *_ in rows))
    return [_row(path, width, numbers) for path, *numbers in rows]


def _row(path: str, width: int, numbers: Sequence[str]) -> str:
    told = "".join(f"{number:>12}" for number in numbers)
    return f"  {path:<{width}}{told}" if len(path) <= width else f"  {path}\n  {'':<{width}}{told}"
