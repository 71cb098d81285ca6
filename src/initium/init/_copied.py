"""copied: numbers that a checkpoint holds."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._initialiser import Initialiser, from_file
from ._law import From, Loaded
from ._weight import Weight

# Readers of files are imported once a file is read: `import initium` stays light.
if TYPE_CHECKING:
    from .._stored import Stored


@from_file
def copied(file: str, tensor: Any, views: tuple = ()) -> Initialiser:
    """The numbers of a tensor in a checkpoint, each as it is.

    Formula: W = the tensor; of several, one after another along the first axis; seen as the views say

    Use: what `initium.warm_start` finds, or one weight by a rule.

    Args:
        file: of safetensors, the index of several, .npz, or one of PyTorch's.
        tensor: its name in the file, or the names of several.
        views: one after another `transposed`, `rows 0 to 767`, or `reshaped`, which adds and drops axes of size 1.

    Example:
        >>> str(copied("w.safetensors", "attn.qkv.weight", ("rows 0 to 767",)))
        "copied('w.safetensors', 'attn.qkv.weight', views=('rows 0 to 767',))"
    """
    names = (tensor,) if isinstance(tensor, str) else tensor
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in (*names, *views)):
        raise ValueError(f"a tensor goes by its name, and several by a tuple of names, not {tensor!r}")
    return held(partial(named, file), names, views, told=f"in '{file}'")


def named(file: str, name: str) -> "Stored":
    """One tensor of a file, by its name."""
    from .._stored import named as found

    return found(Path(file), name)


def held(find: Callable[[str], "Stored"], names: tuple[str, ...], views: tuple[str, ...], *, told: str) -> Initialiser:
    """The same of anything that is found by its name; no spec names it.

    Args:
        find: gives what goes by a name.
        names: of the tensors, one after another.
        views: of them together.
        told: where they are, for a reader.
    """

    def law(weight: Weight) -> Loaded:
        def found() -> "Stored":
            from .._stored import joined, viewed

            return viewed(joined([find(name) for name in names]), views, weight.shape)

        return Loaded(From(find, names), found, told=", ".join([f"the numbers of {which} {told}", *views]), views=views)

    which = " and ".join(f"'{name}'" for name in names)
    return Initialiser(law, spec=" ".join(["copied", which, told, *views]), has_roles=False)
