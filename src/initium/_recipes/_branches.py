"""Residual branches, and the stacks of layers that they make."""

from dataclasses import dataclass

from .._errors import ModelError
from .._graph import Branch, Graph, Param
from ._attention import parts_of


def ends_branch(param: Param) -> bool:
    """Whether what it gives joins the residual stream."""
    return param.use.branch is not None and param.use.branch.is_last


def ends_of(param: Param) -> str:
    """The clause for what ends a branch of a stream of so many."""
    branch = param.use.branch
    return f"ends residual branch, 1/sqrt({branch.depth})" if branch else param.because


def root_of(branch: Branch) -> str:
    """By what a branch is divided, in words."""
    if branch.repeats == branch.depth > 1:
        return f"1/{branch.depth}, the same {branch.depth} times"
    again = f" x {branch.repeats}), the same {branch.repeats} times" if branch.repeats > 1 else ")"
    return f"1/sqrt({branch.depth}{again}"


def depths(graph: Graph, name: str) -> dict[int, int]:
    """How many branches each stream of a model sums.

    Raises:
        ModelError: if there are none, so that the recipe would not know what to scale.
    """
    branches = [param.use.branch for param in graph.params if param.use.branch]
    if not branches:
        why = "none was found in this model" if graph.is_traced else "this model was not run, so none is known"
        way = "Name another recipe, such as 'auto'" if graph.is_traced else "Pass example=, a batch to run it on"
        what = f"Recipe '{name}' scales residual branches, y = x + branch(x), and {why}. {way}."
        raise ModelError(what, needs_example=not graph.is_traced)
    return {branch.stream: branch.depth for branch in branches}


@dataclass(frozen=True)
class Stack:
    """The layers of a transformer that share one residual stream.

    Attributes:
        layers: of one or two attentions and a feed-forward net each.
        part: `decoder` if it attends to another stack, else `encoder`.
        others: layers of the stack beside it; 0 if it stands alone.
    """

    layers: int
    part: str = "encoder"
    others: int = 0


def stacks(graph: Graph, name: str) -> dict[str, Stack]:
    """The stack of each weight that is in one, by the weight's path; the input and the head are in none.

    A decoder's layer has two branches with attention and one without, any other layer has one of each.

    Raises:
        ModelError: as `depths`.
    """
    branches = {stream: (set[int](), set[int]()) for stream in depths(graph, name)}  # with attention, and all
    for param in graph.weights:
        if branch := param.use.branch:
            with_attention, every = branches[branch.stream]
            every.add(branch.number)
            with_attention |= {branch.number} if parts_of(param) else set()
    layers = {stream: len(every - attends) or len(attends) for stream, (attends, every) in branches.items()}
    decoders = {stream for stream, (attends, _) in branches.items() if len(attends) > layers[stream]}
    most = [max((layers[s] for s in layers if (s in decoders) == is_one), default=0) for is_one in (False, True)]

    def of(stream: int) -> Stack:
        is_decoder = stream in decoders
        return Stack(layers[stream], "decoder" if is_decoder else "encoder", most[not is_decoder])

    return {param.path: of(param.use.branch.stream) for param in graph.weights if param.use.branch}
