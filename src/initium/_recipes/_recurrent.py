"""The gates of recurrent nets."""

from .._graph import Graph, Param
from .._rule import Rule
from ..init import Initialiser, forget_gate_bias


def is_recurrent(param: Param) -> bool:
    """Whether it multiplies the state of a recurrence, or is added to what such a weight gives."""
    return param.use.operation == "recurrent" and param.use.fed_by == "state"


def forget_gates(graph: Graph) -> Rule:
    """The rule for the bias of an LSTM's forget gate: 1, in one of two vectors that are added."""

    def forgets(param: Param) -> bool:
        either = (param, graph.weight_of(param))
        return "forget" in _gates(graph, param) and not any(is_recurrent(one) for one in either if one)

    def forget_one(param: Param) -> Initialiser:
        gates = _gates(graph, param)
        return forget_gate_bias(num_gates=len(gates), gate=gates.index("forget") + 1)

    return Rule(
        role="bias", when=forgets, start=forget_one, because="forget gate 1, in one of the biases that are added"
    )


def _gates(graph: Graph, bias: Param) -> tuple[str, ...]:
    weight = graph.weight_of(bias)
    return bias.packs or (weight.packs if weight else ())
