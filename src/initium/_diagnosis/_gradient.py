"""Findings about the gradient on its way back."""

import math
from collections.abc import Iterator, Sequence

from .._errors import counted
from ..init._gain import passage
from ._evidence import Evidence, Layer
from ._finding import Found
from ._lines import MATRICES, lines
from ._signal import HARM, in_short, size_beside_wanted

_FEWEST = 4  # layers of one kind that say something of depth
_ASIDE = {"query", "key", "gate", "scale"}  # what takes one signal beside another has a gradient of its own size
# Of a weight before a normalisation the direction counts alone: the larger its gradient, the more it grows, and the
# less a step then turns it (Arora et al., Auto Rate-Tuning by Batch Normalization, ICLR 2019). ReLUs behind batch norms
# gain 1.47 a layer without harm while they are few (Yang et al., Mean Field Theory of Batch Normalization, ICLR 2019).
_HARM_DIVIDED = HARM**2
_STEP_LARGE, _STEP_SMALL, _USUAL = 0.3, 1e-6, 1e-3  # of a weight's own size


def vanishing(evidence: Evidence) -> Iterator[Found]:
    """Rows of layers to whose first little of the gradient comes."""
    yield from _grown(evidence, is_vanishing=True)


def exploding(evidence: Evidence) -> Iterator[Found]:
    """Rows of layers at whose first the gradient is many times as large."""
    yield from _grown(evidence, is_vanishing=False)


def _grown(evidence: Evidence, *, is_vanishing: bool) -> Iterator[Found]:
    energies, divided = _energies(evidence), _divided(evidence)
    found: list[tuple[float, float, float, Sequence[Layer]]] = []
    for row in _rows(evidence):
        growth = energies[row[0].path] - energies[row[-1].path]
        harm = _HARM_DIVIDED if row[-1].path in divided else HARM
        if (growth < 0) is is_vanishing and abs(growth) > math.log(HARM):
            found.append((abs(growth) / math.log(harm), growth, harm, row))
    if found:
        share, growth, harm, row = max(found, key=lambda one: one[0])
        each = math.exp(growth / (len(row) - 1))
        last = _starts(energies, row, growth)
        cause, remedy = _why(evidence, last, row, each)
        yield Found(
            paths=(last.path, *(layer.path for layer in row if layer is not last)),
            measured=f"the gradient's energy, its sum of squares, at `{row[0].path}` is {in_short(math.exp(growth))} "
            f"times that at `{row[-1].path}`, {each:.3g} a layer; beyond {in_short(harm)} either way is harm",
            cause=cause,
            remedy=remedy,
            severity="warning" if share < 1 else None,
            back_to=row[0].path,
        )


def _rows(evidence: Evidence) -> Iterator[Sequence[Layer]]:
    """Layers that can be compared with each other, from the first to the last."""
    known = evidence.graph.by_path
    aside = _aside(evidence)
    for line in lines(evidence):
        uses = [(x, known[x.path].use) for x in line.layers]
        # A branch may start small, and with it what leads to the loss through it alone.
        yield from _of_enough([x for x, use in uses if not (use.is_head or use.branch or x.path in aside)])
    divided = _divided(evidence)
    kinds: dict[object, list[Layer]] = {}
    for layer in evidence.layers:
        use = known[layer.path].use
        if use.operation not in MATRICES or use.is_head or layer.path in aside:
            continue
        # Of one stream alone: another may be reached through a branch, which may start small.
        branch = use.branch and (
            use.branch.stream,
            use.branch.layer,
            use.branch.layers,
            use.branch.is_last,
            use.followed_by,
        )
        kinds.setdefault((use.operation, branch, layer.path in divided), []).append(layer)
    for row in kinds.values():
        yield from _of_enough(row)


def _aside(evidence: Evidence) -> set[str]:
    """Weights whose signal is taken beside another, by themselves or by all that read it."""
    uses = {layer.path: evidence.graph.by_path[layer.path].use for layer in evidence.layers}
    readers: dict[str, list[str]] = {}
    for path, use in uses.items():
        for source in use.after:
            readers.setdefault(source, []).append(path)
    aside = {path for path, use in uses.items() if _ASIDE & set(use.followed_by)}
    for path in reversed(uses):
        is_read = path in readers and uses[path].output is None
        if is_read and not uses[path].branch and aside.issuperset(readers[path]):
            aside.add(path)
    return aside


def _of_enough(row: list[Layer]) -> Iterator[Sequence[Layer]]:
    known = [layer for layer in row if layer.energy]
    if len(known) >= _FEWEST:
        yield known


def _starts(energies: dict[str, float], row: Sequence[Layer], growth: float) -> Layer:
    """The layer nearest to the loss behind which the gradient loses, or gains, at least its share."""
    share = growth / (len(row) - 1)
    for before, after in zip(reversed(row[:-1]), reversed(row[1:]), strict=True):
        if (energies[before.path] - energies[after.path]) / share > 1 / 2:
            return after
    return row[-1]


def _energies(evidence: Evidence) -> dict[str, float]:
    """The logarithm of the gradient's energy; before a normalisation, which divides by the signal, times its moment."""
    divided = _divided(evidence)
    return {
        layer.path: math.log((layer.energy or math.nan) * (layer.moment or 1.0 if layer.path in divided else 1.0))
        for layer in evidence.layers
    }


