"""Findings about the signal on its way forward."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._graph import Param
from ._evidence import Evidence, Layer
from ._finding import Found
from ._lines import Line, lines

HARM = 1e4  # over a whole line: what is left of a second moment, or what it becomes
_HALF = 0.5  # of its share: draws of like layers differ
_OFF = 1.5  # of a second moment
SIMILAR = 0.9999  # mean cosine: angles of less than a degree between inputs
_DEAD, _SATURATED = 0.9, 0.9


def vanishing(evidence: Evidence) -> Iterator[Found]:
    """Lines at whose end little is left of the signal; a branch may start small, for the stream goes on beside it."""
    off = [(line.shrunk, line) for line in lines(evidence) if not line.is_branch]
    yield from _off(evidence, [(growth, line) for growth, line in off if growth < -math.log(HARM)])


def exploding(evidence: Evidence) -> Iterator[Found]:
    """Lines at whose end the signal is many times as large."""
    off = [(line.grown, line) for line in lines(evidence)]
    yield from _off(evidence, [(growth, line) for growth, line in off if growth > math.log(HARM)])


def _off(evidence: Evidence, off: list[tuple[float, Line]]) -> Iterator[Found]:
    """One finding for each layer that starts it, if it is more than what random matrices of these widths do."""
    seen = set[str]()
    for growth, line in sorted(off, key=lambda one: -abs(one[0])):
        low, high = line.band(evidence.graph.by_path)
        first = _first_off(evidence, line, growth)
        if low < growth < high or first.path in seen:
            continue
        seen.add(first.path)
        num = len(line.body)
        yield Found(
            paths=(first.path, *(layer.path for layer in line.layers if layer is not first)),
            measured=f"in {num} layers the second moment comes to {in_short(math.exp(min(growth, 700)))} times what it "
            f"was, {math.exp(growth / num):.3g} a layer; beyond {in_short(HARM)} either way is harm",
            cause=_cause(evidence, first, line, growth / num),
        )


def _first_off(evidence: Evidence, line: Line, growth: float) -> Layer:
    """The first layer whose size explains half its share of the growth; if none does, that grows by as much.

    Where branches do, it is the first that ends one.
    """
    each = growth / len(line.body)
    sizes = {layer.path: size_beside_wanted(evidence, layer.path) for layer in line.body}
    wrong = [layer for layer in line.body if (size := sizes[layer.path]) and size.log / each > _HALF]
    ends = [layer for layer in wrong if (branch := evidence.graph.by_path[layer.path].use.branch) and branch.is_last]
    grown = [layer for layer, own in zip(line.body, line.growths, strict=True) if own / each > _HALF]
    return (ends or wrong or grown or line.body)[0]


@dataclass(frozen=True)
class _Size:
    """A weight's size beside the one that keeps the signal.

    Attributes:
        log: the logarithm of what that does to the second moment.
        words: both sizes.
    """

    log: float
    words: str


def size_beside_wanted(evidence: Evidence, path: str) -> _Size | None:
    """How far a weight is from the size that keeps the signal; None where nobody knows that."""
    rms, wanted, param = _rms(evidence, path), evidence.wanted.get(path), evidence.graph.by_path[path]
    if not rms or not wanted:
        return None
    return _Size(2 * math.log(rms / wanted), f"rms {rms:.3g}; {_asked(param)} {wanted:.3g} keeps the signal")


def _cause(evidence: Evidence, layer: Layer, line: Line, each: float) -> str:
    """Why the signal changes at a layer: by the size of its weights if that is half of it, else by what it meets."""
    branches = [use.branch for use in line.uses if use.branch and use.branch.is_last]
    size = size_beside_wanted(evidence, layer.path)
    if size and size.log / each > _HALF:
        many = (
            f"{branches[0].depth} branches are added to one stream at full size: " if branches else "its weights have "
        )
        return many + size.words
    if branches:
        return f"{branches[0].depth} branches are added to one stream, and nothing normalises it"
    if size and abs(size.log) > math.log(_OFF):
        return f"its weights have {size.words}, and what lies between the layers takes the rest"
    return "its weights have the size that keeps a signal; what lies behind them does not keep it"


def _asked(param: Param) -> str:
    """What the right size follows from."""
    try:
        fan = f"fan-in {param.fans.fan_in:,.10g}"
    except ValueError:
        return "there"
    return f"behind {param.use.fed_by}, with {fan}," if param.use.fed_by != "data" else f"with {fan}"


def zeros(evidence: Evidence) -> Iterator[Found]:
    """Weights that stay at zero, whatever moves."""
    stuck = [n for n in evidence.numbers if n.is_stuck and n.rms == 0 and _is_weight(evidence, n.path)]
    if stuck:
        yield Found.at(
            stuck,
            measured=f"{len(stuck)} weights are 0, and so is their gradient, also after the others have moved",
            cause="a weight of zeros hands on neither signal nor gradient; two of them in a row never start",
        )


def dead(evidence: Evidence) -> Iterator[Found]:
    """Layers of whose units most give 0 for every input."""
    found = [layer for layer in evidence.layers if (layer.dead or 0) > _DEAD]
    if found:
        worst = max(found, key=lambda layer: layer.dead or 0)
        sources = [next(iter(evidence.graph.by_path[layer.path].use.after), layer.path) for layer in (worst, *found)]
        yield Found(
            paths=tuple(dict.fromkeys(sources)),
            measured=f"{worst.dead:.0%} of the units that `{worst.path}` reads are 0 for every input of the batch; "
            f"more than {_DEAD:.0%} is counted",
            cause="what reaches the activation is below 0 for all inputs: a large negative bias, or inputs that all "
            "point one way",
            severity="serious" if worst.dead == 1 else None,
        )


def saturated(evidence: Evidence) -> Iterator[Found]:
    """Layers whose activation is flat nearly everywhere."""
    found = [layer for layer in evidence.layers if (layer.saturated or 0) > _SATURATED]
    if found:
        first = found[0]
        rms, wanted = _rms(evidence, first.path), evidence.wanted.get(first.path)
        why = f": rms {rms:.3g}, where {wanted:.3g} fits" if rms and wanted else ""
        yield Found.at(
            found,
            measured=f"{first.saturated:.0%} of what it gives lies where the activation has under 5 % of its steepest "
            f"slope; more than {_SATURATED:.0%} is counted",
            cause=f"the signal before the activation has second moment {first.moment:.3g}{why}",
        )


def collapsed(evidence: Evidence) -> Iterator[Found]:
    """The first layer that takes in the same for all inputs, if no layer at the end can tell them apart.

    What takes in means over places, as a gate's squeeze does, says nothing: of noise they are alike.
    """
    after = {layer.path: evidence.graph.by_path[layer.path].use.after for layer in evidence.layers}
    pooled = _pooled(evidence)
    known = [x for x in evidence.layers if after[x.path] and x.similarity is not None and x.path not in pooled]
    read = {source for layer in known for source in after[layer.path]}
    alike = [layer for layer in known if (layer.similarity or 0) > SIMILAR]
    if alike and all(layer in alike or layer.path in read for layer in known):
        yield Found.at(
            alike[:1],
            measured=f"two different inputs have cosine {alike[0].similarity:.6f} there; above {SIMILAR} they are one",
            cause="each layer before it moves inputs closer to each other: biases outweigh the signal, or an "
            "activation with a mean hands on that mean",
        )


def _pooled(evidence: Evidence) -> set[str]:
    """The layers whose operand is a mean over places, or is made of such alone."""
    pooled = set[str]()
    for layer in evidence.layers:
        use = evidence.graph.by_path[layer.path].use
        if use.fed_by == "pooling" or (use.after and pooled.issuperset(use.after)):
            pooled.add(layer.path)
    return pooled


def _is_weight(evidence: Evidence, path: str) -> bool:
    return evidence.graph.by_path[path].role == "weight"


def _rms(evidence: Evidence, path: str) -> float | None:
    return next((numbers.rms for numbers in evidence.numbers if numbers.path == path), None)


def in_short(factor: float) -> str:
    """A factor, of which the size counts: `0.153`, `1e4`."""
    if 1e-3 < factor < 1e4:
        return f"{factor:.3g}"
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].strip("+"), f"{factor:.0e}")
