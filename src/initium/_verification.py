"""The Verification: where a checkpoint differs from its plan."""

from dataclasses import dataclass
from pathlib import Path

from ._errors import counted, filled, section
from ._files import in_bytes


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a checkpoint has otherwise than its plan.

    Attributes:
        path: of the tensor; empty if it is the file as a whole.
        what: is different, in words.
        index: of the first element that differs.
    """

    path: str
    what: str
    index: tuple[int, ...] | None = None

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.path}{place} {self.what}".strip()


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a checkpoint is beside what its plan draws; true if they are equal.

    Attributes:
        path: of the file, or of the index.
        seed: that was drawn with.
        num_tensors: that the plan makes.
        num_bytes: of them.
        differences: the first of each tensor, in the plan's order.
        close: tensors whose last bits differ from machine to machine: those of matrix products, equal to 1e-5 only, and
            of functions such as the sine, equal but for the last bit.
        unknown: tensors that nobody recorded the making of, and that were not compared.
    """

    path: Path
    seed: int
    num_tensors: int
    num_bytes: int
    differences: tuple[Difference, ...] = ()
    close: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        drawn = f"{counted(self.num_tensors, 'tensor')}, {in_bytes(self.num_bytes)}, seed {self.seed}"
        lines = [drawn]
        lines += section("Different", [str(difference) for difference in self.differences])
        lines += section("Equal but for last bits, which depend on the machine", self.close)
        lines += section("Not compared, since nobody recorded how they are made", self.unknown)
        told = f"{self.path} {'equals' if self else 'differs from'} what the plan draws."
        return "\n".join([told, *map(filled, lines)])
