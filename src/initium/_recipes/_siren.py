"""Nets of sines."""

import math

from .. import init
from .._graph import Graph, Param
from .._rule import Decision, Rule
from ._ends import sees_data
from ._frameworks import torch_layers
from ._recipe import USUAL, recipe


@recipe(version=2, cites=("sitzmann2020implicit",))
def siren(graph: Graph, w0: float = 30.0) -> tuple[Rule, ...]:
    """SIREN: dense nets of sines, which learn a signal from its coordinates.

    Formula: what sees data: U(+-1/fan_in); all other weights, the last too: U(+-sqrt(6 / fan_in) / w0), w0 the
        frequency inside the sine, which the plan names layer by layer; of the last that of the sine before it; biases
        PyTorch's own, U(+-1/sqrt(fan_in))

    Use: implicit neural representations. Layers compute sin(w0 (W x + b)), which is the model's to do.

    Args:
        graph: of the model.
        w0: the frequency where the model does not show it, such as one that is learned.

    Reference: Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", NeurIPS 2020,
        section 3.2 and the authors' code. https://arxiv.org/abs/2006.09661 [sitzmann2020implicit]
    """

    def start(param: Param) -> Decision:
        inside = _frequency(graph, param)
        behind = inside or _frequency_before(graph, param)
        if not behind:
            return Decision(init=init.siren(w0), because=f"no sine's frequency is known here: {w0:g} is assumed")
        place = "inside" if inside else "behind"
        return Decision(init=init.siren(behind), because=f"{place} a sine of frequency {behind:g}")

    return (
        Rule(role="weight", when=sees_data, start=init.siren_first(), because="the first layer sees coordinates"),
        Rule(role="weight", start=start),
        *torch_layers(graph),
        *USUAL,
    )


def _frequency(graph: Graph, param: Param) -> float | None:
    """By what a weight is multiplied within a sine: behind it, and as a multiple of the sine that it reads."""
    use = param.use
    if not use.frequency:
        return None
    if use.moment is None or use.moment <= 1:  # a sine's own second moment is at most 1
        return use.frequency
    arguments = {source.use.frequency if sees_data(source) else 1.0 for source in _sources(graph, param)}
    argument = arguments.pop() if len(arguments) == 1 else None  # its std within the sine that is read
    sine = -math.expm1(-2 * argument**2) / 2 if argument else 0.5
    return float(f"{use.frequency * math.sqrt(use.moment / sine):.4g}")


def _frequency_before(graph: Graph, param: Param) -> float | None:
    """The one frequency of the sines that a weight reads."""
    before = {_frequency(graph, source) for source in _sources(graph, param)}
    return before.pop() if len(before) == 1 else None


def _sources(graph: Graph, param: Param) -> list[Param]:
    return [graph.by_path[path] for path in param.use.after if path in graph.by_path]
