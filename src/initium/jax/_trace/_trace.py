"""trace: what a function does with each array of its parameters, found from its jaxpr."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..._errors import ModelError
from ..._graph import Buffer, Graph, Param
from ..._trace._built import Built, told_of_array
from ..._trace._gather import Gathered, completed, gathered, notes, packed, unseen, unused_notes, used
from ..._trace._meant import Seen, as_meant, chosen_numbers
from ..._trace._value import Recording
from .._jax import Tracer, jax
from .._tree import Leaf, Leaves, is_array, is_key
from ._by_shape import by_shape, facts_of
from ._recorder import Recorder
from ._value import JaxValue, plain
from ._walk import walk


def trace(function: Callable[..., Any], leaves: Leaves, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Graph:
    """What a function does with each parameter. Nothing is run, and no numbers are needed.

    Args:
        function: called with the parameters first, as `apply` is.
        leaves: the parameters, taken apart.
        inputs: what it takes besides: arrays, `jax.ShapeDtypeStruct`s, and whatever else, which stays as it is.
        kwargs: likewise.

    Raises:
        ModelError: if the function raises, or returns no array.
    """
    given, structure = jax.tree_util.tree_flatten((inputs, dict(kwargs)))
    places = [place for place, leaf in enumerate(given) if is_array(leaf)]

    def called(params: list[Any], arrays: list[Any]) -> list[Any]:
        tree = leaves.with_arrays({leaf.place: array for leaf, array in zip(leaves.arrays, params, strict=True)})
        own = list(given)
        for place, array in zip(places, arrays, strict=True):
            own[place] = array
        args, named = jax.tree_util.tree_unflatten(structure, own)
        return _outputs(function(tree, *args, **named))

    shapes = [_abstract(leaf.array) for leaf in leaves.arrays]
    arrays = [given[place] for place in places]
    try:
        closed = jax.make_jaxpr(called)(shapes, [_abstract(array) for array in arrays])
    except Exception as error:  # whatever a user's own code may raise
        line = next(iter(str(error).splitlines()), "").rstrip(".")
        raise ModelError(
            f"The function raises {type(error).__name__}: {line}.\n"
            f"It was called with the parameters and {_described(arrays) or 'no array'}."
        ) from error
    try:
        return _graph(closed, leaves, arrays)
    except ModelError:
        raise
    except Exception as error:  # a function that JAX takes is not refused because of how it is read
        line = next(iter(str(error).splitlines()), "").rstrip(".")
        return by_shape(leaves, f"what the function does cannot be told: {type(error).__name__}: {line}")


def _graph(closed: Any, leaves: Leaves, arrays: list[Any]) -> Graph:
    recorder = Recorder()
    args = [
        recorder.declare("parameter", leaf.shape, leaf.dtype, params=frozenset([key]))
        if leaf.is_param
        else recorder.declare("buffer", leaf.shape, leaf.dtype, _numbers(leaf.array))
        for key, leaf in enumerate(leaves.arrays)
    ]
    inputs = [_input(recorder, array) for array in arrays]
    results = [one for one in walk(recorder, closed, [*args, *inputs]) if isinstance(one, JaxValue)]
    outputs = [one for one in dict.fromkeys(results) if one.tensor.is_floating_point() or len(results) == 1]
    if not outputs:
        raise ModelError("The function returns no array, so nothing says what its parameters do.")
    recording = Recording(
        recorder.values,
        outputs,
        [],
        {key: leaf for key, leaf in enumerate(leaves.arrays) if leaf.is_param},
        {value: value.held for value in args if value.held is not None},
        {value: numbers for value, array in zip(inputs, arrays, strict=True) if _tells(numbers := _numbers(array))},
    )
    seen = {key: _seen(leaf) for key, leaf in enumerate(leaves.arrays) if leaf.is_param}
    told = gathered(recording, chosen_numbers(seen))
    params = {key: _param(told, key, leaf) for key, leaf in enumerate(leaves.arrays) if leaf.is_param}
    complete = completed(told, params)
    unused = unused_notes(told, complete)
    meant, unknown = as_meant(told.flow, recording.values, complete, told.uses, seen, _UNRECORDED)
    return Graph(
        tuple(_with_ties(leaves, meant).values()),
        tuple(
            Buffer(path=leaf.path, shape=leaf.shape, dtype=leaf.dtype) for leaf in leaves.arrays if not leaf.is_param
        ),
        (*recorder.notes, *notes(told, complete), *unused, *unknown),
        is_traced=True,
    )


# JAX makes a uniform number of bfloat16 of the 7 bits of its mantissa, and every other draw of that.
_KINDS = {"bfloat16": 128}
_UNRECORDED = "shapes without what `init` built them with (pass its arrays)"


def _seen(leaf: Leaf) -> Seen:
    """What an array was built with; a shape does not tell."""

    def built(padding: int | None) -> Built:
        if not leaf.has_numbers:
            return Built("unrecorded")
        numbers = plain(np.asarray(leaf.array))
        return told_of_array(numbers, padding=padding, num_kinds=_KINDS.get(leaf.dtype, 0))

    def is_zero() -> bool:
        return leaf.has_numbers and bool(math.prod(leaf.shape)) and not np.asarray(leaf.array).any()

    return Seen(built=built, is_zero=is_zero, num_axes=len(leaf.shape))


def _outputs(output: Any) -> list[Any]:
    """All arrays; of an output with the state that goes on beside it, the output's."""
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1], Mapping):
        output = output[0]
    return [leaf for leaf in jax.tree_util.tree_leaves(output) if is_array(leaf)]


def _abstract(array: Any) -> Any:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _numbers(array: Any) -> Any:
    return None if isinstance(array, jax.ShapeDtypeStruct | Tracer) else array


def _tells(numbers: Any) -> bool:
    return numbers is not None and not is_key(numbers)


def _input(recorder: Recorder, array: Any) -> JaxValue:
    if is_key(array):
        return recorder.declare("constant", array.shape, str(array.dtype))
    is_fraction = bool(jax.numpy.issubdtype(array.dtype, jax.numpy.inexact))
    return recorder.declare("input", array.shape, str(array.dtype), is_signal=is_fraction, is_tokens=not is_fraction)


def _described(arrays: list[Any]) -> str:
    return ", ".join(f"{array.dtype}{[*array.shape]}" for array in arrays)


def _param(told: Gathered, key: int, leaf: Leaf) -> Param:
    facts: dict[str, Any] = {"path": leaf.path, "shape": leaf.shape, "dtype": leaf.dtype, "stream": leaf.stream}
    if told.uses[key]:
        return Param(**facts, **used(told.uses[key]) | packed(told, key))
    return Param(**facts, **_unused(told, key, leaf))


def _unused(told: Gathered, key: int, leaf: Leaf) -> dict[str, Any]:
    """Of what no output is made."""
    facts = facts_of(leaf)
    return facts | {"because": f"{unseen(told.values[key])}, {facts['because']}"}


def _with_ties(leaves: Leaves, params: dict[int, Param]) -> dict[int, Param]:
    """Of one array that stands in several places the first, with the uses of all."""
    own: dict[int, int] = {}
    tied = dict(params)
    for key, leaf in enumerate(leaves.arrays):
        first = own.setdefault(id(leaf.array), key)
        if leaf.is_param and first != key and leaf.has_numbers:
            param, others = tied[first], tied.pop(key)
            names = (*param.tied, others.path)
            tied[first] = replace(param, tied=names, uses=(*param.uses, *others.uses))
    return tied
