"""Each moment against mpmath, whose functions are written out here anew."""

import functools
import math
import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
import torch

from initium import SpecError, UnknownNameError
from initium.init import _gain
from initium.init._gain import ADAPTERS, gain, stability

REL = 1e-8
REACH = 14  # the density beyond weighs 1e-43


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    return mp.log(1 + mp.exp(z))


def above(z):
    return 1 if z > 0 else 0


def elu(alpha, scale=1.0):
    return (
        lambda z: scale * (z if z > 0 else alpha * mp.expm1(z)),
        lambda z: scale * (1 if z > 0 else alpha * mp.exp(z)),
    )


def tanh_slope(z):
    return mp.sech(z) ** 2


def gelu_tanh(z):
    return z / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (z + mp.mpf("0.044715") * z**3)))


def gelu_tanh_slope(z):
    c, k = mp.sqrt(2 / mp.pi), mp.mpf("0.044715")
    inner = c * (z + k * z**3)
    return (1 + mp.tanh(inner)) / 2 + z / 2 * tanh_slope(inner) * c * (1 + 3 * k * z**2)


def mish_slope(z):
    return mp.tanh(softplus(z)) + z * tanh_slope(softplus(z)) * sigmoid(z)


def clip(z, low, high):
    return min(max(z, low), high)


SELU = (mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946"))
K = mp.mpf("1.702")

# Spec: f and f' for mpmath, where they break, and f for NumPy (written otherwise than in the table).
CASES = {
    "identity": (lambda z: z, lambda z: 1, [], lambda z: z + 0),
    "relu": (lambda z: z * above(z), above, [0], lambda z: z * (z > 0)),
    "leaky_relu": (
        lambda z: z * (1 if z > 0 else mp.mpf("0.01")),
        lambda z: 1 if z > 0 else mp.mpf("0.01"),
        [0],
        lambda z: np.maximum(z, 0.01 * z),
    ),
    "prelu(0.2)": (
        lambda z: z * (1 if z > 0 else mp.mpf("0.2")),
        lambda z: 1 if z > 0 else mp.mpf("0.2"),
        [0],
        lambda z: np.maximum(z, 0.2 * z),
    ),
    "relu6": (
        lambda z: clip(z, 0, 6),
        lambda z: 1 if 0 < z < 6 else 0,
        [0, 6],
        lambda z: np.minimum(np.maximum(z, 0), 6),
    ),
    "relu2": (lambda z: z**2 * above(z), lambda z: 2 * z * above(z), [0], lambda z: z * np.maximum(z, 0)),
    "abs": (abs, lambda z: mp.sign(z), [0], lambda z: np.sqrt(z * z)),
    "square": (lambda z: z**2, lambda z: 2 * z, [], lambda z: z * z),
    "tanh": (mp.tanh, tanh_slope, [], np.tanh),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z), [], lambda z: 1 / (1 + np.exp(-z))),
    "erf": (
        mp.erf,
        lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-(z**2)),
        [],
        lambda z: np.array([math.erf(number) for number in z]),
    ),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2, [0], lambda z: z / (1 + np.abs(z))),
    "softplus": (softplus, sigmoid, [], lambda z: np.log1p(np.exp(z))),
    "logsigmoid": (lambda z: -softplus(-z), lambda z: sigmoid(-z), [], lambda z: -np.log1p(np.exp(-z))),
    "tanhshrink": (lambda z: z - mp.tanh(z), lambda z: mp.tanh(z) ** 2, [], lambda z: z - np.tanh(z)),
    "elu": (*elu(1), [0], lambda z: np.where(z > 0, z, np.exp(z) - 1)),
    "elu(0.5)": (*elu(mp.mpf("0.5")), [0], lambda z: np.where(z > 0, z, (np.exp(z) - 1) / 2)),
    "celu(2)": (
        lambda z: z if z > 0 else 2 * mp.expm1(z / 2),
        lambda z: 1 if z > 0 else mp.exp(z / 2),
        [0],
        lambda z: np.maximum(z, 0) + np.minimum(0, 2 * (np.exp(z / 2) - 1)),
    ),
    "selu": (*elu(*SELU), [0], lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z))),
    "gelu": (
        lambda z: z * mp.ncdf(z),
        lambda z: mp.ncdf(z) + z * mp.npdf(z),
        [],
        lambda z: z * np.array([1 + math.erf(number / math.sqrt(2)) for number in z]) / 2,
    ),
    "gelu_tanh": (
        gelu_tanh,
        gelu_tanh_slope,
        [],
        lambda z: z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    ),
    "quick_gelu": (
        lambda z: z * sigmoid(K * z),
        lambda z: sigmoid(K * z) + K * z * sigmoid(K * z) * sigmoid(-K * z),
        [],
        lambda z: z / (1 + np.exp(-1.702 * z)),
    ),
    "silu": (
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z),
        [],
        lambda z: z / (1 + np.exp(-z)),
    ),
    "mish": (lambda z: z * mp.tanh(softplus(z)), mish_slope, [], lambda z: z * np.tanh(np.log1p(np.exp(z)))),
    "hardtanh": (
        lambda z: clip(z, -1, 1),
        lambda z: 1 if abs(z) < 1 else 0,
        [-1, 1],
        lambda z: np.minimum(np.maximum(z, -1), 1),
    ),
    "hardsigmoid": (
        lambda z: clip(z + 3, 0, 6) / 6,
        lambda z: mp.mpf(1) / 6 if abs(z) < 3 else 0,
        [-3, 3],
        lambda z: np.clip(z / 6 + 0.5, 0, 1),
    ),
    "hardswish": (
        lambda z: z * clip(z + 3, 0, 6) / 6,
        lambda z: (2 * z + 3) / 6 if abs(z) < 3 else above(z),
        [-3, 3],
        lambda z: z * np.clip(z / 6 + 0.5, 0, 1),
    ),
    "hardshrink(0.3)": (
        lambda z: z if abs(z) > mp.mpf("0.3") else 0,
        lambda z: 1 if abs(z) > mp.mpf("0.3") else 0,
        [mp.mpf("-0.3"), mp.mpf("0.3")],
        lambda z: z * (np.abs(z) > 0.3),
    ),
    "softshrink(0.3)": (
        lambda z: mp.sign(z) * max(abs(z) - mp.mpf("0.3"), 0),
        lambda z: 1 if abs(z) > mp.mpf("0.3") else 0,
        [mp.mpf("-0.3"), mp.mpf("0.3")],
        lambda z: z - np.clip(z, -0.3, 0.3),
    ),
    "sine": (mp.sin, mp.cos, [], np.sin),
    "sine(30)": (lambda z: mp.sin(30 * z), lambda z: 30 * mp.cos(30 * z), range(-13, 14), lambda z: np.sin(30 * z)),
    "cos": (mp.cos, lambda z: -mp.sin(z), [], np.cos),
    "gaussian": (lambda z: mp.exp(-(z**2)), lambda z: -2 * z * mp.exp(-(z**2)), [], lambda z: np.exp(-z * z)),
}


