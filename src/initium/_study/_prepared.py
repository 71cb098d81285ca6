"""Data: a training and a test split, standardised on the training split alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, counted, few
from .._printable import printable
from ._labels import target_of

if TYPE_CHECKING:
    from ._source import Source

Task = Literal["classification", "multilabel", "regression", "next_token"]
Array = NDArray[Any]

PARTS = ("x_train", "y_train", "x_test", "y_test")
_FEW = 10  # whole numbers that may well be classes


@dataclass(frozen=True, eq=False)  # two arrays are not equal or unequal as a whole
class Data:
    """What every run trains and is tested on.

    Attributes:
        name: as it is reported.
        task: what is predicted.
        x_train: `(sample, *feature)`, float32, zero mean and unit std over the training split; tokens are int64.
        y_train: `(sample,)` class numbers, `(sample, label)` zeros and ones, `(sample, place)` tokens, or
            `(sample, target)` float32, standardised likewise.
        x_test: standardised with the training split's mean and std.
        y_test: likewise.
        num_outputs: classes, labels, tokens or targets.
        preparation: how the splits came about, for a reader to repeat.
        source: the samples before they were split, of which other splits can be made; None if a split was given.
        num_folds: of which this is one.
    """

    name: str
    task: Task
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    num_outputs: int
    preparation: str = "as given"
    source: "Source | None" = None
    num_folds: int = 1

    def __repr__(self) -> str:
        return printable(f"<Data: {self.name}, {self.told_task}>")

    @property
    def features(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.x_train.shape[1:]

    @property
    def told_task(self) -> str:
        """What is predicted, in words."""
        return {
            "classification": f"classification of {counted(self.num_outputs, 'class')}",
            "multilabel": f"{counted(self.num_outputs, 'label')} that hold or do not",
            "regression": "regression" if self.num_outputs == 1 else f"regression of {self.num_outputs} targets",
            "next_token": f"the next of {counted(self.num_outputs, 'token')}",
        }[self.task]

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return self.task != "regression"

    @property
    def chance(self) -> float:
        """The test score of the best constant prediction: the largest class's share, or R^2 of 0."""
        if not self.is_classification:
            return 0.0
        if self.task == "multilabel":
            share = self.y_test.mean(axis=0)
            return float(np.maximum(share, 1 - share).mean())
        return float(np.bincount(self.y_test.ravel()).max() / self.y_test.size)


def prepare(name: str, parts: Sequence[Array], standardise: bool, *, images: bool = False, split: str = "") -> Data:
    """What the four parts amount to.

    Args:
        name: as it is reported.
        parts: `PARTS`, in that order.
        standardise: whether features, and the targets of a regression, get zero mean and unit std.
        images: whether all features are one quantity.
        split: how the parts came about, as the beginning of a sentence.

    Raises:
        DataError: if lengths differ, a number is not finite, or a class is never trained on.
    """
    x_train, y_train, x_test, y_test = parts
    _check_lengths(x_train, y_train, x_test, y_test)
    x_train, x_test = _numbers("x_train", x_train), _numbers("x_test", x_test)
    if standardise:
        x_train, x_test = _standardised(x_train, x_test, axis=None if images else _axes(x_train))
    x_train, x_test = _float32("x_train", x_train), _float32("x_test", x_test)
    y_train, y_test = target_of("y_train", y_train), target_of("y_test", y_test)
    if are_labels(y_train) and are_labels(y_test):
        y_train, y_test, num_outputs = y_train.astype(np.int64), y_test.astype(np.int64), y_train.shape[1]
        task: Task = "multilabel"
    elif y_train.dtype.kind in "biuU":
        y_train, y_test, num_outputs = _classes(y_train, y_test)
        task = "classification"
    else:
        columns = [_numbers(n, y).reshape(len(y), -1) for n, y in (("y_train", y_train), ("y_test", y_test))]
        if columns[0].shape[1] != columns[1].shape[1]:
            raise DataError(f"y_train has {columns[0].shape[1]} targets and y_test {columns[1].shape[1]}.")
        if (np.ptp(columns[1], axis=0) == 0).any():
            raise DataError("A target of y_test never varies, so R^2 is not defined on it.")
        split += _told_if_classes(columns[0])
        y_train, y_test = _standardised(*columns) if standardise else columns
        y_train, y_test = _float32("y_train", y_train), _float32("y_test", y_test)
        num_outputs, task = y_train.shape[1], "regression"
    preparation = split + ("standardised on the training split" if standardise else "not standardised")
    return Data(name, task, x_train, y_train, x_test, y_test, num_outputs, preparation)


