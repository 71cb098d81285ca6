"""What becomes of a signal and of its gradient along many plain layers, as notes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .._recipes._chain import fans, usual_use
from ..init._gain import Passage, passage
from ..init._law import Elementwise
from ._choice import Choice

# A start that says which second moment it means is told where it is this much off; any other where nothing is left.
_OFF, _GRADIENT_OFF, _DEAD = 4.0, 10.0, 1e4
_FEWEST = 4  # activations in a row that are deep
_MATRICES = ("dense", "convolution", "transposed convolution")
# What one weight hands to the next as it is.
_LINEAR = Passage(second=1.0, backward=1.0, spread=2.0, spread_back=2.0)
# A relative error that grows with depth if each layer multiplies it by more than this.
_REPELS = 1.001
_LEAST = 1e-250  # what 64 bits multiply without losing it


@dataclass(frozen=True)
class _Stretch:
    """Plain layers in a row, up to one weight.

    Attributes:
        first: the path of the first weight.
        last: of the last.
        low, high: between what the second moment of its output is expected to be; the same where no error grows.
        meant: what is meant.
        is_told: whether the start says so.
        assumed: the second moment for which the next weight was told what feeds it.
        gradient: by what the gradient's second moment is multiplied on its way back.
        num: how many activations lie between.
        activations: their names.
        narrowest: how many units the narrowest layer between has.
        drift: what narrow layers are expected to take from the logarithm of the second moment.
        repels: whether an error of the signal grows.
    """

    first: str
    last: str
    low: float
    high: float
    meant: float
    is_told: bool
    assumed: float
    gradient: float = 1.0
    num: int = 0
    activations: tuple[str, ...] = ()
    narrowest: int = 0
    drift: float = 0.0
    repels: bool = False

    @property
    def off(self) -> tuple[float, float]:
        """Between how many times what is meant the second moment is expected to be."""
        return self.low / self.meant, self.high / self.meant

    @property
    def is_signal_off(self) -> bool:
        """Whether that is worth a word."""
        return max(map(_distance, self.off)) > math.log(_OFF if self.is_told else _DEAD)

    @property
    def is_drift(self) -> bool:
        """Whether it is the widths, more than the sizes of the weights."""
        return self.drift > _distance(self.off[0]) / 2

    @property
    def is_gradient_off(self) -> bool:
        """Whether what becomes of the gradient is."""
        return _distance(self.gradient) > math.log(_GRADIENT_OFF if self.is_told else _DEAD)


def _distance(factor: float) -> float:
    return abs(math.log(factor))


def notes_of_depth(choices: Iterable[Choice]) -> tuple[str, ...]:
    """One line for the stretch of plain layers at whose end the signal is farthest from what is meant, or its gradient.

    Plain are layers of which each reads the one before through an activation, without a normalisation, a residual sum
    or another signal.
    """
    made = {choice.path: choice for choice in choices}
    biases = {choice.param.bias_of: choice for choice in made.values() if choice.param.role == "bias"}
    found: dict[str, _Stretch] = {}
    for path, choice in made.items():
        stretch = _through(choice, biases.get(path), found)
        if stretch:
            found[path] = stretch
    deep = [stretch for stretch in found.values() if stretch.num >= _FEWEST]
    told = [stretch for stretch in deep if stretch.is_signal_off or stretch.is_gradient_off]
    return (_note(max(told, key=_how_far)),) if told else ()


def _how_far(stretch: _Stretch) -> float:
    return max(map(_distance, stretch.off)) + _distance(stretch.gradient)


def _note(found: _Stretch) -> str:
    parts, remedies = [], []
    if found.is_signal_off:
        parts.append(f"the signal's second moment comes to {_size(found)} times what is meant, {_why(found)}")
        remedies.append(_remedy(found))
    if found.is_gradient_off:
        each = found.gradient ** (1 / found.num)
        parts.append(
            f"the gradient's second moment is multiplied by {each:.3g} a layer, {_told(found.gradient)} in all"
        )
        remedies.append("a normalisation or a residual sum between layers mends the gradient")
    where = f"{found.num + 1} plain layers {_between(found)}, `{found.first}` to `{found.last}`"
    return f"{where}: {', and '.join(parts)}; {'; '.join(remedies)}"


def _between(found: _Stretch) -> str:
    names = [name for name in found.activations if name not in _MATRICES]
    more = " and others" if len(names) > 2 else ""
    return f"with {' and '.join(names[:2])}{more} between them" if names else "without an activation"


def _size(found: _Stretch) -> str:
    low, high = found.off
    return f"about {_told(low)}" if low == high else f"anything from {_told(low)} to {_told(high)}"


def _why(found: _Stretch) -> str:
    if found.repels:
        return f"since each layer makes an error larger, such as that of one draw at {found.narrowest:,} units"
    if found.is_drift:
        return f"since products of random weights at {found.narrowest:,} units drift"
    return "by the sizes of the weights"


def _remedy(found: _Stretch) -> str:
    if not found.is_told:
        return "recipe `auto` or plan.calibrate(model, batch) mends the signal"
    if found.repels or not found.is_drift:
        return "plan.calibrate(model, batch) mends the signal"
    return "plan.calibrate(model, batch), `orthogonal` or `random_walk` mends the signal"


def _told(factor: float) -> str:
    """A factor in one digit below 1, else in two, written out as long as it is short."""
    if not 1 <= factor < 1e6:
        return f"{factor:.1g}"
    return f"{float(f'{factor:.2g}'):,.10g}"


def _through(choice: Choice, bias: Choice | None, found: dict[str, _Stretch]) -> _Stretch | None:
    """The stretch that ends with one weight; None where nothing is known, or it is meant otherwise."""
    param, use = choice.param, usual_use(choice.param)
    size = choice.law.rms(choice.init.sees(param).in_order) if param.role == "weight" else None
    if not size or use.operation not in _MATRICES or use.branch or use.is_normalised or use.is_sized or use.is_head:
        return None
    if use.moment is None or not math.isfinite(use.moment) or use.moment == 0:
        return None
    if use.frequency and "scale" in use.followed_by:
        return None  # a learned frequency lies between, of which the sine's name says nothing
    grown = (size * use.factor) ** 2 * fans(param).fan_in
    before = found.get(use.after[0]) if len(use.after) == 1 else None
    meant = choice.moment or 1.0
    if before is None:
        second = grown * use.moment + _bias(bias)
        return _Stretch(param.path, param.path, second, second, meant, choice.moment is not None, use.given)
    following = replace(before, last=param.path, meant=meant, is_told=choice.moment is not None, assumed=use.given)
    return _behind(before, following, choice, grown, _bias(bias))


def _behind(before: _Stretch, following: _Stretch, choice: Choice, grown: float, bias: float) -> _Stretch | None:
    """A stretch with one more weight."""
    param, use = choice.param, usual_use(choice.param)
    assert use.moment is not None
    units = param.size("g") * param.size("i") * (1 if param.transposed else param.groups)
    expected, low, high = (_passed(use.fed_by, second) for second in (before.assumed, before.low, before.high))
    if not (expected and low and high):  # without a name, what it makes of a signal is taken to grow with it
        expected, low, high = _LINEAR, *(_LINEAR._replace(second=s / before.assumed) for s in (before.low, before.high))
    variance = expected.spread / units if isinstance(choice.law, Elementwise) else 0.0
    slope = _slope(use.fed_by, before.assumed)
    repels = slope > _REPELS
    # The layers' own errors add to one at the first, each divided by what those before it would have grown to.
    error = math.exp(math.sqrt(variance / (1 - slope**-2))) if repels and not before.repels else 1.0
    grown *= use.moment / expected.second
    # Where an error grows the signal may go both ways, and what is known of the gradient holds on the way between.
    middle = expected if before.repels or repels else low
    drift = math.exp(-variance / 2)
    lowest = grown * low.second * drift / error + bias
    highest = grown * high.second * error * (1 if repels or before.repels else drift) + bias
    gradient = before.gradient * grown * middle.backward
    if not all(_LEAST < factor < 1 / _LEAST for factor in (lowest, highest, gradient)):
        return None
    return replace(
        following,
        low=lowest,
        high=highest,
        gradient=gradient,
        num=before.num + 1,
        activations=tuple(dict.fromkeys((*before.activations, use.fed_by))),
        narrowest=min(units, before.narrowest or units),
        drift=before.drift + variance / 2,
        repels=before.repels or repels,
    )


def _passed(name: str, second: float) -> Passage | None:
    """What an activation makes of a second moment; of what is no activation, what it hands on."""
    if name in _MATRICES:
        return _LINEAR._replace(second=second)
    return passage(name, float(f"{second:.3g}"))  # few digits, so that layers share what is found


def _slope(name: str, second: float) -> float:
    """By what an error of the second moment is multiplied."""
    more, less = _passed(name, second * 1.05), _passed(name, second * 0.95)
    return math.log(more.second / less.second) / math.log(1.05 / 0.95) if more and less else 1.0


def _bias(bias: Choice | None) -> float:
    return ((bias.law.rms(bias.init.sees(bias.param).in_order) if bias else None) or 0.0) ** 2
