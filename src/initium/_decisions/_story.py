"""Everything a plan knows of one parameter, as text."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from .._errors import ShapeError
from .._graph import Branch, Param, Use
from .._printable import printable
from ..init._law import Constant
from ..init._weight import ROLES
from ._choice import Choice

_WIDTH = 80
_LABEL = 13


def story(choice: Choice) -> str:
    """What a parameter is, what is done with it, how it starts and why; 80 columns wide."""
    facts = [*_identity(choice.param), *_uses(choice), *_decision(choice)]
    return "\n".join([printable(choice.path), "", *(_fact(label, text) for label, text in facts if text)])


def _fact(label: str, text: str) -> str:
    margin = " " * _LABEL
    return textwrap.fill(
        printable(text), _WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=margin, break_on_hyphens=False
    )


def _identity(param: Param) -> Iterator[tuple[str, str]]:
    owner = f" ({param.layer})" if param.layer else ""
    because = f": {param.because}" if param.because not in ("", param.role) else ""
    yield "what", f"{param.role}{owner}{because}"
    yield "shape", str(param.shape)
    yield "axes", _axes(param)
    yield "packs", _packs(param)
    yield "fans", _fans(param)
    yield "tied to", ", ".join(param.tied)
    yield "bias of", param.bias_of or ""
    yield "padding", f"row {param.padding}" if param.padding is not None else ""


def _axes(param: Param) -> str:
    """`io: 768 input, summed over; 2304 output`."""
    roles = [f"{size} {ROLES[axis].replace(': ', ', ')}" for axis, size in zip(param.axes, param.shape, strict=True)]
    window = [f"{param.groups} groups"] if param.groups > 1 else []
    window += [f"stride {param.stride} over all axes of space"] if param.stride > 1 else []
    return f"{param.axes}: {'; '.join([*roles, *window])}" if roles else ""


def _packs(param: Param) -> str:
    """The names and sizes of the blocks that are packed, if any are."""
    if len(param.sizes) == 1:
        return ""
    names = ", ".join(param.packs) or f"{len(param.sizes)} blocks"
    sizes = str(param.sizes[0]) if len(set(param.sizes)) == 1 else ", ".join(map(str, param.sizes))
    return f"{names}; of {sizes} outputs{' each' if len(set(param.sizes)) == 1 else ''}"


def _fans(param: Param) -> str:
    if not param.makes_signal:
        return ""
    parts = dict.fromkeys(param.parts) if len(set(param.sizes)) > 1 else [param]
    try:
        found = [part.fans for part in parts]
    except ShapeError:  # it has none
        return ""
    several = " for each block" if len(param.sizes) > 1 else ""
    return "; ".join(f"in {_number(one.fan_in)}, out {_number(one.fan_out)}" for one in found) + several


def _uses(choice: Choice) -> Iterator[tuple[str, str]]:
    """Uses that are told alike, whichever branch they are in, are told once."""
    if not choice.param.uses:
        yield "used in", "nothing that was seen"
    told: dict[tuple[str, tuple[tuple[str, str], ...]], list[Use]] = {}
    for use in choice.param.uses:
        order = _order(use.branch) if use.branch else ""
        told.setdefault((order, tuple(_use(choice, use))), []).append(use)
    for number, ((_, facts), uses) in enumerate(told.items()):
        operation, *others = facts
        times = f", {len(uses)} times" if len(uses) > 1 else ""
        yield "and in" if number else "used in", operation[1] + times
        yield from others
        yield "residual", _places(uses)


def _use(choice: Choice, use: Use) -> Iterator[tuple[str, str]]:
    """All that is told of it but the branch that it is in."""
    yield "used in", use.operation
    yield "fed by", _feed(choice, use)
    yield "followed by", ", ".join(use.followed_by)
    yield "head size", str(use.head_size or "")
    yield "summed with", ", ".join(use.sums_with)


def _places(uses: Sequence[Use]) -> str:
    """In which branches uses are: the first of them, and how many others."""
    first, *others = dict.fromkeys(_place(use.branch) for use in uses if use.branch) or [""]
    return f"{first}; and {len(others)} more" if others else first


def _feed(choice: Choice, use: Use) -> str:
    """What feeds it, and the gain that keeps the second moment."""
    if use.fed_by == "unknown" and use.moment is None:
        return ""
    if not use.moment:
        return use.fed_by
    fed = f"{use.fed_by}, second moment {_number(use.moment)}"
    if use.operation not in _SUMMED:
        return fed
    ratio = _beside_keeping(choice, use)
    keeps = "keeps" if ratio is not None and abs(math.log(ratio)) < _KEEPS else "would keep"
    return f"{fed}: gain {_number(1 / math.sqrt(use.moment))} {keeps} it"


def _beside_keeping(choice: Choice, use: Use) -> float | None:
    """How large a start is beside the one that keeps the signal's second moment; None if that is not known.

    Within a sine it is the sine's argument that has second moment 1, save in the first layer.
    """
    param = choice.param
    rms = choice.law.rms(choice.init.sees(param).in_order)
    if not rms or not use.moment or use.moment < 0 or not use.factor or use.operation not in _SUMMED:
        return None
    one = param if len(set(param.sizes)) == 1 else param.parts[0]
    fan = param.size("o") if param.role == "embedding" else one.fans.fan_in  # a table that multiplies, as a tied head
    inside = use.frequency if use.frequency and use.fed_by != "data" else 1.0
    ratio = rms * math.sqrt(fan * use.moment) * abs(use.factor) * inside
    return ratio if 0 < ratio < math.inf else None


def _size(choice: Choice) -> str:
    """How a start compares with the one that keeps the signal, where it does not; most uses first."""
    if choice.param.role != "weight":
        return ""
    uses = choice.param.uses or (choice.param.use,)
    told = Counter(_size_in(choice, use) for use in uses)
    share = {text: f", in {count} of {len(uses)} uses" if len(told) > 1 else "" for text, count in told.most_common()}
    return "; ".join(text + where for text, where in share.items() if text)


def _size_in(choice: Choice, use: Use) -> str:
    ratio = None if use.is_normalised or use.is_sized else _beside_keeping(choice, use)
    if ratio is None or abs(math.log(ratio)) < _KEEPS:
        return ""
    times, word = (ratio, "larger") if ratio > 1 else (1 / ratio, "smaller")
    return f"{float(f'{times:.3g}'):,.4g} times {word} than what keeps the signal"


_KEEPS = 0.02  # of what is within, a hundred layers keep what they get within a few times
_SUMMED = ("dense", "convolution", "transposed convolution", "bilinear", "recurrent")


def _place(branch: Branch) -> str:
    """`branch 7 of 24, last weight of 2`."""
    stream = f" of stream {branch.stream + 1}" if branch.stream else ""
    return f"branch {branch.number} of {branch.depth}{stream}, {_order(branch)}"


def _order(branch: Branch) -> str:
    return f"{'last weight' if branch.is_last else f'weight {branch.layer}'} of {branch.layers}"


def _decision(choice: Choice) -> Iterator[tuple[str, str]]:
    weight = choice.init.sees(choice.param).in_order
    yield "start", str(choice.init)
    told = "the length of its direction, set when that is filled" if choice.follows else choice.law.words(weight)
    name = choice.init.spec.partition("(")[0]
    yield "that is", f"{told}; `initium explain {name}` tells how" if choice.law.how == "computed" else told
    yield "size", _size(choice)
    yield "because", choice.because
    yield "rule", choice.rule
    is_sized = choice.law.how != "kept" and choice.law != Constant(0)  # else nothing of it is sized, nor calibrated
    aim = f"second moment {_number(choice.moment)} of what it gives" if is_sized and choice.moment is not None else ""
    yield "aims at", aim
    yield "drawn as", choice.stream if choice.stream != choice.path else ""
    yield "rate", f"learning rate times {_number(choice.lr)}" if choice.lr != 1 else ""
    yield "words", "docs/glossary.md tells what they mean"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
