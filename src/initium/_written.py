"""Written: what a checkpoint on disk holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ._errors import counted, in_bytes
from ._printable import printable
from ._report import List, Report, Reported


@dataclass(frozen=True, kw_only=True)
class Written(Reported):
    """A checkpoint that was written.

    Attributes:
        path: to load it from: the file, or the index of several.
        files: that hold the numbers, in order.
        sha256: of each tensor's bytes, by its path.
        digest: of them all, see `Plan.digest`.
        num_bytes: of the numbers.
        seed: that they were drawn with.
        tied: the path that each further name stands for.
        left_out: buffers whose numbers nobody knows.
    """

    path: Path
    files: tuple[Path, ...]
    sha256: Mapping[str, str]
    digest: str
    num_bytes: int
    seed: int
    tied: Mapping[str, str]
    left_out: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Written: {printable(str(self.path))}, {counted(len(self.sha256), 'tensor')}, seed {self.seed}>"

    def report(self) -> Report:
        """Which file, what it holds and its digest; what was tied and left out."""
        several = f" in {len(self.files)} files" if len(self.files) > 1 else ""
        held = f"{counted(len(self.sha256), 'tensor')}, {in_bytes(self.num_bytes)}{several}, seed {self.seed}"
        return Report(
            title=f"Wrote {printable(str(self.path))}",
            subtitle=f"{held}\ndigest {self.digest}",
            sections=(
                List("Tied", tuple(f"{name} is {path}" for name, path in self.tied.items())),
                List("Left out, since nobody recorded how they are made", self.left_out),
            ),
        )