@functools.cache
def exact(spec):
    """E[f^2], the slope of the second-moment map, and E[f'^2]."""
    f, derivative, breaks, _ = CASES[spec]
    edges = sorted({-REACH, -8, -4, -2, 0, 2, 4, 8, REACH, *breaks})

    def mean(g):
        return mp.quad(lambda z: g(z) * mp.npdf(z), edges, method="gauss-legendre", maxdegree=6)

    with mp.workdps(20):
        second = mean(lambda z: f(z) ** 2)
        beyond = mean(lambda z: (z**2 - 1) * f(z) ** 2)
        return float(second), float(beyond / second / 2), float(mean(lambda z: derivative(z) ** 2))


def check(activation, spec):
    second, slope, backward = exact(spec)
    assert gain(activation) == pytest.approx(second**-0.5, rel=REL)
    assert gain(activation, backward=True) == pytest.approx(backward**-0.5, rel=REL)
    # The slope is a difference of moments near 1: of sine(30) it is 0.
    assert stability(activation).slope == pytest.approx(slope, rel=REL, abs=1e-12)
    assert stability(activation).chi == pytest.approx(backward / second, rel=REL)


@pytest.mark.parametrize("spec", CASES)
def test_a_named_activation_has_the_moments_of_its_definition(spec):
    check(spec, spec)


@pytest.mark.parametrize("spec", CASES)
def test_a_function_is_measured_as_exactly_as_a_name(spec):
    check(CASES[spec][3], spec)


