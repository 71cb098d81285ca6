"""way: whether replicas of a model can train together, by a trial beside the plain loop."""

import operator
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from .._printable import printable
from .._study._start import Start
from .._study._study import Study
from .._study._way import FEWEST, Way
from . import _models
from ._held import are_equal, held
from ._loss import Judge
from ._random import drawn_elsewhere
from ._stack import Stack
from ._torch import hooks_of, is_padded
from ._train import judge_of
from ._twin import twin

# Of what replicas hold, together: at a few times the cache of a processor a step costs each of them least, and it
# hardly depends on it.
_AT_ONCE, _MOST = 16 << 20, 64
_SLOW = "There is a performance drop"  # what vmap warns of where it takes one replica after the other
_RATE = 1e-3  # of the trial's steps: small, so that rounding stays small
# A wrong gradient is off by more, and one that was summed in another order by much less; by as much of the largest
# one that should be 0 may be.
_NEAR, _TINY = 1e-3, 1e-6

Batch = tuple[list[torch.Tensor], list[torch.Tensor]]  # inputs and targets of each replica


def way(study: Study, start: Start, kept: dict[Any, Any]) -> Way:
    """How runs of a start's model train; the random state stays as it was.

    Args:
        study: a cell of one.
        start: of whose model.
        kept: what other cells of the same shape have found out.
    """
    shape = ("way", start.model, study.shape, study.batch_size)
    if shape not in kept:
        state, elsewhere = torch.get_rng_state(), drawn_elsewhere()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", _SLOW)
                kept[shape] = _tried([_models.build(study, start) for _ in range(2)], study)
            if drawn_elsewhere() != elsewhere:
                kept[shape] = Way(why="it draws from the random numbers of Python or NumPy, which replicas would share")
        except Exception as error:  # whatever vmap, or a user's own code in it, may raise
            kept[shape] = Way(why=_told(error))
        finally:
            torch.set_rng_state(state)
    return kept[shape]


