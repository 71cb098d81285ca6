"""Findings about numbers that are none, and about the loss."""

import math
from collections.abc import Iterator

from ._evidence import Evidence, Layer, Loss
from ._finding import Found, anew
from ._signal import size_beside_wanted

_ABOVE, _FAR = 1.5, 4.0  # times what knowing nothing costs
_OWN = 0.5
_ODD = 0.01  # of a parameter's numbers: one may come by training, many come from memory


def not_finite(evidence: Evidence) -> Iterator[Found]:
    """Parameters that hold NaN or infinity."""
    bad = [n for n in evidence.numbers if n.num_bad]
    if bad:
        yield Found.at(
            bad,
            measured=f"{bad[0].num_bad:,} of its numbers are NaN or infinite",
            cause="it was never filled, or was filled with numbers that its dtype does not hold",
            remedy=anew([numbers.path for numbers in bad]),
        )


def unset(evidence: Evidence) -> Iterator[Found]:
    """Parameters that hold what memory held before, or whose constructor is known to leave them so."""
    odd = [n for n in evidence.numbers if n.odd > _ODD]
    if odd:
        yield Found.at(
            odd,
            measured=f"{odd[0].odd:.0%} of its numbers are above 1e10, or below 1e-30 and not 0; over {_ODD:.0%} is "
            "counted",
            cause="memory that nothing wrote: `torch.empty`, and no start behind it",
            remedy=anew([numbers.path for numbers in odd]),
        )
    known = [n for n in evidence.numbers if n.is_unset and n not in odd]
    if known:
        yield Found.at(
            known,
            measured="the constructor leaves it as memory that nothing wrote",
            cause="`torch.empty` without a start: what it holds here is the recipe's, and elsewhere chance",
            remedy=anew([numbers.path for numbers in known]),
            severity="note",
        )


def overflow(evidence: Evidence) -> Iterator[Found]:
    """The first layer that makes NaN or infinity of finite numbers, or the loss."""
    for layer in evidence.layers:
        if layer.num_bad:
            own = next((n for n in evidence.numbers if n.path == layer.path), None)
            if own and own.num_bad:
                return
            yield Found.at(
                [layer],
                measured=f"{layer.num_bad:,} numbers of what it gives are NaN or infinite, in {layer.dtype}",
                cause=_too_large(evidence, layer),
            )
            return
    if evidence.loss and not math.isfinite(evidence.loss.value) and not any(n.num_bad for n in evidence.numbers):
        yield Found(
            paths=(),
            measured=f"{evidence.loss.name} is {evidence.loss.value}, and what each layer gives is finite",
            cause="what lies behind the last layer: a function, the loss itself, or targets that leave it nothing",
            remedy="look at the loss: a logarithm of 0, a division by a count of 0, or a sum where a mean is meant",
        )


def _too_large(evidence: Evidence, last: Layer) -> str:
    """Of what a layer gives numbers that are too large: the weights up to it that multiply the signal most."""
    until = evidence.layers[: evidence.layers.index(last) + 1]
    sizes = {layer.path: size for layer in until if (size := size_beside_wanted(evidence, layer.path)) and size.log > 0}
    why = f"{last.dtype} does not hold what it gives"
    if not sizes:
        return why
    worst = max(sizes, key=lambda path: sizes[path].log)
    return f"{why}; `{worst}` has {sizes[worst].words}"


def underflow(evidence: Evidence) -> Iterator[Found]:
    """In 16 bits, layers most of whose gradient is rounded to 0."""
    lost = [x for x in evidence.layers if x.dtype == "float16" and (x.underflow or 0) > 0.9 and not x.dead]
    if lost:
        yield Found.at(
            lost,
            measured=f"{lost[0].underflow:.0%} of the gradient by what it gives is 0",
            cause="float16 holds nothing below 6e-8",
            severity="serious" if lost[0].underflow == 1 else None,
        )


def high(evidence: Evidence) -> Iterator[Found]:
    """A loss far above that of knowing nothing."""
    loss = evidence.loss
    if loss is None or loss.chance is None or not loss.value > _ABOVE * loss.chance:
        return
    heads = tuple(param.path for param in evidence.graph.weights if param.use.is_head)
    size = f"; the outputs have rms {loss.logits:.3g}" if loss.logits else ""
    cause, remedy = (
        (
            f"the targets' mean is {loss.target_mean:.3g}, far from what the net gives: most of the loss is that gap",
            "standardise the targets: y = (y - y.mean(0)) / y.std(0); or start the last bias at their mean",
        )
        if loss.gap and loss.gap > loss.value / 2
        else ("the last layer is not small: the net starts with strong opinions, and first has to unlearn them", "")
    )
    yield Found(
        paths=heads,
        measured=f"{loss.name} is {loss.value:.3g}; knowing nothing costs {loss.chance_is} = {loss.chance:.3g}{size}",
        cause=cause,
        remedy=remedy,
        severity="serious" if is_far(loss) else None,
    )


def is_far(loss: Loss | None) -> bool:
    """Whether a loss of classes is so far above chance that training has to undo it first."""
    return bool(loss and loss.classes and loss.chance is not None and loss.value > _FAR * loss.chance)


def own_token(evidence: Evidence) -> Iterator[Found]:
    """A tied head that finds the token that was fed in."""
    loss = evidence.loss
    if loss is None or loss.own is None or loss.own < _OWN:
        return
    tied = tuple(p.path for p in evidence.graph.params if any(u.operation == "embedding" for u in p.uses) and p.use)
    yield Found(
        paths=tied[:1],
        measured=f"the output is {loss.own:.0%} sure that the next token is the one that it was just given",
        cause="the embedding is the head too, and so large that a token's own row stands out in its own stream",
    )
