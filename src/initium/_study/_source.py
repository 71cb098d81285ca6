"""Source: samples that nobody has split yet, and the splits that are made of them."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from .._errors import DataError
from .._require import require
from ._prepared import Array, Data, prepare

_SHARE = 0.2  # of the samples, for testing
_RUNS = 100  # that a usual number of folds is good for: more are seldom asked for, and any number has the same folds


@dataclass(frozen=True, eq=False)
class Source:
    """Samples and their targets, in the order in which they came.

    Attributes:
        name: as it is reported.
        x: `(sample, *feature)`.
        y: their targets.
        standardise: whether features, and the targets of a regression, get zero mean and unit std.
        images: whether all features are one quantity.
        num_tokens: of a text; then x and y are tokens, and its end is what is tested.
        said: what to know of where it came from.
    """

    name: str
    x: Array
    y: Array
    standardise: bool = True
    images: bool = False
    num_tokens: int = 0
    said: str = ""

    def split(self, seed: int) -> Data:
        """A fifth for testing, of each class a fifth; of a text its last tenth."""
        if self.num_tokens:
            return self._ended()
        train_test = require("sklearn.model_selection", to="Splitting data").train_test_split
        by_class = self._by_class()
        try:
            parts = train_test(self.x, self.y, test_size=_SHARE, random_state=seed % 2**32, stratify=by_class)
        except ValueError as error:  # a class of one sample, or fewer samples than classes
            raise DataError(f"{len(self.x)} samples cannot be split by class: {error}") from None
        x_train, x_test, y_train, y_test = parts
        return self._data([x_train, y_train, x_test, y_test], f"a fifth for testing, split seed {seed}")

    def fold(self, number: int, num_folds: int, seed: int) -> Data:
        """One fold for testing and the others for training; every `num_folds` the samples are dealt anew.

        Args:
            number: of the fold, counted on through all dealings.
            num_folds: how many there are of each dealing.
            seed: of the first dealing; the next has the next.

        Raises:
            DataError: if there are fewer samples of a class than folds.
        """
        if (asked := (number, num_folds, seed)) not in self._last:
            self._last.clear()  # one run after the other asks for the same, whatever it starts from
            dealing, which = divmod(number, num_folds)
            train, test = self._dealt(num_folds, seed + dealing)[which]
            parts = [self.x[train], self.y[train], self.x[test], self.y[test]]
            how = f"{num_folds} folds, dealt anew for every {num_folds} runs, split seed {seed}"
            self._last[asked] = replace(self._data(parts, how), num_folds=num_folds)
        return self._last[asked]

    @cached_property
    def _last(self) -> dict[tuple[int, int, int], Data]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the fold that was asked for last, which holds the data once more."""
        return {name: value for name, value in self.__dict__.items() if name != "_last"}

    def num_rows(self, number: int, num_folds: int, seed: int) -> int:
        """How many samples are trained on beside a fold: those of one dealing differ by a few."""
        dealing, which = divmod(number, num_folds)
        if (sizes := (num_folds, seed + dealing)) not in self._rows:
            self._rows[sizes] = [len(train) for train, _ in self._dealt(*sizes)]
        return self._rows[sizes][which]

    @cached_property
    def _rows(self) -> dict[tuple[int, int], list[int]]:
        return {}

    def check_folds(self, num_runs: int, num_folds: int, seed: int) -> None:
        """Refuse now the folds that so many runs would fail on.

        Raises:
            DataError: if there are too few samples, or nothing can be scored on those of a fold.
        """
        for dealing in range(-(-num_runs // num_folds)):
            for which, (_, test) in enumerate(self._dealt(num_folds, seed + dealing)[: num_runs - dealing * num_folds]):
                if len(test) < 2:
                    raise DataError(
                        f"{num_folds} splits need {2 * num_folds} samples, two in each to be tested on; there are "
                        f"{len(self.x)}."
                    )
                if self.y.dtype.kind == "f" and (np.ptp(self.y[test], axis=0) == 0).any():
                    raise DataError(
                        f"A target never varies in fold {which + 1} of {num_folds}, that of run "
                        f"{dealing * num_folds + which}, so R^2 is not defined on it; ask for fewer splits, or for "
                        "another split seed."
                    )

    def most_folds(self, most: int, seed: int) -> int:
        """As many folds as can be tested on, up to a number, however many runs there are; 1 if none can be dealt."""
        is_chance = self.y.dtype.kind == "f"  # whether a target varies in a fold; of classes each dealing has as many
        for num_folds in range(most, 1, -1):
            try:
                self.check_folds(_RUNS if is_chance else num_folds, num_folds, seed)
            except DataError:
                continue
            return num_folds
        return 1

    def _dealt(self, num_folds: int, seed: int) -> list[tuple[Array, Array]]:
        """Of each fold which samples are trained on and which are tested."""
        if self.num_tokens:
            raise DataError(f"{self.name} is one text, whose end is tested; `splits` are for samples of any order.")
        selection = require("sklearn.model_selection", to="Splitting data")
        by_class = self._by_class()
        kind = selection.KFold if by_class is None else selection.StratifiedKFold
        fewest = len(self.x) if by_class is None else int(np.unique(by_class, return_counts=True)[1].min())
        if fewest < num_folds:
            what = "there are" if by_class is None else "the smallest class has"
            raise DataError(f"{num_folds} splits need as many samples of each class; {what} {fewest}.")
        return list(kind(num_folds, shuffle=True, random_state=seed % 2**32).split(self.x, by_class))

    def _by_class(self) -> Array | None:
        return self.y if self.y.ndim == 1 and self.y.dtype.kind != "f" else None

    def _data(self, parts: list[Array], how: str) -> Data:
        made = partial(prepare, self.name, parts, self.standardise, images=self.images)
        return _from(self, made(split=f"{self.said}{how}; "))

    def _ended(self) -> Data:
        last = max(len(self.x) // 10, 1)
        x_train, y_train, x_test, y_test = self.x[:-last], self.y[:-last], self.x[-last:], self.y[-last:]
        how = f"{self.said}pieces of {self.x.shape[1]} tokens, the last tenth for testing"
        made = Data(self.name, "next_token", x_train, y_train, x_test, y_test, self.num_tokens, how)
        return _from(self, made)


def _from(source: Source, data: Data) -> Data:
    object.__setattr__(data, "source", source)
    return data
