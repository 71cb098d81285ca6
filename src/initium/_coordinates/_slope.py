"""The slope of a size against the width, log by log, and its interval over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._require import require

# From 64 to 512 units a size that goes with width^0.1 changes by a quarter. What is wrong goes with width^0.5 or
# width^1 (Yang et al., "Tensor Programs V", 2022, appendix J), what is right with width^0 and some noise.
BAND, _WRONG = 0.1, 0.5
# An output that starts with variance 1 / width^2, muP's own, shrinks with width^-1/2 at the start (the authors' package
# mup, README, "Coord Check"). A loss that reads it hands that on to the first gradients, as a part of them that is the
# smaller the wider; along a fixed direction, and with a head of zeros, there is no such part. See docs/width.md.
_OUTPUT = -0.5
_LEVEL = 0.95

Verdict = Literal["flat", "still", "grows", "shrinks", "broken"]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """How the size of what one weight gives goes with the width, at one step.

    Attributes:
        path: of the weight.
        step: 0 is the start; from 1 on the size is of what the steps have added since.
        sizes: mean absolute value at each width, averaged over seeds.
        slope: of log size by log width, averaged over seeds; NaN where a size has no logarithm.
        low: lower end of its 95 % interval over seeds.
        high: upper end.
        least: the lowest slope that is right.
        follows_start: whether the start's own slope may be part of it, so that one down to that is not told from right.
    """

    path: str
    step: int
    sizes: tuple[float, ...]
    slope: float
    low: float
    high: float
    least: float = -BAND
    follows_start: bool = False

    @property
    def verdict(self) -> Verdict:
        """`grows` or `shrinks` if all of the interval lies beyond what is right; `still` if it is 0 at every width."""
        if not any(self.sizes):
            return "still"
        if not np.isfinite([*self.sizes, self.slope]).all():
            return "broken"
        if self.low > BAND:
            return "grows"
        return "shrinks" if self.high < self._borne else "flat"

    @property
    def passes(self) -> bool:
        """Whether the size does not go with the width, as far as the seeds tell."""
        return self.verdict in ("flat", "still")

    @property
    def is_unsure(self) -> bool:
        """Whether it passes, and part of the interval lies beyond what is right."""
        return self.verdict == "flat" and (self.high > BAND or self.low < self.least)

    @property
    def is_open(self) -> bool:
        """Whether it passes, and its interval reaches as far as what is wrong does."""
        return self.verdict == "flat" and (self.high >= _WRONG or self.low <= self._borne + BAND - _WRONG)

    @property
    def _borne(self) -> float:
        return _OUTPUT - BAND if self.follows_start else self.least

    @property
    def shrinks_rightly(self) -> bool:
        """Whether it falls with the width as an output may."""
        return self.verdict == "flat" and self.least < -BAND and self.high < -BAND


def slopes(
    sizes: Mapping[str, NDArray[Any]],
    widths: Sequence[int],
    outputs: frozenset[str] = frozenset(),
    *,
    reads_outputs: bool = False,
) -> tuple[Slope, ...]:
    """The slope of each weight at each step, step by step.

    Args:
        sizes: of each path, `(seed, width, step)`.
        widths: of the models.
        outputs: paths of weights that give the model's output.
        reads_outputs: whether the gradients go with what the outputs are.
    """
    num_steps = min((values.shape[2] for values in sizes.values()), default=0)
    started = {path for path in outputs & sizes.keys() if sizes[path][:, :, 0].any()}
    return tuple(
        _slope(
            path,
            step,
            values[:, :, step],
            widths,
            least=(_OUTPUT if step == 0 and path in started else 0) - BAND,
            follows_start=reads_outputs and step > 0 and path in started,
        )
        for step in range(num_steps)
        for path, values in sizes.items()
    )


def _slope(path: str, step: int, sizes: NDArray[Any], widths: Sequence[int], **allowed: Any) -> Slope:
    x = np.log(widths) - np.log(widths).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.log(sizes) @ x / (x @ x)  # (seed,), least squares
        mean, off = float(each.mean()), _half_interval(each)
    return Slope(
        path=path,
        step=step,
        sizes=tuple(sizes.mean(axis=0).tolist()),
        slope=mean if np.isfinite(sizes).all() and (sizes > 0).all() else float("nan"),
        low=mean - off,
        high=mean + off,
        **allowed,
    )


def _half_interval(each: NDArray[Any]) -> float:
    """Half of the interval around the mean by Student's t: the seeds are few."""
    quantile = require("scipy.special", to="An interval over seeds").stdtrit(len(each) - 1, (1 + _LEVEL) / 2)
    return float(quantile * each.std(ddof=1) / np.sqrt(len(each)))
