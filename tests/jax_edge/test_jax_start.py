"""The catalogue as JAX calls it: the same numbers as `initium.array`, however they are asked for."""

import inspect
import math
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import initium
import initium.jax
from initium._array import drawn
from initium._tensor import Tensor
from initium.init._parse import names
from initium.init._weight import Weight
from initium.jax import _key, _memory, _start

KEY = initium.jax.key(0, "hidden.weight")
SPECS = ["he_normal", "glorot_uniform", "truncated_normal(std=0.02)", "orthogonal", "constant(0.5)", "zeros"]


def transposed(spec, shape=(300, 400), **how):
    return initium.array(spec, shape, seed=0, path="hidden.weight", **how).T


def same(x, y):
    return x.dtype == y.dtype and x.shape == y.shape and np.asarray(x).tobytes() == np.asarray(y).tobytes()


@pytest.fixture
def num_drawn(monkeypatch):
    """How many numbers each draw of a tensor or a part of it made."""
    sizes, part = [], Tensor.part

    def spy(*args, **kwargs):
        out = part(*args, **kwargs)
        sizes.append(out.size)
        return out

    _start._settled.cache_clear()
    monkeypatch.setattr(Tensor, "part", spy)
    return sizes


@pytest.mark.parametrize("spec", SPECS)
def test_a_dense_weight_is_the_transpose_of_what_array_gives(spec):
    weight = initium.jax.parse(spec)(KEY, (400, 300))
    assert isinstance(weight, jax.Array)
    assert same(weight, transposed(spec))


def test_a_large_weight_is_the_transpose_as_well():
    weight = initium.jax.he_normal()(KEY, (2050, 1029))
    assert weight.nbytes > _memory._LARGE
    assert same(weight, transposed("he_normal", (1029, 2050)))


def test_a_convolution_is_stored_with_channels_last():
    weight = initium.jax.he_normal()(KEY, (3, 5, 64, 200))
    theirs = initium.array("he_normal", (200, 64, 3, 5), seed=0, path="hidden.weight")
    assert same(weight, theirs.transpose(2, 3, 1, 0))


def test_axes_say_otherwise():
    weight = initium.jax.he_normal(axes="oi")(KEY, (300, 400))
    assert same(weight, transposed("he_normal").T)
    embedding = initium.jax.lecun_normal(axes="vo")(KEY, (1000, 100))
    assert float(embedding.std()) == pytest.approx(1, rel=5 / math.sqrt(2 * embedding.size))


def test_fans_are_the_true_ones():
    for how, shape, std in [
        ({"groups": 64}, (3, 3, 1, 640), math.sqrt(2 / 9)),
        ({"transposed": True, "stride": 4}, (4, 4, 64, 100), math.sqrt(2 / (64 * 16 / 4))),
        ({"mode": "out", "blocks": 4}, (256, 1024), math.sqrt(2 / 256)),
    ]:
        weight = initium.jax.he_normal(**how)(KEY, shape)
        assert float(weight.std()) == pytest.approx(std, rel=5 / math.sqrt(2 * weight.size)), how


def test_every_name_of_the_catalogue_is_here():
    for name, entry in names().items():
        function = getattr(initium.jax, name)
        assert function.__name__ == name
        assert function.__doc__ == entry.__doc__
        parameters = list(inspect.signature(function).parameters)
        own = list(inspect.signature(entry).parameters)
        assert parameters == [*own, "axes", "groups", "stride", "transposed", "blocks", "dtype"]
    assert set(names()) < set(dir(initium.jax))
    assert not set(names()) & {"key", "parse", "initializers", "Start"}


def test_an_alias_is_the_same_start():
    assert initium.jax.kaiming_normal(0.2) == initium.jax.he_normal(slope=0.2)


@pytest.mark.parametrize("spec", SPECS)
def test_a_compiled_program_draws_the_same_numbers(spec):
    init = initium.jax.parse(spec)
    assert same(jax.jit(lambda key: init(key, (40, 30)))(KEY), init(KEY, (40, 30)))
    assert same(jax.jit(init, static_argnums=(1, 2))(KEY, (40, 30), jnp.bfloat16), init(KEY, (40, 30), jnp.bfloat16))


