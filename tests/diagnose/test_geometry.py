"""What `thorough` measures, against what theory derives."""

import math

import numpy as np
import pytest
import torch
from diagnose.test_command import diagnose
from scipy import integrate, stats
from torch import nn

import initium
from initium._diagnosis._geometry import effective_rank, random_matrix_curve

WIDTH = 256


def net(depth, activation, start):
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(WIDTH, WIDTH, bias=False), activation())]
    gain = math.sqrt(2) if activation is nn.ReLU else 1.0
    for layer in layers[::2]:
        if start == "gaussian":
            nn.init.normal_(layer.weight, std=gain / math.sqrt(WIDTH))
        else:
            nn.init.orthogonal_(layer.weight, gain=gain)
    return nn.Sequential(*layers)


def geometry(model, inputs=None):
    torch.manual_seed(1)
    return initium.diagnose(model, torch.randn(64, WIDTH) if inputs is None else inputs, thorough=True).geometry


@pytest.mark.parametrize("depth", [3, 8])
@pytest.mark.parametrize(
    ("activation", "start", "variance_a_layer"),
    [
        (nn.Identity, "gaussian", 1),
        (nn.Identity, "orthogonal", 0),
        (nn.ReLU, "gaussian", 2),
        (nn.ReLU, "orthogonal", 1),
    ],
)
def test_the_jacobian_spreads_as_pennington_et_al_derive(depth, activation, start, variance_a_layer):
    # NeurIPS 2017, equation 17: mean 1 and variance L (mu_2 / mu_1^2 - 1 - s_1).
    found = geometry(net(depth, activation, start)).jacobian
    assert found.depth == depth
    # A product of Gaussian layers of 256 units has mean exp(N(0, v)) with v about 4 depth / 256^2 over inputs and
    # outputs, and a ReLU's share of open units moves by 1 / sqrt(256) a layer, half of that shared by all samples.
    assert found.mean == pytest.approx(1, abs=0.25)
    assert found.variance == pytest.approx(variance_a_layer * depth, rel=0.15, abs=0.02)


def test_a_jacobian_is_that_of_the_matrix():
    torch.manual_seed(0)
    model = nn.Linear(40, 12, bias=False)
    squares = torch.linalg.svdvals(model.weight.double().detach()).square()
    found = geometry(model, torch.randn(500, 40)).jacobian
    assert found.mean == pytest.approx(squares.mean().item(), rel=0.02)
    assert found.variance == pytest.approx((squares.var(correction=0) / squares.mean() ** 2).item(), rel=0.1)


def test_singular_values_are_those_of_the_weight():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(16 * 36, 10))
    convolution, dense = geometry(model, torch.randn(8, 3, 8, 8)).spectra
    assert (convolution.shape, dense.shape) == ((16, 27), (10, 576))
    for found, weight in ((convolution, model[0].weight.flatten(1)), (dense, model[2].weight)):
        np.testing.assert_allclose(found.values, torch.linalg.svdvals(weight.detach().double()), rtol=1e-6)
    orthogonal = geometry(net(2, nn.Identity, "orthogonal")).spectra[0]
    assert orthogonal.is_orthogonal
    assert len(orthogonal.values) == 64
    assert not convolution.is_orthogonal


@pytest.mark.parametrize("shape", [(400, 400), (200, 800), (800, 200)])
def test_the_curve_of_random_matrices_is_that_of_marchenko_and_pastur(shape):
    short, long = sorted(shape)
    ratio = short / long
    low, high = (1 - math.sqrt(ratio)) ** 2, (1 + math.sqrt(ratio)) ** 2

    def below(x):
        density = lambda v: math.sqrt(max((v - low) * (high - v), 0)) / (2 * math.pi * ratio * v)  # noqa: E731
        return integrate.quad(density, low, x, limit=200)[0]

    curve = random_matrix_curve(shape, rms=1.0, num_points=11)
    for place, value in enumerate(curve):
        assert below(value**2 / long) == pytest.approx(1 - (place + 0.5) / 11, abs=2e-3)
    drawn = np.linalg.svd(np.random.default_rng(0).normal(size=shape), compute_uv=False)
    np.testing.assert_allclose(curve[1:-1], np.quantile(drawn, 1 - (np.arange(11) + 0.5) / 11)[1:-1], rtol=0.05)