def _check_lengths(x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> None:
    parts: dict[str, Array] = dict(zip(PARTS, (x_train, y_train, x_test, y_test), strict=True))
    for name, part in parts.items():
        num_samples = len(part) if part.ndim else 1
        if num_samples < 2:
            raise DataError(f"{name} holds {num_samples} of the 2 samples that it needs at least.")
    for x, y in (("x_train", "y_train"), ("x_test", "y_test")):
        if len(parts[x]) != len(parts[y]):
            raise DataError(
                f"{x} has {len(parts[x])} samples and {y} has {len(parts[y])}; each sample needs one label."
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"A sample of x_train has shape {x_train.shape[1:]} and one of x_test {x_test.shape[1:]}; both need "
            "the same features."
        )


def _numbers(name: str, part: Array) -> Array:
    if part.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {part.dtype}, not numbers.")
    bad = ~np.isfinite(part)
    if bad.any():
        where = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{name} has NaN or infinite values: {int(bad.sum())} in all, the first at [{where}]. "
            "Drop those samples or fill the gaps before comparing."
        )
    return part.astype(np.float64)


def _float32(name: str, part: Array) -> Array:
    with np.errstate(over="ignore"):
        narrow = part.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise DataError(f"{name} holds numbers that float32 cannot, before or after standardising; rescale it.")
    return narrow


def _told_if_classes(y: Array) -> str:
    """What to say of numbers that may have been meant as classes."""
    values = np.unique(y)
    if y.shape[1] > 1 or len(values) > _FEW or (values != np.floor(values)).any():
        return ""
    return (
        f"the {len(values)} values of the target, {few([f'{value:.1f}' for value in values.tolist()])}, are taken as "
        f"numbers, not as classes, which are whole: {values[0]:.0f}, not {values[0]:.1f}; "
    )


def _standardised(train: Array, test: Array, *, axis: int | tuple[int, ...] | None = 0) -> tuple[Array, Array]:
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = train.mean(axis=axis, keepdims=True), train.std(axis=axis, keepdims=True)
    std = np.where(np.isfinite(std), std, np.nan)  # an overflow must not pass for a huge spread
    # A feature that never varies is only centred; its std is 0 but for rounding.
    std = np.where(std <= 1e-12 * np.abs(mean), 1, std)
    return (train - mean) / std, (test - mean) / std


def _classes(y_train: Array, y_test: Array) -> tuple[Array, Array, int]:
    for name, y in (("y_train", y_train), ("y_test", y_test)):
        if y.ndim != 1:
            raise DataError(f"Class labels have one axis, but {name} has shape {y.shape}; {name}.ravel() has one.")
    if y_train.dtype.kind != y_test.dtype.kind and "U" in (y_train.dtype.kind, y_test.dtype.kind):
        raise DataError(f"y_train holds {y_train.dtype} labels and y_test {y_test.dtype}; both need the same kind.")
    classes = np.unique(y_train)
    unseen = sorted(set(np.unique(y_test).tolist()) - set(classes.tolist()))
    if unseen:
        raise DataError(f"y_test holds {unseen[0]!r}, a class that y_train never shows; train on some of it.")
    if len(classes) < 2:
        raise DataError(f"y_train holds one class only, {classes.tolist()[0]!r}; there is nothing to learn.")
    return np.searchsorted(classes, y_train), np.searchsorted(classes, y_test), len(classes)


def _axes(x: Array) -> int | tuple[int, ...]:
    """A channel of images `(sample, channel, row, column)` is one quantity; else each feature is."""
    return (0, 2, 3) if x.ndim == 4 else 0


def are_labels(y: Array) -> bool:
    """Whether it says of several labels at once whether each holds."""
    return y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf" and bool(np.isin(y, (0, 1)).all())
