"""Data: a training and a test split, standardised on the training split alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, SpecError
from .._reading import path_of
from .._require import require
from .._spec import Call, parse_call, unknown_name
from ._table import read_table

Task = Literal["classification", "regression"]
Array = NDArray[Any]

# Real data that scikit-learn ships, and its task.
BUILT_IN: dict[str, Task] = {
    "digits": "classification",
    "breast_cancer": "classification",
    "wine": "classification",
    "iris": "classification",
    "diabetes": "regression",
}
# Pixels are one quantity measured in many places: they share one mean and std, as images usually do. A
# corner pixel divided by its own tiny std would outweigh all others in the few images that touch it.
_IMAGES = {"digits"}
_PARTS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)  # two arrays are not equal or unequal as a whole
class Data:
    """What every run trains and is tested on.

    Attributes:
        name: as it is reported.
        task: what is predicted.
        x_train: `(sample, *feature)`, float32, zero mean and unit std over the training split.
        y_train: `(sample,)` class numbers, or `(sample, target)` float32, standardised likewise.
        x_test: standardised with the training split's mean and std.
        y_test: likewise.
        num_outputs: classes, or targets.
        preparation: how the splits came about, for a reader to repeat.
    """

    name: str
    task: Task
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    num_outputs: int
    preparation: str = "as given"

    @property
    def features(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.x_train.shape[1:]

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, not numbers."""
        return self.task == "classification"

    @property
    def chance(self) -> float:
        """The test score of the best constant prediction: the largest class's share, or R^2 of 0."""
        if not self.is_classification:
            return 0.0
        return float(np.bincount(self.y_test).max() / len(self.y_test))


def load_data(data: "str | Data | Sequence[Any]", *, split_seed: int = 0, standardise: bool = True) -> Data:
    """A built-in set, a `.npz` or `.csv` file, or four arrays `(x_train, y_train, x_test, y_test)`.

    Whole-number or text labels make a classification, floating ones a regression.

    Raises:
        DataError: if lengths differ, a number is not finite, or a class is never trained on.
        UnknownNameError: if there is no such built-in set.
    """
    if isinstance(data, Data):
        return data
    if isinstance(data, str):
        if data.endswith(".npz"):
            parts = _read_npz(data)
            with _naming(data):
                return _prepare(data, parts, standardise)
        split = f"a fifth for testing, split seed {split_seed}; "
        if data.endswith(".csv"):
            x, y, columns = read_table(data)
            with _naming(data):
                parts = _split(x, y, split_seed, is_regression=y.dtype.kind == "f")
                return _prepare(data, parts, standardise, split=f"{columns}; {split}")
        call = parse_call(data)
        parts = _built_in(data, call, split_seed)
        return _prepare(data, parts, standardise, images=call.name in _IMAGES, split=split)
    if len(data) != len(_PARTS):
        raise DataError(f"data is {', '.join(_PARTS)}; got {len(data)} arrays.")
    return _prepare("arrays", [_array(part) for part in data], standardise)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """What is wrong with a file's numbers is told with the file's name."""
    try:
        yield
    except DataError as error:
        raise DataError(f"'{path}': {error}") from None


def _built_in(spec: str, call: Call, seed: int) -> list[Array]:
    if call.name not in BUILT_IN:
        raise unknown_name("data set", call.name, BUILT_IN, "A file of your own ends in .npz or .csv.")
    datasets = require("sklearn.datasets", to=f"The data set '{call.name}'")
    x, y = getattr(datasets, f"load_{call.name}")(return_X_y=True)
    x = x[:, : _num_features(spec, call, x.shape[1])]
    return _split(x, y, seed, is_regression=BUILT_IN[call.name] == "regression")


def _split(x: Array, y: Array, seed: int, *, is_regression: bool) -> list[Array]:
    """A fifth for testing, of each class a fifth."""
    split = require("sklearn.model_selection", to="Splitting data").train_test_split
    try:
        parts = split(x, y, test_size=0.2, random_state=seed % 2**32, stratify=None if is_regression else y)
    except ValueError as error:  # a class of one sample, or fewer samples than classes
        raise DataError(f"{len(x)} samples cannot be split by class: {error}") from None
    x_train, x_test, y_train, y_test = parts
    return [x_train, y_train, x_test, y_test]


def _num_features(spec: str, call: Call, most: int) -> int:
    features = call.kwargs.get("features", most)
    if call.args or set(call.kwargs) - {"features"}:
        raise SpecError(f"'{spec}': a data set takes one argument, as in `digits(features=10)`.")
    if isinstance(features, bool) or not isinstance(features, int) or not 1 <= features <= most:
        raise SpecError(f"'{spec}': features is a whole number from 1 to {most}, not {features!r}.")
    return features


def _read_npz(path: str) -> list[Array]:
    from .._npz import NpzError, arrays  # zipfile takes 5 ms that `import initium` need not spend

    try:
        return arrays(path_of(path), _PARTS, refuse=DataError)
    except NpzError as error:
        raise DataError(
            f"'{path}' {error}. Write one with np.savez(path, x_train=..., "
            "y_train=..., x_test=..., y_test=...), without Python objects in it."
        ) from None


def _array(part: Any) -> Array:
    # A tensor says how to leave its framework; np.asarray alone refuses one that wants a gradient.
    return np.asarray(part.detach().cpu() if hasattr(part, "detach") else part)


def _prepare(name: str, parts: Sequence[Array], standardise: bool, *, images: bool = False, split: str = "") -> Data:
    x_train, y_train, x_test, y_test = parts
    _check_lengths(x_train, y_train, x_test, y_test)
    x_train, x_test = _numbers("x_train", x_train), _numbers("x_test", x_test)
    if standardise:
        x_train, x_test = _standardised(x_train, x_test, axis=None if images else 0)
    x_train, x_test = _float32("x_train", x_train), _float32("x_test", x_test)
    y_train, y_test = _labels("y_train", y_train), _labels("y_test", y_test)
    if y_train.dtype.kind in "biuUS":
        y_train, y_test, num_outputs = _classes(y_train, y_test)
        task: Task = "classification"
    else:
        columns = [_numbers(n, y).reshape(len(y), -1) for n, y in (("y_train", y_train), ("y_test", y_test))]
        if columns[0].shape[1] != columns[1].shape[1]:
            raise DataError(f"y_train has {columns[0].shape[1]} targets and y_test {columns[1].shape[1]}.")
        if (np.ptp(columns[1], axis=0) == 0).any():
            raise DataError("A target of y_test never varies, so R^2 is not defined on it.")
        y_train, y_test = _standardised(*columns) if standardise else columns
        y_train, y_test = _float32("y_train", y_train), _float32("y_test", y_test)
        num_outputs, task = y_train.shape[1], "regression"
    preparation = split + ("standardised on the training split" if standardise else "not standardised")
    return Data(name, task, x_train, y_train, x_test, y_test, num_outputs, preparation)


def _check_lengths(x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> None:
    parts: dict[str, Array] = dict(zip(_PARTS, (x_train, y_train, x_test, y_test), strict=True))
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


def _labels(name: str, part: Array) -> Array:
    if part.dtype.kind != "O":
        return part
    if not all(isinstance(label, str) for label in part.ravel()):
        raise DataError(f"{name} holds Python objects; labels are whole numbers or text, targets are floats.")
    return part.astype(str)


def _standardised(train: Array, test: Array, *, axis: int | None = 0) -> tuple[Array, Array]:
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = train.mean(axis=axis), train.std(axis=axis)
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
