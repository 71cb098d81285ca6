"""trace: what a Keras model does with each of its variables, found by the tracer of its backend."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import keras  # pyright: ignore[reportMissingImports]

from .._errors import ModelError
from .._graph import Graph, Use
from ._history import history_of, notes_of
from ._inputs import tries
from ._keras import StatelessScope, called_as, inputs_of, with_layers_within
from ._layers import is_convolution, read
from ._made import is_usual
from ._named import Named, is_built, model_name, named
from ._stand_ins import GATES, cell_of, norms, recurrence_of, recurrent

# How the tracer of PyTorch calls the kernels of a recurrence, and Keras.
_KERNELS = {"weight_ih_l0": "kernel", "weight_hh_l0": "recurrent_kernel"}


def trace(model: Any, example: Any = None, *, below: Any = None) -> Graph:
    """What a model does with each of its variables.

    Args:
        model: that is built, or takes the example.
        example: inputs; None makes them up from its own.
        below: the edge of Keras's backend; None if it has no tracer.

    Raises:
        ModelError: if the model is not built, or raises on the example.
    """
    _build(model, example)
    found = named(model)
    if below is None:
        return _by_layers(model, found, f"Keras's backend {keras.backend.backend()} has no tracer here")
    if example is None and not list(tries(model)):
        return _by_layers(model, found, "the model does not tell its inputs, and no example= was given")
    try:
        graph = _traced(model, found, example, below)
    except ModelError as error:
        if example is not None:
            raise
        return _by_layers(model, found, next(iter(str(error).splitlines())))
    return graph


def survey(model: Any, example: Any = None) -> Graph:
    """Every variable as its layer's type says it; nothing is run."""
    _build(model, example)
    return _by_types(model, named(model))


def _build(model: Any, example: Any) -> None:
    """Call once what is not built, or whose layers are not: as a first call by hand would, it makes their variables."""
    if is_built(model):
        return
    if example is None:
        for inputs in tries(model):
            with suppress(Exception):  # whatever a user's own code may raise
                model(*inputs)
                return
        return
    try:
        _call(model, example)
    except Exception as error:  # whatever a user's own code may raise
        line = next(iter(str(error).splitlines()), "")
        raise ModelError(
            f"{model_name(model)} is not built yet, and raises {type(error).__name__} on the example: {line}"
        ) from error


def _call(model: Any, example: Any) -> Any:
    if isinstance(example, dict) and not isinstance(model, keras.Sequential):
        return model(**example)
    return model(*example) if isinstance(example, tuple) else model(example)


def _by_types(model: Any, found: list[Named], *notes: str) -> Graph:
    params = tuple(read(one) for one in found if one.is_weight)
    return Graph(params, notes=(*notes, *notes_of(model, found)), **history_of(model, found))


def _by_layers(model: Any, found: list[Named], why: str) -> Graph:
    return _by_types(model, found, f"the layers' types speak alone, because {why}")


