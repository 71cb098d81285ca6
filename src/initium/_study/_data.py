"""load_data: whatever people keep data in, as a training and a test split."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._errors import DataError, SpecError
from .._model_name import model_function
from .._reading import contents, path_of
from .._require import require
from .._spec import Call, parse_call, unknown_name
from ._objects import Text, arrays_of
from ._prepared import PARTS, Array, Task, are_labels, prepare
from ._prepared import Data as Data
from ._source import Source
from ._table import read_table

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
_LONGEST = 1 << 28  # bytes of a text


def load_data(
    data: Any,
    *,
    split_seed: int = 0,
    standardise: bool = True,
    target: str | None = None,
    folds: tuple[int, int] | None = None,
    is_usual: bool = False,
) -> Data:
    """A built-in set; a `.npz`, `.csv`, `.parquet` or `.txt` file; `file.py:function`; arrays, tables or data sets.

    Whole-number or text labels make a classification, floating ones a regression, columns of zeros and ones labels
    that hold or do not; one array of whole numbers is a text of tokens.

    Args:
        data: what is learnt.
        split_seed: of the split, where there is none of its own.
        standardise: give each feature zero mean and unit std over the training split.
        target: the column of a table that is predicted; None is `target`, or else the last.
        folds: how many runs there will be, and over how many folds; then it is the first of these. One is no fold.
        is_usual: whether there may be fewer of them, where there are too few samples, and none of data with a split of
            its own.

    Raises:
        DataError: if lengths differ, a number is not finite, or a class is never trained on.
        UnknownNameError: if there is no such built-in set.
    """
    if isinstance(data, Data) and not folds:
        return data
    is_named = isinstance(data, str | os.PathLike)
    name = os.fspath(data) if is_named else "arrays"
    opened = _opened(name, standardise, target) if is_named else data
    with _naming(name if is_named else ""):
        found = opened if isinstance(opened, Source) else _of(name, opened, standardise, target)
        return _folded(found, split_seed, *folds, is_usual) if folds else _whole(found, split_seed)


def _whole(found: Source | Data, seed: int) -> Data:
    return found.split(seed) if isinstance(found, Source) else found


def _folded(found: Source | Data, seed: int, num_runs: int, num_folds: int, is_usual: bool) -> Data:
    source = found if isinstance(found, Source) else found.source
    if source is None and not is_usual and num_folds > 1:
        raise DataError(f"{found.name} comes with a split of its own; leave out `splits`.")
    if source and is_usual:
        num_folds = source.most_folds(num_folds, seed)
    if source is None or num_folds == 1:
        return _whole(found, seed)
    source.check_folds(num_runs, num_folds, seed)
    return source.fold(0, num_folds, seed)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """What is wrong with the numbers of what goes by a name is told with it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"'{name}': {error}" if name else str(error)) from None


def _opened(name: str, standardise: bool, target: str | None) -> Any:
    """What goes by a name: a file, a function's, a built-in set. What is wrong with a file as such names it itself."""
    if ending := next((one for one in _FILES if name.lower().endswith(one)), None):
        return _FILES[ending](name, target)
    if os.path.isdir(name):
        raise DataError(f"'{name}' is a folder; name a file in it.")
    return model_function(name)() if ":" in name else _built_in(name, parse_call(name), standardise)


def _of(name: str, data: Any, standardise: bool, target: str | None) -> Source | Data:
    made = arrays_of(data, target)
    if isinstance(made, Data):
        return made
    said, parts, images, num_tokens = made
    if len(parts) == len(PARTS):
        return prepare(name, parts, standardise, split=said)
    x, y = parts
    y = y.astype(np.int64) if are_labels(y) else y
    return Source(name, x, y, standardise=standardise, images=images, num_tokens=num_tokens, said=said)


def _text(path: str, target: str | None) -> Text:
    raw = contents(path_of(path), refuse=DataError, most=_LONGEST)
    try:
        letters = np.frombuffer(raw.decode("utf-8-sig").encode("utf-32-le"), np.uint32)
    except UnicodeDecodeError:
        raise DataError(f"'{path}' is no text in UTF-8.") from None
    known, ids = np.unique(letters, return_inverse=True)
    return Text(ids, len(known), f"{len(known)} different characters; ")


def _parquet(path: str, target: str | None) -> Any:
    raw = contents(path_of(path), refuse=DataError, most=1 << 30)  # no pipe, no device
    pandas = require("pandas", to="Reading Parquet", install="initium[tables]")
    require("pyarrow", to="Reading Parquet", install="initium[tables]")
    try:
        return pandas.read_parquet(io.BytesIO(raw))
    except Exception as error:  # whatever it raises of a file that is none
        raise DataError(f"'{path}' cannot be read as Parquet: {error}") from None


def _npz(path: str, target: str | None) -> list[Array]:
    from .._npz import NpzError, arrays  # zipfile takes 5 ms that `import initium` need not spend

    try:
        return arrays(path_of(path), PARTS, refuse=DataError)
    except NpzError as error:
        for names in (("X", "y"), ("x", "y")):
            try:
                return arrays(path_of(path), names, refuse=DataError)
            except NpzError:
                continue
        raise DataError(
            f"'{path}' {error}. Write one with np.savez(path, x_train=..., "
            "y_train=..., x_test=..., y_test=...), or np.savez(path, X=..., y=...), without Python objects in it."
        ) from None


_FILES: dict[str, Callable[[str, str | None], Any]] = {
    ".npz": _npz,
    ".csv": read_table,
    ".parquet": _parquet,
    ".txt": _text,
}


def _built_in(spec: str, call: Call, standardise: bool) -> Source:
    if call.name not in BUILT_IN:
        hint = "A file of your own ends in .npz, .csv, .parquet or .txt, or is file.py:function."
        raise unknown_name("data set", call.name, BUILT_IN, hint)
    datasets = require("sklearn.datasets", to=f"The data set '{call.name}'")
    x, y = getattr(datasets, f"load_{call.name}")(return_X_y=True)
    x = x[:, : _num_features(spec, call, x.shape[1])]
    return Source(spec, x, y, standardise=standardise, images=call.name in _IMAGES)


def _num_features(spec: str, call: Call, most: int) -> int:
    features = call.kwargs.get("features", most)
    if call.args or set(call.kwargs) - {"features"}:
        raise SpecError(f"'{spec}': a data set takes one argument, as in `digits(features=10)`.")
    if isinstance(features, bool) or not isinstance(features, int) or not 1 <= features <= most:
        raise SpecError(f"'{spec}': features is a whole number from 1 to {most}, not {features!r}.")
    return features