def test_the_effective_rank_is_that_of_roy_and_vetterli():
    assert effective_rank(np.ones(7)) == pytest.approx(7)
    assert effective_rank(np.array([3.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_rank(np.zeros(3)) == 0
    values = np.array([4.0, 2.0, 1.0, 1.0])
    assert effective_rank(values) == pytest.approx(math.exp(stats.entropy(values)))
    # Behind ReLU inputs become alike layer by layer (Cho and Saul 2009), until little but one direction is left.
    found = geometry(net(20, nn.ReLU, "gaussian")).spectra
    assert found[0].rank_of == 64
    assert found[0].rank > 50
    assert found[-1].rank < found[0].rank / 3


def test_tokens_have_no_jacobian_and_it_is_said():
    model = nn.Sequential(nn.Embedding(20, 8), nn.Flatten(), nn.Linear(32, 4))
    found = initium.diagnose(model, torch.randint(20, (6, 4)), thorough=True)
    assert found.geometry.jacobian is None
    assert "no input-output Jacobian: the inputs are not one tensor of real numbers" in found.notes
    assert [spectrum.path for spectrum in found.geometry.spectra] == ["0.weight", "2.weight"]


def test_a_number_far_out_is_found_and_a_sparse_weight_is_not():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    nn.init.sparse_(model[2].weight, sparsity=0.95)
    assert "IN508" not in {finding.id for finding in initium.diagnose(model, thorough=True).findings}
    with torch.no_grad():
        model[0].weight[3, 5] = 2.0
    found = next(f for f in initium.diagnose(model, thorough=True).findings if f.id == "IN508")
    assert found.path == "0.weight"
    assert "IN508" not in {finding.id for finding in initium.diagnose(model).findings}  # nobody looked


def test_quick_and_thorough_are_refused_together():
    with pytest.raises(initium.SettingError, match="not both"):
        initium.diagnose(nn.Linear(3, 2), quick=True, thorough=True)


def test_the_command_says_the_cost_first_and_shows_the_geometry():
    done = diagnose("mlp(16, 16, 3)", "--thorough")
    assert done.stderr.startswith("Thorough: under a second for the singular values, and 25 more passes.\n")
    assert "Geometry\n" in done.stdout
    assert "squared singular values have mean" in " ".join(done.stdout.split())


class Empty(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.none, self.head = nn.Linear(8, 8), nn.Parameter(torch.empty(0, 8)), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x)) + nn.functional.linear(x, self.none).sum()


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 3)

    def forward(self, x):
        return self.body(x.detach())


def bad():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    return model


@pytest.mark.parametrize(
    ("build", "inputs", "first", "note"),
    [
        (bad, None, "IN001", "it is 0, or holds no numbers"),
        (lambda: nn.Linear(8, 3).half(), torch.randn(4, 8).half(), None, "in 16 bits it would be rounding"),
        (lambda: nn.Linear(8, 3).bfloat16(), torch.randn(4, 8).bfloat16(), None, "in 16 bits it would be rounding"),
        (Cut, torch.randn(4, 8), None, "nothing leads back from the outputs to the inputs"),
        (Empty, torch.randn(4, 8), None, ""),
        (lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)), torch.randn(4, 8), None, "that of the whole batch"),
    ],
)
def test_what_cannot_be_measured_is_said_and_the_rest_is_measured(build, inputs, first, note):
    torch.manual_seed(0)
    found = initium.diagnose(build(), inputs, thorough=True)
    told = " ".join(note for note in found.notes if "Jacobian" in note)
    assert note in told if note else not told
    assert first is None or found.findings[0].id == first
    str(found)
    assert (found.geometry.jacobian is None) == told.startswith("no input-output Jacobian")


def test_the_jacobian_in_autocast_is_not_measured():
    with torch.autocast("cpu", torch.bfloat16):
        found = initium.diagnose(net(2, nn.ReLU, "orthogonal"), torch.randn(4, WIDTH), thorough=True)
    assert "no input-output Jacobian: in 16 bits it would be rounding" in found.notes


def test_a_far_number_is_measured_from_the_mean():
    model = nn.Linear(40, 50, bias=False)
    torch.manual_seed(0)
    nn.init.normal_(model.weight, mean=5.0)
    value = model.weight.detach().double()
    (spectrum,) = geometry(model, torch.randn(8, 40)).spectra
    assert spectrum.peak == pytest.approx(((value - value.mean()).abs().max() / value.std()).item())