def _divided(evidence: Evidence) -> set[str]:
    """Weights whose size a normalisation divides out, at once or at the end of their branch."""
    uses = {layer.path: evidence.graph.by_path[layer.path].use for layer in evidence.layers}
    ends = {(b.stream, b.number) for use in uses.values() if (b := use.branch) and b.is_last and use.is_normalised}
    inside = {path for path, use in uses.items() if (b := use.branch) and (b.stream, b.number) in ends}
    return inside | {path for path, use in uses.items() if use.is_normalised}


def _why(evidence: Evidence, layer: Layer, row: Sequence[Layer], each: float) -> tuple[str, str]:
    """Cause, and remedy where the usual one does not do.

    By the activation, if it alone would do so at the size that keeps the signal; else by the size of the weights if
    that is half of it, else by what lies between.
    """
    fed_by = evidence.graph.by_path[layer.path].use.fed_by
    passed = passage(fed_by, 1.0)
    slope = passed.backward / passed.second if passed else 1.0
    if slope ** (len(row) - 1) < 1 / HARM and each < 1:
        own = f"at the size that keeps the signal, a layer of {fed_by} multiplies it by {slope:.3g}"
        return (
            f"{own}: no size of the weights keeps both",
            "another activation, or a normalisation or residual sum between",
        )
    explained = size_beside_wanted(evidence, layer.path)
    if explained and explained.log / math.log(each) > 1 / 2:
        return f"its weights have {explained.words}", ""
    return f"each layer multiplies it by {each:.3g}, by what lies behind its weights: {fed_by}", ""


def missing(evidence: Evidence) -> Iterator[Found]:
    """Parameters that no gradient reaches, though they are to be trained."""
    if evidence.loss is None:
        return
    lost = [n for n in evidence.numbers if n.is_trained and n.gradient is None]
    unused = [n.path for n in lost if not evidence.graph.by_path[n.path].uses]
    cut = [n.path for n in lost if evidence.graph.by_path[n.path].uses]
    for paths, cause in (
        (unused, "the forward pass does not use them"),
        (cut, "they are used, but nothing leads from them to the loss: detached, or not part of it"),
    ):
        if paths:
            yield Found(
                paths=tuple(paths),
                measured=f"{len(paths)} parameters have no gradient",
                cause=cause,
                remedy=f"use it, or freeze it: model.get_parameter({paths[0]!r}).requires_grad_(False)",
            )


def stuck(evidence: Evidence) -> Iterator[Found]:
    """Weights whose gradient is 0 and stays so."""
    layers = {layer.path: layer for layer in evidence.layers}
    held = [n.path for n in evidence.numbers if n.is_stuck and n.rms > 0 and n.path in layers]
    unfed = [path for path in held if layers[path].fed == 0]
    cut = [path for path in reversed(held) if path not in unfed and evidence.graph.by_path[path].role == "weight"]
    measured = "a gradient of exactly 0, also after all others have moved"
    if cut:
        yield Found(
            paths=tuple(cut),
            measured=f"{counted(len(cut), 'weight')} with {measured}",
            cause="what lies behind them hands no gradient back: dead units, zeros, or a function that is flat",
            remedy=""
            if _dead_behind(evidence, cut)
            else "another function behind it, one that has a slope: sign, round and argmax have none",
        )
    if unfed and not any(layers[path].fed == 0 for path in layers if evidence.graph.by_path[path].use.fed_by == "data"):
        yield Found(
            paths=tuple(unfed),
            measured=f"{counted(len(unfed), 'weight')} with {measured}",
            cause="what they multiply is 0 for every input, as a state before its first step is",
            severity="warning",
        )


def _dead_behind(evidence: Evidence, held: Sequence[str]) -> bool:
    """Whether dead units or weights of zeros keep a gradient back, which a start mends."""
    is_dead = any(x.dead == 1 for x in evidence.layers if set(evidence.graph.by_path[x.path].use.after) & set(held))
    return is_dead or any(n.rms == 0 for n in evidence.numbers if evidence.graph.by_path[n.path].role == "weight")


def steps(evidence: Evidence) -> Iterator[Found]:
    """Weights that the first step changes by more than a part of their own size, or by nearly nothing."""
    if evidence.step is None:
        return
    sizes = {n.path: _step(evidence, n.gradient) / n.rms for n in evidence.numbers if n.gradient and n.rms}
    weights = {path: size for path, size in sizes.items() if evidence.graph.by_path[path].role == "weight"}
    large = [path for path, size in weights.items() if size > _STEP_LARGE]
    small = [path for path, size in weights.items() if size < _STEP_SMALL]
    for paths in (large, small):
        if paths:
            worst = max(paths, key=lambda path: abs(math.log(weights[path])))
            yield Found(
                paths=(worst, *(path for path in paths if path != worst)),
                measured=f"the first step changes it by {weights[worst]:.1g} of its own size; between "
                f"{_STEP_SMALL:.0g} and {_STEP_LARGE:.0g} is counted as sane",
                cause=f"{evidence.step.optimizer} with learning rate {evidence.step.lr:g} on these gradients",
                remedy=f"lr={evidence.step.lr * _USUAL / weights[worst]:.1g}",
            )


def _step(evidence: Evidence, gradient: float) -> float:
    """The root mean square of what the first step adds; Adam's first step is the learning rate, whatever the size."""
    assert evidence.step
    return evidence.step.lr * (gradient if evidence.step.optimizer == "sgd" else 1.0)
