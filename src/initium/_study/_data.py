"""load_data: whatever people keep data in, as a training and a test split."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._errors import DataError, SpecError, few, with_article
from .._model_name import model_function
from .._reading import contents, path_of
from .._require import require
from .._spec import Call, parse_call, unknown_name
from ._prepared import PARTS, Array, Task, prepare
from ._prepared import Data as Data
from ._source import Source
from ._table import Table, check_there, is_number, place_of, read_table

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
_PIECE = 32  # tokens of a piece of text
_LONGEST = 1 << 28  # bytes of a text
_KINDS = "(X, y), (x_train, y_train, x_test, y_test), a DataFrame, a data set of torch or `datasets`, or a name"


def load_data(data: Any, *, split_seed: int = 0, standardise: bool = True, target: str | None = None) -> Data:
    """A built-in set; a `.npz`, `.csv`, `.parquet` or `.txt` file; `file.py:function`; arrays, tables or data sets.

    Whole-number or text labels make a classification, floating ones a regression, columns of zeros and ones labels
    that hold or do not; one array of whole numbers is a text of tokens.

    Args:
        data: what is learnt.
        split_seed: of the split, where there is none of its own.
        standardise: give each feature zero mean and unit std over the training split.
        target: the column of a table that is predicted; None is `target`, or else the last.

    Raises:
        DataError: if lengths differ, a number is not finite, or a class is never trained on.
        UnknownNameError: if there is no such built-in set.
    """
    if isinstance(data, Data):
        return data
    is_named = isinstance(data, str | os.PathLike)
    name = os.fspath(data) if is_named else "arrays"
    opened = _opened(name, standardise, target) if is_named else data
    with _naming(name if is_named else ""):
        found = opened if isinstance(opened, Source) else _of(name, opened, standardise, target)
        return found.split(split_seed) if isinstance(found, Source) else found


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """What is wrong with the numbers of what goes by a name is told with it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"'{name}': {error}" if name else str(error)) from None


def _opened(name: str, standardise: bool, target: str | None) -> Any:
    """What goes by a name: a file, a function's, a built-in set. What is wrong with a file as such names it itself."""
    if ending := next((one for one in _FILES if name.endswith(one)), None):
        return _FILES[ending](name, target)
    if os.path.isdir(name):
        raise DataError(f"'{name}' is a folder; name a file in it.")
    return model_function(name)() if ":" in name else _built_in(name, parse_call(name), standardise)


def _of(name: str, data: Any, standardise: bool, target: str | None) -> Source | Data:
    made = _of_object(data, target)
    if isinstance(made, Data):
        return made
    said, parts, images, num_tokens = made
    if len(parts) == len(PARTS):
        return prepare(name, parts, standardise, split=said)
    return Source(name, *parts, standardise=standardise, images=images, num_tokens=num_tokens, said=said)


_Made = tuple[str, list[Array], bool, int]  # what to say, the parts, whether they are images, how many tokens


def _of_object(data: Any, target: str | None) -> _Made | Data:
    """Arrays out of whatever holds them."""
    if isinstance(data, Data):
        return data
    if isinstance(data, Table):
        _check_whole(data.x, data.y)
        return data.said, [data.x, data.y], False, 0
    if isinstance(data, _Text):
        return _tokens(data.ids, data.num_tokens, data.said)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _frame(data, target)
    if hasattr(data, "column_names"):  # of `datasets`, or several splits of one
        splits = data if isinstance(data, Mapping) else {"all": data}
        return _splits({str(name): one.to_pandas() for name, one in splits.items()}, target)
    if _is_dataset(data):
        return "", _of_dataset(data), False, 0
    if isinstance(data, Sequence) and len(data) == 2 and all(map(_is_dataset, data)):
        return "", [*_of_dataset(data[0]), *_of_dataset(data[1])], False, 0
    if not isinstance(data, Sequence) or isinstance(data, str):
        array = _array(data)
        if array.ndim == 1 and array.dtype.kind in "iu" and len(array):
            return _tokens(array, int(array.max()) + 1, "")
        raise DataError(f"Data is {_KINDS}; got {with_article(type(data).__name__)}.")
    if len(data) not in (2, len(PARTS)):
        raise DataError(f"Data is (X, y) or ({', '.join(PARTS)}); got {len(data)} arrays.")
    parts = [_array(part) for part in data]
    if len(parts) == 2:
        _check_whole(*parts)
        parts[1] = _targets(parts[1])
    return "", parts, parts[0].ndim == 3 and parts[0].dtype == np.uint8, 0


