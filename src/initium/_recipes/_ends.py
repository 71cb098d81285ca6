"""The two ends of a model: what sees its data, and what gives its output."""

from .._graph import Param, Use


def sees_data(param: Param) -> bool:
    """Whether what it multiplies is the model's input."""
    return param.use.fed_by == "data"


def is_head(param: Param) -> bool:
    """Whether what it gives is the model's output, neither normalised nor a factor of it."""
    return sizes_output(param.use)


def sizes_output(use: Use) -> bool:
    """Whether the weight alone says how large the output is."""
    return use.is_head and (use.output is None or use.output.kind not in ("normalised", "product"))