def test_a_key_that_a_program_closes_over_is_as_good():
    init = initium.jax.he_normal()
    assert same(jax.jit(lambda: init(KEY, (40, 30)))(), init(KEY, (40, 30)))


def test_each_key_of_a_batch_gives_its_own_numbers():
    init, keys = initium.jax.he_normal(), jax.random.split(jax.random.key(1), 6).reshape(2, 3)
    nested = jax.vmap(jax.vmap(lambda key: init(key, (4, 5))))
    for found in (nested(keys), jax.jit(nested)(keys)):
        for place in np.ndindex(2, 3):
            assert same(found[place], init(keys[place], (4, 5)))


def test_a_batch_over_something_else_draws_once(num_drawn):
    init = initium.jax.he_normal()
    found = jax.jit(jax.vmap(lambda x: init(KEY, (4, 5)) * x))(jnp.arange(3.0))
    assert same(found[1], init(KEY, (4, 5)))
    assert [size for size in num_drawn if size] == [20, 20]


def test_the_shape_alone_draws_nothing(num_drawn):
    init = initium.jax.he_normal()
    for dtype in (jnp.float32, jnp.bfloat16):
        found = jax.eval_shape(lambda key, dtype=dtype: init(key, (1 << 20, 1 << 20), dtype), KEY)
        assert (found.shape, found.dtype) == ((1 << 20, 1 << 20), dtype)
        assert jax.eval_shape(lambda dtype=dtype: init(KEY, (1 << 20, 1 << 20), dtype)) == found
    assert sum(num_drawn) == 0


def test_tracing_draws_nothing(num_drawn):
    jax.jit(lambda: initium.jax.he_normal()(KEY, (40, 30))).lower()
    assert sum(num_drawn) == 0


def test_a_gradient_flows_past_a_weight():
    init = initium.jax.ones()
    loss = lambda x: (init(KEY, (4, 5)) * x).sum()  # noqa: E731
    assert float(jax.grad(loss)(2.0)) == 20
    assert float(jax.jit(jax.grad(loss))(2.0)) == 20


def test_a_step_that_donates_a_weight_gets_new_memory_and_the_next_step_reuses_it():
    init = initium.jax.he_normal()
    step = jax.jit(lambda weight: weight + 1, donate_argnums=0)
    weight, drawn = init(KEY, (1500, 1500)), np.array(init(KEY, (1500, 1500)))
    for is_first in (True, False):
        before = weight.unsafe_buffer_pointer()
        weight, donated = step(weight), weight
        assert donated.is_deleted()
        assert (weight.unsafe_buffer_pointer() != before) == is_first
    assert same(weight, drawn + np.float32(1) + np.float32(1))


