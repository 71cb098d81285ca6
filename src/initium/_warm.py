"""warm_start: a plan from another model's weights."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._decisions import in_dtype
from ._edge import building_edge, edge_for, edge_of
from ._errors import ModelError, RuleError, SettingError
from ._graph import Graph
from ._initialize import graph_of
from ._paused import paused
from ._plan import Plan
from ._recipes import Recipe, parse_recipe
from ._rule import Rule, Rules, read_rules, shown
from ._setting import either
from ._turn import in_turn
from .init import Initialiser

if TYPE_CHECKING:
    from ._warm_start import Checkpoint


@in_turn
def warm_start(
    model: Any,
    source: Any,
    *,
    rename: Mapping[str, str] | None = None,
    adapt: bool | Mapping[str, Any] = True,
    skip: str | Iterable[str] = (),
    structure: bool = False,
    recipe: str | Initialiser | Recipe = "auto",
    rules: Rules = (),
    min_coverage: float | None = None,
    dtype: str | None = None,
    trust: bool = False,
    example: Any = None,
) -> Plan:
    """Decide what of a model begins from a checkpoint, and how the rest starts. Nothing is filled.

    Names meet as they are, without what wrappers and older libraries made of them, or with one prefix that is inferred
    where only one fits. Numbers are read only of what is adapted, or is one here and two there. All that is not copied
    starts from the recipe. The plan says of each parameter where its numbers come from and why, and what of the
    checkpoint is left out; `plan.apply(model)` reads them.

    Args:
        model: a torch.nn.Module, on any device, also meta; or a Graph.
        source: a file of safetensors, of PyTorch's, an index of several, or .npz; a folder of Hugging Face's; a module;
            a state dict, also nested beside an optimiser's.
        rename: a glob of names in the checkpoint, and what they are in the model: `{"encoder.*": "bert.*"}`.
        adapt: whether what has another shape is fitted, as the plan then says: a vocabulary that has grown, another
            number of input channels, of positions or of a patch's pixels; a head of other classes starts anew. False
            makes it an error. Adapters by globs go before those: `{"head.*": (old_names, new_names)}` picks rows by
            their names, and a text is one of `new`, `transposed`, `grown`, `patches`, `channels`,
            `resampled((14, 14), (8, 20), prefix=1)`.
        skip: globs of names in the model that take nothing from the checkpoint, as in `"head.*"`.
        structure: whether what has found nothing by its name is paired by its order and its shape; each pair is told.
        recipe: of what is new; see `plan`, as are the others.
        rules: of the user, which win over the checkpoint too.
        min_coverage: the share of the model's parameters, by elements, that must come from the checkpoint; None is any
            but none at all.
        dtype: of the floating-point numbers that `write` writes, as in `"bfloat16"`; None is the model's own.
        trust: whether a file of PyTorch's that holds more than tensors may run its code; such a plan is not saved.
        example: inputs to trace the model with.

    Raises:
        CheckpointError: if the checkpoint cannot be read, nothing of it matches, something does not fit, or too little
            is covered.
        InitiumError: as `plan`.

    Example:
        >>> from torch import nn
        >>> trained = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> made = warm_start(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3)), trained, skip="2.*")
        >>> [(choice.path, choice.how) for choice in made]
        [('0.weight', 'loaded'), ('0.bias', 'loaded'), ('2.weight', 'drawn'), ('2.bias', 'constant')]
    """
    from ._warm_start import Wish, decide  # rarely needed, and it opens files

    recipe, rules = parse_recipe(recipe), read_rules(rules)
    if recipe.calibrates:
        raise SettingError(
            f"Recipe `{recipe}` rescales every weight, the loaded ones too. Take another for what is new."
        )
    _check_share(min_coverage)
    _check_flags(structure=structure, trust=trust)
    wish = Wish(
        rename=rename or {},
        adapt=adapt,
        moments=None if example is None else building_edge().channel_moments(example),
        skip=_globs(skip),
        structure=structure,
        min_coverage=min_coverage,
    )
    if not isinstance(model, Graph):
        _ = edge_for(model, "warm_start")
    with paused():
        checkpoint = _checkpoint(source, trust=trust)
        graph, untraced = (model, None) if isinstance(model, Graph) else _graph(model, recipe, rules, example)
        made = Plan.of(decide(graph, recipe, rules, checkpoint, wish, untraced=untraced))
    return made if dtype is None else in_dtype(made, dtype)


def _graph(model: Any, recipe: Recipe, rules: tuple[Rule, ...], example: Any) -> tuple[Graph, ModelError | None]:
    """What is done with each parameter; where nobody gave inputs to run the model on, what its layers' types say.

    That is enough where nothing is new, and the error says what is needed where something is.
    """
    try:
        return graph_of(model, recipe, rules, example), None
    except ModelError as error:
        if not error.needs_example:
            raise
        return edge_of(model).survey(model), error


def _globs(skip: Any) -> tuple[str, ...]:
    globs = (skip,) if isinstance(skip, str) else tuple(skip) if isinstance(skip, Iterable) else (skip,)
    if not all(isinstance(glob, str) for glob in globs):
        raise RuleError(f"skip is a glob of names in the model such as 'head.*', or several, not {shown(skip)}.")
    return globs


def _check_flags(**flags: Any) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise SettingError(f"{name} is True or False, not {shown(value)}.")


def _check_share(share: float | None) -> None:
    is_number = isinstance(share, int | float) and not isinstance(share, bool)
    if share is not None and not (is_number and 0 <= share <= 1):
        raise SettingError(f"{either('min_coverage', '--min-coverage')} is a share from 0 to 1, not {share!r}.")


def _checkpoint(source: Any, *, trust: bool) -> "Checkpoint":
    from ._stored import TORCH, file_of, format_of, tensors_in
    from ._warm_start import Checkpoint

    edge = building_edge()  # which reads its own framework's files
    if not isinstance(source, str | os.PathLike):
        return edge.held(source)
    file = file_of(source)
    if trust and format_of(file) == TORCH:
        return Checkpoint(tensors=edge.trusted(file), what=f"'{file}' (trusted)")
    # A plan outlives the folder that it was made in: a relative path would lead elsewhere from another.
    return Checkpoint(tensors=tensors_in(file), what=f"'{file}'", file=str(file.absolute()))
