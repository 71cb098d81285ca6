"""Cause: why a start may have failed, as a diagnosis at step zero says."""

from typing import NamedTuple


class Cause(NamedTuple):
    """What is found first, and why that is so.

    Attributes:
        what: the finding and its place.
        why: what was measured, and the mechanism; empty in a store that was written before there was one.
    """

    what: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.why})" if self.why else self.what

    @classmethod
    def of(cls, kept: str | list[str]) -> "Cause":
        """One that was kept; of before as a text."""
        return cls(kept) if isinstance(kept, str) else cls(*kept)
