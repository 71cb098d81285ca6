"""JAX's edge: initialisers with the protocol of `jax.nn.initializers`, for Flax, Haiku, Equinox and plain JAX.

    from initium.jax import he_normal

    layer = nnx.Linear(400, 300, kernel_init=he_normal(), rngs=rngs)

Every name of the catalogue is here, with the catalogue's meaning (`he_normal` is Gaussian) and the true fans.
Beside its own arguments each takes `axes`, `groups`, `stride`, `transposed` and `blocks`, which say what the
weight is (see `initium.fans`; channels come last unless `axes` says otherwise), and `dtype`.
`initium.jax.initializers` is a drop-in for `jax.nn.initializers`, with JAX's meaning.

Equinox stores weights outputs first, and Haiku passes no key:

    weight = he_normal(axes="oi")(key, (300, 400))  # of an equinox.nn.Linear; of a Conv2d axes="oihw"
    layer = haiku.Linear(300, w_init=lambda *how: he_normal()(haiku.next_rng_key(), *how))

Inside `jax.jit` a callback draws on the host when the compiled program runs: the same numbers, bit for bit.
`jax.vmap` over keys, `jax.eval_shape`, which draws nothing, and `out_sharding` work as they do with JAX's own. A
weight lies where its key was put; by default on JAX's default device, or under `jax.set_mesh` on all of the mesh.
With `out_sharding` each shard is drawn alone. Orthogonal weights and others that are computed as a whole are drawn
once and cut, and inside `jax.jit` drawn as a whole on each device.

Differs from JAX's own, inside `jax.jit` and in what a callback cannot do:

- `jax.export` cannot serialise a program that draws, and JAX's persistent compilation cache does not keep one.
- `jax.jit(..., out_shardings=)` without `out_sharding=` in the call draws the whole on the program's first device.
- So does `jax.vmap` over keys whose batch is sharded over automatic axes of a mesh, which no trace can see. Over
  explicit axes each device draws for its own keys.

Example:
    >>> import jax, initium.jax
    >>> init = initium.jax.he_normal(mode="out")
    >>> weight = init(jax.random.key(0), (400, 300))
    >>> weight.shape, round(float(weight.std()) / (2 / 300) ** 0.5, 2)
    ((400, 300), 1.0)
"""

from ..init._parse import names as _catalogue
from . import initializers as initializers
from ._initialize import apply as apply
from ._initialize import initialize as initialize
from ._initialize import plan as plan
from ._key import key as key
from ._start import Start as Start
from ._start import named as __getattr__  # noqa: F401  Python asks it for the catalogue's names
from ._start import parse as parse


def __dir__() -> list[str]:
    return sorted({*globals(), *_catalogue()})
