"""Starts that let a learning rate be tuned on a small model and used on a wide one."""

from .._errors import ModelError
from .._graph import Graph
from .._rule import Decision, Rule
from ..init import mup_hidden, mup_input, mup_output, normal
from ._embeddings import embeddings
from ._ends import is_head, sees_data, sizes_output
from ._recipe import USUAL, recipe


@recipe(version=2, cites=("yang2022tensor",))
def mup(graph: Graph, base_width: int = 256, std: float = 1.0) -> tuple[Rule, ...]:
    """muP: one learning rate for every width, with what each parameter's rate is multiplied by.

    Formula: r = width / base_width, the width being that of the head's input. Input weights: std / sqrt(fan_in), rate
        1; embeddings, positions, tokens: std, rate 1; hidden weights: std / sqrt(fan_in), rate 1/r; the head:
        std sqrt(base_width) / fan_in, rate 1/r; biases 0, normalisation 1 and 0, rate 1

    Use: to tune at base_width and train wider. For Adam and its like, whose rates these are.
    Avoid: SGD, which takes other rates.

    Args:
        graph: of the model.
        base_width: of the model that was tuned.
        std: of its weights, in units of 1 / sqrt(fan_in).

    Differs: attention's logits times 1 / head size, not 1 / sqrt(head size), are the model's to change. So is a head
        that is tied to the embedding: it needs a multiplier 1/r in the model. The paper's zero head and zero query are
        left to a rule of yours. All widths are taken to grow together. Embeddings pick a row, so their fan_in is 1.

    Reference: Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
        2022, table 3, and the authors' package mup. https://arxiv.org/abs/2203.03466 [yang2022tensor]
    """
    rate = base_width / _width(graph)
    hidden = Decision(init=mup_hidden(std), because="hidden", lr=rate)
    head = Decision(init=mup_output(base_width, std), because="head", lr=rate)
    return (
        Rule(role="weight", when=sees_data, start=mup_input(std), because="input, whose width stays"),
        Rule(role="weight", when=is_head, start=head),
        Rule(role="weight", start=hidden),
        *embeddings(normal(std=std), "input, one row of it"),
        Rule(role="token", start=normal(std=std), because="input, one row of it"),
        *USUAL,
    )


def _width(graph: Graph) -> int:
    """How many inputs the head has; a tied one is an embedding that is used again.

    Raises:
        ModelError: if no head is known.
    """
    for param in reversed(graph.params):
        if any(sizes_output(use) for use in param.uses) and param.makes_signal:
            return param.size("i") if param.role == "weight" else param.size("o")
    why = "no weight gives this model's output" if graph.is_traced else "this model was not run, so none is known"
    raise ModelError(
        f"Recipe 'mup' compares the width of the head's input with base_width, and {why}. "
        + ("Give the head a weight." if graph.is_traced else "Pass example=, a batch to run it on."),
        needs_example=not graph.is_traced,
    )
