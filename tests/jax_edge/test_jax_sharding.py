"""Several devices, which a process must ask for before it starts JAX; and what is refused on one."""

import os
import subprocess
import sys
from contextlib import nullcontext
from itertools import combinations_with_replacement
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

import initium
import initium.jax

HERE = Path(__file__).parent
KEY = initium.jax.key(0, "hidden.weight")


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 4)])
def test_each_device_draws_its_own_shard(rows, columns):
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={rows * columns}"}
    script = [sys.executable, HERE / "jax_shards.py", str(rows), str(columns)]
    ended = subprocess.run(script, env=os.environ | flags, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 2 * 16


def test_one_device_is_a_mesh_too():
    init = initium.jax.he_normal()
    with jax.set_mesh(jax.make_mesh((1,), ("x",))):
        for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
            weight = draw(KEY, (4, 5), "float32", P("x"))
            assert np.asarray(weight).tobytes() == np.asarray(init(KEY, (4, 5))).tobytes()
            assert weight.sharding.spec == P("x", None) or weight.sharding.spec == P("x")


MESHES = [
    jax.make_mesh((1, 1), ("x", "y"), axis_types=kinds)
    for kinds in combinations_with_replacement((AxisType.Explicit, AxisType.Auto), 2)
]


def spellings():
    """Where a key may lie, and what may be asked for besides, as calls of an initialiser."""
    for mesh in MESHES:
        yield nullcontext(), jax.device_put(jax.random.key(0), jax.NamedSharding(mesh, P())), None
        yield jax.set_mesh(mesh), jax.random.PRNGKey(0), None
    yield nullcontext(), jax.device_put(jax.random.key(0), jax.devices()[0]), None
    for spec in (P(), P("x"), P(("x", "y"), None)):
        yield jax.set_mesh(MESHES[0]), jax.random.key(0), jax.NamedSharding(MESHES[0], spec)


@pytest.mark.parametrize("ours", [initium.jax.initializers.he_normal(), initium.jax.orthogonal()])
def test_a_sharding_is_spelled_as_jax_spells_it_so_that_nothing_compiles_twice(ours):
    theirs = jax.nn.initializers.uniform()  # JAX's orthogonal takes no sharding
    for context, key, out_sharding in spellings():
        with context:
            expected, found = (init(key, (4, 6), out_sharding=out_sharding) for init in (theirs, ours))
            assert found.sharding == expected.sharding, (key.sharding, out_sharding)
            assert jax.typeof(found) == jax.typeof(expected)
            assert found.committed == expected.committed
            step = jax.jit(lambda x: x)
            step(expected)
            step(found)
            assert step._cache_size() == 1


@pytest.mark.parametrize(
    ("sharding", "error", "message"),
    [
        (P("x"), initium.SettingError, f"{P('x')} needs a mesh: set one with jax.set_mesh, or pass a NamedSharding."),
        ("x", initium.SettingError, "out_sharding is a NamedSharding or a PartitionSpec, not 'x'."),
        (
            jax.sharding.NamedSharding(jax.make_mesh((1,), ("x",)), P(None, None, "x")),
            initium.ShapeError,
            f"{P(None, None, 'x')} names 3 axes, but the weight has shape (4, 5).",
        ),
    ],
)
def test_a_sharding_that_does_not_fit_is_refused(sharding, error, message):
    init = initium.jax.he_normal()
    for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
        with pytest.raises(error) as found:
            draw(KEY, (4, 5), "float32", sharding)
        assert str(found.value) == message
