"""tree_map: a function of all that an operation's arguments hold, however nested."""

from collections.abc import Callable
from typing import Any


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same tree with what the function makes of each leaf."""
    if type(tree) in (tuple, list):
        return type(tree)([tree_map(function, part) for part in tree])
    if type(tree) is dict:
        return {name: tree_map(function, part) for name, part in tree.items()}
    return function(tree)
