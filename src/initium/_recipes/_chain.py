"""Chains: where a width changes, forward and backward cannot both be kept, and who pays for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

from .._graph import Graph, Param, Use
from ..init._weight import Fans


@dataclass(frozen=True)
class Chains:
    """The plain chains of a model: one weight's output, bent by a function of each element, feeds one other weight.

    In a chain each weight takes the geometric mean of its fans, where what follows is homogeneous. What it hands on is
    then off by sqrt(fan_in / fan_out); those factors telescope, and whoever reads the end of the chain makes up for
    what is left.
    """

    graph: Graph

    def holds(self, param: Param) -> bool:
        """Whether a weight is in a chain, behind another weight."""
        use, sources = usual_use(param), self._sources(param)
        return (
            len(sources) == 1
            and not (param.packs or use.branch or use.is_normalised or use.is_head or _SELECT & set(use.followed_by))
            and sources[0].path != param.path
            and not sources[0].use.branch
            and all(name.partition("(")[0] in _TELESCOPES for name in use.followed_by)
            and use.operation in _MATRICES
            and _outputs(sources[0]) == _inputs(param)
        )

    def surplus(self, param: Param) -> float:
        """How much larger the second moment is of what reaches a weight than if nothing before had compromised."""
        use = usual_use(param)
        if use.branch and not use.is_head:
            return 1.0  # a branch adds its share of whatever the stream has become
        sources = self._sources(param)
        ends = [source.use.branch for source in sources if source.use.branch and source.use.branch.is_last]
        if ends:
            return self._growth[ends[0].stream]
        known = [self._given(source.path) for source in sources if source.path != param.path]
        return sum(known) / len(known) if known else 1.0

    def given(self, param: Param) -> float:
        """The second moment of what a weight gives."""
        if not self.holds(param):
            return 1.0
        param_fans = fans(param)
        return self.surplus(param) * (param_fans.fan_in / param_fans.fan_out) ** 0.5

    @cached_property
    def _given(self) -> Callable[[str], float]:
        running: set[str] = set()

        @cache
        def given(path: str) -> float:
            if path in running:
                return 1.0  # a weight that feeds itself
            running.add(path)
            found = self.given(self.graph.by_path[path])
            running.discard(path)
            return found

        return given

    def _sources(self, param: Param) -> list[Param]:
        known = self.graph.by_path
        return [known[path] for path in usual_use(param).after if path in known and known[path].role == "weight"]

    @cached_property
    def _growth(self) -> dict[int, float]:
        """What each stream's second moment becomes: a branch adds its share, of the stream if nothing normalises it."""
        uses = [use for param in self.graph.weights for use in param.uses if use.branch]
        fixed = {use.branch.stream for use in uses if use.branch and use.fed_by == "normalisation"}
        return {
            stream: 1 + sum(shares.values()) if stream in fixed else math.prod(1 + share for share in shares.values())
            for stream, shares in _shares(uses).items()
        }

    @cached_property
    def least_added(self) -> float:
        """What the branches of a stream add to it at least, where attention averages all away that it reads."""
        uses = [param.use for param in self.graph.weights if param.use.branch]
        sure = _shares([use for use in uses if use.fed_by != "attention" or use.is_normalised])
        return min((sum(sure.get(stream, {}).values()) for stream in _shares(uses)), default=1.0)


# What takes one signal beside another: each must have its own size.
_SELECT = {"query", "key", "value", "gate", "scale", "residual stream"}
# What hands on a signal that is twice as large twice as large; behind a tanh nobody could make up for it.
_TELESCOPES = {"relu", "leaky_relu", "prelu", "linear", "pooling", "dense", "convolution", "transposed convolution"}
_MATRICES = ("dense", "convolution", "transposed convolution")


def usual_use(param: Param) -> Use:
    """Of a shared weight, the use that most others are like; of as many the one that most reaches, lest it explode."""
    alike = [use for use in param.uses if use.operation == param.use.operation]
    if len(alike) < 2:
        return param.use
    return max(alike, key=lambda use: (sum(_is_like(use, other) for other in alike), use.moment or 0.0))


def _is_like(use: Use, other: Use) -> bool:
    """Whether two uses are fed by the same, of about the same size: of what is measured no two are equal."""
    if use.fed_by != other.fed_by or not use.moment or not other.moment:
        return (use.fed_by, use.moment) == (other.fed_by, other.moment)
    return max(use.moment / other.moment, other.moment / use.moment) < _LIKE


_LIKE = 1.5


def added(use: Use) -> float:
    """What the last weight of a branch adds to its stream, of which 1 is meant for all; a constant may leave less."""
    return use.branch.asked(use.scaled) * use.scaled**2 if use.branch else 0.0


def _shares(uses: list[Use]) -> dict[int, dict[int, float]]:
    """What each branch adds, by stream and number."""
    streams: dict[int, dict[int, float]] = {}
    for use in uses:
        if branch := use.branch:
            known = streams.setdefault(branch.stream, {})
            share = added(use) if branch.is_last and branch.left is None else 0.0  # else constants undo it
            share *= branch.repeats  # the sum of those that agree is larger than each of them says
            known[branch.number] = max(share, known.get(branch.number, 0.0))
    return streams


def fans(param: Param) -> Fans:
    """Of the first block, where blocks differ in size: all have its inputs."""
    return (param if len(set(param.sizes)) == 1 else param.parts[0]).fans


def _outputs(param: Param) -> int:
    return param.size("g") * param.size("o") * (param.groups if param.transposed else 1)


def _inputs(param: Param) -> int:
    return param.size("g") * param.size("i") * (1 if param.transposed else param.groups)
