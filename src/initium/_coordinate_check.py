"""coordinate_check: whether one learning rate does for models of every width."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ._coordinates import CoordinateCheck, slopes
from ._edge import building_edge, edge_for, edge_of
from ._errors import ModelError, SettingError, few, with_article
from ._graph import Graph
from ._initialize import begin, plan
from ._recipes import Recipe, parse_recipe
from ._recipes._ends import is_head
from ._rule import Rules, read_rules
from ._study._settings import check_number, check_whole
from .init import Initialiser

_FEWEST = 3  # seeds: of two, an interval is 12.7 standard errors wide each way

Sizes = dict[str, tuple[float, ...]]  # of each weight, step by step


def coordinate_check(
    factory: Callable[[int], Any],
    widths: Iterable[int] = (64, 128, 256, 512),
    *,
    inputs: Any = None,
    targets: Any = None,
    loss: str | Callable[..., Any] | None = None,
    recipe: str | Initialiser | Recipe = "mup",
    rules: Rules = (),
    optimizer: str = "adam",
    lr: float = 1e-3,
    steps: int = 3,
    seeds: int = 5,
) -> CoordinateCheck:
    """Train models of several widths for a few steps, and test whether sizes go with the width.

    Each is started by the recipe and trained in its plan's own groups of learning rates. At the start the size is the
    mean absolute value of what a weight gives; after step t that of what the steps have added to it, for the same
    inputs. Over the widths, the slope of log size by log width is to be 0: then a learning rate that was tuned on a
    narrow model suits a wide one. It passes where |slope| <= 0.1 within its interval over seeds, and no interval
    reaches 0.5, which is wrong. The output's may be smaller at the start.

    Args:
        factory: takes a width and returns a new torch.nn.Module, whose inputs and outputs do not grow with it.
        widths: two or more whole numbers.
        inputs: a batch that every width takes: a tensor, a tuple of arguments, or a dict of keyword arguments; None
            makes one up.
        targets: what the loss compares with; None trains along a random projection of the outputs.
        loss: see `diagnose`.
        recipe: any, with what its learning rates are multiplied by; `framework` is each model as it is built, with one
            rate.
        rules: of yours, which win over the recipe: `Decision(init, lr=0.25)` multiplies a rate.
        optimizer: `adam`, `adamw` or `sgd`.
        lr: its learning rate.
        steps: how many.
        seeds: models of each width, 3 or more.

    Returns:
        The slopes by weight and step. It prints, the verdict first.

    Raises:
        ModelError: if the factory gives no models, of the same weights, that take the inputs.
        SettingError: if there are less than two widths or three seeds, or no step.
        UnknownNameError: if a recipe, a loss or an optimiser goes by no name.

    Differs: mup's `get_coord_data` looks at the activations themselves, which hide at a small learning rate what a step
        adds; what is added is what the paper's figure 5 shows.

    Reference: Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
        2022, appendix D.1 and figure 5. https://arxiv.org/abs/2203.03466 [yang2022tensor]

    Example:
        >>> from torch import nn
        >>> def build(width):
        ...     return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        ...                          nn.Linear(width, 4))
        >>> coordinate_check(build, widths=(32, 64, 128)).passes
        True
        >>> coordinate_check(build, widths=(32, 64, 128), recipe="he_normal").passes
        False
    """
    edge = building_edge()
    _check_factory(factory)
    widths = _read_widths(widths)
    check_whole("steps", steps, 1)
    check_whole("seeds", seeds, _FEWEST)
    edge.optimizer_of(optimizer)
    check_number("lr", lr)
    start, rules = parse_recipe(recipe), read_rules(rules)

    def runs(width: int) -> tuple[list[Any], Graph, str]:
        """One of each seed; what is decided depends on the width alone."""
        model = _built(factory, width, 0)
        example, note = edge.example_of(model, inputs)
        graph, made = edge_of(model).trace(model, example), plan(model, start, rules=rules, example=example)
        found = []
        for seed in range(seeds):
            model = _built(factory, width, seed)
            groups = begin(made, start, model, seed, example).param_groups(model, lr=lr)
            found.append(
                edge.coordinates(model, graph, groups, example, targets, loss=loss, optimizer=optimizer, steps=steps)
            )
        return found, graph, note

    found, graphs, notes = zip(*map(runs, widths), strict=True)
    sizes, left = _by_path([[run.sizes for run in group] for group in found])
    heads = frozenset(param.path for param in graphs[0].params if is_head(param))
    return CoordinateCheck(
        slopes=slopes(sizes, widths, heads, reads_outputs=any(run.reads_outputs for group in found for run in group)),
        widths=widths,
        seeds=seeds,
        recipe=str(start),
        optimizer=optimizer,
        lr=lr,
        notes=tuple(filter(None, (notes[0], left))),
    )


def _check_factory(factory: Any) -> None:
    """Refuse what builds nothing; a model can be called too.

    Raises:
        ModelError: naming what was received.
    """
    if not callable(factory) or (hasattr(factory, "named_parameters") and not isinstance(factory, type)):
        raise ModelError(
            "A factory is a function that takes a width and returns a new model, not "
            f"{with_article(type(factory).__name__)}. Write `lambda width: ...`."
        )


def _read_widths(widths: Any) -> tuple[int, ...]:
    """Widths that give a slope.

    Raises:
        SettingError: naming what was received.
    """
    try:
        found = (*widths,)
    except TypeError:  # nothing that is many
        found = (widths,)
    for width in found:
        check_whole("a width", width, 1)
    if len(found) < 2 or [*found] != sorted({*found}):
        raise SettingError(f"widths are two or more numbers, each above the one before, not {found!r}.")
    return tuple(map(int, found))


def _built(factory: Callable[[int], Any], width: int, seed: int) -> Any:
    model = building_edge().seeded(lambda: factory(width), seed)
    edge_for(model, "coordinate_check")  # which refuses what is no model
    return model


def _by_path(runs: Sequence[Sequence[Sizes]]) -> tuple[dict[str, Any], str]:
    """Sizes of each weight, `(seed, width, step)`, and which weights not every run has.

    Raises:
        ModelError: if the runs share none.
    """
    every = [run for group in runs for run in group]
    shared = [path for path in every[0] if all(path in run for run in every)]
    if not shared:
        raise ModelError(
            "No weight has the same name at every width, so that none can be followed; the factory must build one "
            "architecture and change its width alone."
        )
    left = sorted({path for run in every for path in run} - {*shared})
    note = f"left out, since not every model met them at each step: {few(left)}" if left else ""
    return {path: np.array([[run[path] for run in group] for group in runs]).swapaxes(0, 1) for path in shared}, note
