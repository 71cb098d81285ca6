"""The callback of Transformers' Trainer."""

import inspect
from typing import Any

from torch import nn

from ..._require import require
from .._torch import uncompiled_function
from ._first_batch import FirstBatch

_transformers = require("transformers", to="`TrainerDiagnosis`", install="transformers")


class TrainerDiagnosis(FirstBatch, _transformers.TrainerCallback):
    """Diagnoses the first batch that Transformers' Trainer gives its model, and stops before the first step or warns.

    What is run is the model on that batch, forward and backward, in the precision of the training, with its own loss if
    the batch has labels. Model, gradients and random state are left bit for bit, and the data loader is not asked for a
    batch of its own. A training that goes on from a checkpoint is let be.

    Args:
        on_serious: `stop` raises an AssertionError with the findings; `warn` warns.
        options: `loss`, `ignore`, `micro_batch` and `quick`, see `initium.diagnose`.

    Example:
        >>> from transformers import Trainer  # doctest: +SKIP
        >>> Trainer(model, train_dataset=data, callbacks=[TrainerDiagnosis(on_serious="warn")])  # doctest: +SKIP
    """

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called by the Trainer, which does not say on what: what the model is then called with is the batch."""
        if not self._is_waiting:
            return
        self._is_waiting = False
        if state.global_step:
            return

        @uncompiled_function
        def called(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            hook.remove()
            inputs = dict(zip(inspect.signature(model.forward).parameters, args, strict=False)) | kwargs
            inputs.pop("num_items_in_batch", None)  # of all batches of a step: the loss would be of a part of itself
            self._judge(model, inputs, is_told=state.is_world_process_zero)

        hook = model.register_forward_pre_hook(called, with_kwargs=True)
