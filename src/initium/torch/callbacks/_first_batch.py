"""FirstBatch: what all callbacks do with the first batch that they see."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, Literal

from torch import nn

from ..._diagnosis import Diagnosis, ignored_of
from ..._errors import InitiumError, SettingError
from .._diagnose import diagnose

OnSerious = Literal["stop", "warn"]


class FirstBatch:
    """Diagnoses a model once, and stops or warns.

    Attributes:
        diagnosis: of the first batch; None before it, and if it could not be diagnosed.
    """

    def __init__(
        self,
        on_serious: OnSerious = "stop",
        *,
        loss: str | Callable[..., Any] | None = None,
        ignore: str | Iterable[str] = (),
        micro_batch: int | None = None,
        quick: bool = False,
    ) -> None:
        super().__init__()
        if on_serious not in ("stop", "warn"):
            raise SettingError(f"on_serious is 'stop' or 'warn', not {on_serious!r}.")
        left_out = ignored_of(ignore)
        self.diagnosis: Diagnosis | None = None
        self._stops, self._is_waiting = on_serious == "stop", True
        self._options: dict[str, Any] = {"loss": loss, "ignore": left_out, "micro_batch": micro_batch, "quick": quick}

    def _judge(self, model: nn.Module, inputs: Any, targets: Any = None, *, is_told: bool = True) -> None:
        """Diagnose a batch.

        Args:
            model: in training.
            inputs: that it is about to take.
            targets: of them, unless they are among the inputs.
            is_told: whether this process warns; all of them stop.

        Raises:
            AssertionError: if a finding is serious, unless there is only to be a warning.
            InitiumError: if the batch cannot be diagnosed, likewise.
        """
        try:
            self.diagnosis = diagnose(model, inputs, targets, **self._options)
            self.diagnosis.assert_healthy()
        except (AssertionError, InitiumError) as error:
            if self._stops:
                raise
            if is_told:
                what = "not healthy at step zero" if self.diagnosis else "not diagnosed"
                warnings.warn(f"The model is {what}.\n{error}", stacklevel=2)
