"""Nets of sines."""

from .. import init
from .._graph import Graph
from .._rule import Rule
from ._ends import sees_data
from ._frameworks import torch_layers
from ._recipe import USUAL, recipe


@recipe(version=2, cites=("sitzmann2020implicit",))
def siren(graph: Graph, w0: float = 30.0) -> tuple[Rule, ...]:
    """SIREN: dense nets of sines, which learn a signal from its coordinates.

    Formula: what sees data: U(+-1/fan_in); all other weights, the last too: U(+-sqrt(6 / fan_in) / w0); biases
        PyTorch's own, U(+-1/sqrt(fan_in))

    Use: implicit neural representations. Layers compute sin(w0 (W x + b)), which is the model's to do.

    Args:
        graph: of the model.
        w0: the frequency inside the sines.

    Reference: Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", NeurIPS 2020,
        section 3.2 and the authors' code. https://arxiv.org/abs/2006.09661 [sitzmann2020implicit]
    """
    return (
        Rule(role="weight", when=sees_data, start=init.siren_first(), because="the first layer sees coordinates"),
        Rule(role="weight", start=init.siren(w0), because=f"inside a sine of frequency {w0:g}"),
        *torch_layers(graph),
        *USUAL,
    )
