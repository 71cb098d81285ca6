"""labels_of: targets, which may be texts or Python objects, as numbers or as classes."""

from collections.abc import Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import DataError, counted, few

# What people and programs write where there is nothing.
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-", "<na>", "nat"}
_SHOWN = 40  # letters of a cell
_MOST = 2**63  # of a whole number


def labels_of(what: str, column: Sequence[Any], *, line: str, at: Sequence[int]) -> NDArray[Any]:
    """Numbers of whatever type are numbers, whole ones or other texts classes.

    Args:
        what: they are, as the beginning of a sentence.
        column: texts, or Python objects.
        line: what each stands in.
        at: the number of each such line.

    Raises:
        DataError: if there are gaps, or kinds are mixed, with the first line.
    """
    check_there(what, column, line=line, at=at)
    if all(isinstance(cell, str) for cell in column):
        return _of_texts(what, column, line=line, at=at)
    if all(isinstance(cell, bytes) for cell in column):
        return _decoded(what, np.array(column))
    if all(isinstance(cell, bool | np.bool_) for cell in column):
        return np.array(column, bool)
    if all(isinstance(cell, Real | Decimal) and not isinstance(cell, bool) for cell in column):
        if all(isinstance(cell, Integral) for cell in column):
            return _whole(what, [int(cell) for cell in column], line=line, at=at)
        return np.array([float(cell) for cell in column])
    kinds = list(dict.fromkeys(type(cell).__name__ for cell in column))
    if len(kinds) > 1:
        other = next(number for number, cell in zip(at, column, strict=True) if type(cell).__name__ != kinds[0])
        raise DataError(
            f"{what} mixes kinds, {few(kinds)}, the first other in {line} {other}. Make all of them one kind."
        )
    raise DataError(f"{what} holds Python objects; labels are whole numbers or text, targets are floats.")


def target_of(what: str, y: NDArray[Any], *, line: str = "sample") -> NDArray[Any]:
    """The same of an array; one of numbers or of texts, which are classes, is as it is.

    Raises:
        DataError: if it holds neither, or has gaps, or kinds are mixed.
    """
    check_kind(what, y)
    if y.dtype.kind == "S":
        return _decoded(what, y)
    if y.dtype.kind not in "OT":
        return y
    flat = y.ravel().tolist()
    found = np.array(flat) if all(isinstance(one, str) for one in flat) else None
    found = labels_of(what, flat, line=line, at=range(len(flat))) if found is None else found
    return found.reshape(y.shape)


def check_kind(what: str, column: NDArray[Any]) -> None:
    """Refuse what would pass for numbers.

    Raises:
        DataError: with the way out.
    """
    kind = column.dtype.kind
    if kind in "mM":
        held = "dates" if kind == "M" else "lengths of time"
        raise DataError(f"{what} holds {held}, no numbers. Write them as numbers, such as days since the first.")
    if kind in "cV":
        raise DataError(f"{what} holds {column.dtype}, not numbers. Give its parts as columns of their own.")


def _decoded(what: str, column: NDArray[Any]) -> NDArray[Any]:
    """Texts that are kept as bytes."""
    try:
        return np.char.decode(column, "utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{what} holds bytes that are no text in UTF-8; decode them.") from None


def check_there(what: str, column: Sequence[Any], *, line: str, at: Sequence[int]) -> None:
    """Refuse targets with gaps, which would pass for one more class.

    Raises:
        DataError: with how many there are, and the first line.
    """
    has_plus = any(isinstance(cell, str) and cell.strip() == "+" for cell in column)  # and so "-" is a class
    is_gap = lambda cell: is_missing(cell) and not (has_plus and isinstance(cell, str) and cell.strip() == "-")  # noqa: E731
    gaps = [(number, cell) for number, cell in zip(at, column, strict=True) if is_gap(cell)]
    if not gaps:
        return
    marks = list(dict.fromkeys(f"'{cell.strip()}'" for _, cell in gaps if isinstance(cell, str) and cell.strip()))
    written = f" ({few(marks)})" if marks else ""
    way = ", or give that class another name" if marks else ""
    where = f"{counted(len(gaps), line)}{written}, the first {line} {gaps[0][0]}"
    raise DataError(f"{what} is missing in {where}. Leave those samples out{way}.")


def is_missing(value: Any) -> bool:
    """Whether it stands for nothing."""
    if value is None or isinstance(value, str):
        return value is None or value.strip().lower() in _MISSING
    try:
        return bool(value != value)
    except TypeError:  # the NA of pandas is neither like itself nor unlike
        return True


def is_number(cell: Any) -> bool:
    """Whether it is a number, or the text of one."""
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _of_texts(what: str, column: Sequence[str], *, line: str, at: Sequence[int]) -> NDArray[Any]:
    """Whole numbers or texts are classes, fractions are not; a text among numbers is a slip."""
    others = [(number, cell) for number, cell in zip(at, column, strict=True) if not is_number(cell)]
    if not others:
        try:
            whole = [int(cell) for cell in column]
        except ValueError:
            return np.array([float(cell) for cell in column])
        return _whole(what, whole, line=line, at=at)
    if len(others) >= len(column) / 2:
        return np.array(column)
    texts = few(list(dict.fromkeys(f"'{cell[:_SHOWN]}'" for _, cell in others)))
    raise DataError(
        f"{what} holds text among numbers, {texts}, in {counted(len(others), line)}, the first {line} {others[0][0]}. "
        "Leave those samples out, or if all are classes give each a name with a letter in it."
    )


def _whole(what: str, column: Sequence[int], *, line: str, at: Sequence[int]) -> NDArray[Any]:
    for number, cell in zip(at, column, strict=True):
        if not -_MOST <= cell < _MOST:
            raise DataError(
                f"{what} holds {str(cell)[:_SHOWN]} in {line} {number}, a whole number beyond 64 bits. Number the "
                "classes from 0, or write numbers with a point."
            )
    return np.array(column, np.int64)
