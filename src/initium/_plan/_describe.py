"""What an initialiser comes to for one weight, in numbers."""

import math
from collections.abc import Iterator

from ..init._law import Composed, Constant, Keep, Law, Normal, Orthogonal, Packed, Rows, TruncatedNormal, Uniform
from ..init._weight import Weight


def describe(law: Law, weight: Weight) -> str:
    """A law in words and numbers.

    Args:
        law: what the weight receives.
        weight: its shape, on which an orthogonal matrix's std depends.
    """
    match law:
        case Keep():
            return "left as it was built"
        case Constant(value):
            return f"every element is {value:.6g}"
        case Uniform(low, high):
            return f"uniform from {low:.6g} to {high:.6g}, std {(high - low) / math.sqrt(12):.6g}"
        case Normal(mean, std):
            return f"Gaussian, mean {mean:.6g}, std {std:.6g}"
        case TruncatedNormal(mean, std, cut):
            limit = cut * std / _share(cut)
            return f"Gaussian cut to {mean - limit:.6g} .. {mean + limit:.6g}, mean {mean:.6g}, std {std:.6g} as cut"
        case Orthogonal(gain):
            outputs, *rest = weight.kernel_shape
            std = gain / math.sqrt(max(outputs, math.prod(rest)))
            return f"orthonormal rows or columns times {gain:.6g}, std {std:.6g}"
        case Packed(laws):
            return "; ".join(
                f"block {index}: {describe(block, part)}"
                for index, (block, part) in enumerate(zip(laws, weight.parts, strict=True), start=1)
            )
        case Rows(parts):
            return "; ".join(_runs(parts, weight))
        case Composed():
            return "computed as a whole"


def _runs(parts: tuple[tuple[int, Law], ...], weight: Weight) -> Iterator[str]:
    first = 0
    for num, law in parts:
        yield f"{f'row {first}' if num == 1 else f'rows {first} to {first + num - 1}'}: {describe(law, weight)}"
        first += num


def _share(cut: float) -> float:
    """The std of a standard Gaussian that is cut at +-`cut`."""
    if math.isinf(cut):
        return 1.0
    density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))
