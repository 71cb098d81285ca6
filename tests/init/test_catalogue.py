import math
from dataclasses import astuple

import numpy as np
import pytest
import torch

import initium
from initium import _stream
from initium._fill import fill
from initium.init import Initialiser, _initialiser
from initium.init._law import Keep, Orthogonal
from initium.init._weight import Weight

from cases import CASES, FAN_IN, FAN_OUT

FINITE = "a finite number that float32 can hold"
DENSE = Weight(shape=(FAN_OUT, FAN_IN), axes="oi")


@pytest.mark.parametrize(("spec", "law"), CASES.items(), ids=CASES.keys())
def test_an_initialiser_gives_the_law_of_its_paper(spec, law):
    found = initium.parse(spec).law(DENSE)
    assert type(found) is type(law)
    assert astuple(found) == pytest.approx(astuple(law), rel=1e-15)


@pytest.mark.parametrize("spec", CASES)
def test_a_spec_prints_as_it_was_written_and_reads_back_equal(spec):
    init = initium.parse(spec)
    assert str(init) == spec
    assert initium.parse(str(init)) == init


@pytest.mark.parametrize("spec", [spec for spec, law in CASES.items() if not isinstance(law, Keep | Orthogonal)])
def test_the_realised_std_is_the_one_the_law_claims(spec):
    weight = Weight(shape=(400, 250), axes="oi")
    law = initium.parse(spec).law(weight)
    out = np.empty(weight.shape, np.float32)
    fill(out, law, weight, key=_stream.key(0, spec))
    match law:
        case _ if hasattr(law, "value"):
            assert (out == np.float32(law.value)).all()
        case _ if hasattr(law, "low"):
            assert out.std() == pytest.approx((law.high - law.low) / math.sqrt(12), rel=5 / math.sqrt(2 * out.size))
        case _:
            assert out.std() == pytest.approx(law.std, rel=5 / math.sqrt(2 * out.size))


def test_every_catalogue_entry_is_in_the_table():
    assert {spec.split("(")[0] for spec in CASES} == set(_initialiser.CATALOGUE)


def test_every_catalogue_entry_is_public_and_explained():
    for name in _initialiser.CATALOGUE:
        assert getattr(initium.init, name).__doc__.count("Example:") == 1


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
        ("he_norml", "No initialiser is called 'he_norml'; the closest is 'he_normal'."),
        ("HeNormal", "No initialiser is called 'HeNormal'; the closest is 'he_normal'."),
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
        ("constant('a')", f"'constant('a')' does not fit. `constant`: value is {FINITE}, not 'a'."),
        ("constant(True)", f"'constant(True)' does not fit. `constant`: value is {FINITE}, not True."),
        ("normal(std=inf)", f"'normal(std=inf)' does not fit. `normal`: std is {FINITE}, not inf."),
        (
            "truncated_normal(cut=0)",
            "'truncated_normal(cut=0)' does not fit. `truncated_normal`: cut is above 0, not 0.0.",
        ),
        ("orthogonal(gain=0)", "'orthogonal(gain=0)' does not fit. `orthogonal`: gain is above 0, not 0.0."),
        (
            "glorot_normal(gain=-1)",
            "'glorot_normal(gain=-1)' does not fit. `glorot_normal`: gain is above 0, not -1.0.",
        ),
        ("variance_scaling(0)", "'variance_scaling(0)' does not fit. `variance_scaling`: scale is above 0, not 0.0."),
        (
            "he_normal(mode='fan_in')",
            "'he_normal(mode='fan_in')' does not fit. `variance_scaling`: mode is 'in', 'out', 'avg' or 'geo', not "
            "'fan_in'.",
        ),
    ],
)  # fmt: skip
def test_a_spec_that_does_not_fit_says_why(spec, message):
    with pytest.raises(initium.InitiumError) as error:
        initium.parse(spec)
    assert str(error.value) == message
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("spec", ["glorot_uniform", "he_normal", "variance_scaling(1)", "orthogonal"])
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