def _tried(models: list[nn.Module], study: Study) -> Way:
    if any(any(hooks_of(value).values()) for value in models[0].parameters()):
        return Way(why="a parameter has a hook, which replicas would not call")
    alone = [twin(model)[0] for model in models]
    before = _state(alone[0], study.loss)
    judge = judge_of(study, models[0], 0)
    steps = list(_steps(study))
    num_bytes, padded = _measured(alone[0], judge.function, steps[0])
    plain = [_plain(model, judge.function, steps, at) for at, model in enumerate(alone)]
    draws = not torch.equal(torch.Generator().manual_seed(1).get_state(), torch.get_rng_state())
    if not _is_same(before, _state(alone[0], study.loss)):
        return Way(why="it, or the loss, counts or keeps something in Python as it runs")
    unused = tuple(name for name, gradient in plain[0][1].items() if gradient is None)
    size = min(_MOST, _AT_ONCE // num_bytes)
    if size < FEWEST:
        return Way(why=f"a step of one holds {num_bytes / 2**20:.1f} MB, and replicas would crowd each other out")
    why = ""
    # The gradient of the sum trains the row of a padding index (PyTorch 2.13), which the trial may not have met.
    for inside in (True,) if padded else (False, True):
        found = Way(size, inside, draws, unused, num_bytes)
        try:
            replicas = [twin(model)[0] for model in models]
            stack = Stack(replicas, found, [torch.Generator().manual_seed(at) for at in range(len(models))])
            if _agrees(stack, replicas, alone, plain, judge, steps):
                return found
            why = why or "replicas give other numbers than the plain loop"
        except Exception as error:  # what one kind of gradient cannot do the other perhaps can
            why = why or _told(error)
    return Way(why=why)


def _steps(study: Study) -> Iterator[Batch]:
    """A batch of the first and one of the last samples; also as small as an epoch's last."""
    data, size = study.data, min(study.batch_size, len(study.data.x_train))
    for rows in (size, len(data.x_train) % study.batch_size or size, size):
        parts = (torch.from_numpy(part) for part in (data.x_train, data.y_train))
        x, y = ([part[:rows], part[-rows:]] for part in parts)
        yield x, y


def _plain(
    model: nn.Module, loss: Any, steps: list[Batch], at: int
) -> tuple[list[float], dict[str, torch.Tensor | None]]:
    """The losses of some steps of plain descent, and the gradients of the first; draws are under the seed `at`."""
    torch.manual_seed(at)
    model.train()
    losses, first = list[float](), dict[str, torch.Tensor | None]()
    optimizer = torch.optim.SGD(model.parameters(), _RATE)
    for x, y in steps:
        optimizer.zero_grad(set_to_none=True)
        found = loss(model(x[at]), y[at])
        found.backward()
        first = first or {
            name: None if value.grad is None else value.grad.clone()
            for name, value in model.named_parameters()
            if value.requires_grad
        }
        optimizer.step()
        losses.append(found.item())
    return losses, first


def _agrees(
    stack: Stack, models: list[nn.Module], alone: list[nn.Module], plain: Any, judge: Judge, steps: list[Batch]
) -> bool:
    """Whether replicas come to the losses, gradients and buffers that the plain loop came to, and evaluate alike."""
    stack.train()
    for step, (x, y) in enumerate(steps):
        losses, gradients = stack.gradients(judge, torch.stack(x), torch.stack(y))
        wanted = torch.tensor([found[step] for found, _ in plain], dtype=losses.dtype)
        if not _is_near(losses, wanted):
            return False
        if not step:
            views = stack.views(gradients)
            if not all(_are_near({name: one[at] for name, one in views.items()}, plain[at][1]) for at in range(2)):
                return False
        stack.values.sub_(gradients, alpha=_RATE)
    buffers = [zip(one.buffers(), other.buffers(), strict=True) for one, other in zip(models, alone, strict=True)]
    if not all(_is_near(own, other) for pairs in buffers for own, other in pairs):
        return False
    with torch.no_grad():
        x, _ = steps[0]
        outputs = [[model.eval()(x[0]) for model in pair] for pair in zip(models, alone, strict=True)]
    return all(_is_near(own, other) for own, other in outputs)


def _are_near(found: dict[str, torch.Tensor], wanted: dict[str, Any]) -> bool:
    """Whether gradients are, by the size of each; of one that is nothing beside the others rounding is all there is."""
    largest = max(_size(wanted[name]) for name in found)
    return all(_is_near(one, wanted[name], _TINY * largest) for name, one in found.items())


def _is_near(found: torch.Tensor, wanted: torch.Tensor, rounding: float = 1e-12) -> bool:
    return torch.allclose(found, wanted, rtol=0, atol=_NEAR * _size(wanted) + rounding, equal_nan=True)


def _size(tensor: torch.Tensor) -> float:
    return tensor.abs().max().item() if tensor.numel() else 0.0


def _measured(model: nn.Module, loss: Any, step: Batch) -> tuple[int, bool]:
    """The bytes that a replica holds in a step, and whether a table that it reads has a row that is never trained.

    Bytes are of values, gradients, two states of an optimiser, and what the way back needs.
    """
    model = twin(model.train())[0]
    values = sum(value.numel() * value.element_size() for value in model.parameters())
    own = {value.untyped_storage().data_ptr() for value in model.parameters()}
    found = dict[int, int]()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            found[place] = max(found.get(place, 0), tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        kept = loss(model(step[0][0]), step[1][0])
    return 4 * values + sum(found.values()), is_padded(kept)


def _state(model: nn.Module, loss: Any) -> tuple[list[Any], list[torch.Tensor]]:
    """What a step may change beside numbers of parameters and buffers: whatever is held, and which these are."""
    return held(model.train(), loss), [*model.parameters(), *model.buffers()]


def _is_same(before: Any, after: Any) -> bool:
    (one, own), (other, others) = before, after
    return are_equal(one, other) and len(own) == len(others) and all(map(operator.is_, own, others))


def _told(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return printable(f"{type(error).__name__}: {line}"[:120])
