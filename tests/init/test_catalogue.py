import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

import initium
from initium import _guide, _stream
from initium._array import drawn
from initium._fill import fill
from initium.init import Initialiser, _initialiser
from initium.init._law import Constant, Keep, Orthogonal
from initium.init._weight import Weight

from cases import CASES, FAN_IN, FAN_OUT, LAWS, MADE, conv, dense

SEE = "`initium list` shows all of them."
FINITE = "a finite number that float32 can hold"
DENSE = Weight(shape=(FAN_OUT, FAN_IN), axes="oi")
DRAWN = [spec for spec in CASES if spec != "framework"]
STATISTICAL = [spec for spec, made in MADE.items() if made.exact is None]


def weight_of(spec):
    return MADE[spec].weight if spec in MADE else dense(400, 250)


def made(spec, weight=None, key=None, dtype="float32", box=None):
    key = _stream.key(0, spec) if key is None else key
    return drawn(initium.parse(spec), weight or weight_of(spec), key=key, dtype=dtype, box=box)


@pytest.mark.parametrize(("spec", "law"), LAWS.items(), ids=LAWS.keys())
def test_an_initialiser_gives_the_law_of_its_paper(spec, law):
    found = initium.parse(spec).law(DENSE)
    assert type(found) is type(law)
    assert astuple(found) == pytest.approx(astuple(law), rel=1e-14)


@pytest.mark.parametrize("spec", CASES)
def test_a_spec_prints_as_it_was_written_and_reads_back_equal(spec):
    init = initium.parse(spec)
    assert str(init) == spec
    assert initium.parse(str(init)) == init


@pytest.mark.parametrize("spec", [spec for spec, law in LAWS.items() if not isinstance(law, Keep | Orthogonal)])
def test_the_realised_numbers_are_those_the_law_claims(spec):
    out = made(spec).astype(np.float64)
    law = initium.parse(spec).law(weight_of(spec))
    if isinstance(law, Constant):
        assert (out == np.float32(law.value)).all()
        return
    is_uniform = hasattr(law, "low")
    mean, std = ((law.low + law.high) / 2, (law.high - law.low) / math.sqrt(12)) if is_uniform else (law.mean, law.std)
    assert out.std() == pytest.approx(std, rel=5 / math.sqrt(2 * out.size))
    assert out.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(out.size))
    if is_uniform:
        assert law.low <= out.min() < law.low + std / 1000
        assert law.high - std / 1000 < out.max() <= law.high * (1 + 1e-7)


@pytest.mark.parametrize("spec", [spec for spec, made in MADE.items() if made.exact is not None])
def test_a_weight_without_chance_is_its_formula(spec):
    np.testing.assert_allclose(made(spec, dtype="float64"), MADE[spec].exact, rtol=1e-15, atol=1e-16)


@pytest.mark.parametrize("spec", STATISTICAL)
def test_the_realised_numbers_are_those_the_entry_claims(spec):
    case = MADE[spec]
    out = made(spec).astype(np.float64)
    out = out[out != 0]
    assert out.size >= 100_000
    assert out.std() == pytest.approx(case.std, rel=5 / math.sqrt(2 * 100_000))
    assert out.mean() == pytest.approx(case.mean, abs=5 * case.std / math.sqrt(100_000))
    assert case.low <= out.min()
    assert out.max() <= case.high


@pytest.mark.parametrize("spec", DRAWN)
def test_every_dtype_holds_the_same_numbers(spec):
    weight = small(spec)
    single, double = made(spec, weight), made(spec, weight, dtype="float64")
    np.testing.assert_allclose(double, single, rtol=2e-6, atol=1e-6 * abs(double).max())
    half = made(spec, weight, dtype="float16")
    if isinstance(initium.parse(spec).law(weight), Orthogonal):
        np.testing.assert_allclose(half, single, rtol=1e-3, atol=1e-6)
    else:
        np.testing.assert_array_equal(half, single.astype(np.float16))
    brain = made(spec, weight, dtype=pytest.importorskip("ml_dtypes").bfloat16)
    np.testing.assert_allclose(brain.astype(np.float32), single, rtol=2**-8, atol=1e-9)


