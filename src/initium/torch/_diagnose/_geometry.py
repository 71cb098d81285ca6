"""What `thorough` measures: singular values of weights, ranks of what they take in, the input-output Jacobian."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from ..._diagnosis._geometry import Geometry, Jacobian, Spectrum, chosen
from ..._graph import Graph, Param
from .._quietly import quietly
from .._torch import tree_leaves, tree_map
from ._layers import moment
from ._losses import main_output
from ._pass import Job, outputs
from ._rank import singular_values

_PROBES = 8
_OVER_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_NONE = "no input-output Jacobian"
_BYTES = 4  # of float32
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
    jacobian, note = _jacobian_of(job, values.values(), depth)
    return Geometry(spectra=_spectra(graph, values, ranks), jacobian=jacobian), note


def _jacobian_of(job: Job, values: Iterable[torch.Tensor], depth: int) -> tuple[Jacobian | None, str]:
    """It, and a note where there is none, or what it is of."""
    inputs = _real_input((job.inputs.args, job.inputs.kwargs))
    if inputs is None:
        return None, f"{_NONE}: the inputs are not one tensor of real numbers"
    # A difference of two outputs that lie close is lost in rounding.
    if torch.is_autocast_enabled(inputs.device.type) or any(x.element_size() < _BYTES for x in (inputs, *values)):
        return None, f"{_NONE}: in 16 bits it would be rounding"
    if torch.is_inference_mode_enabled():
        return None, f"{_NONE}: in inference mode nothing is differentiated"

    def outputs_of(given: torch.Tensor) -> torch.Tensor:
        args, kwargs = tree_map(lambda value: given if value is inputs else value, (job.inputs.args, job.inputs.kwargs))
        return main_output(outputs(job.model, args, kwargs))

    with quietly(job.model):
        found, why = _jacobian(outputs_of, inputs, depth)
    are_mixed = any(isinstance(module, _OVER_BATCH) for module in job.model.modules())
    if found and are_mixed:
        why = "the Jacobian is that of the whole batch, whose samples meet in a normalisation over it"
    return found, why


def _spectra(
    graph: Graph, values: Mapping[str, torch.Tensor], ranks: Mapping[str, tuple[float, int]]
) -> tuple[Spectrum, ...]:
    """Of each weight that is a matrix, in the order in which they are used."""
    found = [
        param
        for param in graph.params
        if param.role in _WEIGHTS
        and len(param.shape) > 1
        and 0 not in param.shape
        and not values[param.path].is_complex()
    ]
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


def _jacobian(
    outputs_of: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, depth: int
) -> tuple[Jacobian | None, str]:
    """Of the outputs by the inputs of a batch: of J J^T the trace, and of its square, by random vectors.

    tr J J^T = E |J^T u|^2 and tr (J J^T)^2 = E |J J^T u|^2 over u of independent unit normals. J times a vector is a
    difference of two outputs: forward derivatives are not there for every operation.

    Args:
        outputs_of: runs the model on inputs.
        inputs: `(sample, ...)`, real numbers.
        depth: told with it.
    """
    leaf = inputs.detach().clone().requires_grad_()
    generator = torch.Generator("cpu").manual_seed(0)
    with torch.enable_grad():
        given = outputs_of(leaf)
    if given.shape[:1] != inputs.shape[:1]:
        return None, f"{_NONE}: the outputs are not one for each sample"
    size = len(inputs) * min(leaf[0].numel(), given[0].numel())
    mean = square = 0.0
    for _ in range(_PROBES):
        probe = torch.randn(given.shape, generator=generator, device="cpu").to(given)
        grad = torch.autograd.grad
        back = grad(given, leaf, probe, retain_graph=True, allow_unused=True)[0] if given.requires_grad else None
        if back is None:
            return None, f"{_NONE}: nothing leads back from the outputs to the inputs"
        step = _STEP * (inputs.norm() or 1.0) / back.norm()
        with torch.no_grad():
            ahead = (outputs_of(inputs + step * back) - outputs_of(inputs - step * back)) / (2 * step)
        mean += moment(back) * back.numel() / size / _PROBES
        square += moment(ahead) * ahead.numel() / size / _PROBES
    if not (0 < mean < math.inf and 0 < square < math.inf):
        return None, f"{_NONE}: it is 0, or holds no numbers"
    return Jacobian(mean=mean, variance=square / mean**2 - 1, depth=depth, probes=_PROBES), ""


def _real_input(values: object) -> torch.Tensor | None:
    """The one input that is real numbers, if there is one and no other tensor."""
    found = [leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor)]
    return found[0] if len(found) == 1 and found[0].is_floating_point() and found[0].ndim > 1 else None
