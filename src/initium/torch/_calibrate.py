"""Rescale each weight as real data reaches it."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from .._aims import aims
from .._calibration import Calibrated, Calibration
from .._decisions import Decisions
from .._errors import ModelError, listed
from .._turn import in_turn
from ._half_written import check_whole
from ._history import note_left
from ._inputs import Inputs, given, was_given
from ._lengths import lengths, remade
from ._parameters import parameters
from ._probe import Meeting, Probe
from ._quietly import quietly
from ._torch import tree_leaves, tree_map
from ._undisturbed import apart, default_device, where_made
from ._writable import check_apart, check_writable


@in_turn
def calibrate(plan: Decisions, model: nn.Module, batch: Any) -> Calibration:
    """Rescale each weight as a batch reaches it. See `Plan.calibrate`.

    The model runs as it will in training: with the caller's autocast, default dtype and device.
    """
    place = torch.get_default_device()
    with apart(), default_device(place):
        return _calibrate(plan, model, batch)


def _calibrate(plan: Decisions, model: nn.Module, batch: Any) -> Calibration:
    check_whole(model)
    values = parameters(plan, model)
    meant, left = aims(plan)
    left |= _unreachable(plan, model, values, meant)
    weights = {path: values[path] for path in meant if path not in left}
    carriers = _carriers(model, weights)
    check_writable(carriers)
    check_apart(carriers)
    inputs = given(model, batch)
    _check_size(inputs)
    first, probe = _measured(model, inputs, weights, meant)
    _check_range(carriers, first.factors)
    _rescale(carriers, first.factors)
    try:
        then, _ = _measured(model, inputs, weights, {})
    except BaseException:
        _rescale(carriers, {path: 1 / factor for path, factor in first.factors.items()})
        raise
    note_left(model, carriers.values())
    unmet = {path: _unmet(path in probe.seen - first.empty) for path in weights.keys() - first.factors.keys()}
    return Calibration(
        weights=tuple(
            Calibrated(
                path=path,
                meant=meant[path],
                before=first.found[path],
                after=then.found.get(path, math.nan),
                factor=factor,
                num_uses=first.num_uses[path],
            )
            for path, factor in first.factors.items()
        ),
        left=tuple((path, (left | unmet)[path]) for path in values if path in left or path in unmet),
    )


@dataclass
class _Moments:
    """The second moment of what each weight gives at its first use, and the factor that makes it what is meant.

    Attributes:
        meant: second moments by path; a weight without one is measured alone.
        found: by path, in the order in which the weights were met.
        factors: by path; they multiply what a weight gives at every use, as if the weight were rescaled.
        num_uses: by path.
        empty: paths of weights that were used on no data, as an expert that no token reaches.
    """

    meant: Mapping[str, float] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    num_uses: Counter[str] = field(default_factory=Counter)
    empty: set[str] = field(default_factory=set)

    def met(self, meeting: Meeting) -> torch.Tensor | None:
        """Measure a weight, and rescale what it gives."""
        path, given = meeting.path, meeting.given
        if meeting.is_backward:  # of a model that differentiates on its way
            return given.mul_(self.factors[path]) if path in self.factors else None
        if not given.numel():
            self.empty.add(path)
            return None
        self.num_uses[path] += 1
        if path not in self.found:
            self.found[path] = _moment(given)
            if path in self.meant:
                _check(path, self.found[path], meeting.weight)
                self.factors[path] = math.sqrt(self.meant[path] / self.found[path])
        return given.mul_(self.factors[path]) if path in self.factors else None


def _carriers(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a factor is put on: the weight itself, but of a direction under a weight norm its length."""
    sizes = {id(direction): size for size, direction in lengths(model)}
    return {path: sizes.get(id(value), value) for path, value in weights.items()}


def _unreachable(
    plan: Decisions, model: nn.Module, values: dict[str, torch.Tensor], meant: dict[str, float]
) -> dict[str, str]:
    """The weights on which no factor can be put, and why."""
    made, own = remade(model), {id(values[choice.path]) for choice in plan.choices if choice.by == "you"}
    left = {path: made[id(values[path])] for path in meant if id(values[path]) in made}
    for size, direction in lengths(model):
        if not size.requires_grad or id(size) in own:
            why = "its length is left as it was built" if size.requires_grad else "its length is frozen"
            left |= {path: why for path in meant if values[path] is direction}
    return left


