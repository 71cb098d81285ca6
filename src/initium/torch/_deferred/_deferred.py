"""deferred: a constructor run without memory."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from ..._errors import InitiumError, ModelError
from ._recorder import Recorder
from ._settle import settle

_NOT_THE_USERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


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

    Example:
        >>> model = deferred(nn.Linear, 30, 64)
        >>> model.weight.device, sum(parameter.numel() for parameter in model.parameters())
        (device(type='meta'), 1984)
    """
    if isinstance(build, nn.Module):
        raise ModelError(
            "`deferred` takes what builds a model, and this one is built: write `deferred(lambda: Net())`."
        )
    if any(isinstance(mode, Recorder) for mode in _get_current_dispatch_mode_stack()):
        return build(*args, **kwargs)  # within another's constructor, whose record it joins
    recorder = Recorder()
    try:
        with recorder, recorder.patched():
            model = build(*args, **kwargs)
    except InitiumError:
        raise
    except Exception as error:  # whatever somebody's constructor may raise
        raise ModelError(
            f"The constructor fails without memory: {type(error).__name__}: {error}{_place(error)}. "
            "If it works with memory, build the model for real."
        ) from error
    if not isinstance(model, nn.Module):
        raise ModelError(f"`deferred` takes what returns a torch.nn.Module; this returned {type(model).__name__}.")
    settle(model, recorder)
    return model


def _place(error: Exception) -> str:
    """The last line of the user's own that was reached."""
    lines = [line for line in traceback.extract_tb(error.__traceback__) if not line.filename.startswith(_NOT_THE_USERS)]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""
