"""in_dtype: the decisions for a model that was converted."""

from dataclasses import replace
from typing import TypeVar

from .._errors import SettingError
from .._setting import setting
from ..init._law import DTYPES
from ._decisions import Decisions

D = TypeVar("D", bound=Decisions)


def in_dtype(plan: D, dtype: str) -> D:
    """The plan of a model that was converted, as `model.to(dtype)` does.

    Args:
        plan: of the model as it was.
        dtype: of its floating-point numbers from then on.

    Raises:
        SettingError: if no fill writes that.
    """
    if dtype not in DTYPES:
        raise SettingError(f"{setting('dtype')} is one of {', '.join(DTYPES)}, not {dtype!r}.")
    choices = [
        replace(choice, param=replace(choice.param, dtype=dtype)) if choice.param.dtype in DTYPES else choice
        for choice in plan.choices
    ]
    buffers = [replace(buffer, dtype=dtype) if buffer.dtype in DTYPES else buffer for buffer in plan.buffers]
    return replace(plan, choices=tuple(choices), buffers=tuple(buffers))
