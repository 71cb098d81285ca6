"""JAX's edge: initialisers with the protocol of `jax.nn.initializers`, for Flax, Haiku, Equinox and plain JAX.

    from initium.jax import he_normal

    layer = nnx.Linear(400, 300, kernel_init=he_normal(), rngs=rngs)

Every name of the catalogue is here, with the catalogue's meaning (`he_normal` is Gaussian) and the true fans.
Beside its own arguments each takes `axes`, `groups`, `stride`, `transposed` and `blocks`, which say what the
weight is (see `initium.fans`; channels come last unless `axes` says otherwise), and `dtype`.
`initium.jax.initializers` is a drop-in for `jax.nn.initializers`, with JAX's meaning.

Inside `jax.jit` a callback draws on the host when the compiled program runs: the same numbers, bit for bit.
`jax.vmap` over keys, `jax.eval_shape`, which draws nothing, and `out_sharding`, which draws each shard alone,
work as they do with JAX's own.

Example:
    >>> import jax, initium.jax
    >>> init = initium.jax.he_normal(mode="out")
    >>> weight = init(jax.random.key(0), (400, 300))
    >>> weight.shape, round(float(weight.std()) / (2 / 300) ** 0.5, 2)
    ((400, 300), 1.0)
"""

from typing import Any

from ..init._parse import names as _catalogue
from . import initializers as initializers
from ._key import key as key
from ._names import named as _function
from ._start import Start as Start
from ._start import parse as parse


def __getattr__(name: str) -> Any:
    return _function(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_catalogue()})
