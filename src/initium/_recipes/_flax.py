"""What Flax's own layers draw."""

import math

from .._graph import Graph, Param
from .._rule import Rule
from ..init import Initialiser, lecun_truncated_normal, normal, orthogonal, variance_scaling
from ._embeddings import embeddings
from ._recipe import USUAL, recipe
from ._recurrent import is_recurrent


@recipe(cites=("lecun1998efficient", "saxe2014exact"))
def flax(graph: Graph) -> tuple[Rule, ...]:
    """What Flax's own layers draw.

    Formula: kernels: LeCun's normal, cut at 2 std, std 1/sqrt(fan_in), where a transposed kernel's stride is forgotten;
        recurrent kernels: orthogonal; biases 0; Embed: N(0, 1/features); normalisation: 1 and 0

    Use: to repeat a Flax model in another framework. Also as a yardstick.
    Avoid: deep nets of relu, whose signal falls by half in each layer; see `he`.

    Differs: a parameter that no layer of Flax has, such as a class token, stays as it was built.

    Reference: Flax 0.12, flax.linen and flax.nnx; LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998
        [lecun1998efficient]; Saxe, McClelland, Ganguli, ICLR 2014 [saxe2014exact]
    """
    return (
        Rule(role="weight", when=is_recurrent, start=orthogonal(), because="orthogonal"),
        Rule(role="weight", start=_kernel, because="LeCun's, on Flax's fan_in"),
        *embeddings(_table, "Flax's N(0, 1/features)"),
        *USUAL,
    )


def _kernel(param: Param) -> Initialiser:
    if param.transposed and param.stride > 1:
        return variance_scaling(1 / param.stride, "in", "truncated_normal")
    return lecun_truncated_normal()


def _table(param: Param) -> Initialiser:
    return normal(std=1 / math.sqrt(param.shape[-1] or 1))
