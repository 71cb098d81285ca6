"""The tensors of a checkpoint, before a number of them is drawn."""

from .._decisions import Choice, Decisions
from .._decisions._store import repeated
from .._errors import PlanError, listed
from .._fill import DTYPES
from .._safetensors import RESERVED
from .._tensor import Tensor, check_all, of_buffer, of_choice


def tensors_of(plan: Decisions, seed: int) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """What a checkpoint holds, parameters and then buffers; and the paths of buffers whose numbers nobody knows.

    Raises:
        PlanError: naming every parameter that has no numbers, or a dtype that no fill writes; every name that is there
            twice.
        SpecError: naming every parameter whose numbers leave its dtype.
        SettingError: if the seed is out of range.
    """
    _check_start(plan)
    _check_dtype(plan)
    _check_names(plan)
    buffers = {buffer.path: of_buffer(buffer, plan, seed) for buffer in plan.buffers}
    tensors = [of_choice(choice, seed) for choice in plan.choices]
    tensors += [tensor for tensor in buffers.values() if tensor]
    check_all(tensors)
    return tuple(tensors), tuple(path for path, tensor in buffers.items() if not tensor)


def _check_names(plan: Decisions) -> None:
    if lines := [f"  {name}: is there {count} times" for name, count in repeated(plan.choices, plan.buffers).items()]:
        raise PlanError(f"A checkpoint holds each name once:\n{listed(lines)}\nRename one of each.")
    held = [*(choice.param for choice in plan.choices), *plan.buffers]
    if any(RESERVED in (one.path, *one.tied) for one in held):
        raise PlanError(f"A checkpoint holds no tensor called `{RESERVED}`, where safetensors has texts. Rename it.")


def _check_start(plan: Decisions) -> None:
    kept = [choice for choice in plan.choices if choice.law.how == "kept"]
    lines = [f"  {choice.path}  {choice.init} ({choice.because})" for choice in kept]
    if lines:
        raise PlanError(
            f"These parameters stay as a model is built, so that a plan has no numbers for them:\n{listed(lines)}\n"
            f"{_remedy(plan, kept)}What no start can say is in `plan.apply(model)` alone."
        )


def _remedy(plan: Decisions, kept: list[Choice]) -> str:
    """What may be done about parameters that have no start, and was not done yet."""
    if not any(choice.param.dtype in DTYPES for choice in kept):
        return f"A start draws {', '.join(DTYPES)}, and these are something else. "
    author = "; or take recipe `author` of a model built with `initium.torch.deferred`"
    return f"Give them a start by a rule, such as Rule('PATH', 'zeros'){'' if plan.remakes else author}. "


def _check_dtype(plan: Decisions) -> None:
    lines = [f"  {choice.path}  {choice.param.dtype}" for choice in plan.choices if choice.param.dtype not in DTYPES]
    if lines:
        raise PlanError(
            f"A fill writes {', '.join(DTYPES)}, and these parameters are something else:\n{listed(lines)}\n"
            "Plan the model in one of these."
        )
