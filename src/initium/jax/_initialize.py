"""plan, apply and initialize: a whole model that is a function of a pytree, as those of Flax, Haiku and Equinox."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._decisions import Decisions, decide, with_verbs
from .._errors import ModelError, PlanError, SettingError, listed
from .._ledger import Entry, Ledger
from .._paused import paused
from .._recipes import Recipe, parse_recipe
from .._rule import Rules, read_rules
from .._tensor import Tensor, check_all, of_choice
from .._turn import in_turn
from ..init import Initialiser
from ._jax import jax
from ._key import key
from ._make import Draw, make
from ._start import draw
from ._trace import trace
from ._tree import Leaf, Leaves, leaves_of


@in_turn
def plan(
    function: Callable[..., Any],
    params: Any,
    *inputs: Any,
    recipe: str | Initialiser | Recipe = "auto",
    rules: Rules = (),
    **kwargs: Any,
) -> Any:
    """Decide how every array of a function's parameters starts, and why. Nothing is drawn, and nothing is run.

    Shapes are enough: `jax.eval_shape` of `init` gives parameters without memory, and `jax.ShapeDtypeStruct` an input.

    Args:
        function: called as `function(params, *inputs, **kwargs)`, such as `model.apply` of Flax linen or of Haiku; of
            Equinox `lambda model, x: jax.vmap(model)(x)`.
        params: a pytree of arrays or shapes. Of Flax's collections `params` alone is planned, else every array of
            fractions.
        inputs: what the function takes besides.
        recipe: `auto`, another recipe's name, or any initialiser for all weights.
        rules: the user's own, which win over the recipe: `{"params/head/*": "zeros"}`, pairs, or `Rule`s.
        kwargs: what the function takes by name.

    Returns:
        The Plan.

    Raises:
        ModelError: if the function raises, returns no array, or there is no parameter.
        RuleError: if a rule matches nothing, two disagree, or a parameter remains undecided.
        ShapeError: if an initialiser cannot use a parameter's axes.
        SettingError: if the recipe needs to run the model on numbers.

    Example:
        >>> import jax
        >>> shapes = {"w": jax.ShapeDtypeStruct((30, 2), "float32"), "b": jax.ShapeDtypeStruct((2,), "float32")}
        >>> x = jax.ShapeDtypeStruct((8, 30), "float32")
        >>> print(plan(lambda p, x: x @ p["w"] + p["b"], shapes, x, recipe="he_normal")["w"].init)
        he_normal
    """
    recipe, rules = parse_recipe(recipe), read_rules(rules)
    if recipe.calibrates:
        raise SettingError(
            f"Recipe `{recipe}` rescales weights as real data reaches them, which is done to PyTorch's models alone."
        )
    with paused():
        return with_verbs(_decided(function, leaves_of(params), inputs, kwargs, recipe, rules))


def _decided(
    function: Callable[..., Any],
    leaves: Leaves,
    inputs: tuple[Any, ...],
    kwargs: dict[str, Any],
    recipe: Recipe,
    rules: Rules,
) -> Decisions:
    return decide(trace(function, leaves, inputs, kwargs), recipe, rules)


@in_turn
def initialize(
    function: Callable[..., Any],
    params: Any,
    *inputs: Any,
    seed: int = 0,
    recipe: str | Initialiser | Recipe = "auto",
    rules: Rules = (),
    **kwargs: Any,
) -> Any:
    """Start every array of a function's parameters: `plan`, then `apply`.

    Args:
        function: see `plan`, as are the others.
        params: a pytree of arrays or shapes, which is not changed.
        inputs: what the function takes besides.
        seed: from 0 to 2^64 - 1. What is drawn for a parameter depends on it and on the parameter's path alone.
        recipe: see `plan`.
        rules: of the user.
        kwargs: what the function takes by name.

    Returns:
        A tree of the same structure and dtypes: the parameters drawn, all else as it was.

    Raises:
        InitiumError: as `plan` and `apply`.

    Example:
        >>> import jax
        >>> shapes = {"w": jax.ShapeDtypeStruct((300, 2), "float32"), "b": jax.ShapeDtypeStruct((2,), "float32")}
        >>> x = jax.ShapeDtypeStruct((8, 300), "float32")
        >>> params = initialize(lambda p, x: x @ p["w"] + p["b"], shapes, x, seed=0)
        >>> params["w"].shape, float(params["b"].max())
        ((300, 2), 0.0)
    """
    return apply(plan(function, params, *inputs, recipe=recipe, rules=rules, **kwargs), params, seed=seed)


def apply(plan: Decisions, params: Any, *, seed: int = 0) -> Any:
    """Draw the parameters that a plan decides.

    An array lies where the one lay that it takes the place of, or where a shape's sharding says; with a NamedSharding
    each device draws its own shard, where a start comes in parts. Inside `jax.jit` it is drawn when the program runs.

    Args:
        plan: what `plan` gave, for these parameters or others of the same paths and shapes.
        params: a pytree of arrays or shapes, which is not changed.
        seed: from 0 to 2^64 - 1.

    Returns:
        A tree of the same structure and dtypes.

    Raises:
        PlanError: listing every difference, if there are other parameters.
        ModelError: naming every parameter that the plan keeps and that has no numbers.
        SpecError: naming every parameter whose numbers leave its dtype.
        SettingError: if the seed is out of range.

    Example:
        >>> import jax
        >>> shapes = {"w": jax.ShapeDtypeStruct((300, 2), "float32")}
        >>> made = plan(lambda p, x: x @ p["w"], shapes, jax.ShapeDtypeStruct((8, 300), "float32"))
        >>> apply(made, shapes, seed=0)["w"].shape
        (300, 2)
    """
    return applied(plan, leaves_of(params), seed)[0]


def applied(plan: Decisions, leaves: Leaves, seed: int) -> tuple[Any, Ledger]:
    """The tree with its parameters drawn, and what became of each."""
    by_path = {leaf.path: leaf for leaf in leaves.params}
    _check(plan, by_path)
    drawn = {
        choice.path: of_choice(choice, seed, by_path[choice.path].dtype)
        for choice in plan.choices
        if choice.how != "kept"
    }
    check_all(drawn.values())
    arrays: dict[int, Any] = {}
    for choice in plan.choices:
        if choice.path in drawn:
            array = _made(drawn[choice.path], by_path[choice.path], choice.stream, seed)
            arrays |= {by_path[name].place: array for name in (choice.path, *choice.param.tied)}
    entries = tuple(
        Entry(
            path=choice.path,
            num_elements=math.prod(choice.param.shape),
            start=str(choice.init),
            rule=choice.rule,
            tied=choice.param.tied,
            how=choice.how,
        )
        for choice in plan.choices
    )
    return leaves.with_arrays(arrays), Ledger(entries=entries, seed=int(seed))


def _made(tensor: Tensor, leaf: Leaf, path: str, seed: int) -> Any:
    """The numbers of one array, where it lies."""
    dtype, sharding = np.dtype(leaf.array.dtype), getattr(leaf.array, "sharding", None)
    start = Draw(partial(draw, tensor, dtype), needs_whole=not tensor.comes_in_parts)
    if isinstance(sharding, jax.sharding.NamedSharding):
        return make(start, key(seed, path), leaf.shape, dtype, None if sharding.mesh.empty else sharding)
    is_placed = sharding is not None and getattr(leaf.array, "committed", not leaf.has_numbers)
    return make(start, jax.device_put(key(seed, path), sharding if is_placed else None), leaf.shape, dtype)


def _check(plan: Decisions, by_path: dict[str, Leaf]) -> None:
    names = {name for choice in plan.choices for name in (choice.path, *choice.param.tied)}
    lines = [f"  {path}  only in the plan" for path in names - by_path.keys()]
    lines += [f"  {path}  only in the parameters" for path in by_path.keys() - names]
    for choice in plan.choices:
        leaf = by_path.get(choice.path)
        if leaf and leaf.shape != choice.param.shape:
            lines.append(f"  {choice.path}  plan {choice.param.shape}, parameters {leaf.shape}")
    if lines:
        raise PlanError(f"The plan is of other parameters:\n{listed(sorted(lines))}\nPlan these anew.")
    kept = (choice.path for choice in plan.choices if choice.how == "kept" and math.prod(choice.param.shape))
    bare = [path for path in kept if by_path[path].is_shape]
    if bare:
        lines = [f"  {path}" for path in sorted(bare)]
        raise ModelError(
            f"These parameters would stay uninitialised; they are shapes, and the plan leaves them as they were built:"
            f"\n{listed(lines)}\nPass the arrays that `init` gives, or decide: rules={{'{sorted(bare)[0]}': 'zeros'}}."
        )
