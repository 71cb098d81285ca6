"""The two ends of a model: what sees its data, and what gives its output."""

from .._graph import Param


def sees_data(param: Param) -> bool:
    """Whether what it multiplies is the model's input."""
    return param.use.fed_by == "data"


def is_head(param: Param) -> bool:
    """Whether what it gives is the model's output."""
    return param.use.is_head
