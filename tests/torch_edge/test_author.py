"""What a deferred model's record claims, beside the numbers of the same model built for real."""

import functools
import math
import zlib
from collections import Counter

import numpy as np
import pytest
import torch
from torch_edge.author_models import AUTHORS

import initium
from initium.init._law import Composed, Constant, Given, Normal, Rows, TruncatedNormal, Uniform
from initium.init._weight import Weight
from initium.torch._deferred import deferred, record_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

NAMES = list(AUTHORS)
SMALL = [name for name in NAMES if name[0].isupper()]  # of transformers
# A distance beyond this is met once in a hundred thousand samples of one distribution.
KOLMOGOROV = 2.5
ENOUGH = 2000  # elements, for the shape of a distribution


@functools.cache
def real(name):
    """The model with memory, as its author builds it."""
    torch.manual_seed(0)
    return AUTHORS[name].build()


@functools.cache
def without_memory(name):
    return deferred(AUTHORS[name].build)


def records(name, tensors):
    """By path, what is remembered of some of a deferred model's tensors."""
    owners = {path: path.rpartition(".")[::2] for path, _ in tensors}
    return {path: record_of(without_memory(name).get_submodule(owner))[own] for path, (owner, own) in owners.items()}


def claims(name):
    """The path of each parameter, and how the record says it was made."""
    return {path: one.made for path, one in records(name, without_memory(name).named_parameters()).items()}


def numbers(value):
    return value.detach().double().numpy().reshape(value.shape)


def stored(shape):
    """A weight of that shape whose elements are numbered as they are stored."""
    return Weight(shape=shape, axes="b" * len(shape))


def law_of(made, shape):
    return made.init.law(stored(shape))


def ours(made, shape, path):
    """The numbers that the start gives."""
    return initium.array(made.init, shape, seed=0, path=path, dtype=np.float64, axes="b" * len(shape))


def moments(law):
    """Mean, std and kurtosis."""
    match law:
        case Normal(mean, std):
            return mean, std, 3.0
        case Uniform(low, high):
            return (low + high) / 2, (high - low) / math.sqrt(12), 1.8
        case TruncatedNormal(mean, std, cut):
            z, weights = np.linspace(-cut, cut, 100_001), None
            weights = np.exp(-(z**2) / 2)
            return mean, std, (weights @ z**4) * weights.sum() / (weights @ z**2) ** 2
    raise AssertionError(law)


def cumulative(law, values):
    """The distribution function of a law."""
    match law:
        case Normal(mean, std):
            return normal_cumulative((values - mean) / std)
        case Uniform(low, high):
            return np.clip((values - low) / (high - low), 0, 1)
        case TruncatedNormal(mean, std, cut):
            share = normal_cumulative(np.array(-cut))
            kept = math.sqrt(1 - 2 * cut * math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi) / (1 - 2 * share))
            return np.clip((normal_cumulative((values - mean) / std * kept) - share) / (1 - 2 * share), 0, 1)
    raise AssertionError(law)


def normal_cumulative(z):
    return torch.special.ndtr(torch.as_tensor(z)).numpy()


