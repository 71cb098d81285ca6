"""Lightning's callback."""

import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..._errors import MissingExtraError, ModelError
from ..._require import require
from ._first_batch import FirstBatch


def _library() -> ModuleType:
    """Lightning goes by two names, and a program uses one of them."""
    for name in ("lightning.pytorch", "pytorch_lightning"):
        if found := sys.modules.get(name):
            return found
    try:
        return require("pytorch_lightning", to="`LightningDiagnosis`", install="lightning")
    except MissingExtraError:
        return require("lightning.pytorch", to="`LightningDiagnosis`", install="lightning")


class LightningDiagnosis(FirstBatch, _library().Callback):
    """Diagnoses the first batch of a training that Lightning runs, and stops before the first step or warns.

    What is run is the module's own `training_step`, forward and backward, in the precision of the training; what it
    logs meanwhile is dropped, and module, gradients and random state are left bit for bit. A training that goes on from
    a checkpoint is let be.

    Args:
        on_serious: `stop` raises an AssertionError with the findings; `warn` warns.
        unpack: turns a batch into (inputs, targets), for `forward` to be diagnosed in the place of `training_step`;
            manual optimisation needs it.
        options: `loss`, `ignore`, `micro_batch` and `quick`, see `initium.diagnose`; a loss goes with `unpack`.

    Example:
        >>> import lightning as L  # doctest: +SKIP
        >>> L.Trainer(callbacks=[LightningDiagnosis(on_serious="warn")])  # doctest: +SKIP
    """

    def __init__(
        self, on_serious: Any = "stop", *, unpack: Callable[[Any], tuple[Any, Any]] | None = None, **options: Any
    ) -> None:
        super().__init__(on_serious, **options)
        self._unpack = unpack

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Called by Lightning, with the batch on its device."""
        if not self._is_waiting:
            return
        self._is_waiting = False
        if trainer.global_step:
            return
        with trainer.precision_plugin.train_step_context():
            if self._unpack is not None:
                self._judge(pl_module, *self._unpack(batch), is_told=trainer.is_global_zero)
            else:
                with _as_step(pl_module, trainer, batch_idx):
                    self._judge(pl_module, (batch,), is_told=trainer.is_global_zero)


@contextmanager
def _as_step(module: Any, trainer: Any, batch_idx: int) -> Iterator[None]:
    """While it lasts, the module's forward is its training step, which logs nothing."""
    own = module.forward

    def forward(batch: Any) -> Any:
        if not module.automatic_optimization:
            raise ModelError(
                "`training_step` optimises by itself, so it cannot be run to be looked at. Name what `forward` takes: "
                "LightningDiagnosis(unpack=lambda batch: (inputs, targets))."
            )
        given = (batch, batch_idx)[: len(inspect.signature(module.training_step).parameters)]
        with _replaced(module, forward=own):
            outcome = module.training_step(*given)
        return {"loss": outcome} if isinstance(outcome, torch.Tensor) else outcome

    # Whatever hangs on a model is put back after each run; the trainer and all its data do not belong to it.
    module.trainer = weakref.proxy(trainer)
    try:
        with _replaced(module, forward=forward, log=lambda *_, **__: None):
            yield
    finally:
        module.trainer = trainer


@contextmanager
def _replaced(module: nn.Module, **attributes: Any) -> Iterator[None]:
    """While it lasts, the module has other attributes, which need not be its own."""
    before = {name: value for name, value in vars(module).items() if name in attributes}
    vars(module).update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del vars(module)[name]
        vars(module).update(before)
