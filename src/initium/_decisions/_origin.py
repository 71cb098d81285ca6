"""The Origin: the checkpoint that a plan was made from."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A tensor of a checkpoint that the plan does not use.

    Attributes:
        name: of it.
        shape: of it.
        because: why it is left out.
    """

    name: str
    shape: tuple[int, ...]
    because: str


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What a tensor of a checkpoint was when the plan was saved.

    Attributes:
        name: of it.
        sha256: of its bytes.
    """

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """The checkpoint that a plan was made from.

    Attributes:
        source: how it is told: its path in quotes, or what it is.
        num_tensors: that it holds.
        left_out: those that the plan does not use.
        sums: of those that it does, once the plan was saved; two origins that differ in nothing else are equal.
    """

    source: str
    num_tensors: int
    left_out: tuple[LeftOut, ...] = ()
    sums: tuple[Sum, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self._told == other._told

    def __hash__(self) -> int:
        return hash(self._told)

    @property
    def _told(self) -> tuple[object, ...]:
        return self.source, self.num_tensors, self.left_out
