"""deferred: a constructor run without memory."""

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..._errors import InitiumError, ModelError
from .._torch import dispatch_modes
from ._patch import truncated_noted
from ._place import place_of
from ._recorder import Recorder
from ._settle import settle


def deferred(build: Callable[..., nn.Module], *args: Any, **kwargs: Any) -> nn.Module:
    """Build a model without memory, remembering how its constructor makes each number.

    The constructor runs as it is, on tensors that say they are on the CPU and hold nothing: no number is drawn, and the
    global generators stay as they were. Afterwards parameters and buffers are plain tensors on meta, tied where they
    were tied; recipe `author` plans what the constructor would have drawn, and `plan.apply` draws it once. Small tables
    without chance, such as positions, are computed as usual; plain attributes are computed for good. What was there
    before, such as a backbone that is passed in, keeps its memory.

    Args:
        build: what returns the model: a class, or a function.
        args: what it is called with.
        kwargs: what else it is called with.

    Raises:
        ModelError: if it fails, returns no model, or asks for the value of a number that is not drawn yet.

    Differs: a seed that the constructor sets, by torch.manual_seed or in a generator of its own, is not kept: `apply`
        draws by its own. Draws that were rounded to bfloat16 and made wider again are drawn anew and not rounded.

    Example:
        >>> model = deferred(nn.Linear, 30, 64)
        >>> model.weight.device, sum(parameter.numel() for parameter in model.parameters())
        (device(type='meta'), 1984)
    """
    if isinstance(build, nn.Module):
        raise ModelError(
            "`deferred` takes what builds a model, and this one is built: write `deferred(lambda: Net())`."
        )
    if any(isinstance(mode, Recorder) for mode in dispatch_modes()):
        return build(*args, **kwargs)  # within another's constructor, whose record it joins
    recorder = Recorder()
    try:
        with torch.random.fork_rng(devices=()), recorder, truncated_noted(recorder):
            model = build(*args, **kwargs)
    except InitiumError:
        raise
    except Exception as error:  # whatever somebody's constructor may raise
        place = place_of(traceback.extract_tb(error.__traceback__))
        raise ModelError(
            f"The constructor fails without memory: {type(error).__name__}: {error}{f' ({place})' if place else ''}. "
            "If it works with memory, build the model for real."
        ) from error
    if not isinstance(model, nn.Module):
        raise ModelError(f"`deferred` takes what returns a torch.nn.Module; this returned {type(model).__name__}.")
    for value in (*model.parameters(), *model.buffers()):
        recorder.refresh(value)
    settle(model, recorder)
    return model
