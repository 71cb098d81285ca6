"""What a calibration aims at."""

from ._decisions import Choice, Decisions
from ._recipes._lsuv import usual_moment
from .init._law import Constant


def aims(plan: Decisions) -> tuple[dict[str, float], dict[str, str]]:
    """The second moment that each weight's output is meant to have, and why the other weights have none.

    A plan that says it of no weight means the usual: 1, and 1 / depth for the last of a residual branch.
    """
    is_told = any(choice.moment is not None for choice in plan.choices)
    meant: dict[str, float] = {}
    left: dict[str, str] = {}
    for choice in plan.choices:
        moment = choice.moment if is_told else usual_moment(choice.param)
        if moment is None and choice.param.role != "weight":
            continue
        if because := _reason(choice, moment):
            left[choice.path] = because
        elif moment is not None:
            meant[choice.path] = moment
    return meant, left


def _reason(choice: Choice, moment: float | None) -> str:
    """Why a weight is left alone; nothing if it is not."""
    use = choice.param.use
    reasons = {
        "as it was built": choice.law.how == "kept",
        "its numbers come from a checkpoint": choice.is_from_checkpoint,
        "it starts at zero": choice.law == Constant(0),
        "recurrent": use.operation == "recurrent",
        "normalised at once": use.is_normalised,
        "it gives the output": moment is None and use.is_head,
        "any second moment will do": moment is None,
    }
    return next((because for because, holds in reasons.items() if holds), "")
