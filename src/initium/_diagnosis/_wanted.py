"""The size of each weight that keeps the signal."""

from .._decisions import decide
from .._graph import Graph
from .._recipes import parse_recipe


def wanted(graph: Graph) -> dict[str, float]:
    """By path, the root mean square that `auto` gives a weight; none of what it leaves as built, or at zero."""
    found = {}
    for choice in decide(graph, parse_recipe("auto"), ()).choices:
        if choice.param.role == "weight" and choice.law.how != "kept":
            found[choice.path] = choice.law.rms(choice.init.sees(choice.param).in_order)
    return {path: rms for path, rms in found.items() if rms}
