"""The built-in models are as deep and as wide as asked, by formulas and by PyTorch's own layers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from initium import ModelError, SettingError
from initium._study._prepared import Data
from initium._study._study import Study
from initium.torch._models import build

FLAT, GREY, PLAIN, COLOUR, SERIES = (36,), (1, 12, 8), (8, 12), (3, 12, 8), (7, 5)
CLASSES, TOKENS, PLACES = 3, 11, 9
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": functional.gelu, "softplus": functional.softplus}


def samples(features):
    x, y = np.zeros((6, *features), "f4"), np.arange(6) % CLASSES
    return Data("made", "classification", x, y, x, y, CLASSES)


def text():
    x = np.zeros((6, PLACES), np.int64)
    return Data("text", "next_token", x, x, x, x, TOKENS)


def made(model, data, **axes):
    torch.manual_seed(0)
    return build(Study(model, data, ["he_normal", "zeros"], **axes))


def size(model):
    return sum(one.numel() for one in model.parameters())


def linear(width, outputs):
    return width * outputs + outputs


@pytest.mark.parametrize(
    ("axes", "hidden"),
    [
        ({}, [128, 64]),
        ({"depth": 3}, [128] * 3),
        ({"width": 5}, [5] * 2),
        ({"depth": 1, "width": 7}, [7]),
        ({"depth": 4, "width": 6}, [6] * 4),
    ],
)
@pytest.mark.parametrize("features", [FLAT, COLOUR])
def test_an_mlp_has_as_many_layers_and_units_as_asked(axes, hidden, features):
    widths = [int(np.prod(features)), *hidden, CLASSES]
    assert size(made("mlp", samples(features), **axes)) == sum(map(linear, widths[:-1], widths[1:]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_mlp_has_its_activation_after_each_layer_but_the_last(activation):
    model, x = made("mlp", samples(FLAT), depth=2, width=6, activation=activation), torch.randn(4, 36)
    first, second, last = (one for one in model if isinstance(one, nn.Linear))
    expected = last(ACTIVATIONS[activation](second(ACTIVATIONS[activation](first(x)))))
    torch.testing.assert_close(model(x), expected)


@pytest.mark.parametrize(
    ("features", "image"), [(FLAT, (1, 6, 6)), (PLAIN, (1, 8, 12)), (GREY, GREY), (COLOUR, COLOUR)]
)
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_cnn_is_convolutions_that_double_their_channels_and_halve_the_image(
    features, image, depth, width, activation
):
    model = made("cnn", samples(features), depth=depth, width=width, activation=activation)
    channels = image[0]
    pixels = x = torch.randn(4, *image)
    weights, total = list(model.parameters()), 0
    for block in range(depth):
        out = width * min(2**block, 8)
        total += 9 * channels * out + out
        x = ACTIVATIONS[activation](functional.conv2d(x, weights[2 * block], weights[2 * block + 1], padding=1))
        if min(x.shape[2:]) >= 4:
            x = functional.max_pool2d(x, 2)
        channels = out
    total += linear(x[0].numel(), CLASSES)
    assert size(model) == total
    torch.testing.assert_close(model(pixels.reshape(4, *features)), functional.linear(x.flatten(1), *weights[-2:]))


def test_a_cnn_has_the_kernel_that_is_asked_for():
    assert made("cnn(kernel=5)", samples(COLOUR), depth=1, width=2)[0].weight.shape == (2, 3, 5, 5)


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize(("depth", "width"), [(1, 6), (3, 4)])
def test_a_recurrent_net_has_as_many_layers_and_units_as_asked(kind, gates, depth, width):
    core = depth * gates * (2 * width * width + 2 * width)
    of_series = linear(5, width) + core + linear(width, CLASSES)
    of_text = TOKENS * width + core + linear(width, TOKENS)
    assert size(made(f"rnn(kind='{kind}')", samples(SERIES), depth=depth, width=width)) == of_series
    assert size(made(f"rnn(kind='{kind}')", text(), depth=depth, width=width)) == of_text


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_recurrent_net_has_its_activation(activation):
    model, x = made("rnn", samples(SERIES), width=4, activation=activation), torch.randn(2, *SERIES)
    core, state = model.core, torch.zeros(2, 4)
    for met in model.entrance(x).unbind(dim=1):
        now = functional.linear(met, core.weight_ih_l0, core.bias_ih_l0)
        state = ACTIVATIONS[activation](now + functional.linear(state, core.weight_hh_l0, core.bias_hh_l0))
    torch.testing.assert_close(model(x), model.head(state))


@pytest.mark.parametrize(("depth", "width"), [(1, 8), (3, 12)])
def test_a_transformer_has_as_many_blocks_and_units_as_asked(depth, width):
    block = linear(width, 3 * width) + linear(width, width) + linear(width, 4 * width) + linear(4 * width, width)
    body = depth * (block + 4 * width) + 2 * width
    series = linear(5, width) + SERIES[0] * width + body + linear(width, CLASSES)
    tokens = TOKENS * width + PLACES * width + body + linear(width, TOKENS)
    assert size(made("transformer", samples(SERIES), depth=depth, width=width)) == series
    assert size(made("transformer", text(), depth=depth, width=width)) == tokens


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("is_text", [True, False])
def test_a_transformer_is_made_of_torchs_own_encoder_layers(is_text, activation):
    width, heads, data = 8, 2, text() if is_text else samples(SERIES)
    model = made(f"transformer(heads={heads})", data, depth=2, width=width, activation=activation)
    x = torch.randint(0, TOKENS, (4, PLACES)) if is_text else torch.randn(4, *SERIES)
    met = model.entrance(x) + model.position.weight
    mask = nn.Transformer.generate_square_subsequent_mask(PLACES) if is_text else None
    how = {"dropout": 0.0, "batch_first": True, "norm_first": True, "activation": ACTIVATIONS[activation]}
    for block in model.blocks:
        theirs = nn.TransformerEncoderLayer(width, heads, 4 * width, **how)
        own = {f"self_attn.in_proj_{name}": value for name, value in block.qkv.named_parameters()}
        layers = {"self_attn.out_proj": block.out, "linear1": block.mlp[0], "linear2": block.mlp[2]}
        layers |= {"norm1": block.norm1, "norm2": block.norm2}
        own |= {f"{at}.{name}": value for at, layer in layers.items() for name, value in layer.named_parameters()}
        theirs.load_state_dict(own)
        met = theirs(met, src_mask=mask, is_causal=is_text)
    met = model.norm(met)
    torch.testing.assert_close(model(x), model.head(met if is_text else met.mean(dim=1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", ["transformer", "rnn", "rnn(kind='lstm')", "rnn(kind='gru')"])
@pytest.mark.parametrize("place", [1, 4, PLACES - 1])
def test_a_token_changes_what_is_said_from_its_place_on_and_nothing_before(model, place):
    net, tokens = made(model, text(), depth=2, width=8), torch.randint(0, TOKENS, (5, PLACES))
    other = tokens.clone()
    other[:, place] = (other[:, place] + 1) % TOKENS
    with torch.no_grad():
        moved = (net(tokens) - net(other)).abs().amax(dim=-1)
    assert (moved[:, :place] == 0).all()
    assert (moved[:, place:] > 0).all()


def test_the_axes_of_a_grid_shape_the_model_of_each_cell():
    axes = {"depth": [1, 3], "width": [4, 5], "activation": ["relu", "tanh"]}
    for cell in Study("mlp", samples(FLAT), ["he_normal", "zeros"], **axes).cells:
        depth, width, activation = (dict(cell.place)[name] for name in axes)
        model = build(cell)
        kind = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
        assert sum(isinstance(one, kind) for one in model) == depth
        assert [one.out_features for one in model if isinstance(one, nn.Linear)] == [*[width] * depth, CLASSES]


@pytest.mark.parametrize(
    ("model", "data", "axes", "error", "message"),
    [
        ("cnn", samples(COLOUR), {"arguments": {"heads": 2}}, SettingError, "`cnn` takes no `heads`"),
        ("rnn", samples(SERIES), {"arguments": {"kernel": 2}}, SettingError, "`rnn` takes no `kernel`"),
        ("transformer", text(), {"arguments": {"kind": "gru"}}, SettingError, "`transformer` takes no `kind`"),
        (
            "rnn",
            samples(SERIES),
            {"activation": "gelu"},
            SettingError,
            "the activation of rnn is tanh or relu, not gelu",
        ),
        ("rnn(kind='lstm')", text(), {"activation": "relu"}, SettingError, "the activation of lstm is tanh, not relu"),
        ("transformer", text(), {"width": 6}, SettingError, "a width of 6 is no multiple of 4 heads"),
        ("mlp(36, 4, 3)", samples(FLAT), {"width": 4}, SettingError, "names the width of each layer"),
        ("cnn", samples(SERIES), {"depth": 0}, SettingError, "depth is a whole number of 1 or more, not 0."),
        ("cnn", samples((35,)), {}, ModelError, "reads images (channel, row, column), or as many numbers as a square"),
        ("cnn", text(), {}, ModelError, "reads"),
        ("rnn", samples(COLOUR), {}, ModelError, "reads a text or samples (place, feature)"),
    ],
)
def test_what_a_model_cannot_take_is_an_error(model, data, axes, error, message):
    with pytest.raises(error) as found:
        made(model, data, **axes)
    assert message in str(found.value)
