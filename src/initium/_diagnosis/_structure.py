"""Findings about what the model's own structure says of its numbers."""

import math
from collections.abc import Iterator

from .._decisions._fold import folded
from .._graph import Param
from ..init._gain import passage
from ._batch import is_off
from ._evidence import Evidence, Layer
from ._finding import Found, anew
from ._lines import lines
from ._signal import HARM, size_beside_wanted

_LAYERS = {"dense": "linear layer", "recurrent": "recurrent layer"}  # as others call them
_OFF, _BESIDE, _HIDDEN = 16.0, 10.0, 100.0
_FAR = 8.0  # standard deviations
_FEWEST = 3  # branches that say something of depth
_SUM = 10.0  # what a stream may grow to: branches of 1/L each make at most e = 2.72 of it


def hidden_scale(evidence: Evidence) -> Iterator[Found]:
    """Weights whose size is far from usual, which a normalisation behind them hides."""
    rms = {n.path: n.rms for n in evidence.numbers}
    off = [
        path
        for path, wanted in evidence.wanted.items()
        if evidence.graph.by_path[path].use.is_normalised
        and rms.get(path)
        and not 1 / _HIDDEN < rms[path] / wanted < _HIDDEN
    ]
    if off:
        yield Found(
            paths=tuple(off),
            measured=f"rms {rms[off[0]]:.3g}, where {evidence.wanted[off[0]]:.3g} is usual",
            cause="the normalisation behind it divides the size out of the signal, but not out of the learning rate: "
            "the larger a weight, the less a step turns it",
            remedy=anew(off),
        )


def one_off(evidence: Evidence) -> Iterator[Found]:
    """Weights that alone change the signal by much, where nothing normalises it; those of one line together."""
    factors = {}
    for layer in evidence.layers:
        use, size = evidence.graph.by_path[layer.path].use, size_beside_wanted(evidence, layer.path)
        free = use.is_normalised or use.is_head or use.is_sized or use.branch or use.output
        free = free or use.operation == "recurrent"  # whose gates and bounded functions take in what comes
        free = free or (use.fed_by == "data" and is_off(layer.fed))  # the inputs are, and not the weight
        if size and not free and use.fed_by != "normalisation" and abs(size.log) > math.log(_OFF):
            factors[layer.path] = size
    rows = [{layer.path for layer in line.layers} for line in lines(evidence)]
    groups: dict[int, list[str]] = {}
    for path in factors:
        groups.setdefault(next((number for number, row in enumerate(rows) if path in row), -1), []).append(path)
    for paths in groups.values():
        first = paths[0]
        size = factors[first]
        yield Found(
            paths=tuple(paths),
            measured=f"{size.words}: its second moment is multiplied by {math.exp(size.log):.3g}",
            cause=_of_fans(evidence.graph.by_path[first]),
            remedy=anew(paths),
        )


def _of_fans(param: Param) -> str:
    layer = _LAYERS.get(param.use.operation, param.use.operation)
    if param.groups > 1:
        return f"a fan or a gain that is not this {layer}'s: it has {param.groups} groups, and a unit reads one alone"
    return f"a fan or a gain that is not this {layer}'s"


def branches(evidence: Evidence) -> Iterator[Found]:
    """Residual streams that nothing normalises, and that grow with each branch."""
    streams: dict[int, list[Layer]] = {}
    for layer in evidence.layers:
        use = evidence.graph.by_path[layer.path].use
        if use.branch and use.branch.layer == 1 and layer.fed and use.fed_by != "normalisation":
            streams.setdefault(use.branch.stream, []).append(layer)
    for stream, firsts in streams.items():
        depth = len({_branch(evidence, layer.path) for layer in firsts})
        if depth < _FEWEST:
            continue
        each = (_carried(evidence, firsts[-1]) - _carried(evidence, firsts[0])) / (depth - 1)
        ends = [x for x in evidence.layers if (b := evidence.graph.by_path[x.path].use.branch) and b.is_last]
        ends = [x for x in ends if _branch(evidence, x.path)[0] == stream]
        if ends and math.log(_SUM) < each * depth < math.log(HARM):
            yield Found.at(
                ends,
                measured=f"{depth} branches multiply the stream's second moment by {math.exp(each * depth):.3g}, "
                f"{math.exp(each):.3g} each; beyond {_SUM:g} is counted, and shares of 1/{depth} do "
                f"{1 + 1 / depth:.3g} each",
                cause="branches are added to one stream at full size, and nothing normalises it",
            )


