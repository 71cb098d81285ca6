"""prefix_of: what stands before a model's names in a checkpoint, or before a checkpoint's in the model."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._stored import Stored
from ._names import plain, suffixes
from ._target import Target

_MOST = 16  # places in which one end of a name is looked for: beyond, it says nothing


@dataclass(frozen=True)
class Prefix:
    """What stands before names.

    Attributes:
        there: in the checkpoint.
        here: in the model, where that is.
    """

    there: str
    here: str

    def __str__(self) -> str:
        if self.there and self.here:
            return f"its name with `{self.there}` for `{self.here}`"
        return f"its name with `{self.there}` before it" if self.there else f"its name without `{self.here}`"


def prefixes(targets: Sequence[Target], tensors: Mapping[str, Stored]) -> list[Prefix]:
    """The prefix that most names have, or the several that as many have; none if few do.

    Names count whose ends agree, and whose shapes do.
    """
    ends: dict[str, list[str]] = defaultdict(list)
    for name in tensors:
        for end in suffixes(plain(name)):
            if len(ends[end]) <= _MOST:
                ends[end].append(name)
    votes: Counter[Prefix] = Counter()
    for target in targets:
        votes.update({prefix for name in target.names for prefix in _fitting(plain(name), target, ends, tensors)})
    most = max(votes.values(), default=0)
    if 2 * most < min(len(targets), len(tensors)):
        return []
    return [prefix for prefix, count in votes.items() if count == most]


def _fitting(name: str, target: Target, ends: Mapping[str, list[str]], tensors: Mapping[str, Stored]) -> list[Prefix]:
    """What would have to stand before, by the longest end of a name that is there."""
    for end in suffixes(name):
        found = [one for one in ends.get(end, ()) if tensors[one].shape == target.shape]
        if not found or len(found) > _MOST:
            continue
        made = {Prefix(plain(one).removesuffix(end), name.removesuffix(end)) for one in found}
        # With another owner on both sides the last part alone says too little: all are called `weight`.
        return [one for one in made if "." in end or not (one.there and one.here)]
    return []
