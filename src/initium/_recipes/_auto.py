"""`auto`: every parameter from what the model does with it."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from .._errors import InitiumError
from .._graph import Graph, Output, Param, Use
from .._rule import Decision, Rule
from ..init import framework, normal, orthogonal, stability
from ._branches import ends_branch, root_of
from ._chain import Chains, fans, usual_use
from ._embeddings import embeddings
from ._lines import used_as
from ._recipe import recipe
from ._recurrent import forget_gates, is_recurrent

# The loss of logits with independent normal entries of variance v is about log k + v / 2: here within 5 % of log k.
_HEAD = 0.1
# Of what is added to, or put beside, a signal of second moment 1: the field's usual size, as in BERT and ViT.
_BESIDE = 0.02
_PRODUCT = "factor of a dot product: output, kept small, second moment log(2)/10"
# An error that plain layers multiply by so much in all is worth a word.
_DRIFT = 2.0


@recipe(version=2, cites=("he2015delving", "glorot2010understanding", "zhang2019fixup"))
def auto(graph: Graph) -> tuple[Rule, ...]:
    """Every parameter from what the model does with it: signals keep second moment 1 on the paths that were traced.

    Formula: std = gain / sqrt(fan), gain = 1 / sqrt(E[x^2]) of what feeds the weight; fan is fan_in, in plain chains
        sqrt(fan_in fan_out); times 1 / sqrt(depth) at the end of a residual branch; the head's logits have second
        moment log(k) / 10

    Use: whenever nothing better is known of the model. docs/auto.md has all rules in words.

    Differs: from the papers in being per operation rather than per model.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2 [he2015delving]; Glorot,
        Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, equations 10
        to 12 [glorot2010understanding]; Zhang, Dauphin, Ma, "Fixup Initialization", ICLR 2019 [zhang2019fixup]
    """
    model = _Model(graph)
    return (
        Rule(role="weight", when=is_recurrent, start=orthogonal(), because=_state_clause),
        Rule(role="weight", start=model.weight),
        Rule(role="embedding", start=model.embedding),
        forget_gates(graph),
        Rule(role="bias", when=_is_chosen_size, start=framework(), because=_size_clause),
        Rule(role="bias", start=used_as(0.0, "bias")),
        Rule(role="scale", when=ends_branch, start=used_as(_branch_size, _branch_clause)),
        Rule(role="scale", start=used_as(1.0, "hands the signal on")),
        Rule(role="shift", start=used_as(0.0, "shift")),
        Rule(role="position", when=_is_summed, start=model.embedding),
        Rule(role="position", start=normal(0.0, _BESIDE), because="added to a signal of second moment 1"),
        Rule(role="token", when=_is_alone, start=_signal),
        Rule(role="token", start=normal(0.0, _BESIDE), because="put beside a signal of second moment 1"),
        Rule(role="kept", start=framework()),
    )


@dataclass(frozen=True)
class _Model:
    """What the weights of a model have to know of each other."""

    graph: Graph

    @cached_property
    def chains(self) -> Chains:
        return Chains(self.graph)

    @cached_property
    def scaled_branches(self) -> set[tuple[int, int]]:
        """The branches that end with a scale, which then carries the depth."""
        ends = [param.use.branch for param in self.graph.params if param.role == "scale" and ends_branch(param)]
        return {(branch.stream, branch.number) for branch in ends if branch}

    @cached_property
    def drifts(self) -> dict[str, float]:
        """The activations whose exact gain is a fixed point that repels, in plain layers enough to show it."""
        plain = [param.use for param in self.graph.weights if not (param.use.is_normalised or param.use.branch)]
        counts = Counter(use.fed_by for use in plain)
        slopes = {name: slope for name in counts if (slope := _slope(name)) > 1}
        return {name: slope for name, slope in slopes.items() if slope ** counts[name] > _DRIFT}

    def weight(self, param: Param) -> Decision:
        use = usual_use(param)
        if use.is_head:
            return self.head(param, use)
        gain, because = self.gain(param, use)
        mode, fan = "fan_in", fans(param).fan_in
        if self.chains.holds(param) and fan != fans(param).fan_out:
            mode, fan = "sqrt(fan_in fan_out)", fans(param).of("geo")
        given, ends = self.given(use)
        init = normal(0.0, gain * math.sqrt(given) / math.sqrt(fan) / _factor(use))
        because = f"{ends}{because}{_done_first(use)} {mode} {_count(fan)}{_within_sine(use)}{_sized(param, use)}"
        if use.is_normalised or use.is_sized:
            return Decision(init=init, because=because)
        moment = given * self.chains.given(param) / use.behind**2
        return Decision(init=init, because=because, moment=moment)

    def head(self, param: Param, use: Use) -> Decision:
        moment, because = _output_of(param, use)
        reaching = (use.moment or 1.0) * self.chains.surplus(param)
        std = math.sqrt(moment / (fans(param).fan_in * reaching)) / _factor(use)
        if use.is_sized:
            because = f"head of {param.size('o')}: its size is divided out, its direction alone counts"
            return Decision(init=normal(0.0, std), because=because)
        if param.sized_by:
            because = f"head of {param.size('o')}{_sized(param, use)}"
        because += f"; {_counted(use)}" if _counted(use) else ""
        return Decision(init=normal(0.0, std), because=because, moment=None if use.is_normalised else moment)

    def gain(self, param: Param, use: Use) -> tuple[float, str]:
        """What makes up for what reaches a weight, and the clause that says so."""
        if use.moment is None:
            return 1.0, f"fed by {use.fed_by}, of unknown size: gain 1 assumed,"
        # Inside a chain what the weights before were off by is handed on; behind it, made up for.
        surplus = 1.0 if self.chains.holds(param) else self.chains.surplus(param)
        gain = 1 / math.sqrt(use.moment * surplus) if use.moment > 0 else 1.0
        num = f", in most of {len(param.uses)} uses" if use != param.use else ""
        measured = ", measured" if use.is_measured else ""
        return gain, f"after {use.fed_by}{measured}{num}{self.warning(use)}: gain {gain:.4g},"

    def warning(self, use: Use) -> str:
        slope = None if use.is_normalised or use.branch else self.drifts.get(use.fed_by)
        return "" if slope is None else f" (repels, {slope:.3g} a layer: calibrate)"

    def given(self, use: Use) -> tuple[float, str]:
        """The second moment that a weight is to give, at a branch's end the branch's share, and the clause."""
        if use.given != 1 and not use.frequency:
            return use.given, f"becomes a matrix, second moment {use.given:.3g}; "
        branch = use.branch
        if not (branch and branch.is_last) or (branch.stream, branch.number) in self.scaled_branches:
            return use.given, ""
        if use.is_normalised or (branch.depth == 1 and branch.left is None):
            return use.given, ""
        constant = "" if abs(use.scaled) == 1 else f" in all with the {abs(use.scaled):.3g} behind it"
        told = root_of(branch) if branch.left is None else f"adds {branch.left:.3g} of 1, as constants on it leave"
        return use.given * branch.asked(use.scaled), f"ends residual branch, {told}{constant}; "

    def embedding(self, param: Param) -> Decision:
        summed = [path for path in param.use.sums_with if path in self.graph.by_path]
        std, because = self.tied(param) or _looked_up_output(param, 1 + len(summed)) or (0.0, "")
        shared = [self.tied(self.graph.by_path[path]) for path in summed]
        if not std and any(shared):
            std, because = (
                next(found for found in shared if found)[0],
                "summed with an embedding that is tied to the head",
            )
        elif not std:
            std = 1 / math.sqrt(1 + len(summed))
            because = f"{1 + len(summed)} sum to second moment 1" if summed else "a row is picked, not summed: std 1"
        if param.use.given != 1:
            std, because = math.sqrt(param.use.given), f"its rows become matrices, second moment {param.use.given:.3g}"
        return embeddings(normal(0.0, std), because)[0].decide(param)

    def tied(self, param: Param) -> tuple[float, str] | None:
        """The std of an embedding that multiplies as well, and so is the head, and the clause."""
        use = next((use for use in param.uses if use.operation == "dense"), None) or _met_again(param)
        if param.role != "embedding" or use is None:
            return None
        num, width = param.size("v"), param.size("o")
        moment = (use.moment or 1.0) * (use.scaled * _factor(use)) ** 2 * self.chains.surplus(param)
        std, most = math.sqrt(_logits(num) / (width * moment)), _own_token_std(param, moment, self.chains.least_added)
        if most < std:
            return most, f"tied to the head: a token's own logit stays under log({num})/2"
        return std, f"tied to the head: {_kept_small(num)}"


def _within_sine(use: Use) -> str:
    """The clause for what a sine multiplies a weight's output by: its argument is to have second moment 1.

    In the first layer that is the model's own: it says how fine a detail of its input is told.
    """
    if use.frequency in (None, 1.0):
        return ""
    is_own = use.given == 1
    how = "; the sine's frequency {:.4g} is the model's own" if is_own else ", divided by the sine's frequency {:.4g}"
    return how.format(use.frequency)


def _count(fan: float) -> str:
    """A fan, of which few are no whole numbers."""
    return f"{round(fan):,}" if fan == round(fan) else f"{fan:,.4g}" if fan < 1000 else f"{fan:,.0f}"


def _sized(param: Param, use: Use) -> str:
    if use.is_sized:
        return "; its size is divided out, its direction alone counts"
    return f"; it is {param.sized_by}, which may set the size" if param.sized_by else ""


def _state_clause(param: Param) -> str:
    return f"state to state, each gate orthogonal{_sized(param, param.use)}"


def _logits(num: int) -> float:
    """The second moment of so many logits; one alone is a class against another."""
    return _HEAD * math.log(max(num, 2))


def _kept_small(num: int, kind: str = "logits", num_summed: int = 1) -> str:
    summed = f", a sum of {num_summed}," if num_summed > 1 else ""
    what = f"output{summed or ','} kept small," if kind == "output" else f"logits{summed} have"
    return f"{what} second moment log({max(num, 2)})/10"


def _output_of(param: Param, use: Use) -> tuple[float, str]:
    """The second moment of what a head gives, and the clause."""
    num = param.size("o")
    output = use.output or Output(kind="open", scaled=use.scaled)
    moment, scale = _logits(num), output.scaled**2 or 1
    if output.kind == "output":
        scale = max(scale, 1)  # a constant that makes it smaller still does so on purpose
    if output.kind == "product":
        return (_logits(1) / (output.size or 1)) ** (1 / output.factors) / scale, _PRODUCT
    if output.kind == "normalised":
        return moment / scale, f"head of {num}: output, normalised, which sets its size"
    clause = f"head of {num}: {_kept_small(num, output.kind, output.num_summed)}"
    return moment / output.num_summed / scale, clause


def _looked_up_output(param: Param, num_summed: int) -> tuple[float, str] | None:
    """The std of a table whose rows are the model's output, and the clause.

    Rows that are returned as they are may be meant for any weight, unless each is one number.
    """
    kinds = {use.output.kind if use.output else "" for use in param.uses}
    is_open = "open" in kinds and param.size("o") > 1
    if is_open or not kinds or kinds & {"", "normalised"}:
        return None
    moment, because = _output_of(param, param.use)
    return math.sqrt(moment / num_summed), because


def _met_again(param: Param) -> Use | None:
    """The use of a table whose rows feed weights, and meet what came of them in a dot product."""
    is_fed = any(use.output is None for use in param.uses)
    ends = (use for use in param.uses if use.output and use.output.kind == "product")
    return next(ends, None) if is_fed else None


def _factor(use: Use) -> float:
    """By how much a constant enlarges the weight; one of 0 leaves nothing to make up for."""
    return abs(use.factor * use.behind) or 1.0


def _done_first(use: Use) -> str:
    """The clause of what is done to a weight before it is used."""
    grown = round(_factor(use) / math.sqrt(use.counted or 1.0), 12)
    told = [_counted(use), "" if grown == 1 else f"times 1/{grown:.4g} for what is done to the weight first"]
    return "".join(f" {clause}," for clause in told if clause)


def _counted(use: Use) -> str:
    """Which connections a mask leaves, if it does not leave all."""
    if use.counted is None:
        return "what multiplies it has no numbers yet: all connections counted"
    return "" if use.counted == 1 else f"{100 * use.counted:.3g} % of its connections count"


def _own_token_std(param: Param, moment: float, added: float) -> float:
    """So that a tied embedding does not find itself: the logit of the token that was read stays under log(k) / 2.

    With d the width and c the constant behind the embedding the stream is c e + b, the branches b of the second moment
    that is surely added, and the logit of the token of e is d s (c s) sqrt(moment) / sqrt((c s)^2 + added). Where a
    normalisation makes e as large as a signal is, the branches may not outweigh it, and the logit is d s sqrt(moment)
    at most.
    """
    scale = abs(param.use.scaled)
    if not scale:
        return math.inf
    most = math.log(max(param.size("v"), 2)) / (2 * param.size("o") * math.sqrt(moment))
    if any(_is_made_large(use) for use in param.uses):
        return most
    # s (c s) = most sqrt((c s)^2 + added), for (c s)^2
    ratio = (most * scale) ** 2
    return math.sqrt((ratio + math.sqrt(ratio**2 + 4 * ratio * added)) / 2) / scale


def _is_made_large(use: Use) -> bool:
    """Whether a row is normalised itself: at once, or with branches that are as small as it is."""
    names = set(use.followed_by)
    is_unnormalised = "residual stream" in names and "normalisation" not in names
    return use.operation == "embedding" and (use.is_normalised or is_unnormalised)


def _slope(name: str) -> float:
    try:
        return stability(name).slope
    except InitiumError:
        return 0.0  # no activation, or one without a name


def _is_summed(param: Param) -> bool:
    """Whether it is added to embeddings, and so is one of them."""
    return bool(param.use.sums_with)


def _is_alone(param: Param) -> bool:
    """Whether it is the signal that a layer takes in, beside no other."""
    return param.use.operation == "other"


def _signal(param: Param) -> Decision:
    num = 1 + len(param.use.sums_with)
    init = normal(0.0, 1 / math.sqrt(num) / _factor(param.use))
    summed = f"{num} sum to second moment 1" if num > 1 else "std 1"
    times = "" if _factor(param.use) == 1 else f", times 1/{_factor(param.use):.4g} for what is done to it first"
    return Decision(init=init, because=f"a signal that is learned: {summed}{times}")


def _is_chosen_size(param: Param) -> bool:
    """Whether its author chose the positive size that it sets, such as the steps of a state space."""
    return bool(param.built) and "softplus" in param.use.followed_by


def _size_clause(param: Param) -> str:
    return f"its author's, built as {param.built}: a softplus makes it a size"


def _branch_size(param: Param) -> float:
    return math.sqrt(param.use.branch.share) if param.use.branch else 1.0


def _branch_clause(param: Param) -> str:
    return f"scales a residual branch, {root_of(param.use.branch) if param.use.branch else '1'}"
