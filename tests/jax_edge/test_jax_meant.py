"""What an author built on purpose stays, where its numbers are there to be seen."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

import initium.jax

X = jnp.ones((8, 30))


class Detector(nn.Module):
    """A head that begins unsure, a residual branch that begins at zero, and a scale that nobody drew."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(64, name="fc")(x))
        y = nn.relu(nn.Dense(64, name="up")(nn.LayerNorm(name="norm")(x)))
        x = x + nn.Dense(64, kernel_init=nn.initializers.zeros, name="down")(y)
        x = x * self.param("temperature", nn.initializers.constant(3.0), ())
        return nn.Dense(2, bias_init=nn.initializers.constant(-4.6), name="head")(x)


def built():
    return Detector().init(jax.random.key(0), X)


def test_a_constant_of_the_authors_is_kept():
    variables = built()
    plan = initium.jax.plan(Detector().apply, variables, X)
    assert plan["params/head/bias"].param.because == "its author's, built as -4.6: bias"
    assert plan["params/temperature"].param.because.startswith("its author's, built as 3")
    params = initium.jax.apply(plan, variables, seed=0)["params"]
    assert (params["head"]["bias"] == jnp.float32(-4.6)).all()
    assert params["temperature"] == 3


@pytest.mark.parametrize("draw", [nn.initializers.lecun_normal(), nn.initializers.uniform(0.3)])
def test_what_is_drawn_from_the_few_numbers_of_bfloat16_is_drawn(draw):
    """JAX has 128 of them in [0, 1), and 1,000 draws of a normal start about as many kinds."""
    model = nn.Dense(40, kernel_init=draw, param_dtype=jnp.bfloat16)
    variables = model.init(jax.random.key(0), X)
    assert len(set(variables["params"]["kernel"].ravel().tolist())) < 200
    assert initium.jax.plan(model.apply, variables, X)["params/kernel"].how == "drawn"


def test_what_is_zero_on_purpose_stays_zero():
    variables = built()
    plan = initium.jax.plan(Detector().apply, variables, X)
    assert plan["params/down/kernel"].param.because == "zero on purpose: training moves it"
    params = initium.jax.apply(plan, variables, seed=0)["params"]
    assert not params["down"]["kernel"].any()
    assert params["fc"]["kernel"].std() == pytest.approx(30**-0.5, rel=0.1)


def test_shapes_say_that_nobody_knows_what_they_were_built_with():
    shapes = jax.eval_shape(built)
    plan = initium.jax.plan(Detector().apply, shapes, X)
    assert plan.notes == (
        "shapes without what `init` built them with (pass its arrays), so that their role alone says how these start: "
        "`params/temperature`",
    )
    assert plan["params/down/kernel"].moment == pytest.approx(1)
