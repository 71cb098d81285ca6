"""`lsuv`: orthogonal weights, each rescaled as real data reaches it."""

from .._graph import Graph, Param
from .._rule import Decision, Rule
from ..init import orthogonal
from ._recipe import RECIPES, USUAL, recipe


@recipe(version=2, cites=("mishkin2015all",), calibrates=True)
def lsuv(graph: Graph) -> tuple[Rule, ...]:
    """Layer-sequential unit variance: orthogonal weights, then `Plan.calibrate` on a batch of real data.

    Each weight is rescaled so that what it gives has second moment 1; the last weight of each of n branches of a
    residual stream 1 / n. Left alone are weights that are normalised at once, recurrent ones, and those that
    give the model's output.

    Use: unnormalised deep nets of any activation. Also of those whose exact gain drifts (gelu, silu, mish). It needs a
        batch of real data, and a large one: what is reached is reached on that batch.

    Args:
        graph: of the model.

    Differs: the paper rescales by the std around the mean and repeats that until it fits, one pass a layer and
        trial; here one pass rescales all, by the second moment without the bias, exactly. The paper rescales every
        layer, the last as well.

    Reference: Mishkin, Matas, "All you need is a good init", ICLR 2016, algorithm 1.
        https://arxiv.org/abs/1511.06422
    """
    return (Rule(role="weight", start=calibrated_orthogonal), *USUAL)


RECIPES["calibrate"] = lsuv  # what it does, for those who do not know the paper


def usual_moment(param: Param) -> float | None:
    """The second moment that a weight's output is meant to have where no recipe says it; None if it does not matter."""
    use = param.use
    if param.role != "weight" or use.operation == "recurrent" or use.is_normalised or use.is_head:
        return None
    return 1 / use.branch.depth if use.branch and use.branch.is_last else 1.0


def calibrated_orthogonal(param: Param) -> Decision:
    moment = usual_moment(param)
    because = "orthogonal" if moment is None else f"orthogonal, then calibrated to second moment {moment:.4g}"
    return Decision(init=orthogonal(), because=because, moment=moment)
