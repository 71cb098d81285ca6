"""How the figures of a comparison and of a grid are written."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._statistics import Interval

if TYPE_CHECKING:
    from .._study._facts import Facts


@dataclass(frozen=True)
class Scale:
    """How a score is written: a share in percent, a difference of shares in points.

    Attributes:
        score: its name.
        factor: that it is written in.
        places: behind the point; a difference has one more.
        percent: the unit of a score, behind its name.
        unit: of a difference.
    """

    score: str
    factor: float
    places: int
    percent: str = ""
    unit: str = ""

    @classmethod
    def of(cls, study: "Facts") -> "Scale":
        """The one that fits a study's score."""
        return cls(study.score, 100, 1, ", %", " points") if study.is_share else cls(study.score, 1, 2)

    @property
    def name(self) -> str:
        """Of the final score, with its unit."""
        return f"test {self.score}{self.percent}"

    @property
    def mean_name(self) -> str:
        """Of the mean over all of training, with its unit."""
        return f"mean {self.score}{self.percent}"

    @property
    def gap_name(self) -> str:
        """Of a difference, with its unit."""
        return f"{self.score},{self.unit}" if self.unit else self.score

    @property
    def title(self) -> str:
        """The name at the beginning of a line."""
        return f"{self.name[0].upper()}{self.name[1:]}"

    def number(self, value: float) -> str:
        """A score."""
        return number(value * self.factor, self.places)

    def interval(self, value: Interval) -> str:
        """A score, with its interval."""
        return interval_words(value, self.factor, self.places)

    def difference(self, value: Interval) -> str:
        """A difference of scores or their spread, with its interval."""
        return interval_words(value, self.factor, self.places + 1)

    def signed(self, value: float) -> str:
        """A difference with its sign."""
        return f"{self.factor * value:+.{self.places + 1}f}"

    def short(self, value: Interval) -> str:
        """A score and half the width of its interval."""
        half = (value.high - value.low) / 2
        return self.number(value.mean) + ("" if math.isnan(half) else f"±{self.number(half)}")

    def gap(self, value: Interval, *, is_fine: bool = False) -> str:
        """A difference in a sentence: `0.6 points [0.2, 1.0]`; a small one, or a fine one, as in a table."""
        places = self.places + (is_fine or abs(value.mean) * self.factor < 0.5)
        words = number(value.mean * self.factor, places) + self.unit
        return words + ("" if math.isnan(value.low) else f" {_ends(value, self.factor, places)}")


def interval_words(value: Interval, factor: float = 1, places: int = 3) -> str:
    """`97.1 [96.5, 97.6]`; a dash for what is not known."""
    if math.isnan(value.mean):
        return "-"
    mean = number(value.mean * factor, places)
    return mean if math.isnan(value.low) else f"{mean} {_ends(value, factor, places)}"


def p_words(p: float) -> str:
    """A p."""
    return "-" if math.isnan(p) else f"{p:.2g}"


def number(value: float, places: int) -> str:
    """A number of any size: a start about to diverge has such losses."""
    return f"{value:.{places}f}" if abs(value) < 1000 else f"{value:.0e}"


def _ends(value: Interval, factor: float, places: int) -> str:
    return f"[{number(value.low * factor, places)}, {number(value.high * factor, places)}]"
