"""Findings about what a model hands to the loss and to the optimiser."""

from collections.abc import Iterator

from .._errors import counted
from ._evidence import Evidence
from ._finding import Found


def normalised(evidence: Evidence) -> Iterator[Found]:
    """Outputs that are probabilities already, where the loss takes logits."""
    loss = evidence.loss
    if loss is None or not loss.takes_logits:
        return
    heads = tuple(param.path for param in evidence.graph.weights if param.use.is_head)
    sigmoids = [path for path in heads if "sigmoid" in evidence.graph.by_path[path].use.followed_by]
    if loss.is_normalised:
        yield Found(
            paths=heads,
            measured=f"each sample's outputs are above 0 and sum to 1, and {loss.name} takes their softmax again",
            cause="the softmax in the model and the one in the loss: the second leaves little of the first's slope",
            remedy="leave the softmax out of the model; take it where probabilities are read",
        )
    elif not loss.classes and sigmoids:
        yield Found(
            paths=tuple(sigmoids),
            measured=f"the outputs have passed a sigmoid, and {loss.name} takes the sigmoid of them again",
            cause="the sigmoid in the model and the one in the loss: what is sure of a no still counts as one half",
            remedy="leave the sigmoid out of the model, or train with nn.BCELoss, and diagnose with loss=nn.BCELoss()",
            severity="note" if loss.why else None,  # nobody said that it is trained so
        )


def unregistered(evidence: Evidence) -> Iterator[Found]:
    """Tensors that are trained as the graph has it, and that the model does not know."""
    if evidence.strays:
        yield Found(
            paths=evidence.strays,
            measured=f"{counted(len(evidence.strays), 'tensor')} in the outputs' graph, to be trained and not among "
            "model.parameters()",
            cause="layers in a list or a dict, or tensors that are no nn.Parameter: no optimiser moves them, and "
            "neither model.to() nor state_dict() knows them",
        )
