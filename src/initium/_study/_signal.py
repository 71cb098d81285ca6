"""What a start does to signal and gradient at one layer, before the first step."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LayerSignal:
    """One layer at step zero, of run 0.

    Attributes:
        path: of its weight.
        signal: second moment of what it gives; None if it is not finite.
        gradient: second moment of the loss's gradient by that; None if none came.
    """

    path: str
    signal: float | None
    gradient: float | None

    @classmethod
    def measured(cls, path: str, signal: float, gradient: float | None) -> "LayerSignal":
        """What a diagnosis measured."""
        return cls(path, *(None if one is None or not math.isfinite(one) else one for one in (signal, gradient)))

    @property
    def stored(self) -> tuple[str, float | None, float | None]:
        """As JSON keeps it."""
        return self.path, self.signal, self.gradient

    @classmethod
    def of(cls, stored: Any) -> "LayerSignal":
        """What was kept.

        Raises:
            ValueError: if it is damaged.
        """
        path, *numbers = stored
        if not isinstance(path, str) or len(numbers) != 2:
            raise ValueError("no layer")
        return cls(path, *(None if one is None else float(one) for one in numbers))
