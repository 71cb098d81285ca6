"""truncated_noted: PyTorch's truncated normal as one operation."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch

from .._torch import put_trunc_normal_within, trunc_normal_within
from ._recorder import Recorder

_LOCK = threading.Lock()
_HERE = threading.local()
_WITHIN: list[Any] = []  # for each thread that is within, what was there before the first


@contextlib.contextmanager
def truncated_noted(recorder: Recorder) -> Iterator[None]:
    """While it lasts, a recorder notes the truncated normals of its thread; other threads draw theirs.

    PyTorch's own looks at what it drew, over and over, until all of it fits.
    """
    with _LOCK:
        _WITHIN.append(_WITHIN[0] if _WITHIN else trunc_normal_within())
        put_trunc_normal_within(_noted_by(_WITHIN[0]))
    _HERE.recorder = recorder
    try:
        yield
    finally:
        _HERE.recorder = None
        with _LOCK:
            real = _WITHIN.pop()
            if not _WITHIN:
                put_trunc_normal_within(real)


def _noted_by(real: Any) -> Any:
    def noted(tensor: torch.Tensor, mean: float, std: float, a: float, b: float, generator: Any = None) -> torch.Tensor:
        recorder: Recorder | None = getattr(_HERE, "recorder", None)
        if recorder is None:
            return real(tensor, mean, std, a, b, generator)
        return recorder.note_truncated(tensor, mean, std, a, b)

    return noted
