"""From a torch module to a Graph, by the types of its layers."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd  # pyright: ignore[reportPrivateUsage]

from .._errors import ModelError
from .._graph import Graph, Param
from ._path import plain_path

_SPACE = ("", "w", "hw", "dhw")
_KEPT = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase, nn.PReLU)  # pyright: ignore


def read(model: nn.Module) -> Graph:
    """What the layers' types say of each parameter. Shared parameters count once, by their first name.

    Raises:
        ModelError: naming every parameter of a layer type that is not known here.
    """
    params, unknown = [], []
    for prefix, module in model.named_modules():
        for name, value in module.named_parameters(recurse=False):
            path = plain_path(f"{prefix}.{name}" if prefix else name)
            facts = _facts(module, name, value)
            if any(path == param.path for param, _ in params):
                raise ModelError(f"Two parameters are called `{path}` once wrappers are stripped; rename one.")
            if facts is None:
                unknown.append(f"  {path}  ({type(module).__name__})")
            elif all(value is not seen for _, seen in params):
                params.append((Param(path=path, shape=tuple(value.shape), **facts), value))
    if unknown:
        more = f"\n  ... and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise ModelError(
            "Initium does not know yet what these parameters do:\n" + "\n".join(unknown[:5]) + more + "\n"
            "Only `framework` can start such a model, or write the layer with Linear and Conv."
        )
    return Graph(tuple(param for param, _ in params))


def _facts(module: nn.Module, name: str, value: Any) -> dict[str, Any] | None:
    """Role, axes and reason of one parameter; None if the layer is not known."""
    if nn.parameter.is_lazy(value):
        return None
    if isinstance(module, _KEPT):
        return _kept(value, f"{type(module).__name__} sets its own")
    if not value.requires_grad:
        return _kept(value, "frozen")
    if name == "bias":
        return {"role": "bias", "axes": "o" * value.ndim, "because": "bias"}
    for layer, facts in _LAYERS.items():
        if isinstance(module, layer) and name == "weight":
            return {"role": "weight", "because": layer.__name__.strip("_")} | facts(module)
    if type(module).__module__.startswith("torch.") or value.ndim > 5:
        return None
    if value.ndim < 2:
        return _kept(value, "no matrix and no kernel")
    axes = "oi" + _SPACE[value.ndim - 2]
    return {"role": "weight", "axes": axes, "because": "its own layer's, read as (output, input, space)"}


def _kept(value: Any, because: str) -> dict[str, Any]:
    return {"role": "kept", "axes": "o" * value.ndim, "because": because}


def _convolution(module: Any) -> dict[str, Any]:
    return {"axes": "oi" + _SPACE[len(module.kernel_size)]} | _windows(module)


def _transposed(module: Any) -> dict[str, Any]:
    return {"axes": "io" + _SPACE[len(module.kernel_size)], "transposed": True} | _windows(module)


def _windows(module: Any) -> dict[str, Any]:
    return {"groups": module.groups, "stride": math.prod(module.stride)}


# The first type that fits says what a `weight` is; a transposed convolution is a _ConvNd as well.
_LAYERS: dict[type[nn.Module], Callable[[Any], dict[str, Any]]] = {
    nn.Linear: lambda module: {"axes": "oi"},
    _ConvTransposeNd: _transposed,
    _ConvNd: _convolution,
}
