"""arrays_of: samples and their targets out of whatever holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._errors import DataError, counted, few, with_article
from ._labels import check_kind, check_there, is_number, labels_of, target_of
from ._prepared import PARTS, Array, Data
from ._table import Table, check_finite, place_of

_PIECE = 32  # tokens of a piece of text
_KINDS = "(X, y), (x_train, y_train, x_test, y_test), a DataFrame, a data set of torch or `datasets`, or a name"
_SPLITS = ("train", "test")
_SHOWN = 40  # letters of a cell

Made = tuple[str, list[Array], bool, int]  # what to say, the parts, whether they are images, how many tokens


@dataclass(frozen=True, eq=False)
class Text:
    """Tokens one after the other."""

    ids: Array
    num_tokens: int
    said: str


def arrays_of(data: Any, target: str | None) -> Made | Data:
    """Arrays out of whatever holds them."""
    if isinstance(data, Data):
        return data
    if isinstance(data, Table):
        _check_whole(data.x, data.y)
        return data.said, [data.x, data.y], False, 0
    if isinstance(data, Text):
        return _tokens(data.ids, data.num_tokens, data.said)
    if hasattr(data, "columns") and hasattr(data, "to_numpy"):
        return _frame(data, target)
    if isinstance(data, Sequence) and len(data) == 2 and all(map(_has_columns, data)):
        return _splits(dict(zip(_SPLITS, data, strict=True)), target)
    if _has_columns(data):
        return _splits(data if isinstance(data, Mapping) else {"all": data}, target)
    if _is_dataset(data):
        return "", _of_dataset(data), False, 0
    if isinstance(data, Sequence) and len(data) == 2 and all(map(_is_dataset, data)):
        return "", [*_of_dataset(data[0]), *_of_dataset(data[1])], False, 0
    if not isinstance(data, Sequence) or isinstance(data, str):
        array = _array("Data", data)
        if array.ndim == 1 and array.dtype.kind in "iu" and len(array):
            return _tokens(array, int(array.max()) + 1, "")
        raise DataError(f"Data is {_KINDS}; got {with_article(type(data).__name__)}.")
    if len(data) not in (2, len(PARTS)):
        raise DataError(f"Data is (X, y) or ({', '.join(PARTS)}); got {len(data)} arrays.")
    parts = [_array(name, part) for name, part in zip(PARTS if len(data) > 2 else ("X", "y"), data, strict=True)]
    if len(parts) == 2:
        _check_whole(*parts)
        parts[1] = target_of("y", parts[1])
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


def _frame(frame: Any, target: str | None) -> Made:
    """A DataFrame of any kind; a column that pandas read as text must be the target."""
    names = [str(name) for name in frame.columns]
    if not len(frame) or not names:
        size = f"{counted(len(frame), 'row')} of {counted(len(names), 'column')}"
        raise DataError(f"The table has {size}; nothing can be learnt of it.")
    place = place_of("the table", names, target)
    columns = [_whole(name, np.asarray(frame[label])) for name, label in zip(names, frame.columns, strict=True)]
    if len(columns) < 2:
        raise DataError(f"The table has one column, '{names[0]}', and so no features.")
    features = [_feature(names[at], column) for at, column in enumerate(columns) if at != place]
    y = columns[place]
    y = _target(f"The target '{names[place]}' of the table", y)
    x = features[0] if len(features) == 1 and features[0].ndim > 1 else _beside(features)
    _check_whole(x, y)
    return f"target '{names[place]}'; ", [x, y], False, 0


def _target(what: str, y: Array) -> Array:
    if y.ndim > 1:
        return target_of(what, y, line="row")
    if y.dtype.kind in "OTU":
        return labels_of(what, y.tolist(), line="row", at=range(len(y)))
    check_kind(what, y)
    check_there(what, y.tolist(), line="row", at=range(len(y)))
    return target_of(what, y)


def _beside(features: Sequence[Array]) -> Array:
    return np.concatenate([column.reshape(len(column), -1) for column in features], axis=1)


def _whole(name: str, column: Array) -> Array:
    """A column of which each cell holds several numbers, as one array; any other as it is."""
    if column.dtype.kind != "O" or not len(column) or not isinstance(column[0], list | tuple | np.ndarray):
        return column
    cells = [_of_cell(cell) for cell in column]
    if len(shapes := list(dict.fromkeys(cell.shape for cell in cells))) > 1:
        raise DataError(f"Column '{name}' has cells of the shapes {few(list(map(str, shapes)))}; all need one.")
    return np.stack(cells)


def _of_cell(cell: Any) -> Array:
    """What lies in lists of lists, or in arrays of arrays."""
    found = np.empty(0) if cell is None else np.asarray(cell.tolist() if isinstance(cell, np.ndarray) else cell, object)
    parts = found.ravel().tolist()
    if not any(isinstance(one, list | tuple | np.ndarray) for one in parts):
        return np.array(parts).reshape(found.shape)
    inner = [_of_cell(one) for one in parts]
    same = len({one.shape for one in inner}) == 1
    return np.stack(inner).reshape(*found.shape, *inner[0].shape) if same else found


def _feature(name: str, column: Array) -> Array:
    check_kind(f"Column '{name}'", column)
    try:
        found = column.astype(np.float64)
    except (TypeError, ValueError):
        bad = list(dict.fromkeys(f"'{cell}'"[:_SHOWN] for cell in column.tolist() if not is_number(cell)))
        raise DataError(f"Column '{name}' holds {few(bad)}, no numbers. Leave it out or encode it.") from None
    check_finite(f"Column '{name}'", found, line="row", at=range(len(found)))
    return found


def _splits(splits: Mapping[str, Any], target: str | None) -> Made:
    """Of `datasets`: one whole, or a training and a test split."""
    if len(splits) == 1:
        return _frame(next(iter(splits.values())).to_pandas(), target)
    if not set(_SPLITS) <= set(splits):
        first, second, *_ = splits
        raise DataError(
            f"The data set has the splits {few(list(splits))}; a comparison needs `train` and `test`. Name two: "
            f"(data['{first}'], data['{second}'])."
        )
    train, test = (_frame(splits[name].to_pandas(), target) for name in _SPLITS)
    return train[0], [*train[1], *test[1]], False, 0


def _has_columns(data: Any) -> bool:
    """Whether it is a data set of `datasets`, or several splits of one."""
    return hasattr(data, "column_names")


def _is_dataset(data: Any) -> bool:
    """Whether it gives pairs of a sample and its target, by number, as torch's data sets do."""
    plain = (
        isinstance(data, str | bytes | Sequence | Mapping | np.ndarray)
        or hasattr(data, "__array__")
        or _is_sparse(data)
    )
    return not plain and hasattr(data, "__getitem__") and hasattr(data, "__len__")


