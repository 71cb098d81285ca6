"""A plan as a table of pandas, which whoever asks for it installs."""

from typing import Any

from .._require import require
from ._choice import Choice
from ._decisions import Decisions


def frame(plan: Decisions) -> Any:
    """See `Plan.to_pandas`."""
    pandas = require("pandas", to="`to_pandas`", install="pandas")
    paths = pandas.Index([choice.path for choice in plan.choices], name="path")
    return pandas.DataFrame([_row(choice) for choice in plan.choices], index=paths, columns=_COLUMNS)


_COLUMNS = ("start", "because", "by", "how", "role", "shape", "dtype", "lr", "rule")


def _row(choice: Choice) -> tuple[Any, ...]:
    param = choice.param
    decided = (str(choice.init), choice.because, choice.by, choice.how)
    return (*decided, param.role, param.shape, param.dtype, choice.lr, choice.rule)
