"""What a model's own author draws."""

from .._errors import ModelError
from .._graph import Graph, Param
from .._rule import Decision, Rule
from ..init import framework
from ._recipe import recipe


@recipe(version=1, traces=False, remakes=True)
def author(graph: Graph) -> tuple[Rule, ...]:
    """What the model's own constructor draws, read from a record of it.

    Formula: each parameter's last draw or fill in the constructor, with whatever was done to it afterwards

    Use: large models: what their constructor draws several times over, drawn once, on any shard. Also to see what an
        author does.
    Avoid: models that were not built with `initium.torch.deferred`: nothing recorded what they drew.

    Differs: the numbers are the stream's, not those of the framework's generator. What no start can say, such as a
        product of two draws, is computed by the constructor's own operations and keeps no place in a file.

    Reference: the model's source
    """
    if graph.params and not any(param.made for param in graph.params):
        raise ModelError(
            "Recipe `author` repeats what a constructor draws, and nobody recorded that of this model. "
            "Build it with `model = initium.torch.deferred(build)`, where build() returns it; a copy of such a model, "
            "or one that was pickled, has lost the record."
        )
    return (Rule(start=_made),)


def _made(param: Param) -> Decision:
    """The recorded start; where none says it, what the constructor's own operations compute."""
    init = param.made.init if param.made else None
    because = param.made.because if param.made else "as its constructor made it"
    return Decision(init=init or framework(), because=because, by="author")
