"""What `thorough` measures: singular values of weights, ranks of what they take in, the input-output Jacobian."""

import math
from collections.abc import Callable, Mapping

import torch

from ..._diagnosis._geometry import Geometry, Jacobian, Spectrum, chosen
from ..._graph import Graph, Param
from .._quietly import quietly
from .._torch import tree_leaves, tree_map
from ._layers import moment
from ._losses import main_output
from ._pass import Job, outputs
from ._rank import singular_values

_PROBES = 8
_STEP = 1e-3  # of an input's own length: small beside it, large beside rounding
_WEIGHTS = ("weight", "embedding")


def geometry(
    job: Job,
    graph: Graph,
    values: Mapping[str, torch.Tensor],
    ranks: Mapping[str, tuple[float, int]],
    depth: int,
) -> tuple[Geometry, str]:
    """All of it, and a note where there is no Jacobian; everything of the model stays as it was.

    Args:
        job: what is run.
        graph: of the model.
        values: parameters by path.
        ranks: of what weights take in, by their path.
        depth: how many layers read one another in the longest line.
    """
    found = Geometry(spectra=_spectra(graph, values, ranks), jacobian=_jacobian_of(job, depth))
    return found, "" if found.jacobian else "no input-output Jacobian: the inputs are not one tensor of real numbers"


def _jacobian_of(job: Job, depth: int) -> Jacobian | None:
    inputs = _real_input((job.inputs.args, job.inputs.kwargs))
    if inputs is None:
        return None

    def outputs_of(values: torch.Tensor) -> torch.Tensor:
        args, kwargs = tree_map(
            lambda value: values if value is inputs else value, (job.inputs.args, job.inputs.kwargs)
        )
        return main_output(outputs(job.model, args, kwargs)).float()

    with quietly(job.model):
        return _jacobian(outputs_of, inputs, depth)


def _spectra(
    graph: Graph, values: Mapping[str, torch.Tensor], ranks: Mapping[str, tuple[float, int]]
) -> tuple[Spectrum, ...]:
    """Of each weight that is a matrix, in the order in which they are used."""
    found = [param for param in graph.params if param.role in _WEIGHTS and len(param.shape) > 1]
    return tuple(_spectrum(param, values[param.path], *ranks.get(param.path, (None, None))) for param in found)


def _spectrum(param: Param, value: torch.Tensor, rank: float | None, rank_of: int | None) -> Spectrum:
    axis = param.axes.index("o") if "o" in param.axes else 0
    rows = value.detach().movedim(axis, 0).reshape(value.shape[axis], -1).double()
    mean, std = rows.mean().item(), rows.std().item()
    is_sparse = not rows.numel() or (rows == rows.median()).double().mean().item() > 1 / 2
    return Spectrum(
        path=param.path,
        shape=(rows.shape[0], rows.shape[1]),
        values=chosen(singular_values(rows)),
        rms=rows.square().mean().sqrt().item(),
        peak=None if is_sparse or not std else (rows - mean).abs().max().item() / std,
        rank=rank,
        rank_of=rank_of,
    )


def _jacobian(outputs_of: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, depth: int) -> Jacobian | None:
    """Of the outputs by the inputs of a batch: of J J^T the trace, and of its square, by random vectors.

    tr J J^T = E |J^T u|^2 and tr (J J^T)^2 = E |J J^T u|^2 over u of independent unit normals. J times a vector is a
    difference of two outputs: forward derivatives are not there for every operation.

    Args:
        outputs_of: runs the model on inputs.
        inputs: `(sample, ...)`, real numbers.
        depth: told with it.
    """
    leaf = inputs.detach().clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    with torch.enable_grad():
        outputs = outputs_of(leaf)
    if not outputs.requires_grad or outputs.shape[:1] != inputs.shape[:1]:
        return None
    size = len(inputs) * min(leaf[0].numel(), outputs[0].numel())
    mean = square = 0.0
    for _ in range(_PROBES):
        probe = torch.randn(outputs.shape, generator=generator).to(outputs)
        (back,) = torch.autograd.grad(outputs, leaf, probe, retain_graph=True)
        step = _STEP * inputs.norm() / back.norm()
        with torch.no_grad():
            ahead = (outputs_of(inputs + step * back) - outputs_of(inputs - step * back)) / (2 * step)
        mean += moment(back) * back.numel() / size / _PROBES
        square += moment(ahead) * ahead.numel() / size / _PROBES
    if not (0 < mean < math.inf and math.isfinite(square)):
        return None
    return Jacobian(mean=mean, variance=square / mean**2 - 1, depth=depth, probes=_PROBES)


def _real_input(values: object) -> torch.Tensor | None:
    """The one input that is real numbers, if there is one and no other tensor."""
    found = [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
    return found[0] if len(found) == 1 and found[0].is_floating_point() and found[0].ndim > 1 else None
