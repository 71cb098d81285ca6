"""Members: sets of indices that share in memory what they have in common."""

from typing import Any

_LEAF = 256  # indices in one whole number
_FAN = 16  # parts of which a node is made


class Members:
    """A set of indices that nobody changes; one with few more than another takes memory for these few alone.

    Each value of a recording has such a set of all that it is made from. As whole numbers they would take memory by
    the square of how many values there are.
    """

    __slots__ = ("_height", "_node")

    def __init__(self, height: int = 0, node: Any = 0) -> None:
        self._height, self._node = height, node

    @classmethod
    def of(cls, index: int) -> "Members":
        """The set of one index."""
        node: Any = 1 << index % _LEAF
        height, above = 0, index // _LEAF
        while above:
            node = tuple(node if place == above % _FAN else None for place in range(_FAN))
            height, above = height + 1, above // _FAN
        return cls(height, node)

    def __bool__(self) -> bool:
        return bool(self._node)

    def __contains__(self, index: int) -> bool:
        node, above = self._node, index // _LEAF
        for height in range(self._height - 1, -1, -1):
            part = above // _FAN**height
            if part >= _FAN or not (node := node[part]):
                return False
            above %= _FAN**height
        return not above and bool(node >> index % _LEAF & 1)

    def __or__(self, other: "Members") -> "Members":
        if self is other or not other:
            return self
        if not self:
            return other
        height = max(self._height, other._height)
        return Members(height, _union(self._raised(height), other._raised(height), height))

    def _raised(self, height: int) -> Any:
        node = self._node
        for _ in range(height - self._height):
            node = (node, *[None] * (_FAN - 1))
        return node


def _union(one: Any, other: Any, height: int) -> Any:
    """What either has; the very node of one of them where that has all."""
    if one is other or not other:
        return one
    if not one:
        return other
    if height:
        both = tuple([a if a is b else _union(a, b, height - 1) for a, b in zip(one, other, strict=True)])
    else:
        both = one | other
    return one if both == one else other if both == other else both
