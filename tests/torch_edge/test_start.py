import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import initium
import initium.torch

KINDS = "tensors of float32, float64, float16 and bfloat16"


def test_a_start_fills_a_tensor_in_place_and_returns_it():
    layer = nn.Linear(400, 300)
    assert initium.torch.he_normal()(layer.weight, seed=3, path="0.weight") is layer.weight
    expected = initium.array("he_normal", (300, 400), seed=3, path="0.weight")
    assert torch.equal(layer.weight, torch.from_numpy(expected))
    assert layer.weight.requires_grad


def test_every_name_of_the_catalogue_is_there_with_its_arguments():
    names = {"he_normal", "kaiming_uniform", "chrono", "delta_orthogonal"}
    assert names <= set(dir(initium.torch))
    assert str(initium.torch.kaiming_uniform(0.2)) == "he_uniform(slope=0.2)"
    assert initium.torch.he_normal(mode="out") == initium.torch.he_normal(mode="out")
    with pytest.raises(AttributeError, match=r"No initialiser is called 'he_norml'; the closest is 'he_normal'\."):
        initium.torch.he_norml  # noqa: B018


def test_without_a_seed_torchs_own_governs():
    def weight(generator=None):
        return initium.torch.orthogonal()(torch.empty(30, 20), generator=generator)

    torch.manual_seed(0)
    first, second = weight(), weight()
    torch.manual_seed(0)
    assert torch.equal(weight(), first)
    assert not torch.equal(first, second)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    assert torch.equal(weight(generators[0]), weight(generators[1]))


def test_fans_are_the_true_ones():
    depthwise = initium.torch.he_normal(mode="out")(torch.empty(4096, 1, 5, 5), groups=4096)
    assert depthwise.std().item() == pytest.approx(math.sqrt(2 / 25), rel=5 / math.sqrt(2 * depthwise.numel()))
    up = initium.torch.lecun_normal()(torch.empty(64, 256, 4, 4), transposed=True, stride=4)
    assert up.std().item() == pytest.approx(math.sqrt(4 / 64 / 16), rel=5 / math.sqrt(2 * up.numel()))
    packed = initium.torch.glorot_normal()(torch.empty(1536, 512), blocks=3)
    assert packed.std().item() == pytest.approx(math.sqrt(1 / 512), rel=5 / math.sqrt(2 * packed.numel()))


@pytest.mark.parametrize(
    ("axes", "shape"), [("io", (20, 30)), ("hwio", (3, 2, 8, 12)), ("vo", (20, 30)), ("bio", (2, 8, 9))]
)
@pytest.mark.parametrize("spec", ["he_normal", "sparse(num_incoming=3)", "orthogonal", "s4d_real", "normal"])
def test_a_tensor_of_any_layout_holds_the_numbers_of_the_array(axes, shape, spec):
    if (spec, axes) == ("sparse(num_incoming=3)", "vo"):
        pytest.skip("an embedding is no sum")
    out = initium.torch.Start(initium.parse(spec))(torch.empty(shape), axes=axes, seed=1, path="a")
    assert torch.equal(out, torch.from_numpy(initium.array(spec, shape, seed=1, path="a", axes=axes).copy()))


def test_gates_are_orthogonal_one_by_one():
    weight = initium.torch.orthogonal()(torch.empty(80, 20), blocks=4)
    for gate in weight.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(20), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_strided_tensor_and_every_dtype_hold_the_same_numbers(dtype):
    expected = torch.from_numpy(initium.array("sparse", (60, 50), seed=0, path=""))
    out = initium.torch.sparse()(torch.empty(50, 60, dtype=dtype).T, seed=0, path="")
    torch.testing.assert_close(out, expected.to(dtype), rtol=0, atol=1e-6 if dtype == torch.float64 else 0)
    assert torch.equal(out == 0, expected == 0)


def test_framework_leaves_a_tensor_as_it_is():
    tensor = torch.randn(3, 2)
    assert torch.equal(initium.torch.framework()(tensor.clone()), tensor)


def test_autograd_notices():
    weight = torch.ones(3, 2, requires_grad=True)
    loss = (weight * weight).sum()
    initium.torch.zeros()(weight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("tensor", "arguments", "message"),
    [
        (
            torch.empty(3),
            {},
            '`he_normal` needs an input and an output axis, but the weight has shape (3,) with axes "o".',
        ),
        (
            torch.empty(3, 2, dtype=torch.int64),
            {},
            f"`he_normal` fills {KINDS} that have memory, not torch.int64 on cpu.",
        ),
        (
            torch.empty(3, 2, device="meta"),
            {},
            f"`he_normal` fills {KINDS} that have memory, not torch.float32 on meta.",
        ),
        (
            torch.empty(3, 2),
            {"seed": 0},
            "A seed alone would start weights of one shape alike. It goes with a path, the weight's dotted name "
            "such as 'fc1.weight'. Inside `model.apply` no path is known; for a whole model: "
            'initium.initialize(model, 0, "he_normal").',
        ),
        (
            torch.empty(3, 2),
            {"path": "a"},
            "A path goes together with a seed: pass seed=0 beside path='a'.",
        ),
        (
            torch.empty(3, 2),
            {"seed": 0, "path": "a", "generator": torch.Generator()},
            "A weight starts from a seed and a path or from a generator, not from both.",
        ),
        (
            nn.Linear(3, 2),
            {},
            "`he_normal` fills a tensor, not a Linear. Pass a layer's weight, `layer.weight`; a whole model is started "
            'by initium.initialize(model, 0, "he_normal").',
        ),
        (torch.empty(3, 2), {"seed": -1, "path": "a"}, "A seed is a whole number from 0 to 2^64 - 1, not -1."),
        (torch.empty(3, 2), {"axes": "oih"}, 'shape (3, 2) needs 2 letters of axes, not "oih".'),
        (torch.empty(3, 2), {"axes": "ox"}, "axes \"ox\": 'x' is no role; the letters are o, i, h, w, d, g, b, v."),
        (torch.empty(3, 2), {"blocks": 2}, "2 blocks do not fill the 3 outputs of shape (3, 2)."),
        (torch.empty(3, 2), {"groups": 2}, "2 groups do not divide the channels of shape (3, 2)."),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_is_refused(tensor, arguments, message):
    with pytest.raises(initium.InitiumError) as error:
        initium.torch.he_normal()(tensor, **arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.GELU(), "gelu"),
        (functional.silu, "silu"),
        (torch.tanh, "tanh"),
        (nn.PReLU(init=0.5), "prelu(0.5)"),
        (nn.ReLU(inplace=True), "relu"),
        (lambda x: x * torch.sigmoid(x), "silu"),
    ],
)
def test_a_gain_can_be_that_of_a_function_of_tensors(activation, name):
    assert initium.gain(activation) == pytest.approx(initium.gain(name), rel=1e-8)
    assert initium.gain(activation, backward=True) == pytest.approx(initium.gain(name, backward=True), rel=1e-8)


def test_a_name_of_the_drop_in_is_pointed_to():
    with pytest.raises(AttributeError) as error:
        initium.torch.xavier_uniform_  # noqa: B018
    assert str(error.value) == (
        "`xavier_uniform_` is `initium.torch.init.xavier_uniform_`; `initium.torch` has the names of `initium list`."
    )


def test_inside_apply_what_starts_a_whole_model_is_named():
    model = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(initium.ModelError, match=r'initium\.initialize\(model, 0, "he_normal"\)'):
        model.apply(initium.torch.he_normal())
