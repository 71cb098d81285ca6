"""The Comparison: what a study's runs say."""

from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from .._errors import counted
from .._printable import printable
from .._report import Report, Reported
from .._study._cause import Cause
from .._study._enough import runs_needed
from .._study._facts import Facts, facts
from .._study._run import Run
from .._study._study import Study
from ._frame import runs_frame
from ._outcome import Kind, Outcome, decided
from ._precision import looked, share
from ._remarks import remarks
from ._scale import Scale
from ._speed import Speed, speed
from ._statistics import Difference, differences
from ._summary import Summary, final_merits, has_failed, luck_of, summarise, target_loss
from ._verdict import Measured, fastest, verdict

if TYPE_CHECKING:
    from pandas import DataFrame  # pyright: ignore[reportMissingImports]


@dataclass(frozen=True)
class Comparison(Reported):
    """Which start trains a network better, with what certainty.

    Printed it is a table, a notebook shows it as one, `save` writes a page with curves.

    Attributes:
        study: what was compared, on what and how, as facts; a Study will do.
        runs: every start's runs, by spec; run r of all of them is paired.
        interrupted: whether Ctrl-C ended the study early; what had finished is here.
        command: the command line that repeats it.
        store: the file that the runs are kept in.
        causes: by start, what a diagnosis at step zero says of those whose runs all failed.
        margin: the difference in score that is too small to matter; None is 0.01 of accuracy, or 0.02.
        lacking: the starts that have too few runs to be compared yet, and how many they have.
    """

    study: Facts
    runs: dict[str, list[Run]]
    interrupted: bool = False
    command: str = ""
    store: str = ""
    causes: dict[str, Cause] = field(default_factory=dict)
    margin: float | None = None
    lacking: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep what is said of a study, and not its data."""
        if isinstance(self.study, Study):
            object.__setattr__(self, "study", facts(self.study))

    def __repr__(self) -> str:
        runs = counted(self.num_runs, "run") if self.runs else "no run"
        told = f"{self.study.model} on {self.study.data}, {', '.join(self.runs)}, {runs} each"
        return f"<Comparison: {printable(told)}>"

    @property
    def num_runs(self) -> int:
        """Runs of each start."""
        return len(next(iter(self.runs.values())))

    @cached_property
    def merits(self) -> dict[str, list[np.ndarray]]:
        """Every start's final merits, `(test sample,)` of each run: their mean is its score."""
        return final_merits(self.runs, self.study.chance)

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Every start's final test scores, in the order of its runs."""
        return {recipe: np.array([one.mean() for one in merits]) for recipe, merits in self.merits.items()}

    @cached_property
    def target(self) -> float:
        """The training loss that all starts race to: the best start's median final one."""
        return target_loss(self.runs)

    @cached_property
    def luck(self) -> float:
        """The highest score of a run that never left chance."""
        return luck_of(self.study, self.runs)

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """One row for each start, the best mean test score first, those that never trained last.

        As they were asked for if none trained.
        """
        rows = [
            summarise(runs, self.scores[recipe], target=self.target, beyond_chance=self.luck)
            for recipe, runs in self.runs.items()
        ]
        lost = [row.recipe in self.failed for row in rows]
        order = sorted(range(len(rows)), key=lambda at: (lost[at], -rows[at].score.mean))
        return tuple(rows if all(lost) else (rows[at] for at in order))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """All pairs of starts, the better first, Holm-corrected together."""
        by_score = sorted(self.summaries, key=lambda row: -row.score.mean)
        merits = {row.recipe: self.merits[row.recipe] for row in by_score}
        return differences(merits, margin=self.measured.margin, ratio=self._ratio, spent=self.spent)

    @cached_property
    def outcome(self) -> Outcome:
        """What the tests carry, as data."""
        return decided(
            self.summaries,
            self.differences,
            failed=self.failed,
            num_runs=self.num_runs,
            enough=self.measured.enough,
        )

    @cached_property
    def speed(self) -> Speed | None:
        """How soon each start gets to a score that most reach; None where none trained, or none ends above chance."""
        if self.outcome.kind is Kind.NOTHING_TRAINED:
            return None
        return speed(
            self.runs,
            failed=self.failed,
            chance=self.study.chance,
            steps=self.study.steps_at(len(next(iter(self.runs.values()))[0].test_score)),
            ratio=self._ratio,
            is_enough=self.num_runs >= self.measured.enough,
            spent=self.spent,
        )

    @property
    def measured(self) -> Measured:
        """What the verdict speaks of."""
        study, usual = self.study, 0.01 if self.study.is_share else 0.02
        num_samples = study.num_test + (study.num_train if study.splits else 0)
        has_splits = bool(study.splits)
        enough = runs_needed(len(self.runs), has_splits=has_splits, spent=self.spent)
        return Measured(Scale.of(study), self.margin or usual, num_samples, has_splits, enough)

    @property
    def _ratio(self) -> float | None:
        return self.study.num_test / self.study.num_train if self.study.splits else None

    @property
    def spent(self) -> float:
        """Of the error that may be made, what this look at the runs may spend."""
        return share(0 if self.study.precision is None else len(self.study.looks))

    @property
    def verdict(self) -> str:
        """What to take, and how sure that is."""
        given = {"summaries": self.summaries, "num_runs": self.num_runs, "causes": self.causes}
        return verdict(self.outcome, self.measured, **given)

    @property
    def fastest(self) -> str:
        """Which start is the fastest; empty where there are too few runs to tell, or nothing is reached."""
        return fastest(self.speed, self.measured) if self.speed else ""

    @cached_property
    def failed(self) -> tuple[str, ...]:
        """The starts of which no run left chance without diverging."""
        return tuple(start for start, runs in self.runs.items() if all(has_failed(run, self.luck) for run in runs))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know beside the verdict: failed starts and why, what lacks runs, how precise it is."""
        left = (
            f"{start}: left out, for {num} of its {self.study.seeds} runs have finished; --resume trains the others."
            for start, num in self.lacking.items()
        )
        return (*remarks(self.summaries, self.num_runs, self.causes), *left, *looked(self))

    def report(self) -> Report:
        """The verdict, the tables and the figures, as data."""
        from ._present import present

        return present(self)

    def to_pandas(self) -> "DataFrame":
        """The runs as a table of pandas, a row a run, as `--export` writes it.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        return runs_frame([self])

    def save(self, path: str | PathLike[str]) -> None:
        """Write one self-contained HTML page, whole or not at all.

        Raises:
            OutputError: if it cannot be written there.
        """
        self.report().save(path)
