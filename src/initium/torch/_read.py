"""From a torch module to a Graph, by the types of its layers."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import jit, nn

from .._errors import ModelError, few, listed, with_article
from .._graph import Buffer, Graph, Made, Operation, Param, Use
from ._deferred import Recorded, record_of
from ._lengths import remade
from ._path import plain_paths
from ._torch import ConvNd, ConvTransposeNd, NormBase, is_packed, own_parameters, unsaved_buffers

_SPACE = ("", "w", "hw", "dhw")
# What the weights of a recurrent layer multiply besides its input, by a part of their names.
_FED_BY = {"_hh": "state", "_hr": "cell"}
_GATES = {"LSTM": ("input", "forget", "cell", "output"), "GRU": ("reset", "update", "new")}
# How PyTorch calls what its layers hold; a subclass may hold more.
_NAMES = ("weight", "bias", "in_proj_", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_OWN = {"weight", "bias", "in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight"}
_HOLDERS = (nn.Module, nn.ParameterList, nn.ParameterDict)  # of somebody's own parameters
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, NormBase)

Facts = dict[str, Any]


def read(model: nn.Module) -> Graph:
    """What the layers' types say of each parameter. Shared parameters count once, by their first name.

    Args:
        model: of which nothing is run.

    Raises:
        ModelError: naming every parameter of a layer type that is not known here; if the model is compiled by
            torch.jit or quantised.

    Example:
        >>> [(param.path, param.role, param.axes) for param in read(nn.Linear(2, 3)).params]
        [('weight', 'weight', 'oi'), ('bias', 'bias', 'o')]
    """
    check(model, "read")
    told: dict[int, str] = {}
    for path, module, name, value in named(model):
        told.setdefault(id(value), "" if facts_of(module, name, value) else f"  {path}  ({type(module).__name__})")
    if unknown := [line for line in told.values() if line]:
        raise ModelError(
            f"Initium does not know yet what these parameters do:\n{listed(unknown)}\n"
            "Only `framework` can start such a model, or write the layer with Linear and Conv."
        )
    params = tuple(params_of(model, lambda *owned: facts_of(*owned) or {}).values())
    return Graph(params, buffers_of(model), () if params else ("this model has no parameters",))


def params_of(model: nn.Module, facts: Callable[[nn.Module, str, nn.Parameter], Facts]) -> dict[int, Param]:
    """The parameters, each once, by their id; those that share one name their others."""
    params: dict[int, Param] = {}
    by_others = remade(model)
    for path, module, name, value in named(model):
        if seen := params.get(id(value)):
            params[id(value)] = replace(seen, tied=(*seen.tied, path))
        else:
            told = facts(module, name, value)
            told |= {"sized_by": by_others[id(value)]} if id(value) in by_others else {}
            params[id(value)] = _param_of(path, module, name, value, told)
    return params


def check(model: object, caller: str) -> None:
    """Refuse what holds its weights where nobody can name them.

    Raises:
        ModelError: if it is no module, is compiled by torch.jit, or quantised.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"`{caller}` takes a torch.nn.Module, not {with_article(type(model).__name__)}.")
    modules = dict(model.named_modules())
    if compiled := [path for path, module in modules.items() if isinstance(module, jit.ScriptModule)]:
        raise ModelError(f"{_are(compiled)} compiled by torch.jit. Pass the model as it was before.")
    packed = [path for path, module in modules.items() if is_packed(module)]
    if packed := [path for path in packed if not path.endswith("_packed_params")]:
        raise ModelError(f"{_are(packed)} quantised, with packed weights. Pass the model as it was before.")


def check_shapes(model: nn.Module, *, is_run: bool = False) -> None:
    """Refuse a model whose layers learn their shapes from the first batch.

    Args:
        model: to look at.
        is_run: whether it was run on a batch.

    Raises:
        ModelError: naming them.
    """
    lazy = [path for path, _, _, value in named(model) if nn.parameter.is_lazy(value)]
    if not lazy:
        return
    what = f"{quoted(lazy)} {'has' if len(lazy) == 1 else 'have'} no shape yet"
    if is_run:
        raise ModelError(f"{what}, since the example does not reach its layer. Call that layer once, as training will.")
    raise ModelError(
        f"{what}. Run the model once on a batch, `model(batch)`, so that its lazy layers get one; "
        "`plan` and `initialize` do so with example=batch, `diagnose` with inputs=batch."
    )


def _are(paths: list[str]) -> str:
    return "The model is" if "" in paths else f"{quoted(paths)} {'is' if len(paths) == 1 else 'are'}"