def test_every_name_is_checked():
    aliases = {"linear": "identity", "swish": "silu", "sin": "sine", "hardshrink": "", "softshrink": "", "celu": ""}
    assert {spec.split("(")[0] for spec in CASES} | set(aliases) == set(_gain.ACTIVATIONS)
    for alias, name in aliases.items():
        assert not name or gain(alias) == gain(name)


def test_defaults_are_those_of_the_frameworks():
    assert gain("leaky_relu") == gain("leaky_relu(0.01)") == gain("leaky_relu(slope=0.01)")
    assert gain("prelu") == gain("prelu(0.25)") == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), rel=1e-15)
    assert gain("celu") == pytest.approx(gain("elu(1)"), rel=1e-12)
    assert gain("hardshrink") == gain("hardshrink(0.5)")
    assert gain("softshrink") == gain("softshrink(0.5)")


def test_gains_are_those_of_the_definitions_page():
    table = {"relu": 1.41421, "leaky_relu": 1.41414, "tanh": 1.59254, "sigmoid": 1.8463, "gelu": 1.5335, "silu": 1.6765}
    for name, value in table.items():
        assert gain(name) == pytest.approx(value, abs=1e-4)
    assert gain("selu") == 1


def test_a_number_is_its_own_gain():
    assert gain(5 / 3) == gain(np.float64(5 / 3), backward=True) == 5 / 3
    assert gain(np.float32(2)) == 2


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("tanh", "attracting"), ("selu", "attracting"), ("softplus", "attracting"), ("cos", "attracting")),
        *(("identity", "marginal"), ("relu", "marginal"), ("leaky_relu(0.2)", "marginal"), ("abs", "marginal")),
        *(("gelu", "repelling"), ("silu", "repelling"), ("mish", "repelling"), ("relu2", "repelling")),
    ],
)
def test_the_slope_says_what_a_deep_stack_does(name, kind):
    assert stability(name).kind == kind


def test_the_slope_is_that_of_the_second_moment_map():
    q, step = 1.0, 1e-4

    def second(q):
        return gain(lambda z: z / (1 + np.exp(-math.sqrt(q) * z)) * math.sqrt(q)) ** -2

    measured = (second(q + step) - second(q - step)) / (2 * step) * gain("silu") ** 2
    assert stability("silu").slope == pytest.approx(measured, rel=1e-7)


def tail(a):
    return math.erfc(a / math.sqrt(2)) / 2


# Kinks and jumps where no panel ends.
A = 0.3
DENSITY = math.exp(-A * A / 2) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize(
    ("f", "second", "backward"),
    [
        (lambda z: np.maximum(z - A, 0), (1 + A * A) * tail(A) - A * DENSITY, tail(A)),
        (lambda z: np.where(z > A, z, 0), A * DENSITY + tail(A), tail(A)),
        (lambda z: np.where(z > A, 1 + 0 * z, -z), tail(A) + 1 - tail(A) - A * DENSITY, 1 - tail(A)),
        (lambda z: z + 1.0 * (z > A), 1 + 2 * DENSITY + tail(A), 1),
        (lambda z: z + np.round(7 * z), None, 1),
        (lambda z: np.sin(300 * z), 0.5, 45_000),
        (lambda z: np.exp(10 * z), math.exp(200), 100 * math.exp(200)),
        (lambda z: 1e3 + np.tanh(z), None, 0.4644029024),
    ],
    ids=["kink", "jump", "jump to flat", "step on a line", "stairs", "waves", "steep", "high"],
)
def test_kinks_jumps_and_steepness_are_resolved(f, second, backward):
    if second is not None:
        assert gain(f) == pytest.approx(second**-0.5, rel=REL)
    assert gain(f, backward=True) == pytest.approx(backward**-0.5, rel=REL)


@pytest.mark.parametrize(
    ("f", "name"),
    [(math.tanh, "tanh"), (lambda z: z if z > 0 else 0, "relu"), (lambda z: max(z, 0.2 * z), "prelu(0.2)")],
)
def test_a_function_of_one_number_is_enough(f, name):
    assert gain(f) == pytest.approx(gain(name), rel=REL)
    assert gain(f, backward=True) == pytest.approx(gain(name, backward=True), rel=REL)


