"""`auto`: every parameter from what the model does with it."""

import math
from collections import Counter

from .._errors import InitiumError
from .._graph import Graph, Param, Use
from .._rule import Decision, Rule
from ..init import constant, forget_gate_bias, framework, normal, ones, orthogonal, stability, zeros
from ..init._weight import Fans
from ._embeddings import embeddings
from ._recipe import recipe

# The loss of logits with independent normal entries of variance v is about log k + v / 2: here within 5 % of log k.
_HEAD = 0.1
# Of what is added to, or put beside, a signal of second moment 1: the field's usual size, as in BERT and ViT.
_BESIDE = 0.02
# An error that a plain chain multiplies by so much in all is worth a word.
_DRIFT = 2.0


@recipe(version=1, cites=("he2015delving", "glorot2010understanding", "zhang2019fixup"))
def auto(graph: Graph) -> tuple[Rule, ...]:
    """Every parameter from what the model does with it: signals keep second moment 1 on every path that was traced.

    Formula: std = gain / sqrt(fan), gain = 1 / sqrt(E[x^2]) of what feeds the weight; fan is fan_in, in plain chains
        sqrt(fan_in fan_out); times 1 / sqrt(depth) at the end of a residual branch; the head's logits have second
        moment log(k) / 10

    Use: whenever nothing better is known of the model. docs/auto.md has all rules in words.

    Differs: from the papers in being per operation rather than per model.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2 [he2015delving]; Glorot,
        Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, equations 10
        to 12 [glorot2010understanding]; Zhang, Dauphin, Ma, "Fixup Initialization", ICLR 2019 [zhang2019fixup]
    """
    drifts = _drifts(graph)
    heads = {param.path: _head_std(param) for param in graph.params if _heads(param)}

    def by_what_feeds_it(param: Param) -> Decision:
        return _weight(param, drifts)

    def picked(param: Param) -> Decision:
        return _embedding(param, heads)

    return (
        Rule(role="weight", operation="recurrent", start=_recurrent),
        Rule(role="weight", start=by_what_feeds_it),
        Rule(role="embedding", start=picked),
        Rule(role="bias", when=lambda param: _is_forgetful(param, graph), start=forget_gate_bias(), because=_FORGET),
        Rule("*dt_proj.bias", framework(), when=_is_step_size, because="step sizes of a state space, its author's"),
        Rule(role="bias", start=zeros(), because="bias"),
        Rule(role="scale", when=_ends_branch, start=_branch_scale),
        Rule(role="scale", start=ones(), because="hands the signal on"),
        Rule(role="shift", start=zeros(), because="shift"),
        Rule(role="position", start=normal(0.0, _BESIDE), because="added to a signal of second moment 1"),
        Rule(role="token", start=normal(0.0, _BESIDE), because="put beside a signal of second moment 1"),
        Rule(role="kept", start=framework()),
    )


_FORGET = "forget gate starts open: bias 1, in one of the two bias vectors"


def _weight(param: Param, drifts: dict[str, float]) -> Decision:
    use = param.use
    if _heads(param):
        num = _num_logits(param)
        return Decision(
            init=normal(0.0, _head_std(param)),
            because=f"head of {num}: logits have second moment log({num})/10",
            moment=_HEAD * math.log(num),
        )
    gain, because = _gain(use, "" if use.is_normalised or use.branch else _warning(drifts.get(use.fed_by)))
    mode, fan = _fan(param)
    std = gain / math.sqrt(fan)
    if use.branch and use.branch.is_last and use.scaled:
        std, because = std / abs(use.scaled), because + _times(use.scaled)
    depth = use.branch.depth if use.branch and use.branch.is_last and not _is_scaled_after(use) else 1
    if depth > 1:
        std, because = std / math.sqrt(depth), f"ends residual branch, 1/sqrt({depth}); {because}"
    moment = None if use.is_normalised else 1 / depth
    return Decision(init=normal(0.0, std), because=f"{because} {mode} {fan:.4g}", moment=moment)


def _gain(use: Use, warning: str = "") -> tuple[float, str]:
    """What makes up for what feeds a weight, and the clause that says so."""
    if use.moment is None:
        return 1.0, f"fed by {use.fed_by}, which was not traced: gain 1 assumed;"
    gain = 1 / math.sqrt(use.moment) if use.moment > 0 else 1.0
    return gain, f"after {use.fed_by}{warning}: gain {gain:.4g},"


def _times(scaled: float) -> str:
    return "" if abs(scaled) == 1 else f" times 1/{abs(scaled):.4g} for what multiplies it,"


def _drifts(graph: Graph) -> dict[str, float]:
    """The activations whose exact gain is a fixed point that repels, where plain chains are long enough to show it."""
    plain = [param.use for param in graph.weights if not (param.use.is_normalised or param.use.branch)]
    counts = Counter(use.fed_by for use in plain)
    slopes = {name: slope for name in counts if (slope := _slope(name)) > 1}
    return {name: slope for name, slope in slopes.items() if slope ** counts[name] > _DRIFT}