def test_the_first_import_may_be_inside_a_trace():
    code = """
import jax
KEY = jax.random.key(0)

def start():
    import initium.jax
    return initium.jax.normal()(KEY, (3,))

compiled = jax.jit(start)()
import initium.jax
from initium.jax import initializers
assert (compiled == start()).all()
calls = []
jax.pure_callback = lambda *args, **kwargs: calls.append(args)
for init in (initium.jax.normal(), initializers.normal()):
    assert init(KEY, (3,)).shape == (3,)
assert not calls
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16, "bfloat16"])
def test_each_dtype_is_drawn_as_array_draws_it(dtype):
    name = jnp.dtype(dtype)
    for init in (initium.jax.he_normal(dtype=dtype), lambda key, shape: initium.jax.he_normal()(key, shape, dtype)):
        assert same(init(KEY, (400, 300)), transposed("he_normal", dtype=name))
        assert same(jax.jit(lambda key, init=init: init(key, (400, 300)))(KEY), transposed("he_normal", dtype=name))


def test_float64_is_drawn_where_jax_has_it():
    init = initium.jax.he_normal()
    assert init(KEY, (4, 5)).dtype == jnp.float32
    with pytest.warns(UserWarning, match="Explicitly requested dtype float64 "):
        assert init(KEY, (4, 5), jnp.float64).dtype == jnp.float32
    with jax.enable_x64(True):
        assert init(KEY, (4, 5), jnp.float32).dtype == jnp.float32
        for found in (init(KEY, (400, 300)), jax.jit(lambda key: init(key, (400, 300), jnp.float64))(KEY)):
            assert same(found, transposed("he_normal", dtype=np.float64))


@pytest.mark.parametrize("shape", [(), (7,), (0, 3), (3, 0)])
def test_small_shapes_work(shape):
    init = initium.jax.normal()
    assert init(KEY, shape).shape == shape
    assert same(jax.jit(lambda key: init(key, shape))(KEY), init(KEY, shape))


def test_a_shape_may_be_a_list_of_numpy_integers():
    init = initium.jax.he_normal()
    assert same(init(KEY, [np.int64(4), 5]), init(KEY, (4, 5)))


def test_unequal_packed_blocks_are_drawn_as_array_draws_them():
    for spec in ("he_normal(mode='out')", "orthogonal"):
        how = {"blocks": (40, 10, 10)}
        found = initium.jax.parse(spec, **how)(KEY, (20, 60))
        assert same(found, transposed(spec, (60, 20), **how)), spec


def test_blocks_may_be_a_list():
    init = initium.jax.orthogonal(blocks=[4, 4])
    assert init == initium.jax.orthogonal(blocks=(4, 4))
    assert same(init(KEY, (5, 8)), initium.jax.orthogonal(blocks=(4, 4))(KEY, (5, 8)))


def test_initialisers_are_equal_and_hash_alike_when_they_give_the_same_numbers():
    first, again = initium.jax.he_normal(0.2, axes="oi"), initium.jax.he_normal(slope=0.2, axes="oi")
    assert first == again
    assert hash(first) == hash(again)
    assert first != initium.jax.he_normal(0.2)
    assert initium.jax.he_normal(dtype=jnp.bfloat16) == initium.jax.he_normal(dtype="bfloat16")
    assert pickle.loads(pickle.dumps(first)) == first


def test_an_equal_initialiser_compiles_nothing_anew():
    build = jax.jit(lambda init, key: init(key, (4, 5)), static_argnums=0)
    build(initium.jax.he_normal(), KEY)
    build(initium.jax.he_normal(), KEY)
    assert build._cache_size() == 1


def test_an_initialiser_prints_as_what_makes_it():
    init = initium.jax.he_normal(mode="out", axes="hwio", groups=2, dtype=jnp.bfloat16)
    assert repr(init) == "initium.jax.parse(\"he_normal(mode='out')\", axes='hwio', groups=2, dtype='bfloat16')"
    assert eval(repr(init)) == init
    assert repr(initium.jax.zeros()) == "initium.jax.parse('zeros')"


def test_the_words_of_a_key_are_the_key_of_the_stream():
    weight = Weight(shape=(40, 30), axes="io")
    init, key = initium.jax.he_normal(), jax.random.key(0x1234)
    words = np.asarray(jax.random.key_data(key))
    expected = drawn(initium.parse("he_normal"), weight, key=int(words[0]) << 32 | int(words[1]), dtype=np.float32)
    old_style = jax.random.PRNGKey(0x1234)
    for each in (key, old_style, np.asarray(old_style)):
        assert same(init(each, (40, 30)), expected)
        assert same(jax.jit(lambda key: init(key, (40, 30)))(each), expected)
    assert _key.stream_key(words) == 0x1234


def test_a_key_of_four_words_is_hashed():
    key = jax.random.key(7, impl="rbg")
    init = initium.jax.he_normal()
    assert same(jax.jit(lambda key: init(key, (4, 5)))(key), init(key, (4, 5)))
    assert same(init(jax.random.key_data(key), (4, 5)), init(key, (4, 5)))
    assert not same(init(jax.random.key(7), (4, 5)), init(key, (4, 5)))
    # printf '\0\0\0\0\7\0\0\0\0\0\0\0\7\0\0\0' | b2sum -l 64
    expected = int.from_bytes(bytes.fromhex("aadc2cc16bbfe820"), "little")
    assert _key.stream_key(np.array([0, 7, 0, 7], np.uint32)) == expected


def test_a_key_of_seed_and_path_is_a_typed_key():
    assert KEY.dtype == jax.random.key(0).dtype
    assert KEY.shape == ()
    assert _key.stream_key(jax.random.key_data(KEY)) == initium._stream.key(0, "hidden.weight")


def raises(error, message, call):
    with pytest.raises(error) as found:
        call()
    assert str(found.value) == message
    assert isinstance(found.value, ValueError)


NO_KEY = (
    "An initialiser needs a key, such as jax.random.key(0), not {!r}. "
    "Haiku passes none: give it lambda *how: init(haiku.next_rng_key(), *how)."
)


def test_a_call_without_a_key_is_told_so_whatever_else_is_wrong():
    raises(initium.SettingError, NO_KEY.format((4, 5)), lambda: initium.jax.he_normal()((4, 5), jnp.float32))


def test_what_is_no_key_is_refused():
    init = initium.jax.he_normal()
    for key in (0, None, jnp.zeros(2)):
        message = NO_KEY.format(key)
        raises(initium.SettingError, message, lambda key=key: init(key, (4, 5)))
    for key, shape in [(jax.random.split(KEY, 3), "(3,)"), (jnp.zeros((3, 2), jnp.uint32), "(3, 2)")]:
        message = f"An initialiser needs one key, not an array of them of shape {shape}. Use jax.vmap for many."
        raises(initium.SettingError, message, lambda key=key: init(key, (4, 5)))


def test_a_seed_out_of_range_is_refused():
    raises(
        initium.SettingError, "A seed is a whole number from 0 to 2^64 - 1, not -1.", lambda: initium.jax.key(-1, "w")
    )


@pytest.mark.parametrize("dtype", ["int32", "complex64", "uint16", "bool"])
def test_other_dtypes_are_refused(dtype):
    message = f"initium.jax draws float32, float64, float16, bfloat16, not {dtype}. Draw one of them and convert it."
    raises(initium.SettingError, message, lambda: initium.jax.he_normal()(KEY, (4, 5), dtype))


def test_what_cannot_be_drawn_is_refused_before_a_program_is_compiled():
    for init, shape, error, message in [
        (initium.jax.he_normal(), (7,), initium.ShapeError,
         '`he_normal` needs an input and an output axis, but the weight has shape (7,) with axes "o".'),
        (initium.jax.he_normal(), (1,) * 6, initium.ShapeError,
         "a weight of 6 axes is no usual kernel; say with `axes=` what each of them is."),
        (initium.jax.he_normal(axes="oi"), (7,), initium.ShapeError,
         'shape (7,) needs 1 letters of axes, not "oi".'),
        (initium.jax.normal(std=1e6, dtype="float16"), (7,), initium.SpecError,
         "Normal(mean=0.0, std=1000000.0) reaches 6.4e+06, but float16 ends at 65504."),
    ]:  # fmt: skip
        raises(error, message, lambda init=init, shape=shape: init(KEY, shape))
        raises(error, message, lambda init=init, shape=shape: jax.jit(lambda key: init(key, shape)).lower(KEY))


def test_a_start_that_is_none_is_refused_as_array_refuses_it():
    with pytest.raises(initium.SpecError) as theirs:
        initium.array("framework", (7,), seed=0, path="bias")
    raises(initium.SpecError, str(theirs.value), lambda: initium.jax.framework()(KEY, (7,)))
    raises(initium.SpecError, str(theirs.value), lambda: jax.jit(lambda: initium.jax.framework()(KEY, (7,))).lower())


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(AttributeError) as error:
        initium.jax.he_norml  # noqa: B018
    assert str(error.value) == (
        "No initialiser is called 'he_norml'; the closest is 'he_normal'. `initium list` shows all of them."
    )


def test_arguments_are_refused_as_the_catalogue_refuses_them():
    raises(initium.SpecError, "`normal`: std is 0 or more, not -1.0.", lambda: initium.jax.normal(std=-1))
