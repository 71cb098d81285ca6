"""Diagnoses of the first batch in other people's training loops: Lightning's and Transformers'.

`LightningDiagnosis` and `TrainerDiagnosis`; each imports its library when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._lightning import LightningDiagnosis as LightningDiagnosis
    from ._trainer import TrainerDiagnosis as TrainerDiagnosis

_NAMES = ("LightningDiagnosis", "TrainerDiagnosis")


def __getattr__(name: str) -> Any:
    if name == "LightningDiagnosis":
        from ._lightning import LightningDiagnosis

        return LightningDiagnosis
    if name == "TrainerDiagnosis":
        from ._trainer import TrainerDiagnosis

        return TrainerDiagnosis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {' and '.join(_NAMES)}")


def __dir__() -> list[str]:
    return [*globals(), *_NAMES]
