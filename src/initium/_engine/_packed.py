"""packed: what another process trains from, as bytes, and from them."""

import pickle
from io import BytesIO
from typing import Any

from .._errors import SettingError
from .._require import require
from .._study._study import Study


def packed(value: Any, data: Any = None) -> bytes:
    """As another process reads it; the data, which it has already, is left out.

    Raises:
        SettingError: if what is somebody's own of it cannot be handed on.
    """
    cloudpickle = require("cloudpickle", to="Training in processes")

    class Pickler(cloudpickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            return "data" if obj is data and data is not None else None

    buffer = BytesIO()
    try:
        Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:  # whatever somebody's own objects raise
        raise SettingError(
            f"The study cannot be handed to another process: {type(error).__name__}: {error}. Its model function, loss "
            "and metric may hold no lock, open file or the like: make it within the function, or name "
            "'file.py:function'."
        ) from error
    return buffer.getvalue()


def check_packed(study: Study) -> None:
    """Refuse now what cannot be handed to another process.

    Raises:
        SettingError: saying why.
    """
    packed([study.model, study.loss, study.metric, dict(study.arguments), study.inits])


def unpacked(value: bytes, data: Any) -> Any:
    """What was packed, with the data that was left out."""
    return _Unpickler(value, data).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, pickled: bytes, data: Any) -> None:
        super().__init__(BytesIO(pickled))
        self._data = data

    def persistent_load(self, pid: Any) -> Any:
        """The study's data, which all its contenders share."""
        return self._data
