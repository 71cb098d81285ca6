"""The Calibration: what one pass of real data changed in each weight."""

import math
from dataclasses import dataclass

from ._errors import counted
from ._report import List, Report, Reported, Table


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
class Calibration(Reported):
    """What one pass of real data changed.

    Attributes:
        weights: those that were rescaled, in the order in which the signal met them.
        left: the path of every other weight, and why it was left alone.
    """

    weights: tuple[Calibrated, ...]
    left: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"<Calibration: rescaled {counted(len(self.weights), 'weight')}, left {len(self.left):,} alone>"

    @property
    def worst(self) -> Calibrated | None:
        """The weight whose output is farthest from what is meant; None if none was rescaled."""
        return max(self.weights, key=lambda weight: weight.off, default=None)

    def report(self) -> Report:
        """The second moment of each weight's output, before and after, and what was left alone.

        Example:
            >>> print(Calibration(weights=(Calibrated(path="fc", meant=1, before=4, after=1, factor=0.5),)))
            Rescaled 1 weight.
            fc is farthest from what is meant, 1.0000 for 1.
            <BLANKLINE>
            weight  before  after  meant
            ----------------------------
            fc           4      1      1
        """
        worst = self.worst
        if worst is None:
            title, subtitle = "No weight was rescaled.", ""
        else:
            title = f"Rescaled {counted(len(self.weights), 'weight')}."
            subtitle = f"{worst.path} is farthest from what is meant, {worst.after:.4f} for {worst.meant:.4g}."
        shared = tuple(f"{weight.path}  {weight.num_uses} uses" for weight in self.weights if weight.num_uses > 1)
        reasons = dict.fromkeys(because for _, because in self.left)
        return Report(
            title=title,
            subtitle=subtitle,
            sections=(
                _moments(self),
                List("Used more than once, rescaled for the first use", shared),
                *(
                    List(f"Left alone, {because}", tuple(path for path, why in self.left if why == because))
                    for because in reasons
                ),
            ),
        )


def _moments(found: Calibration) -> Table:
    return Table(
        title="",
        columns=("weight", "before", "after", "meant"),
        rows=tuple(
            (weight.path, *(f"{moment:.4g}" for moment in (weight.before, weight.after, weight.meant)))
            for weight in found.weights
        ),
    )
