"""What `initium` has beside what it imports: its version, and a word on names that are elsewhere."""

import sys

from ._require import versions
from .init._parse import names

_EDGES = ("torch", "keras", "jax")


def attribute(name: str) -> str:
    """`initium.__version__`.

    Raises:
        AttributeError: for any other name, saying where it is.
    """
    if name == "__version__":
        return versions(["initium"]).get("initium", "unknown")
    # Python looks for the nearest name itself, in what it is told here.
    raise AttributeError(
        f"module 'initium' has no attribute '{name}'{_hint(name)}", name=name, obj=sys.modules["initium"]
    )


def _hint(name: str) -> str:
    if name in _EDGES:
        return f"; write `import initium.{name}` first"
    if name in names():
        return f"; it is `initium.init.{name}`, and on tensors `initium.torch.{name}` after `import initium.torch`"
    if name.endswith("_") and name[:-1] in names():
        return f"; it is `initium.torch.init.{name}`, after `import initium.torch`"
    return ""