def quoted(paths: Iterable[str]) -> str:
    """Paths in their order, cut at five."""
    return few([f"`{path}`" for path in sorted(paths)])


def named(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, nn.Parameter]]:
    """Each name of each parameter without wrappers' prefixes, with the module that owns it.

    Raises:
        ModelError: if two parameters have one name without the prefixes.
    """
    seen: dict[str, int] = {}
    plain = plain_paths(model)
    for prefix, module in model.named_modules(remove_duplicate=False):
        owner = f"{path}." if (path := plain(prefix)) else ""
        for name, value in own_parameters(module).items():
            if value is None:
                continue
            path = owner + name
            if seen.setdefault(path, id(value)) != id(value):
                raise ModelError(f"Two parameters are called `{path}` once wrappers are stripped; rename one.")
            yield path, module, name, value


def buffers_of(model: nn.Module) -> tuple[Buffer, ...]:
    """The buffers, under names without wrappers' prefixes; one of several names counts once.

    It is saved if a name of it is, and goes by the first of those.
    """
    found: dict[int, list[tuple[bool, str, torch.Tensor]]] = {}
    for path, value in model.named_buffers(remove_duplicate=False):
        owner, _, name = path.rpartition(".")
        is_saved = name not in unsaved_buffers(model.get_submodule(owner))
        found.setdefault(id(value), []).append((is_saved, path, value))
    plain = plain_paths(model)
    return tuple(_buffer(model, names, plain) for names in found.values())


def _buffer(model: nn.Module, names: list[tuple[bool, str, torch.Tensor]], plain: Callable[[str], str]) -> Buffer:
    is_saved = any(saved for saved, _, _ in names)
    paths = [path for saved, path, _ in names if saved == is_saved]
    value, (owner, _, name) = names[0][2], paths[0].rpartition(".")
    return Buffer(
        path=plain(paths[0]),
        shape=tuple(value.shape),
        dtype=dtype_name(value),
        is_saved=is_saved,
        made=_made(record_of(model.get_submodule(owner)).get(name), value),
        tied=tuple(map(plain, paths[1:])),
    )


def _made(recorded: Recorded | None, value: torch.Tensor) -> Made | None:
    return replace(recorded.made, origin=recorded.origin, is_pending=value.is_meta) if recorded else None


def dtype_name(value: torch.Tensor) -> str:
    """`float32`, `bfloat16`: the dtype as every framework spells it."""
    return str(value.dtype).removeprefix("torch.")


def _param_of(path: str, module: nn.Module, name: str, value: nn.Parameter, facts: Facts) -> Param:
    """A Param of a parameter's facts, in which `bias_of` names a parameter of the same module."""
    prefix = path.rpartition(".")[0]
    if sibling := facts.get("bias_of"):
        facts = facts | {"bias_of": f"{prefix}.{sibling}" if prefix else sibling}
    recorded = record_of(module).get(name)
    made = _made(recorded, value)
    shape, layer = tuple(value.shape), type(module).__name__
    return Param(path=path, shape=shape, layer=layer, dtype=dtype_name(value), made=made, **facts)


def facts_of(module: nn.Module, name: str, value: nn.Parameter) -> Facts | None:
    """Role, axes and reason of one parameter; None if the layer is not known."""
    if nn.parameter.is_lazy(value):
        return None
    if not value.requires_grad:
        return kept(value, "frozen")
    for layer, facts in _LAYERS.items():
        if isinstance(module, layer) and name.startswith(_NAMES):
            return facts(module, name, value)
    if name == "bias" and not _is_torchs(module):
        return _bias(module, value)
    if _is_torchs(module) or value.ndim > 5:
        return None
    if value.ndim < 2:
        return kept(value, "no matrix and no kernel")
    axes = "oi" + _SPACE[value.ndim - 2]
    return _weight(
        "dense" if value.ndim == 2 else "convolution", "its own layer's, read as (output, input, space)", axes
    )


def kept(value: nn.Parameter, because: str, operation: Operation = "other") -> Facts:
    """A parameter that stays as the framework made it."""
    return {"role": "kept", "axes": "o" * value.ndim, "because": because, "uses": (Use(operation=operation),)}


def is_layers(module: nn.Module, name: str) -> bool:
    """Whether a parameter belongs to a layer that is known here, and not to code of somebody's own."""
    if type(module) in _HOLDERS:
        return False
    is_known = isinstance(module, tuple(_LAYERS)) and (name in _OWN or isinstance(module, nn.RNNBase | nn.RNNCellBase))
    return _is_torchs(module) or is_known


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.")