def _carried(evidence: Evidence, layer: Layer) -> float:
    """The logarithm of the stream's second moment before the function that a branch may begin with."""
    passed = passage(evidence.graph.by_path[layer.path].use.fed_by, 1.0)
    return math.log((layer.fed or math.nan) / (passed.second if passed else 1.0))


def _branch(evidence: Evidence, path: str) -> tuple[int, int]:
    branch = evidence.graph.by_path[path].use.branch
    return (branch.stream, branch.number) if branch else (-1, 0)


def parted(evidence: Evidence) -> Iterator[Found]:
    """The first layer from which on signals have another size than the Graph says, beyond what chance does."""
    told = {layer.path: _ratio(evidence, layer) for layer in evidence.layers}
    rows = {line.layers[end].path: line.upto(end) for line in lines(evidence) for end in range(len(line.layers))}
    for layer in evidence.layers:
        row, grown = rows.get(layer.path), told[layer.path]
        low, high = row.band(evidence.graph.by_path) if row else (0.0, 0.0)
        if low - math.log(_OFF) < grown < high + math.log(_OFF):
            continue
        # Where each layer does its share, the first of them starts it.
        before = [one for one in (row.layers if row else [layer]) if told[one.path] / grown > 0]
        first = next((one for one in before if abs(told[one.path]) > math.log(_OFF) / 4), layer)
        yield _parted(evidence, first, layer)
        return


def _ratio(evidence: Evidence, layer: Layer) -> float:
    """The logarithm of what a layer takes in beside what it is meant to; 0 where nobody knows, and in a branch."""
    use = evidence.graph.by_path[layer.path].use
    is_known = layer.fed and use.moment and math.isfinite(layer.fed) and not use.branch
    return math.log(layer.fed / use.moment) if is_known and layer.fed and use.moment else 0.0


def _parted(evidence: Evidence, first: Layer, last: Layer) -> Found:
    use, meant = evidence.graph.by_path[first.path].use, evidence.graph.by_path[last.path].use.moment
    sizes = {path: size for path in use.after if (size := size_beside_wanted(evidence, path))}
    source = max(sizes, key=lambda path: abs(sizes[path].log), default="")
    is_by_size = bool(source) and abs(sizes[source].log) > math.log(_OFF) / 4
    starts = source if is_by_size else first.path
    return Found(
        paths=tuple(dict.fromkeys((starts, first.path, last.path))),
        measured=f"`{last.path}` takes in a second moment of {last.fed:.3g}, where {meant:.3g} is meant; "
        f"{_OFF:g} times either way is counted",
        cause=f"it starts at `{starts}`: {sizes[source].words}"
        if is_by_size
        else f"it starts with what `{starts}` takes in: {use.fed_by}",
        remedy=anew([source]) if is_by_size and first is last else "",
    )


def beside(evidence: Evidence) -> Iterator[Found]:
    """Embeddings that are added to others of another size."""
    rms = {n.path: n.rms for n in evidence.numbers if n.rms}
    for param in evidence.graph.params:
        others = [path for path in param.use.sums_with if path in rms and path in evidence.graph.by_path]
        for other in others:
            ratio = rms.get(param.path, math.nan) / rms[other]
            if ratio > _BESIDE:
                yield Found(
                    paths=(other, param.path),
                    measured=f"rms {rms[other]:.3g} beside {rms[param.path]:.3g} in one sum; beyond {_BESIDE:g} times "
                    "the smaller is not heard",
                    cause=f"{folded([other, param.path])} are added and start at different sizes",
                )


def far_out(evidence: Evidence) -> Iterator[Found]:
    """Weights with a number that no draw gives."""
    spectra = evidence.geometry.spectra if evidence.geometry else ()
    far = {spectrum.path: spectrum.peak for spectrum in spectra if (spectrum.peak or 0) > _FAR}
    if far:
        first, peak = max(far.items(), key=lambda one: one[1] or 0)
        yield Found(
            paths=(first, *(path for path in far if path != first)),
            measured=f"a number lies {peak:.3g} standard deviations out; beyond {_FAR:g} is counted",
            cause="no draw of a normal or a uniform law gives it: it was loaded, written by hand, or spoilt",
        )