def check_drawn(law, values, path):
    """Mean and std within five of their own stds, and the shape of the distribution."""
    num, (mean, std, kurtosis) = values.size, moments(law)
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(num), path
    if num >= 100:
        assert abs(values.std() / std - 1) < 5 * math.sqrt((kurtosis - 1) / 4 / num), path
    if isinstance(law, Uniform):
        assert law.low - 1e-6 * std <= values.min() <= values.max() <= law.high + 1e-6 * std, path
    if num >= ENOUGH:
        ordered = np.sort(values)[:: max(1, num // 50_000)]
        places = np.arange(ordered.size) * max(1, num // 50_000) / num
        assert (
            abs(cumulative(law, ordered) - places).max() * math.sqrt(num) < KOLMOGOROV + math.sqrt(num) / ordered.size
        ), path


def check_alike(values, others, path):
    """Two samples of one distribution."""
    places = np.sort(np.concatenate([values, others]))
    first, second = (np.searchsorted(np.sort(some), places, side="right") / some.size for some in (values, others))
    assert abs(first - second).max() < KOLMOGOROV * math.sqrt(1 / values.size + 1 / others.size), path


def check(law, made, values, path):
    """The numbers of one parameter, whatever its law."""
    match law:
        case Constant(value):
            assert (values == np.float32(value)).all(), path
        case Rows(runs):
            at = 0
            for size, part in runs:
                check(part, made, values[at : at + size], path)
                at += size
        case Given():
            np.testing.assert_array_equal(ours(made, values.shape, path), values, err_msg=path)
        case Composed() if str(made.init).startswith("sinusoidal"):
            slack = values.shape[0] / 2**22 + 1e-7
            np.testing.assert_allclose(ours(made, values.shape, path), values, rtol=0, atol=slack, err_msg=path)
        case Composed() if str(made.init).startswith("flattened"):
            check_orthogonal(ours(made, values.shape, path), values, path)
        case Composed():
            many = ours(made, (100_000,), path)
            check_alike(values.reshape(-1), many, path)
        case _:
            check_drawn(law, values.reshape(-1), path)


def check_orthogonal(matrix, values, path):
    for one in (matrix, values):
        flat = one.reshape(len(one), -1)
        gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
        np.testing.assert_allclose(gram, np.eye(len(gram)) * np.trace(gram) / len(gram), atol=1e-4, err_msg=path)
    assert np.linalg.norm(matrix) == pytest.approx(np.linalg.norm(values), rel=1e-5), path


@pytest.mark.parametrize("name", NAMES)
def test_a_record_claims_what_the_author_draws(name):
    made, checked = claims(name), 0
    for path, value in real(name).named_parameters():
        if made[path].init is not None:
            check(law_of(made[path], tuple(value.shape)), made[path], numbers(value), path)
            checked += 1
    assert checked == AUTHORS[name].num_params - sum(AUTHORS[name].others.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_parameter_is_lost(name):
    made = claims(name)
    assert list(made) == [path for path, _ in real(name).named_parameters()]
    others = Counter(path.rpartition(".")[2] for path, one in made.items() if one.init is None)
    assert (len(made), dict(others)) == (AUTHORS[name].num_params, AUTHORS[name].others)


@pytest.mark.parametrize("name", SMALL)
def test_the_operations_done_again_give_the_same_distribution(name):
    for path, record in records(name, without_memory(name).named_parameters()).items():
        value = record.value(zlib.crc32(path.encode()))
        if record.made.init is not None:
            check(law_of(record.made, tuple(value.shape)), record.made, numbers(value), path)


@pytest.mark.parametrize("name", NAMES)
def test_buffers_are_those_of_the_author(name):
    remembered = records(name, without_memory(name).named_buffers())
    assert list(remembered) == [path for path, _ in real(name).named_buffers()]
    for path, value in real(name).named_buffers():
        again = remembered[path].value(0)
        assert (again.dtype, again.shape) == (value.dtype, value.shape), path
        assert torch.equal(again, value), path
        if (made := remembered[path].made).init is not None and value.dtype != torch.bool:
            slack = value.shape[0] / 2**22 if str(made.init).startswith("sinusoidal") else 0
            np.testing.assert_allclose(ours(made, tuple(value.shape), path), numbers(value), rtol=0, atol=slack)


@pytest.mark.parametrize("name", ["resnet18", "GPT2LMHeadModel", "Wav2Vec2Model"])
def test_the_plan_of_recipe_author_is_what_the_record_says(name):
    made = claims(name)
    for choice in initium.plan(without_memory(name), "author").choices:
        said = made[choice.path]
        assert choice.init == (said.init or initium.init.framework())
        assert choice.because == said.because


@pytest.mark.parametrize(
    "name", ["swin_tiny_patch4_window7_224", "GPT2LMHeadModel", "MambaForCausalLM", "WhisperModel"]
)
def test_what_is_applied_is_what_the_author_draws(name):
    model = deferred(AUTHORS[name].build)
    initium.plan(model, "author").apply(model, seed=0)
    for path, value in model.named_parameters():
        made = claims(name)[path]
        check(law_of(made, tuple(value.shape)), made, numbers(value), path)