def _traced(model: Any, found: list[Named], example: Any, below: Any) -> Graph:
    taken = inspect.signature(below.Called).parameters
    # A tracer that takes no recurrence for one operation follows each of its steps.
    recurrences = dict(_recurrences(model, found, below)) if "recurrences" in taken else {}
    params = {one.path: one for one in found if one.is_weight and one.owner not in recurrences}
    buffers = {one.path: one for one in found if not one.is_weight}
    variables = {one.path: one.variable for one in (*params.values(), *buffers.values())}

    def function(held: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        state = [(variable, held[path]) for path, variable in variables.items()]
        with StatelessScope(state_mapping=state), _standing_in(model, found, held):
            return model(*args, **kwargs)

    told = {
        "name": model_name(model),
        "function": function,
        "signature": inspect.signature(type(model).call),
        "params": {path: one.variable.value for path, one in params.items()},
        "buffers": {path: one.variable.value for path, one in buffers.items()},
        "usual": frozenset(path for path, one in params.items() if is_usual(one)),
        "recurrences": recurrences,
    }
    called = below.Called(**{name: told[name] for name in taken})
    graph = below.trace_called(called, _as_taken(model, example), tries(model))
    if not graph.is_traced:  # its layers are Keras's, of which the tracer knows no type
        return _by_types(model, found, *graph.notes)
    return _in_keras_words(graph, found, model)


def _as_taken(model: Any, example: Any) -> Any:
    """An example as the model's call takes it: several inputs of a functional model are one argument."""
    if isinstance(example, list | tuple) and len(getattr(model, "inputs", None) or ()) == len(example) > 1:
        return (list(example),)
    return (example,) if isinstance(example, dict) and isinstance(inputs_of(model), dict) else example


@contextmanager
def _standing_in(model: Any, found: list[Named], held: Mapping[str, Any]) -> Iterator[None]:
    layers = list(with_layers_within(model))
    calls: dict[Any, Callable[..., Any]] = norms(layers)
    calls |= {layer: recurrent(layer, held[owner]) for owner, layer in _recurrent_layers(model, found) if owner in held}
    with called_as(calls):
        yield


def _recurrent_layers(model: Any, found: list[Named]) -> Iterator[tuple[str, Any]]:
    """The path of the cell of each recurrence, and the layer that runs it."""
    owners = {id(one.layer): one.owner for one in found if one.variable.name == "recurrent_kernel"}
    for layer in with_layers_within(model):
        if isinstance(layer, keras.layers.RNN) and recurrence_of(layer) and id(layer.cell) in owners:
            yield owners[id(layer.cell)], layer


def _recurrences(model: Any, found: list[Named], below: Any) -> Iterator[tuple[str, Any]]:
    by_path = {one.path: one.variable for one in found}
    for owner, layer in _recurrent_layers(model, found):
        kernels = tuple(by_path[f"{owner}/{name}"].value for name in _KERNELS.values())
        yield owner, below.Recurrence(recurrence_of(layer), kernels)


# What a layer's type knows better than a run tells.
_OF_CONVOLUTIONS = ("role", "because", "axes", "groups", "stride", "transposed")
_OF_CELLS = ("role", "because", "axes", "packs", "blocks")


def _in_keras_words(graph: Graph, found: list[Named], model: Any) -> Graph:
    """The graph with Keras's paths, layouts, layers and makers, in Keras's order."""
    cells = [path for path, _ in _recurrent_layers(model, found)]
    names = {f"{path}.{theirs}": f"{path}/{ours}" for path in cells for theirs, ours in _KERNELS.items()}
    traced = {names.get(param.path, param.path): param for param in graph.params}
    params = []
    for one in found:
        if not one.is_weight:
            continue
        told, plain = traced.get(one.path), read(one)
        if told is None:
            params.append(plain)  # a bias of a recurrence, of which the trace sees the kernels alone
            continue
        if told.path in names:
            told = replace(told, shape=plain.shape, axes="io", packs=GATES[cell_of(one.layer)])
        own = {name: getattr(plain, name) for name in ("path", "layer", "made", "stream")}
        if plain.role == "weight" and is_convolution(one.layer):
            # An axis of size 1 may be space or anything, and one of channels be in two; its layer knows.
            own |= {name: getattr(plain, name) for name in _OF_CONVOLUTIONS}
        elif cell_of(one.layer) and told.path not in names:
            # Unrolled: each step adds to the state, as branches do to a stream.
            own |= {name: getattr(plain, name) for name in _OF_CELLS}
            own |= {"uses": tuple(_of_cell(use, told.use) for use in plain.uses), "bias_of": plain.bias_of}
        if not one.variable.trainable:
            own |= {"role": plain.role, "because": plain.because}
        bias_of = told.bias_of or (plain.bias_of if told.role == plain.role == "bias" else None)
        own = {"bias_of": names.get(bias_of or "", bias_of), "tied": one.tied} | own
        told = replace(told, **own)
        params.append(replace(told, uses=tuple(_renamed(use, names) for use in told.uses)))
    notes = graph.notes
    for theirs, ours in names.items():
        notes = tuple(note.replace(theirs, ours) for note in notes)
    return replace(graph, params=tuple(params), notes=(*notes, *notes_of(model, found)), **history_of(model, found))


def _of_cell(use: Use, seen: Use) -> Use:
    """A use that a cell's type says, with what a run has seen of what feeds it."""
    return use if use.fed_by == "state" else replace(use, fed_by=seen.fed_by, moment=seen.moment, after=seen.after)


def _renamed(use: Use, names: Mapping[str, str]) -> Use:
    return replace(
        use,
        after=tuple(names.get(path, path) for path in use.after),
        sums_with=tuple(names.get(path, path) for path in use.sums_with),
    )
