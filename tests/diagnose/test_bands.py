"""Where a layer lies if every layer keeps the signal: nets that do are inside, by their own activation's theory."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import initium
from initium.init._gain import passage

WIDTH, DEPTH = 256, 16


def diagnosed(activation, recipe, seed, widths=None):
    widths = widths or [WIDTH] * DEPTH
    layers = [layer for n, m in pairwise(widths) for layer in (nn.Linear(n, m), activation())]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 10))
    initium.initialize(model, seed, recipe)
    torch.manual_seed(seed)
    return initium.diagnose(model, torch.randn(64, widths[0]))


@pytest.mark.parametrize(
    ("activation", "recipe"),
    [
        (nn.Tanh, "auto"),
        (nn.ReLU, "auto"),
        (nn.ReLU, "he_normal"),
        (nn.GELU, "auto"),
        (nn.SELU, "auto"),
        (nn.Sigmoid, "auto"),
    ],
)
def test_nets_that_keep_the_signal_lie_in_the_band(activation, recipe):
    out = total = 0
    for seed in range(3):
        found = diagnosed(activation, recipe, seed)
        for layer in found.layers:
            band = found.bands[layer.path]
            out += band.signal is not None and not band.signal[0] <= layer.fed <= band.signal[1]
            out += band.gradient is not None and not band.gradient[0] <= layer.energy <= band.gradient[1]
            total += 2
    assert out <= 0.02 * total  # by three standard deviations


def test_the_band_of_the_gradient_follows_the_slope():
    # On the way back each layer of tanh multiplies by E tanh'^2 / E tanh^2, above 1.
    found = diagnosed(nn.Tanh, "auto", 0)
    growth = passage("tanh", 1.0).backward / passage("tanh", 1.0).second
    assert growth == pytest.approx(0.4645 / 0.3943, rel=0.01)  # by quadrature of other code
    first, later = (found.bands[f"{2 * place}.weight"].gradient for place in (1, 11))
    middle = [(low * high) ** 0.5 for low, high in (first, later)]
    # The drift of ten layers of 256 units, -v/2, is below a tenth.
    assert middle[0] / middle[1] == pytest.approx(growth**10, rel=0.1)


def test_the_band_of_the_gradient_is_as_wide_as_the_layers_behind_are_narrow():
    found = diagnosed(nn.ReLU, "auto", 0, widths=[512, 512, 256, 64, 16, 4])
    widths = [high / low for band in found.bands.values() if band.gradient for low, high in [band.gradient]]
    assert widths == sorted(widths, reverse=True)
    last_hidden = found.bands["8.weight"].gradient
    assert last_hidden[0] == last_hidden[1]  # where it is taken from
    assert widths[-2] > 10  # behind it are 16 and 4 units


def test_a_sick_net_leaves_the_band():
    torch.manual_seed(0)
    layers = [layer for _ in range(DEPTH) for layer in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    found = initium.diagnose(nn.Sequential(*layers), torch.randn(64, WIDTH))
    last = found.layers[-1]
    assert last.fed < found.bands[last.path].signal[0]
