"""JAX itself, or how to get it: the one place that imports it."""

from .._errors import MissingExtraError

__all__ = ["ClosedJaxpr", "Initializer", "Literal", "Tracer", "jax", "trace_state"]

try:
    import jax  # pyright: ignore[reportMissingImports]
    from jax.core import Tracer  # pyright: ignore[reportMissingImports]
    from jax.extend.core import ClosedJaxpr, Literal  # pyright: ignore[reportMissingImports]
    from jax.extend.core import get_opaque_trace_state as trace_state  # pyright: ignore[reportMissingImports]
    from jax.nn.initializers import Initializer  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    if error.name not in ("jax", "jaxlib"):
        raise
    raise MissingExtraError("initium.jax needs JAX, which is not installed: pip install 'initium[jax]'") from None