@pytest.mark.parametrize("spec", DRAWN)
def test_the_same_key_gives_the_same_and_another_key_other_numbers(spec):
    weight = small(spec)
    first, second, other = (made(spec, weight, key=key) for key in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    is_random = not isinstance(LAWS.get(spec), Constant) and (spec in LAWS or spec in STATISTICAL)
    assert np.array_equal(first, other) != is_random


@pytest.mark.parametrize("spec", DRAWN)
def test_a_slice_equals_its_part_of_the_whole(spec):
    weight = small(spec)
    box = tuple(slice(size // 3, size - size // 4) for size in weight.shape)
    whole, part = made(spec, weight), made(spec, weight, box=box)
    assert part.size
    np.testing.assert_array_equal(part, whole[box])


# Of a weight as it is stored: its axes are no inputs and outputs.
STATES = ("s4d", "hippo", "rows", "values", "sinusoidal", "flattened")


@pytest.mark.parametrize("spec", ["s4d_real", "s4d_lin", "hippo_legs_input", "hippo_legs"])
def test_a_state_starts_alike_in_every_layout(spec):
    """Along the last axis as it is stored: A_log of Mamba is `(channel, state)` in every framework."""
    stored = initium.array(spec, (4, 4), seed=0, path="a")
    assert stored[1, 0] != stored[0, 1]
    for axes in ("io", "bo", "ob", "vo"):
        np.testing.assert_array_equal(initium.array(spec, (4, 4), seed=0, path="a", axes=axes), stored)


FANS = {
    "grouped": (conv(72, 36, 2, 1, groups=2), (72, 72)),
    "strided": (conv(144, 18, 2, 2, stride=4), (72, 144)),
    "transposed and strided": (Weight(shape=(72, 36, 2, 2), axes="iohw", stride=4, transposed=True), (72, 144)),
    "packed": (dense(90, 72, blocks=3), (72, 30)),
    "stacked": (Weight(shape=(5, 72, 30), axes="bio"), (72, 30)),
}


@pytest.mark.parametrize(("weight", "fans"), FANS.values(), ids=FANS.keys())
@pytest.mark.parametrize("spec", [spec for spec in LAWS if not spec.startswith("fixup")])
def test_a_law_looks_at_the_true_fans_and_at_nothing_else(spec, weight, fans):
    init = initium.parse(spec)
    assert init.law(weight) == init.law(dense(fans[1], fans[0]))


@pytest.mark.parametrize(
    ("spec", "share"),
    [
        ("he_sparse(density=0.5)", 2),
        ("he_sparse(density=1)", 2),
        ("looks_linear(start='lecun_normal', mirror='out')", 1),
        ("looks_linear(start='lecun_normal')", 2),  # V has half the inputs
        ("icnr(start='lecun_normal')", 1),
    ],
)
def test_a_start_within_a_start_sees_the_stride(spec, share):
    weight = Weight(shape=(128, 64, 4, 4), axes="iohw", transposed=True, stride=4)  # fan_in 512
    out = made(spec, weight, dtype="float64")
    kept = 0.5 if "0.5" in spec else 1
    assert (out**2).mean() / kept == pytest.approx(share / 512 / kept, rel=5 * math.sqrt(2 / (out.size / 4)))


def test_fixups_base_is_that_of_its_authors_whatever_the_stride():
    assert initium.parse("fixup(16)").law(conv(64, 64, 3, 3, stride=4)).std == math.sqrt(2 / 576) / 4


# These need some outputs.
SQUARE = ("log_prior", "hippo_legs", "delta_orthogonal", "conv_orthogonal", "mimetic_attention", "rows")


@pytest.mark.parametrize("spec", [spec for spec in DRAWN if not spec.startswith(SQUARE)])
def test_a_weight_without_outputs_is_filled_with_nothing(spec):
    weight = weight_of(spec)
    empty = replace(weight, shape=(0, *weight.shape[1:]))
    assert made(spec, empty).shape == empty.shape


@pytest.mark.parametrize("spec", [s for s in DRAWN if len(weight_of(s).shape) > 1 and not s.startswith(STATES)])
def test_a_weight_stored_in_another_order_has_the_same_numbers(spec):
    weight = small(spec)
    order = [*range(2, len(weight.shape)), 1, 0]  # (space, input, output), as Keras and JAX store it
    axes = "".join(weight.axes[axis] for axis in order)
    other = replace(weight, shape=tuple(weight.shape[axis] for axis in order), axes=axes)
    np.testing.assert_array_equal(made(spec, other).transpose(np.argsort(order)), made(spec, weight))


PACKINGS = {"two blocks": {"blocks": 2}, "unequal blocks": {"blocks": (4, 8)}, "two groups": {"groups": 2}}


@pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS.keys())
@pytest.mark.parametrize(
    ("spec", "holds"),
    {
        "orthogonal": lambda block: np.allclose(block.T @ block, np.eye(4), atol=1e-6),
        "sparse(num_incoming=3)": lambda block: ((block != 0).sum(1) == 3).all(),
        "identity": lambda block: (block == np.eye(*block.shape)).all(),
    }.items(),
)
def test_each_packed_block_and_each_group_is_a_weight_of_its_own(spec, holds, packing):
    whole = made(spec, dense(12, 4, **packing))
    blocks = np.split(whole, [4 if packing.get("blocks") == (4, 8) else 6])
    assert all(holds(block) for block in blocks)
    assert not holds(whole) or spec == "sparse(num_incoming=3)"
    if spec != "identity":
        assert not np.array_equal(blocks[0][:4], blocks[1][:4])


def small(spec):
    """A weight for which nothing is long, but the same kind of axes."""
    weight = weight_of(spec)
    if spec not in STATISTICAL and spec not in LAWS:
        return weight
    sizes = {"o": 36, "i": 12}
    return replace(
        weight,
        shape=tuple(min(size, sizes.get(axis, 3)) for axis, size in zip(weight.axes, weight.shape, strict=True)),
    )


def test_every_catalogue_entry_is_in_the_table():
    assert {spec.split("(")[0] for spec in CASES} == set(_initialiser.CATALOGUE)


@pytest.mark.parametrize("entry", _guide.entries(), ids=lambda entry: entry.name)
def test_every_catalogue_entry_is_public_and_explained(entry):
    assert callable(getattr(initium.init, entry.name))
    assert {"Formula", "Use", "Example"} <= set(entry.sections)
    assert len(entry.when) <= 53  # a line of `initium list`
    without = {"zeros", "ones", "constant", "uniform", "normal", "truncated_normal", "framework", "variance_scaling"}
    assert bool(entry.cited) == (
        entry.name not in without | {"zero_head", "packed", "whole", "padded", "rows", "values", "flattened", "through"}
    )


@pytest.mark.parametrize("name", ["sparse", "he_sparse", "looks_linear"])
def test_an_embedding_is_no_sum(name):
    with pytest.raises(initium.ShapeError) as error:
        initium.array(name, (30, 4), seed=0, path="a", axes="vo")
    assert str(error.value) == (
        f"`{name}` counts the inputs of a sum, and an embedding picks one of them. Give it `normal`."
    )


def test_numbers_of_numpy_are_numbers():
    assert initium.init.gpt2_residual(np.int64(3)) == initium.init.gpt2_residual(3)
    assert initium.init.lecun_normal(gain=np.float32(1.5)) == initium.init.lecun_normal(gain=1.5)
    assert (
        initium.init.log_prior(np.bincount([0, 1, 1]))
        == initium.init.log_prior((1, 2))
        == initium.init.log_prior([1, 2])
    )
    assert initium.init.deepnorm(6, num_others=0) == initium.init.deepnorm(6)
    assert (
        initium.array("normal", 4, seed=np.int64(1), path="a") == initium.array("normal", (4,), seed=1, path="a")
    ).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: initium.init.he_normal(np.ones((3, 2))),
            "`he_normal` is told how to start, and then what: write `he_normal()`, and call that or pass it on.",
        ),
        (
            lambda: initium.array(Weight, 3, seed=0, path="a"),
            "`array` takes a spec such as 'he_normal', or `initium.init.he_normal()`; got "
            "<class 'initium.init._weight.Weight'>.",
        ),
        (lambda: initium.init.kumar(0.5, 1e-200), "`kumar`: an argument is too large or too small."),
        (
            lambda: initium.array("s4d_real", (), seed=0, path="a"),
            "`s4d_real` goes along an axis, and a scalar has none.",
        ),
    ],
)
def test_a_call_of_the_wrong_kind_is_told_the_right_one(call, message):
    with pytest.raises(initium.InitiumError) as error:
        call()
    assert str(error.value) == message


