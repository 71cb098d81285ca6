"""Several devices, which a process must ask for before it starts JAX; and what is refused on one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
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
    assert len(ended.stdout.splitlines()) == 2 * 14


def test_one_device_is_a_mesh_too():
    init = initium.jax.he_normal()
    with jax.set_mesh(jax.make_mesh((1,), ("x",))):
        for draw in (init, jax.jit(init, static_argnums=(1, 2, 3))):
            weight = draw(KEY, (4, 5), "float32", P("x"))
            assert np.asarray(weight).tobytes() == np.asarray(init(KEY, (4, 5))).tobytes()
            assert weight.sharding.spec == P("x", None) or weight.sharding.spec == P("x")


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