@pytest.mark.parametrize("name", ["tanh", "relu", "silu", "hardshrink(0.3)"])
def test_a_function_in_float32_is_measured_as_well_as_its_numbers_allow(name):
    def f(z):
        return CASES[name][3](z.astype(np.float32)).astype(np.float32)

    assert gain(f) == pytest.approx(gain(name), rel=1e-5)
    assert gain(f, backward=True) == pytest.approx(gain(name, backward=True), rel=1e-4)


def test_jax_functions_are_functions_of_arrays():
    jax = pytest.importorskip("jax")
    assert gain(jax.nn.silu) == pytest.approx(gain("silu"), rel=1e-6)
    assert gain(jax.nn.silu, backward=True) == pytest.approx(gain("silu", backward=True), rel=1e-5)


@pytest.fixture
def torch_adapter(monkeypatch):
    monkeypatch.setattr(_gain, "ADAPTERS", [lambda f: lambda z: f(torch.from_numpy(z)).detach().numpy()])


@pytest.mark.usefixtures("torch_adapter")
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: torch.nn.functional.silu, "silu"),
        (lambda: torch.nn.functional.mish, "mish"),
        (torch.nn.GELU, "gelu"),
        (lambda: torch.nn.GELU(approximate="tanh"), "gelu_tanh"),
        (lambda: torch.nn.ReLU(inplace=True), "relu"),
        (torch.nn.Hardswish, "hardswish"),
        (torch.nn.SELU, "selu"),
        (torch.nn.Hardshrink, "hardshrink"),
        (lambda: torch.nn.PReLU(dtype=torch.float64), "prelu"),
    ],
)
def test_tensors_come_through_an_adapter(make, name):
    f = make()
    assert gain(f) == pytest.approx(gain(name), rel=REL)
    assert gain(f, backward=True) == pytest.approx(gain(name, backward=True), rel=REL)


def test_the_public_list_of_adapters_is_the_one_that_is_used():
    def swish_of_a_list(z):
        return [number / (1 + math.exp(-number)) for number in z["numbers"]]

    adapter = lambda f: lambda z: f({"numbers": z.tolist()})  # noqa: E731
    ADAPTERS.append(adapter)
    try:
        assert gain(swish_of_a_list) == pytest.approx(gain("silu"), rel=REL)
    finally:
        ADAPTERS.remove(adapter)


def test_a_function_is_measured_once_and_need_not_be_hashable():
    calls = []

    class Activation(list):  # unhashable, and equal to every other empty one
        def __call__(self, z):
            calls.append(len(z))
            return np.tanh(z)

    f = Activation()
    assert gain(f) == gain(f) == pytest.approx(gain("tanh"), rel=REL)
    num = len(calls)
    gain(f)
    assert len(calls) == num
    gain(Activation())
    assert len(calls) == 2 * num


WAY_OUT = "Give an activation that grows more slowly and is finite everywhere, or the gain itself as a number."
FINITE = "for z ~ N(0, 1) is infinite or cannot be found"


def exploding(z):
    return np.exp(z**2 / 2)


def reciprocal(z):
    return 1 / z


def undefined(z):
    return np.log(z)


def root(z):
    return np.sign(z) * np.sqrt(np.abs(z))


def zero(z):
    return 0 * z


def step(z):
    return np.where(z > 0.3, 1.0, 0.0)


def stairs(z):
    return np.round(7 * z) / 7


def constant(z):
    return np.cos(z) ** 2 + np.sin(z) ** 2


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def halved(z):
    return z[::2]


def complex_numbers(z):
    return z * 1j


def of_tensors(z):
    raise TypeError("z is no array.\nSee the manual")


ZERO = (
    "E[f(z)^2] is 0 for z ~ N(0, 1), and no gain makes that 1. Give an activation that is not 0 everywhere, or the "
    "gain itself as a number."
)
FLAT = (
    "E[f'(z)^2] is 0 for z ~ N(0, 1), and no gain makes that 1: it is flat wherever it has a derivative. Take the "
    "forward gain, or give the gain itself as a number."
)
FUNCTION = "Pass a function of NumPy arrays, or import initium.torch first if it takes tensors."