def test_an_array_cannot_keep_what_is_not_there():
    with pytest.raises(initium.SpecError) as error:
        made("framework")
    assert str(error.value) == ("`framework` keeps what is there, and here there is nothing yet. Name another start.")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("xavier_normal", "glorot_normal"),
        ("xavier_uniform", "glorot_uniform"),
        ("kaiming_normal", "he_normal"),
        ("kaiming_uniform", "he_uniform"),
    ],
)
def test_an_alias_is_the_same_initialiser(alias, name):
    assert initium.parse(alias) == initium.parse(name)
    assert getattr(initium.init, alias) is getattr(initium.init, name)


def test_dense_weights_have_the_std_that_torch_gives_them():
    weight = torch.empty(400, 250)
    for spec, fill_in_torch in {
        "glorot_normal": torch.nn.init.xavier_normal_,
        "glorot_uniform": torch.nn.init.xavier_uniform_,
        "he_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "he_uniform(mode='out')": lambda w: torch.nn.init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"),
        "lecun_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="linear"),
    }.items():
        torch.manual_seed(0)
        theirs = fill_in_torch(weight).std().item()
        shape = Weight(shape=(400, 250), axes="oi")
        ours = np.empty(shape.shape, np.float32)
        fill(ours, initium.parse(spec).law(shape), shape, key=1)
        assert ours.std() == pytest.approx(theirs, rel=2 * 5 / math.sqrt(2 * ours.size)), spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("he_norml", f"No initialiser is called 'he_norml'; the closest is 'he_normal'. {SEE}"),
        ("HeNormal", f"No initialiser is called 'HeNormal'; the closest is 'he_normal'. {SEE}"),
        ("gaussian", f"No initialiser is called 'gaussian'; the closest is 'normal'. {SEE}"),
        ("random", f"No initialiser is called 'random'; the closest is 'normal'. {SEE}"),
        ("RandomNormal(std=1)", f"No initialiser is called 'RandomNormal'; the closest is 'normal'. {SEE}"),
        ("random_uniform", f"No initialiser is called 'random_uniform'; the closest is 'uniform'. {SEE}"),
        (
            "uniform(0.1)",
            "'uniform(0.1)' does not fit. `uniform(low, high)`: missing a required argument: 'high'.",
        ),
        (
            "constant(1e39)",
            f"'constant(1e39)' does not fit. `constant`: value is {FINITE}, not 1e+39.",
        ),
        ("he_normal(slope=1e200)", "'he_normal(slope=1e200)' does not fit. `he_normal`: slope is a finite number that "
         "float32 can hold, not 1e+200."),
        (
            "variance_scaling(1, distribution=[1])",
            "'variance_scaling(1, distribution=[1])' does not fit. `variance_scaling`: distribution is a quoted word, "
            "not [1].",
        ),
        ("uniform(1, 0)", "'uniform(1, 0)' does not fit. `uniform`: high (0.0) is below low (1.0)."),
        ("normal(std=-1)", "'normal(std=-1)' does not fit. `normal`: std is 0 or more, not -1.0."),
        (
            "lecun_normal(gain='rleu')",
            "'lecun_normal(gain='rleu')' does not fit. `lecun_normal`: No activation is called 'rleu'; the closest is "
            "'relu'.",
        ),
        ("constant('a')", f"'constant('a')' does not fit. `constant`: value is {FINITE}, not 'a'."),
        ("constant(True)", f"'constant(True)' does not fit. `constant`: value is {FINITE}, not True."),
        ("normal(std=inf)", f"'normal(std=inf)' does not fit. `normal`: std is {FINITE}, not inf."),
        (
            "truncated_normal(cut=0)",
            "'truncated_normal(cut=0)' does not fit. `truncated_normal`: cut is above 0, not 0.0.",
        ),
        ("orthogonal(gain=0)", "'orthogonal(gain=0)' does not fit. A gain is a finite number above 0, not 0."),
        (
            "glorot_normal(gain=-1)",
            "'glorot_normal(gain=-1)' does not fit. A gain is a finite number above 0, not -1.",
        ),
        ("variance_scaling(0)", "'variance_scaling(0)' does not fit. `variance_scaling`: scale is above 0, not 0.0."),
        (
            "he_normal(mode='fan_in')",
            "'he_normal(mode='fan_in')' does not fit. `he_normal`: mode is 'in', 'out', 'avg' or 'geo', not "
            "'fan_in'; what others call so is 'in' here.",
        ),
    ],
)  # fmt: skip
def test_a_spec_that_does_not_fit_says_why(spec, message):
    with pytest.raises(initium.InitiumError) as error:
        initium.parse(spec)
    assert str(error.value) == message
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("spec", ["glorot_uniform", "he_normal", "variance_scaling", "orthogonal"])
def test_a_one_dimensional_weight_is_refused_by_what_needs_fans(spec):
    with pytest.raises(initium.ShapeError) as error:
        initium.parse(spec).law(Weight(shape=(7,), axes="o"))
    assert str(error.value) == (
        f'`{spec}` needs an input and an output axis, but the weight has shape (7,) with axes "o".'
    )


def test_initialisers_are_equal_exactly_when_their_specs_are():
    assert initium.init.normal(0, 2) == initium.init.normal(std=2.0)
    assert initium.init.normal(std=2) != initium.init.normal(std=3)
    assert isinstance(initium.init.he_normal(), Initialiser)
