"""precision: how much of a law's numbers another machine repeats."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._fill import Drawing
from .._stream import child
from ..init._law import Law, Precision
from ..init._weight import Weight


def precision(law: Law, weight: Weight, key: int) -> Precision:
    """Found by drawing it once more where it is computed: what it is computed from, only that tells."""
    noted = [law.precision]
    if not law.comes_in_parts(weight) and law.precision < max(Precision):
        law.make(_Noting(key, np.float32, noted=noted), weight)
    return max(noted)


@dataclass(frozen=True, kw_only=True)
class _Noting(Drawing):
    """Draws, and notes how precise each of the laws that are drawn is."""

    noted: list[Precision]

    def __call__(self, law: Law, weight: Weight, name: str = "") -> NDArray[Any]:
        self.noted.append(precision(law, weight, child(self.key, name) if name else self.key))
        return super().__call__(law, weight, name)