@pytest.mark.parametrize(
    ("activation", "backward", "message"),
    [
        (exploding, False, f"`exploding`: E[f(z)^2] {FINITE}: it grows too fast far from 0. {WAY_OUT}"),
        (reciprocal, False, f"`reciprocal`: E[f(z)^2] {FINITE}: it is too steep somewhere. {WAY_OUT}"),
        (reciprocal, True, f"`reciprocal`: E[f'(z)^2] {FINITE}: it is too steep somewhere. {WAY_OUT}"),
        (root, True, f"`root`: E[f'(z)^2] {FINITE}: it is too steep somewhere. {WAY_OUT}"),
        (undefined, False, f"`undefined`: E[f(z)^2] {FINITE}: f(-2.877) is nan. {WAY_OUT}"),
        (math.log, False, f"`log`: E[f(z)^2] {FINITE}: f(-2.877) is nan. {WAY_OUT}"),
        ("celu(0)", False, f"`celu(0)`: E[f(z)^2] {FINITE}: f(0.1234) is nan. {WAY_OUT}"),
        ("prelu(1e200)", False, f"`prelu(1e200)`: E[f(z)^2] {FINITE}: 64 bits do not hold it. {WAY_OUT}"),
        (zero, False, f"`zero`: {ZERO}"),
        ("sine(0)", False, f"`sine(0)`: {ZERO}"),
        (step, True, f"`step`: {FLAT}"),
        (stairs, True, f"`stairs`: {FLAT}"),
        (constant, True, f"`constant`: {FLAT}"),
        (
            softmax,
            False,
            "`softmax` is not usable as an activation: what it gives for a number depends on the others beside it, or "
            f"on chance. {FUNCTION}",
        ),
        (
            halved,
            False,
            "`halved` is not usable as an activation: for an array of shape (5,) it gives one of shape (3,). "
            f"{FUNCTION}",
        ),
        (
            complex_numbers,
            False,
            "`complex_numbers` is not usable as an activation: it gives complex128 instead of real numbers. "
            f"{FUNCTION}",
        ),
        (
            of_tensors,
            False,
            f"`of_tensors` is not usable as an activation: it raises TypeError: z is no array. {FUNCTION}",
        ),
        (
            torch.nn.GELU(),
            False,
            "`GELU` is not usable as an activation: it raises TypeError: gelu(): argument 'input' (position 1) must be "
            f"Tensor, not numpy.ndarray. {FUNCTION}",
        ),
        ("relu(2)", False, "'relu(2)' does not fit: `relu` takes no numbers."),
        ("elu(1, 2)", False, "'elu(1, 2)' does not fit: `elu` takes one number, `elu(alpha=1)`."),
        ("elu('x')", False, "'elu('x')' does not fit: 'x' is not a finite number."),
        ("elu(inf)", False, "'elu(inf)' does not fit: inf is not a finite number."),
        (-1, False, "A gain is a finite number above 0, not -1."),
        (math.nan, True, "A gain is a finite number above 0, not nan."),
        (
            None,
            False,
            "An activation is a name, such as 'tanh' or 'leaky_relu(0.2)', or a function, not None.",
        ),
        (
            True,
            False,
            "An activation is a name, such as 'tanh' or 'leaky_relu(0.2)', or a function, not True.",
        ),
    ],
)
def test_what_has_no_gain_is_refused_with_the_reason(activation, backward, message, monkeypatch):
    monkeypatch.setattr(_gain, "ADAPTERS", [])  # as if no edge had been imported
    with pytest.raises(SpecError) as error:
        gain(activation, backward=backward)
    assert str(error.value) == message


def test_stability_needs_a_signal_but_no_gradient():
    assert stability(step).chi == 0
    with pytest.raises(SpecError) as error:
        stability(zero)
    assert str(error.value) == f"`zero`: {ZERO}"


@pytest.mark.parametrize("ask", [gain, stability])
def test_an_unknown_name_is_refused_with_the_nearest(ask):
    with pytest.raises(UnknownNameError) as error:
        ask("LeakyReLU")
    assert str(error.value) == "No activation is called 'LeakyReLU'; the closest is 'leaky_relu'."


def test_gains_need_neither_scipy_nor_a_framework():
    code = "import sys, math, initium.init._gain as g; g.stability('gelu'), g.gain(math.tanh); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"scipy", "torch", "jax"} & set(loaded)