def _rescale(carriers: dict[str, torch.Tensor], factors: dict[str, float]) -> None:
    with where_made(carriers.values()):
        for path, factor in factors.items():
            carriers[path].mul_(factor)


def _unmet(is_reached: bool) -> str:
    """Why a weight that should be rescaled was not."""
    return "the pass multiplied nothing by it alone" if is_reached else "this batch did not reach it"


def _check_size(inputs: Inputs) -> None:
    tensors = [value for value in tree_leaves((inputs.args, inputs.kwargs)) if isinstance(value, torch.Tensor)]
    if tensors and not any(value.numel() for value in tensors):
        shapes = ", ".join(str(tuple(value.shape)) for value in tensors)
        raise ModelError(f"The batch is empty: {shapes}. Pass a batch of real data.")


def _measured(
    model: nn.Module, inputs: Inputs, weights: dict[str, torch.Tensor], meant: dict[str, float]
) -> tuple[_Moments, Probe]:
    """One forward pass; if it fails one more, with gradients on, as the model may differentiate on its way."""
    failed: list[Exception] = []
    for grads in (False, True):
        moments = _Moments(meant)
        probe = Probe(weights, moments.met)
        try:
            _run(model, inputs, probe, grads=grads)
        except ModelError:
            raise
        except Exception as error:  # whatever a user's own forward may raise
            failed.append(error)
        else:
            return moments, probe
    told = "; with gradients on: ".join(dict.fromkeys(f"{type(error).__name__}: {error}" for error in failed))
    raise ModelError(f"The model fails on the batch: {told}\n{was_given(model, inputs)}") from failed[0]


def _run(model: nn.Module, inputs: Inputs, probe: Probe, *, grads: bool) -> None:
    """A pass that leaves no trace in the model or the batch."""

    @cache
    def apart(value: Any) -> Any:
        """The same numbers, with a gradient of their own; of one tensor one."""
        return value.detach().requires_grad_(grads and (value.requires_grad or value.is_floating_point()))

    state: dict[str, torch.Tensor] = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state |= {name: apart(value) for name, value in model.named_parameters()} if grads else {}
    args, kwargs = tree_map(
        lambda value: apart(value) if isinstance(value, torch.Tensor) else value, (inputs.args, inputs.kwargs)
    )
    torch.clear_autocast_cache()  # it holds casts of weights as they were
    with torch.set_grad_enabled(grads), quietly(model), probe:
        torch.func.functional_call(model, state, args, kwargs)


def _check_range(weights: dict[str, torch.Tensor], factors: dict[str, float]) -> None:
    """Refuse factors that would lead a weight out of its dtype."""
    lines = []
    for path, factor in factors.items():
        greatest, end = weights[path].abs().max().item() * factor, torch.finfo(weights[path].dtype).max
        if greatest > end:
            lines.append(
                f"  {path}  times {factor:.3g} reaches {greatest:.3g}, {weights[path].dtype} ends at {end:.6g}"
            )
    if lines:
        raise ModelError(
            f"These weights would leave their dtype; none was rescaled:\n{listed(sorted(lines))}\n"
            "Scale the batch to second moment 1, or calibrate in float32."
        )


def _moment(x: torch.Tensor) -> float:
    """The mean square, row by row: one long sum in float32 loses digits."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    rows = torch.linalg.vector_norm(x.reshape(len(x) if x.ndim else 1, -1), dim=1, dtype=dtype)
    return rows.cpu().double().square().sum().item() / x.numel()


def _check(path: str, moment: float, weight: torch.Tensor) -> None:
    """Refuse a signal that no factor mends."""
    if 0 < moment < math.inf:
        return
    if moment == 0:
        what, is_own = "only zeros", not weight.any()
        cause = "The weight is zero" if is_own else "All that reaches it is zero"
    else:
        what, is_own = "NaN or infinite numbers", not weight.isfinite().all()
        cause = "The weight holds such numbers" if is_own else "What reaches it holds such numbers, or too large ones"
    remedy = "Fill the model first: plan.apply(model)." if is_own else "Look at the batch, and at the layers before it."
    raise ModelError(f"`{path}` gives {what} on this batch. {cause}. No weight was rescaled. {remedy}")
