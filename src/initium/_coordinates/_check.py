"""The CoordinateCheck: whether one learning rate does for every width."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from .._errors import counted
from .._report import Report, Reported, plain
from ._slope import Slope


@dataclass(frozen=True, kw_only=True)
class CoordinateCheck(Reported):
    """How sizes go with the width, at the start and over the first steps.

    Attributes:
        slopes: of each weight at each step, step by step, the weights in the order of execution.
        widths: of the models.
        seeds: how many models of each width.
        recipe: what started them, as a spec.
        optimizer: what trained them.
        lr: its learning rate, before the recipe's own multipliers.
        notes: how it was measured.
    """

    slopes: tuple[Slope, ...]
    widths: tuple[int, ...]
    seeds: int
    recipe: str
    optimizer: str
    lr: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<CoordinateCheck: {self.answer}>"

    @property
    def passes(self) -> bool:
        """Whether nothing goes with the width, and the seeds tell so of each weight."""
        return not self.failures and not self.open

    @property
    def failures(self) -> tuple[Slope, ...]:
        """What goes with the width, the first step first."""
        return tuple(slope for slope in self.slopes if not slope.passes)

    @property
    def open(self) -> tuple[Slope, ...]:
        """What may go with the width as far as what is wrong does, for all that the seeds tell."""
        return tuple(slope for slope in self.slopes if slope.is_open)

    @property
    def answer(self) -> str:
        """What was found, in one sentence."""
        between = f"from width {self.widths[0]} to {self.widths[-1]}"
        num = sum(slope.is_unsure for slope in self.slopes)
        unsure = f"{num} of {counted(len(self.slopes), 'slope')}"
        if self.passes:
            may = f". {unsure} may, by a little" if num else ""
            return f"Passes: under `{self.recipe}` no size goes with the width, {between}{may}"
        if not self.failures:
            first = self.open[0]
            return (
                f"Not told: under `{self.recipe}` {unsure} may go with the width, {between}; first: at `{first.path}` "
                f"by width^{first.low:.2g} to width^{first.high:.2g} for all that {self.seeds} seeds tell"
            )
        first, failed = self.failures[0], len({slope.path for slope in self.failures})
        weights = counted(len({slope.path for slope in self.slopes}), "weight")
        gives = "the size of what it gives" if first.step == 0 else f"what {counted(first.step, 'step')} added to it"
        how = "is 0 or not finite at some widths" if first.verdict == "broken" else f"goes with width^{first.slope:.2g}"
        return (
            f"Fails: under `{self.recipe}` sizes go with the width at {failed} of {weights}, {between}; first: at "
            f"`{first.path}` {gives} {how}"
        )

    def to_json(self) -> str:
        """All of it as JSON; a number that is none is null."""
        import json  # costs 3 ms, and most never store a check

        told = {"passes": self.passes, **asdict(self), "slopes": [_row(slope) for slope in self.slopes]}
        return json.dumps(plain(told), indent=1, allow_nan=False)

    def to_pandas(self) -> Any:
        """The slopes as a DataFrame, a row for each weight and step.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        from .._report._frame import frame

        names = [*(one.name for one in fields(Slope)), "verdict"]
        return frame([_row(slope) for slope in self.slopes], names, index=["path", "step"])

    def report(self) -> Report:
        """The slopes by weight and step, and what to do about those that fail, as data."""
        from ._present import present

        return present(self)


def _row(slope: Slope) -> dict[str, Any]:
    return {**asdict(slope), "verdict": slope.verdict}
