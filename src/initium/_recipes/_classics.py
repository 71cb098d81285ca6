"""One published start for all weights, and what goes with it."""

import math

from .._graph import Graph, Param
from .._rule import Rule
from ..init import Initialiser, glorot_uniform, he_normal, lecun_normal, normal
from ..init import orthogonal as orthogonal_matrix
from ._embeddings import embeddings
from ._recipe import USUAL, recipe
from ._recurrent import forget_gates


@recipe(version=2, cites=("he2015delving",))
def he(graph: Graph, slope: float = 0.0) -> tuple[Rule, ...]:
    """He's Gaussian for every weight.

    Formula: weights: std = sqrt(2 / ((1 + slope^2) fan_in)), the first layer's too; biases 0, of an LSTM's forget gate
        1; embeddings N(0, 1 / width); positions as embeddings; tokens 0.02; normalisation: 1 and 0

    Use: plain ReLU nets. Without skips or with normalisation.
    Avoid: transformers and other nets whose branches add up; see `auto`.

    Args:
        graph: of the model.
        slope: of a leaky ReLU below 0.

    Differs: fans are the true ones, block by block; embeddings, of which the paper knows nothing, have rows of length
        1 as in Flax.

    Reference: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10. [he2015delving]
    """
    return _alike(graph, he_normal(slope), "keeps the second moment through ReLU")


@recipe(version=2, cites=("glorot2010understanding",))
def glorot(graph: Graph) -> tuple[Rule, ...]:
    """Glorot's uniform start for every weight.

    Formula: weights: U(+-sqrt(6 / (fan_in + fan_out))); all else as in the recipe `he`

    Use: tanh nets and linear layers.
    Avoid: deep ReLU nets without normalisation.

    Differs: as the recipe `he`.

    Reference: Glorot, Bengio, AISTATS 2010, eq. 16. [glorot2010understanding]
    """
    return _alike(graph, glorot_uniform(), "between fan_in and fan_out")


@recipe(version=2, cites=("lecun1998efficient",))
def lecun(graph: Graph) -> tuple[Rule, ...]:
    """LeCun's Gaussian for every weight.

    Formula: weights: std = sqrt(1 / fan_in); all else as in the recipe `he`

    Use: SELU and linear nets. Also normalised nets, where a gain changes nothing.
    Avoid: deep ReLU nets without normalisation.

    Differs: as the recipe `he`.

    Reference: LeCun, Bottou, Orr, Mueller, "Efficient BackProp", 1998, section 4.6. [lecun1998efficient]
    """
    return _alike(graph, lecun_normal(), "keeps the second moment through a linear layer")


@recipe(version=2, cites=("saxe2014exact",))
def orthogonal(graph: Graph, gain: float = 1.0) -> tuple[Rule, ...]:
    """An orthogonal matrix for every weight, packed block by packed block.

    Formula: weights: gain times a semi-orthogonal matrix (of a kernel: outputs against all else); all else as in the
        recipe `he`

    Use: recurrent nets and deep linear or tanh ones.

    Args:
        graph: of the model.
        gain: of every weight; sqrt(2) for ReLU.

    Differs: each gate is orthogonal by itself; frameworks make one matrix of them all.

    Reference: Saxe, McClelland, Ganguli, ICLR 2014. [saxe2014exact]
    """
    return _alike(graph, orthogonal_matrix(gain), "an isometry")


def _alike(graph: Graph, weight: Initialiser, because: str) -> tuple[Rule, ...]:
    return (
        Rule(role="weight", start=weight, because=because),
        forget_gates(graph),
        *embeddings(unit_rows, "rows of length 1"),
        Rule(role="token", start=normal(std=0.02), because="small beside a normalised signal"),
        *USUAL,
    )


def unit_rows(param: Param) -> Initialiser:
    """Rows of length 1 on average, whatever the width."""
    return normal(std=1 / math.sqrt(param.size("o") or 1))
