"""The Target: what wants numbers, a parameter or a buffer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._graph import Buffer, Graph, Param


@dataclass(frozen=True, kw_only=True)
class Target:
    """What wants numbers.

    Attributes:
        names: its own, and those that it is tied to.
        shape: of it.
        dtype: of its numbers.
        param: what the model does with it; None of a buffer.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    param: Param | None = None

    @property
    def path(self) -> str:
        """Its first name."""
        return self.names[0]

    def is_named(self, globs: Iterable[str]) -> bool:
        """Whether one of a user's globs means it, by any of its names."""
        return any(name == glob or fnmatchcase(name, glob) for glob in globs for name in self.names)


def targets_of(graph: Graph) -> Iterator[Target]:
    """The parameters and the saved buffers of a model."""
    for param in graph.params:
        yield Target(names=(param.path, *param.tied), shape=param.shape, dtype=param.dtype, param=param)
    yield from (_of_buffer(buffer) for buffer in graph.buffers if buffer.is_saved)


def _of_buffer(buffer: Buffer) -> Target:
    return Target(names=(buffer.path, *buffer.tied), shape=buffer.shape, dtype=buffer.dtype)