def _check_whole(x: Array, y: Array) -> None:
    for name, part in (("X", x), ("y", y)):
        if part.ndim == 0 or len(part) < 2:
            raise DataError(f"{name} holds {len(part) if part.ndim else 1} of the 2 samples that it needs at least.")
    if len(x) != len(y):
        raise DataError(f"X has {len(x)} samples and y has {len(y)}; each sample needs one label.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = ~np.isfinite(x)
        where = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
        raise DataError(
            f"X has NaN or infinite values: {int(bad.sum())} in all, the first at [{where}]. "
            "Drop those samples or fill the gaps before comparing."
        )


def _targets(y: Array) -> Array:
    return y.astype(str) if y.dtype.kind == "O" and all(isinstance(label, str) for label in y.ravel()) else y


def _frame(frame: Any, target: str | None) -> _Made:
    """A DataFrame of any kind; a column that pandas read as text must be the target."""
    names = [str(name) for name in frame.columns]
    place = place_of("the table", names, target)
    columns = [np.asarray(frame[name]) for name in frame.columns]
    if len(columns) < 2:
        raise DataError(f"The table has one column, '{names[0]}', and so no features.")
    features = [_feature(names[at], column) for at, column in enumerate(columns) if at != place]
    y = columns[place]
    check_there("the table", names[place], y.tolist(), line="row", first=0)
    y = y.astype(str) if y.dtype.kind in "OTU" else y
    _check_whole(x := np.stack(features, axis=1), y)
    return f"target '{names[place]}'; ", [x, y], False, 0


def _feature(name: str, column: Array) -> Array:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        bad = [f"'{cell}'" for cell in dict.fromkeys(column.tolist()) if not is_number(cell)]
        raise DataError(f"Column '{name}' holds {few(bad)}, no numbers. Leave it out or encode it.") from None


def _splits(frames: Mapping[str, Any], target: str | None) -> _Made:
    if len(frames) == 1:
        return _frame(next(iter(frames.values())), target)
    if not {"train", "test"} <= set(frames):
        raise DataError(f"The data set has the splits {few(list(frames))}; a comparison needs `train` and `test`.")
    said, train, *_ = _frame(frames["train"], target)
    return said, [*train, *_frame(frames["test"], target)[1]], False, 0


def _is_dataset(data: Any) -> bool:
    """Whether it gives pairs of a sample and its target, by number, as torch's data sets do."""
    plain = isinstance(data, str | bytes | Sequence | Mapping | np.ndarray) or hasattr(data, "__array__")
    return not plain and hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _of_dataset(data: Any) -> list[Array]:
    if not len(data):
        raise DataError("The data set is empty.")
    try:
        pairs = [(_array(x), _array(y)) for x, y in (data[index] for index in range(len(data)))]
    except Exception as error:  # whatever somebody's own data set may raise
        raise DataError(
            f"The data set does not give pairs of a sample and its target: {type(error).__name__}: {error}"
        ) from error
    shapes = {x.shape for x, _ in pairs}
    if len(shapes) > 1:
        raise DataError(f"The data set's samples have the shapes {few(sorted(map(str, shapes)))}; all need one.")
    x, y = (np.stack(part) for part in zip(*pairs, strict=True))
    _check_whole(x, y)
    return [x, y]


@dataclass(frozen=True, eq=False)
class _Text:
    ids: Array
    num_tokens: int
    said: str


def _text(path: str, target: str | None) -> _Text:
    raw = contents(path_of(path), refuse=DataError, most=_LONGEST)
    try:
        letters = np.frombuffer(raw.decode("utf-8-sig").encode("utf-32-le"), np.uint32)
    except UnicodeDecodeError:
        raise DataError(f"'{path}' is no text in UTF-8.") from None
    known, ids = np.unique(letters, return_inverse=True)
    return _Text(ids, len(known), f"{len(known)} different characters; ")


def _tokens(ids: Array, num_tokens: int, said: str) -> _Made:
    """Pieces of a text, and of each the same moved on by one token."""
    if ids.min(initial=0) < 0:
        raise DataError("Tokens are whole numbers from 0.")
    num_pieces = (len(ids) - 1) // _PIECE
    if num_pieces < 4:
        raise DataError(f"A text needs {4 * _PIECE + 1} tokens at least, and this has {len(ids)}.")
    ids = np.asarray(ids[: num_pieces * _PIECE + 1], np.int64)
    return said, [ids[:-1].reshape(-1, _PIECE), ids[1:].reshape(-1, _PIECE)], False, num_tokens


def _parquet(path: str, target: str | None) -> Any:
    contents(path_of(path), refuse=DataError, most=1 << 30)  # no pipe, no device
    pandas = require("pandas", to="Reading Parquet", install="initium[tables]")
    require("pyarrow", to="Reading Parquet", install="initium[tables]")
    try:
        return pandas.read_parquet(path)
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


def _array(part: Any) -> Array:
    # A tensor says how to leave its framework; np.asarray alone refuses one that wants a gradient.
    return np.asarray(part.detach().cpu() if hasattr(part, "detach") else part)
