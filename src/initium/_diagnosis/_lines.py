"""Lines of layers: each reads the one before, with no normalisation between."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .._graph import Param, Use
from ..init._gain import passage
from ._evidence import Evidence, Layer

MATRICES = ("dense", "convolution", "transposed convolution", "bilinear", "recurrent")
_SDS = 3.0  # a draw in 400 lies farther from what is expected


@dataclass(frozen=True)
class Line:
    """Layers in a row, from where a signal starts anew.

    Attributes:
        layers: the first takes in data, or what was normalised.
        uses: the first use of each.
    """

    layers: tuple[Layer, ...]
    uses: tuple[Use, ...]

    @property
    def body(self) -> tuple[Layer, ...]:
        """All layers but the last, which may be small on purpose: what it takes in is what the others made."""
        return self.layers[:-1]

    def upto(self, end: int) -> "Line":
        """The layers before one of it, and that one."""
        return Line(self.layers[: end + 1], self.uses[: end + 1])

    @property
    def is_branch(self) -> bool:
        """Whether it lies within one branch of a residual stream."""
        branches = {use.branch and (use.branch.stream, use.branch.number) for use in self.uses}
        return len(branches) == 1 and None not in branches

    @property
    def growths(self) -> list[float]:
        """The logarithm of what each of the body makes of the second moment, the function before it included."""
        first = self.layers[0]
        moments = [first.moment if first.fed is None else first.fed, *(layer.moment for layer in self.body)]
        return [math.log(after / before) if before and after else math.nan for before, after in pairwise(moments)]

    @property
    def shrunk(self) -> float:
        """The logarithm of what all of them do; more than 1 coming in counts as 1: bounded functions lead there."""
        return self._end - min(self._begin, 0.0)

    @property
    def grown(self) -> float:
        """The logarithm of what all of them do; what comes in smaller than 1 counts as 1."""
        return self._end - max(self._begin, 0.0)

    @property
    def _begin(self) -> float:
        return _log(self.layers[0].fed if self.layers[0].fed is not None else self.layers[0].moment)

    @property
    def _end(self) -> float:
        return _log(self.layers[-1].fed)

    def band(self, params: dict[str, Param]) -> tuple[float, float]:
        """Between what the growth lies of a net of this width and depth whose every layer keeps the signal."""
        return _deviation([self._variance(place, params) for place in range(len(self.body))])

    def _variance(self, place: int, params: dict[str, Param]) -> float:
        """Of the logarithm of what a random layer of n units does: k/n with k = Var f(z)^2 / (E f(z)^2)^2."""
        passed = passage(self.uses[place].fed_by, 1.0)
        return (passed.spread if passed else 2.0) / max(params[self.layers[place].path].size("o"), 1)

    def signals(self, params: dict[str, Param]) -> Iterator[tuple[float, float] | None]:
        """Between what the second moment of each layer's operand lies, if every layer before it keeps the signal.

        That is what the activation makes of a signal of second moment 1, as `auto` means it, or what came in at first,
        as He et al. mean it; and what a product of random layers drifts by.
        """
        first = self.layers[0]
        begin = first.moment if first.fed is None else first.fed
        variances: list[float] = []
        for place, use in enumerate(self.uses):
            passed = passage(use.fed_by, 1.0) if place else None
            meant = [begin, passed.second if passed else begin]
            low, high = _deviation(variances)
            yield (min(meant) * math.exp(low), max(meant) * math.exp(high)) if begin else None
            variances.append(self._variance(place, params))

    def energies(self, params: dict[str, Param]) -> Iterator[tuple[float, float] | None]:
        """Between what the gradient's energy at each layer lies, if every layer behind it keeps the signal.

        From the last layer that is no head, which may be small on purpose, each layer on the way back multiplies it by
        E f'(z)^2 / E f(z)^2 of the activation before it, and drifts as the signal does.
        """
        found: list[tuple[float, float] | None] = []
        energy, growth, variances = None, 0.0, list[float]()
        for place in reversed(range(len(self.layers))):
            if energy is None and not self.uses[place].is_head:
                energy = self.layers[place].energy
            elif energy is not None:
                behind = passage(self.uses[place + 1].fed_by, 1.0)
                growth += math.log(behind.backward / behind.second) if behind and behind.backward else 0.0
                units = max(params[self.layers[place].path].size("o"), 1)
                variances.append((behind.spread_back if behind else 2.0) / units)
            low, high = _deviation(variances)
            found.append((energy * math.exp(growth + low), energy * math.exp(growth + high)) if energy else None)
        return reversed(found)


def _deviation(variances: list[float]) -> tuple[float, float]:
    """Of a logarithm that is a sum of these, three standard deviations either way; half of its variance is a drift.

    See docs/auto.md.
    """
    variance = sum(variances)
    spread = _SDS * math.sqrt(variance)
    return -variance / 2 - spread, -variance / 2 + spread


@dataclass(frozen=True, kw_only=True)
class Band:
    """Where a layer of a line lies if every layer keeps the signal, and its gradient.

    Attributes:
        signal: of the second moment of what it takes in; None if nothing comes in at first.
        gradient: of the energy of the gradient by what it gives; None if none came, or it is a head.
    """

    signal: tuple[float, float] | None
    gradient: tuple[float, float] | None


def bands_of(evidence: Evidence) -> dict[str, Band]:
    """The band of each layer in a line, of its longest line, by path."""
    found: dict[str, Band] = {}
    params = evidence.graph.by_path
    for line in sorted(lines(evidence), key=lambda line: len(line.layers)):
        for layer, signal, gradient in zip(line.layers, line.signals(params), line.energies(params), strict=True):
            found[layer.path] = Band(signal=signal, gradient=gradient)
    return found


def _log(moment: float | None) -> float:
    return math.log(moment) if moment else math.nan


def lines(evidence: Evidence) -> Iterator[Line]:
    """The longest line up to each layer that none goes on from, the first of those that share their layers."""
    layers = {layer.path: layer for layer in evidence.layers}
    before = {path: _before(path, evidence, layers) for path in layers}
    ends = [path for path in layers if path not in before.values()]
    for end in ends:
        paths = [end]
        while (source := before[paths[0]]) and source not in paths:
            paths.insert(0, source)
        if len(paths) > 1:
            yield Line(tuple(layers[p] for p in paths), tuple(evidence.graph.by_path[p].use for p in paths))


def _before(path: str, evidence: Evidence, layers: dict[str, Layer]) -> str:
    """The layer whose output, bent or added to others, a layer takes in; of several the last that was met."""
    order = {known: place for place, known in enumerate(layers)}
    use = evidence.graph.by_path[path].use
    sources = [source for source in use.after if source in layers and order[source] < order[path]]
    matrices = [s for s in sources if evidence.graph.by_path[s].use.operation in MATRICES and layers[s].fed]
    return max(matrices, key=order.__getitem__, default="")