def _weight(operation: Operation, because: str, axes: str, **facts: Any) -> Facts:
    return {"role": "weight", "because": because, "axes": axes, "uses": (Use(operation=operation),)} | facts


def _bias(module: nn.Module, value: nn.Parameter, of: str = "weight", **facts: Any) -> Facts:
    uses = (Use(operation="addition"),)
    bias_of = of if of in own_parameters(module) else None
    return {"role": "bias", "because": "bias", "axes": "o" * value.ndim, "bias_of": bias_of, "uses": uses} | facts


def _dense(module: Any, name: str, value: nn.Parameter) -> Facts:
    return _bias(module, value) if name == "bias" else _weight("dense", "Linear", "oi")


def _bilinear(module: Any, name: str, value: nn.Parameter) -> Facts:
    return _bias(module, value) if name == "bias" else _weight("bilinear", "Bilinear", "oii")


def _convolution(module: Any, name: str, value: nn.Parameter) -> Facts:
    if name == "bias":
        return _bias(module, value)
    axes = "oi" + _SPACE[len(module.kernel_size)]
    return _weight("convolution", "ConvNd", axes, groups=module.groups, stride=math.prod(module.stride))


def _transposed(module: Any, name: str, value: nn.Parameter) -> Facts:
    if name == "bias":
        return _bias(module, value)
    axes, stride = "io" + _SPACE[len(module.kernel_size)], math.prod(module.stride)
    facts = {"groups": module.groups, "stride": stride, "transposed": True}
    return _weight("transposed convolution", "ConvTransposeNd", axes, **facts)


def _norm(module: Any, name: str, value: nn.Parameter) -> Facts:
    role = "scale" if name == "weight" else "shift"
    because, uses = f"{role} of a normalisation", (Use(operation="normalisation"),)
    return {"role": role, "axes": "o" * value.ndim, "because": because, "uses": uses}


def _embedding(module: Any, name: str, value: nn.Parameter) -> Facts:
    because, uses = "one row is picked for each token", (Use(operation="embedding", fed_by="tokens"),)
    return {"role": "embedding", "axes": "vo", "because": because, "padding": module.padding_idx, "uses": uses}


def _recurrent(module: Any, name: str, value: nn.Parameter) -> Facts:
    packs = () if "_hr" in name else _GATES.get(recurrence_of(module), ())
    fed_by = next((source for part, source in _FED_BY.items() if part in name), "unknown")
    uses = (Use(operation="recurrent", fed_by=fed_by),)
    facts = {"packs": packs, "blocks": max(len(packs), 1), "uses": uses}
    if name.startswith("bias"):
        return _bias(module, value, name.replace("bias", "weight", 1)) | facts
    return _weight("recurrent", type(module).__name__, "oi", **facts)


def recurrence_of(module: nn.Module) -> str:
    """`LSTM`, `GRU`, `RNN_TANH`, `RNN`: which recurrence a layer is; a cell goes by the class that it is made from."""
    if isinstance(module, nn.RNNBase):
        return module.mode
    names = (kind.__name__.removesuffix("Cell") for kind in type(module).__mro__)
    return next((name for name in names if name in ("LSTM", "GRU", "RNN")), "RNN")


def _attention(module: Any, name: str, value: nn.Parameter) -> Facts:
    if name in ("bias_k", "bias_v"):
        because, uses = "put beside the signal", (Use(operation="concatenation"),)
        return {"role": "token", "axes": "o" * value.ndim, "because": because, "uses": uses}
    packs = ("query", "key", "value")
    facts = {"packs": packs, "blocks": 3} if name.startswith("in_proj") else {}
    if name == "in_proj_bias":
        return _bias(module, value, "in_proj_weight", **facts)
    return _weight("dense", "MultiheadAttention", "oi", **facts)


# The first type that fits decides; a transposed convolution is a ConvNd as well.
_LAYERS: dict[Any, Callable[[Any, str, nn.Parameter], Facts]] = {
    nn.Linear: _dense,
    nn.Bilinear: _bilinear,
    ConvTransposeNd: _transposed,
    ConvNd: _convolution,
    NORMS: _norm,
    nn.PReLU: lambda module, name, value: kept(value, "slope of an activation", "activation"),
    (nn.Embedding, nn.EmbeddingBag): _embedding,
    (nn.RNNBase, nn.RNNCellBase): _recurrent,
    nn.MultiheadAttention: _attention,
}