def _of_dataset(data: Any) -> list[Array]:
    if not len(data):
        raise DataError("The data set is empty.")
    try:
        pairs = [_pair(data[index]) for index in range(len(data))]
    except DataError:
        raise
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


def _pair(sample: Any) -> tuple[Array, Array]:
    if isinstance(sample, Mapping):
        raise DataError(
            f"The data set gives dicts of {few(list(map(repr, sample)))}, and pairs of a sample and its target are "
            "needed: a class of yours around it returns them, as in `return one['x'], one['y']`."
        )
    x, y = sample
    return _array("A sample", x), _array("A target", y)


def _tokens(ids: Array, num_tokens: int, said: str) -> Made:
    """Pieces of a text, and of each the same moved on by one token."""
    if ids.min(initial=0) < 0:
        raise DataError("Tokens are whole numbers from 0.")
    num_pieces = (len(ids) - 1) // _PIECE
    if num_pieces < 4:
        raise DataError(f"A text needs {4 * _PIECE + 1} tokens at least, and this has {len(ids)}.")
    ids = np.asarray(ids[: num_pieces * _PIECE + 1], np.int64)
    return said, [ids[:-1].reshape(-1, _PIECE), ids[1:].reshape(-1, _PIECE)], False, num_tokens


def _is_sparse(part: Any) -> bool:
    """Whether it is a sparse array of scipy or of torch."""
    return hasattr(part, "tocsr") or str(getattr(part, "layout", "torch.strided")) != "torch.strided"


def _array(name: str, part: Any) -> Array:
    if _is_sparse(part):
        way = "toarray" if hasattr(part, "tocsr") else "to_dense"
        raise DataError(f"{name} is sparse, and a dense array is needed: {way}() makes one.")
    if str(getattr(part, "dtype", "")) == "torch.bfloat16":
        raise DataError(f"{name} is in bfloat16, which NumPy has not; float() makes it one that it has.")
    try:
        # A tensor says how to leave its framework; np.asarray alone refuses one that wants a gradient.
        return np.asarray(part.detach().cpu() if hasattr(part, "detach") else part)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} is no array, in which all samples have one shape: {error}") from None
