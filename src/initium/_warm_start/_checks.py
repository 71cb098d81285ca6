"""check_any, check_fit, ...: what is refused of names and shapes, and the way out."""

import math
from collections.abc import Iterable, Mapping, Sequence

from .._errors import CheckpointError, RuleError, counted, listed
from .._graph import Graph, Param
from .._rule import Decision
from .._setting import either, setting
from ._checkpoint import Checkpoint
from ._fit import Fits
from ._match import Matches
from ._target import Target


def check_skip(globs: Sequence[str], targets: Sequence[Target]) -> None:
    """Refuse globs that leave nothing out."""
    if idle := [f"'{glob}'" for glob in globs if not any(target.is_named([glob]) for target in targets)]:
        raise RuleError(
            f"{setting('skip')} matches nothing of the model by {', '.join(idle)}. Print a plan to see its names."
        )


def check_any(
    found: Matches, targets: Sequence[Target], wanted: Sequence[Target], checkpoint: Checkpoint, *, structure: bool
) -> None:
    """Refuse a checkpoint of which nothing is taken.

    Args:
        found: what is meant for which tensor.
        targets: all tensors of the model.
        wanted: those that the user does not decide.
        checkpoint: to begin from.
        structure: whether order and shapes were asked too.
    """
    params = [target.path for target in targets if target.param]
    if params and not any(target.param for target in wanted):
        raise CheckpointError(
            f"By {setting('skip')} and {setting('rules')} no parameter of the model begins from {checkpoint}. To start "
            f"it from a recipe alone: {either('`initium.plan(model)`', '`initium plan MODEL`')}."
        )
    if not any(path in found.by_path for path in params):
        some = [f"  model       {path}" for path in params[:3]]
        some += [f"  checkpoint  {name}" for name in [*checkpoint.tensors][:3]]
        more = "".join(f"\n{note[:1].upper()}{note[1:]}." for note in found.notes)
        fits = "found no order and shapes that fit" if structure else "pairs them by their order and shapes"
        raise CheckpointError(
            f"None of the {counted(len(checkpoint.tensors), 'tensor')} in {checkpoint} is meant for this model by its "
            f"name. The first names are\n{chr(10).join(some)}{more}\n"
            f"Say how they go together, such as {setting('rename', {'encoder.*': 'bert.*'})}; "
            f"{setting('structure', True)} {fits}."
        )


def check_fit(fits: Fits, checkpoint: Checkpoint, graph: Graph, *, is_run: bool) -> None:
    """Refuse what is meant for a tensor and cannot become it.

    Args:
        fits: what becomes of each.
        checkpoint: that holds it.
        graph: of the model.
        is_run: whether that was run, by which more is known of it.
    """
    if not fits.misfits:
        return
    width = max(map(len, fits.misfits))
    lines = [f"  {path:<{width}}  {what}" for path, what in sorted(fits.misfits.items())]
    num_all = len(fits.misfits) + len(fits.starts)
    example = either("example=inputs", "--example FILE.py:FUNCTION")
    hint = "" if is_run else f"Pass {example} first: the model is run on them, and more can be adapted.\n"
    raise CheckpointError(
        f"{len(fits.misfits)} of {counted(num_all, 'tensor')} in {checkpoint} "
        f"{'does' if len(fits.misfits) == 1 else 'do'} not fit this model.\n{listed(lines)}\n"
        f"{hint}Pass {_way_out(fits.misfits, graph)}."
    )


def _way_out(misfits: Iterable[str], graph: Graph) -> str:
    """What to do with the first; of a buffer neither a recipe nor a rule decides."""
    first = min(misfits, key=lambda path: (path not in graph.by_path, path))
    skip = setting("skip", [first])
    if first not in graph.by_path:
        return f"{skip} to leave it as the model has it"
    return f"{skip} to start it from the recipe, or {setting('rules', {first: 'normal(0, 0.02)'})}"


def check_coverage(
    least: float | None, params: Sequence[Param], starts: Mapping[str, Decision], checkpoint: Checkpoint
) -> None:
    """Refuse a model of which too little comes from the checkpoint."""
    if least is None:
        return
    found, all_ = (sum(math.prod(p.shape) for p in params if is_in(p)) for is_in in (lambda p: p.path in starts, bool))
    if all_ and found / all_ < least:  # a quotient is rounded as the share was that somebody wrote
        asks = either("min_coverage", "--min-coverage")
        fresh = sorted((p for p in params if p.path not in starts), key=lambda p: -math.prod(p.shape))
        raise CheckpointError(
            f"{checkpoint} gives {found:,} of {all_:,} elements, {found / all_:.1%}, and {asks} asks for {least:.1%}. "
            f"The largest that it lacks are\n{listed([f'  {p.path}  {p.shape}' for p in fresh])}\n"
            f"Say how names go together by {setting('rename')}, or ask for less."
        )
