"""From drawn numbers to a tensor of Keras's backend."""

import sys
from collections.abc import Callable
from typing import Any

import keras  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray


def tensor(draw: Callable[..., NDArray[Any]], shape: tuple[int, ...], dtype: str, layout: Any = None) -> Any:
    """What is drawn, on Keras's device or spread over devices as a layout says: each then draws its shard alone.

    Args:
        draw: of the whole, or of the part that `box=` says.
        shape: of the whole.
        dtype: of what is drawn.
        layout: a TensorLayout or JAX's own; only Keras on JAX passes one.
    """
    if layout is None:
        return _as_tensor(draw(), dtype)
    jax = _backend()
    layout = layout.backend_layout if isinstance(layout, keras.distribution.TensorLayout) else layout
    # Inside a variable Keras passes an abstract mesh, which has no devices, and sets the real one.
    mesh = layout.mesh if isinstance(layout.mesh, jax.sharding.Mesh) else jax.sharding.get_mesh()
    sharding = jax.sharding.NamedSharding(mesh, layout.spec)
    return jax.make_array_from_callback(shape, sharding, lambda box: draw(box=box))


def _as_tensor(array: NDArray[Any], dtype: str) -> Any:
    if keras.backend.backend() != "torch":
        return keras.ops.convert_to_tensor(array, dtype)
    # Keras would copy the array, and bfloat16 through float32.
    torch = _backend()
    if dtype == "bfloat16":
        made = torch.from_numpy(array.view("int16")).view(torch.bfloat16)
    else:
        made = torch.from_numpy(array)
    return keras.ops.convert_to_tensor(made.contiguous())


def _backend() -> Any:
    """The framework below Keras, which Keras has imported; this edge imports none itself."""
    return sys.modules[keras.backend.backend()]
