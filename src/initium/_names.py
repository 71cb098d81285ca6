"""stream_paths: under which path a framework's parameter draws, so that the same names are the same bits everywhere.

PyTorch's names are the stream's: `fc.weight`. What other frameworks call the same is written here, once.
"""

from collections import Counter
from collections.abc import Iterable

# What a framework calls its own place for parameters, at the front of a path.
_COLLECTIONS = ("params",)
# The last part of a path: as Flax, Keras, Haiku and NNX have it, and as PyTorch has.
_LEAVES = {
    **dict.fromkeys(("kernel", "w", "scale", "gamma", "embedding", "embeddings"), "weight"),
    **dict.fromkeys(("b", "beta", "offset"), "bias"),
}


def stream_path(path: str) -> str:
    """The path under which a parameter draws.

    Args:
        path: as its framework's users see it: `params/fc/kernel`, `fc/kernel`, `fc.kernel`, `fc.weight`.
    """
    parts = path.replace("/", ".").split(".")
    parts = parts[1:] if len(parts) > 1 and parts[0] in _COLLECTIONS else parts
    return ".".join([*parts[:-1], _LEAVES.get(parts[-1], parts[-1])])


def stream_paths(paths: Iterable[str]) -> dict[str, str]:
    """The same for all parameters of a model; where two would draw alike, each keeps its own path."""
    paths = list(paths)
    found = {path: stream_path(path) for path in paths}
    counts = Counter(found.values())
    return {path: there if counts[there] == 1 else path for path, there in found.items()}
