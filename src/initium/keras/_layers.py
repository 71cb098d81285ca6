"""read: what the types of a model's layers say of each of its variables."""

from typing import Any

import keras  # pyright: ignore[reportMissingImports]
from keras import layers  # pyright: ignore[reportMissingImports]

from .._graph import Operation, Param, Use
from ..init._weight import Weight
from ._caller import Caller
from ._keras import own_variables
from ._made import made_of
from ._named import Named
from ._stand_ins import GATES, cell_of
from ._weight import is_known, weight

Facts = dict[str, Any]

_NORMS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.SpectralNormalization,
)
# What a kernel does in these layers; in all others it is dense.
_OPERATIONS: dict[tuple[type, ...], Operation] = {
    (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose): "transposed convolution",
    (layers.Conv1D, layers.Conv2D, layers.Conv3D): "convolution",
    (layers.DepthwiseConv1D, layers.DepthwiseConv2D, layers.SeparableConv1D, layers.SeparableConv2D): "convolution",
}
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


def is_convolution(layer: Any) -> bool:
    """Whether a layer is one of Keras's own convolutions, whatever their kind."""
    return any(isinstance(layer, kinds) for kinds in _OPERATIONS)


def read(named: Named) -> Param:
    """One variable, as its layer's type says it."""
    return Param(
        path=named.path,
        shape=tuple(named.variable.shape),
        layer=type(named.layer).__name__,
        tied=named.tied,
        dtype=keras.backend.standardize_dtype(named.variable.dtype),
        made=made_of(named),
        stream=named.stream,
        **_facts(named),
    )


def _facts(named: Named) -> Facts:
    variable, layer = named.variable, named.layer
    if not variable.trainable:
        return _kept(variable, "frozen")
    if variable.name in ("gamma", "beta", "scale", "bias") and isinstance(layer, _NORMS):
        role = "shift" if variable.name in ("beta", "bias") else "scale"
        return _plain(variable, role, f"{role} of a normalisation", "normalisation")
    if variable.name == "bias":
        kernel = next((one.name for one in own_variables(layer) if one.name in ("kernel", "pointwise_kernel")), None)
        of = f"{named.owner}/{kernel}" if kernel and named.owner else kernel
        return _plain(variable, "bias", "bias", "addition") | {"bias_of": of} | recurrence_facts(named)
    if isinstance(layer, layers.Embedding) and variable.name == "embeddings":
        use = Use(operation="embedding", fed_by="tokens")
        return {"role": "embedding", "axes": "vo", "because": "one row is picked for each token", "uses": (use,)}
    is_read = is_known(layer, variable.name) or is_convolution(layer) or len(variable.shape) == 2
    if variable.name in _KERNELS and is_read:
        return _kernel(named)
    return _kept(variable, "of a layer that is not known")


def recurrence_facts(named: Named) -> Facts:
    """How a recurrent cell packs its gates; nothing for any other layer."""
    gates = GATES.get(cell_of(named.layer), ())
    fits = bool(gates) and named.variable.shape[-1] % len(gates) == 0
    return {"packs": gates, "blocks": len(gates)} if fits and len(named.variable.shape) == 1 else {}


def _kernel(named: Named) -> Facts:
    variable, layer = named.variable, named.layer
    shape = tuple(variable.shape)
    found = weight(shape, Caller(named.path, variable.name, layer))
    operations: list[Operation] = [word for kinds, word in _OPERATIONS.items() if isinstance(layer, kinds)]
    operation: Operation = operations[0] if operations else "dense"
    facts = {field: getattr(found, field) for field in Weight.__dataclass_fields__ if field != "shape"}
    use = Use(operation=operation)
    if kind := cell_of(layer):
        fed_by = "state" if variable.name == "recurrent_kernel" else "unknown"
        facts |= {"packs": GATES[kind]}
        use = Use(operation="recurrent", fed_by=fed_by)
    return {"role": "weight", "because": type(layer).__name__, "uses": (use,)} | facts


def _plain(variable: Any, role: str, because: str, operation: Operation) -> Facts:
    axes = "o" * len(variable.shape)
    return {"role": role, "axes": axes, "because": because, "uses": (Use(operation=operation),)}


def _kept(variable: Any, because: str) -> Facts:
    return _plain(variable, "kept", because, "other")
