"""The fills of native/, one set for each instruction set that this machine runs."""

from typing import Any, Protocol

from numpy import uint32, uint64
from numpy.typing import NDArray

class Law:
    """The constants of a law, folded by `initium._kernel`."""

    def __init__(
        self,
        *,
        scale: float = 1.0,
        shift: float = 0.0,
        below: float = 0.0,
        between: float = 1.0,
        above: float = 0.0,
        low: float = 0.0,
        high: float = 0.0,
    ) -> None: ...

class Fill(Protocol):
    """Write span after span of one length: part i of `out` holds the elements from starts[i] on."""

    def __call__(self, out: NDArray[Any], starts: NDArray[uint64], key: int, law: Law) -> None: ...

class Build(Protocol):
    """The functions of one instruction set."""

    constant: Fill
    uniform: Fill
    normal: Fill
    truncated_normal: Fill
    normal_between: Fill

    def words(self, out: NDArray[uint32], starts: NDArray[uint64], key: int, *, stream: int = 0) -> None: ...

best: Build
