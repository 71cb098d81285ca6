"""What a table of pandas holds of a plan."""

from typing import Any

from ._choice import Choice
from ._decisions import Decisions

COLUMNS = ("path", "start", "because", "by", "how", "role", "shape", "dtype", "lr", "rule")


def rows(plan: Decisions) -> list[tuple[Any, ...]]:
    """A row for each parameter. See `Plan.to_pandas`."""
    return [_row(choice) for choice in plan.choices]


def _row(choice: Choice) -> tuple[Any, ...]:
    param = choice.param
    decided = (choice.path, str(choice.init), choice.because, choice.by, choice.how)
    return (*decided, param.role, param.shape, param.dtype, choice.lr, choice.rule)