def _slope(name: str) -> float:
    try:
        return stability(name).slope
    except InitiumError:
        return 0.0  # no activation, or one without a name


def _warning(slope: float | None) -> str:
    return "" if slope is None else f" (repels, {slope:.3g} a layer: calibrate)"


def _fan(param: Param) -> tuple[str, float]:
    """The fan that sets the std, and its name."""
    use, fans = param.use, _fans(param)
    if param.packs or use.branch or use.is_normalised or use.fed_by in _STARTS or fans.fan_in == fans.fan_out:
        return "fan_in", fans.fan_in
    if {"query", "key", "value"} & set(use.followed_by):
        return "fan_in", fans.fan_in
    return "sqrt(fan_in fan_out)", fans.of("geo")


def _fans(param: Param) -> Fans:
    """Of the first block, where blocks differ in size: all have its inputs."""
    return (param if len(set(param.sizes)) == 1 else param.parts[0]).fans


# Behind these no gradient is needed, or its scale is divided out: nothing to compromise with.
_STARTS = ("data", "normalisation", "attention")


def _heads(param: Param) -> bool:
    """Whether some use of it, tied or not, gives the model's output."""
    return _head_use(param) is not None


def _head_use(param: Param) -> Use | None:
    """The use that does. An embedding that multiplies as well is a head, whatever bends its logits."""
    if param.role == "embedding":
        return next((use for use in param.uses if use.operation == "dense"), None)
    summed = [use for use in param.uses if use.is_head and use.operation != "recurrent"]
    return summed[0] if param.role == "weight" and summed else None


def _num_logits(param: Param) -> int:
    outputs = param.size("v") if "v" in param.axes else param.size("o")
    return max(2, outputs)


def _head_std(param: Param) -> float:
    """So that logits have second moment log(k) / 10. An embedding that is the head as well sums over its width."""
    use = _head_use(param) or param.use
    fan_in = param.size("o") if "v" in param.axes else _fans(param).fan_in
    moment = (use.moment or 1.0) * use.scaled**2
    return min(math.sqrt(_HEAD * math.log(_num_logits(param)) / (fan_in * moment)), _own_token_std(param, moment))


def _own_token_std(param: Param, moment: float) -> float:
    """So that a tied embedding does not find itself: the logit of the token that was read stays under log(k) / 2.

    With d the width and c the constant behind the embedding the stream is c e + b, the branches b of second moment 1,
    and the logit of the token of e is d s (c s) sqrt(moment) / sqrt((c s)^2 + 1).
    """
    if "v" not in param.axes:
        return math.inf
    scale = abs(param.use.scaled)
    most = math.log(_num_logits(param)) / (2 * param.size("o") * math.sqrt(moment))
    # s (c s) = most sqrt((c s)^2 + 1), for (c s)^2
    ratio = (most * scale) ** 2 if scale else 0.0
    return math.sqrt((ratio + math.sqrt(ratio**2 + 4 * ratio)) / 2) / scale if scale else math.inf


def _embedding(param: Param, heads: dict[str, float]) -> Decision:
    num_summed = 1 + len(param.use.sums_with)
    shared = next((path for path in (param.path, *param.use.sums_with) if path in heads), None)
    std = heads[shared] if shared else 1 / math.sqrt(num_summed)
    if shared == param.path:
        because = f"tied to the head: logits have second moment log({_num_logits(param)})/10"
    elif shared:
        because = "summed with an embedding that is tied to the head"
    else:
        because = "a row is picked, not summed: std 1" if num_summed == 1 else f"{num_summed} sum to second moment 1"
    (rule, *_) = embeddings(normal(0.0, std), because)
    return rule.decide(param)


def _recurrent(param: Param) -> Decision:
    if param.use.fed_by == "state":
        return Decision(init=orthogonal(), because="state to state, each gate orthogonal")
    gain, because = _gain(param.use)
    return Decision(init=normal(0.0, gain / math.sqrt(_fans(param).fan_in)), because=f"{because} fan_in of each gate")


def _is_forgetful(param: Param, graph: Graph) -> bool:
    """Whether it is the one of an LSTM's two bias vectors that opens the forget gate."""
    weight = graph.by_path.get(param.bias_of or "")
    fed_by = weight.use.fed_by if weight else ""
    return param.packs[1:2] == ("forget",) and fed_by != "state"


def _is_step_size(param: Param) -> bool:
    """Mamba's: zeros would make all its channels forget alike."""
    return "softplus" in param.use.followed_by


def _ends_branch(param: Param) -> bool:
    branch = param.use.branch
    return bool(branch and branch.is_last and branch.depth > 1)


def _branch_scale(param: Param) -> Decision:
    branch = param.use.branch
    depth = branch.depth if branch else 1
    return Decision(init=constant(1 / math.sqrt(depth)), because=f"scales a residual branch, 1/sqrt({depth})")


def _is_scaled_after(use: Use) -> bool:
    """Whether a parameter behind it scales the branch instead."""
    return bool({"normalisation", "scale"} & set(use.followed_by))
