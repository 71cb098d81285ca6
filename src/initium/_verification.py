"""The Verification: where a checkpoint differs from its plan."""

from dataclasses import dataclass
from pathlib import Path

from ._errors import counted, in_bytes
from ._printable import printable
from ._report import List, Report, Reported


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
        return printable(f"{self.path}{place} {self.what}".strip())


@dataclass(frozen=True, kw_only=True)
class Verification(Reported):
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

    def __repr__(self) -> str:
        is_equal = "equals" if self else "differs from"
        return f"<Verification: {printable(str(self.path))} {is_equal} the plan, seed {self.seed}>"

    def __bool__(self) -> bool:
        return not self.differences

    def report(self) -> Report:
        """Whether they are equal, where they differ, and what could not be compared.

        Example:
            >>> print(Verification(path=Path("w.safetensors"), seed=0, num_tensors=2, num_bytes=640))
            w.safetensors equals what the plan draws.
            2 tensors, 640 bytes, seed 0
        """
        return Report(
            title=f"{printable(str(self.path))} {'equals' if self else 'differs from'} what the plan draws.",
            subtitle=f"{counted(self.num_tensors, 'tensor')}, {in_bytes(self.num_bytes)}, seed {self.seed}",
            sections=(
                List("Different", tuple(map(str, self.differences))),
                List("Equal but for last bits, which depend on the machine", self.close),
                List("Not compared, since nobody recorded how they are made", self.unknown),
            ),
        )
