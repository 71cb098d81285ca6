"""What defines a start, measured on what it is for: layers, losses and upsampled images."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import initium
from initium.init import mimetic, olora, pissa, sparsity_aware


def array(spec, *shape, path="weight", **kwargs):
    return initium.array(spec, shape, seed=0, path=path, **kwargs)


def tensor(spec, *shape, **kwargs):
    return torch.from_numpy(np.ascontiguousarray(array(spec, *shape, dtype="float64", **kwargs)))


@pytest.fixture
def image():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 6, 12, 11, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 5), (7, 1)])
@pytest.mark.parametrize(("spec", "gain"), [("delta_orthogonal", 1), ("delta_orthogonal(gain=0.5)", 0.5)])
def test_delta_orthogonal_keeps_norms_through_a_padded_convolution(image, kernel, spec, gain):
    out = functional.conv2d(image, tensor(spec, 9, 6, *kernel), padding="same")
    assert out.norm().item() == pytest.approx(gain * image.norm().item(), rel=1e-5)


@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (5, 1)])
def test_conv_orthogonal_keeps_norms_with_full_padding_and_uses_every_tap(image, kernel):
    weight = tensor("conv_orthogonal", 8, 6, *kernel)
    out = functional.conv2d(image, weight, padding=[size - 1 for size in kernel])
    assert out.norm().item() == pytest.approx(image.norm().item(), rel=1e-5)
    assert (weight.abs().amax((0, 1)) > 0.01).all()


def test_conv_orthogonal_is_an_isometry_of_volumes_and_of_each_group():
    x = torch.randn(1, 6, 5, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = tensor("conv_orthogonal", 8, 3, 2, 2, 2, groups=2)
    assert functional.conv3d(x, weight, padding=1, groups=2).norm() == pytest.approx(x.norm().item(), rel=1e-5)


def test_one_output_cannot_be_spread_over_taps():
    with pytest.raises(initium.ShapeError) as error:
        array("conv_orthogonal", 1, 1, 3)
    assert str(error.value) == (
        "`conv_orthogonal` spreads over its taps what two outputs or more hold, but the weight has one."
    )


@pytest.mark.parametrize("spec", ["delta_orthogonal", "conv_orthogonal"])
def test_no_isometry_narrows(spec):
    with pytest.raises(initium.ShapeError) as error:
        array(spec, 4, 6, 3, 3)
    assert (
        str(error.value) == f"`{spec}` keeps norms only where outputs are no fewer than inputs; the weight has 4 for 6."
    )
    with pytest.raises(initium.ShapeError) as error:
        array(spec, 6, 6)
    assert (
        str(error.value) == f"`{spec}` needs axes of space, but the weight is a matrix of shape (6, 6). See `identity`."
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_and_identity_are_torchs(groups):
    for shape in ((4, 3, 3), (6, 2, 4, 3), (4, 6, 3, 1, 5)):
        assert torch.equal(tensor("dirac", *shape, groups=groups), nn.init.dirac_(torch.empty(shape).double(), groups))
    assert torch.equal(tensor("identity", 5, 3), nn.init.eye_(torch.empty(5, 3).double()))


def test_a_deep_net_of_dirac_kernels_is_the_identity(image):
    out = image
    for _ in range(30):
        out = functional.conv2d(out, tensor("dirac", 6, 6, 3, 3), padding=1)
    assert torch.equal(out, image)


def test_a_net_of_concatenated_rectifiers_that_looks_linear_is_linear():
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def net(x):
        x = x @ tensor("orthogonal", 16, 16, path="0").T
        for layer in range(1, 40):
            x = torch.cat([x.relu(), (-x).relu()], 1) @ tensor("looks_linear", 16, 32, path=str(layer)).T
        return x

    torch.testing.assert_close(net(x) + net(-x), torch.zeros_like(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(net(x[:10]) + net(x[10:]), net(x[:10] + x[10:]), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(net(x).norm(dim=1), x.norm(dim=1), rtol=1e-10, atol=0)


def test_mirror_images_are_not_parted_by_groups():
    with pytest.raises(initium.ShapeError) as error:
        array("looks_linear", 4, 4, 3, groups=2)
    assert str(error.value) == (
        "`looks_linear` mirrors all channels, and groups would part a channel from its mirror image."
    )


def test_a_net_of_plain_rectifiers_that_looks_linear_is_linear():
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = (x @ tensor("looks_linear(mirror='out')", 16, 8, path="0").T).relu()
    for layer in range(1, 20):
        h = (h @ tensor("looks_linear(mirror='both')", 16, 16, path=str(layer)).T).relu()
    out = h @ tensor("looks_linear(mirror='in')", 8, 16, path="last").T
    torch.testing.assert_close(out.norm(dim=1), x.norm(dim=1), rtol=1e-10, atol=0)


def test_hadamard_widens_to_a_power_of_two_without_changing_norms():
    weight = array("hadamard", 64, 24, dtype="float64")
    np.testing.assert_allclose(weight.T @ weight, np.eye(24), atol=1e-12)
    for outputs in range(2, 34):
        values = np.linalg.svd(array("hadamard", outputs, outputs - 1, dtype="float64"), compute_uv=False)
        assert values.max() <= 1 + 1e-12
        assert (values.min() > 1 - 1e-12) == (outputs in (2, 4, 8, 16, 32))
    np.testing.assert_array_equal(array("hadamard", 3, 5), np.eye(3, 5))


def test_idinit_of_a_kernel_is_the_repeated_identity_of_its_patches():
    kernel = array("idinit", 20, 2, 3, 3)
    patches = kernel.transpose(0, 2, 3, 1).reshape(20, 18)  # (output, height x width x input)
    np.testing.assert_array_equal(patches, np.eye(18)[np.arange(20) % 18])


@pytest.mark.parametrize("num_incoming", [1, 7, 100])
def test_sparse_has_exactly_so_many_incoming_weights_at_even_places(num_incoming):
    kept = array(f"sparse(num_incoming={num_incoming})", 3000, 10, 3, 3) != 0
    assert (kept.sum((1, 2, 3)) == min(num_incoming, 90)).all()
    share = kept.mean(0)
    p = min(num_incoming, 90) / 90
    assert abs(share - p).max() <= 5 * math.sqrt(p * (1 - p) / 3000)
    if num_incoming == 7:
        assert len({unit.tobytes() for unit in kept}) == 3000


def test_bilinear_upsampling_is_torchs_interpolation(image):
    weight = tensor("bilinear", 6, 6, 4, 4, axes="iohw", transposed=True)
    ours = functional.conv_transpose2d(image, weight, stride=2, padding=1)
    theirs = functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2])


def test_a_pixel_shuffle_after_icnr_shows_no_checkerboard(image):
    weight = tensor("icnr(factor=3)", 18, 6, 3, 3)
    out = functional.pixel_shuffle(functional.conv2d(image, weight), 3)
    flat = out[..., ::3, ::3].repeat_interleave(3, -1).repeat_interleave(3, -2)
    torch.testing.assert_close(out, flat, rtol=1e-10, atol=1e-12)
    # TensorFlow's depth_to_space, channels last: pixel j of channel c is output j C + c.
    weight = tensor("icnr(order='pixel')", 8, 6, 3, 3)
    depth = functional.conv2d(image, weight).permute(0, 2, 3, 1)
    pixels = depth.unflatten(-1, (2, 2, 2))  # (image, y, x, row, column, channel)
    torch.testing.assert_close(pixels, pixels[..., :1, :1, :].expand_as(pixels), rtol=1e-10, atol=1e-12)
    with pytest.raises(initium.ShapeError) as error:
        array("icnr", 6, 6, 3, 3)
    assert str(error.value) == "`icnr` enlarges 4 times, which does not divide the 6 outputs of the weight."


def test_chrono_gives_memories_of_two_to_max_time_steps():
    gates_in, forget, cell, out = np.split(array("chrono(100)", 400_000, dtype="float64"), 4)
    times = 1 + np.exp(forget)  # 1 / (1 - sigmoid(b))
    assert 2 <= times.min() < 2.01
    assert 99.99 < times.max() <= 100 + 1e-9
    assert times.mean() == pytest.approx(51, abs=5 * 98 / math.sqrt(12 * 100_000))
    np.testing.assert_array_equal(gates_in, -forget)
    assert not cell.any()
    assert not out.any()


@pytest.mark.parametrize("spec", ["chrono(10)", "forget_gate_bias"])
def test_a_bias_of_gates_needs_its_gates(spec):
    with pytest.raises(initium.ShapeError) as error:
        array(spec, 6)
    assert str(error.value) == f'`{spec}` is the bias of 4 gates, but the weight has shape (6,) with axes "o".'


def test_an_lstm_with_the_forget_gates_bias_remembers():
    cell = nn.LSTMCell(3, 5, dtype=torch.float64)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih.copy_(tensor("forget_gate_bias(value=20)", 20))
        memory = torch.randn(1, 5, dtype=torch.float64)
        kept = cell(torch.zeros(1, 3, dtype=torch.float64), (torch.zeros(1, 5, dtype=torch.float64), memory))[1]
    torch.testing.assert_close(kept, memory, rtol=1e-8, atol=0)


def test_the_eigenvalues_of_hippo_are_the_negative_whole_numbers():
    matrix = array("hippo_legs", 12, 12, dtype="float64")
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(matrix).real), -np.arange(12, 0, -1), rtol=1e-6)
    # Normal plus low rank (S4): A + P P' is -1/2 I and a skew matrix, P = B / sqrt(2).
    vector = array("hippo_legs_input", 12, dtype="float64") / math.sqrt(2)
    normal = matrix + np.outer(vector, vector)
    np.testing.assert_allclose(normal + normal.T, -np.eye(12), atol=1e-12)
    with pytest.raises(initium.ShapeError) as error:
        array("hippo_legs", 3, 4)
    assert str(error.value) == "`hippo_legs` is square, but the weight has shape (3, 4)."


def test_the_steps_of_mamba_are_spread_over_their_orders_of_magnitude():
    steps = functional.softplus(torch.from_numpy(array("mamba_dt", 100_000, dtype="float64")))
    assert 0.001 <= steps.min().item() < 0.00101
    assert 0.099 < steps.max().item() <= 0.1 + 1e-9
    share = (steps < 0.01).double().mean().item()
    assert share == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(100_000))
    floored = functional.softplus(torch.from_numpy(array("mamba_dt(floor=0.05)", 1000, dtype="float64")))
    assert floored.min().item() == pytest.approx(0.05)


def test_a_log_prior_makes_the_first_loss_the_entropy_of_the_classes():
    counts = (700, 200, 100)
    labels = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    logits = tensor(f"log_prior({counts})", 3).expand(1000, 3)
    entropy = -sum(count / 1000 * math.log(count / 1000) for count in counts)
    assert functional.cross_entropy(logits, labels).item() == pytest.approx(entropy, rel=1e-12)
    with pytest.raises(initium.ShapeError) as error:
        array("log_prior((1, 2))", 3)
    assert str(error.value) == "`log_prior((1, 2))` has 2 classes, but the weight has shape (3,)."


def test_a_focal_prior_is_its_probability():
    assert torch.sigmoid(tensor("focal_prior(0.2)", 1)).item() == pytest.approx(0.2)


def test_lora_changes_nothing_at_first():
    weight = tensor("he_normal", 30, 20)
    a, b = tensor("lora_a", 4, 20, path="a"), tensor("lora_b", 30, 4, path="b")
    assert torch.equal(weight + 8 * (b @ a), weight)
    assert a.abs().max().item() > 0.2  # 1 / sqrt(20)


@pytest.mark.parametrize("adapt", [pissa, olora])
@pytest.mark.parametrize("scale", [1, 2])
def test_an_adapter_from_a_weight_leaves_the_layer_as_it_was(adapt, scale):
    weight = array("he_normal", 30, 20, dtype="float64")
    a, b, base = adapt(weight, 5, scale=scale)
    assert a.shape == (5, 20)
    assert b.shape == (30, 5)
    np.testing.assert_allclose(base + scale * b @ a, weight, rtol=0, atol=1e-14)
    if adapt is pissa:
        u, s, vt = np.linalg.svd(weight)
        np.testing.assert_allclose(scale * b @ a, (u[:, :5] * s[:5]) @ vt[:5], atol=1e-12)
    single = adapt(weight.astype(np.float32), 5, scale=scale)
    assert {part.dtype.name for part in single} == {"float32"}
    np.testing.assert_allclose(single.base + scale * single.b @ single.a, weight, rtol=0, atol=2e-6)


def test_pissa_takes_the_largest_singular_values_and_leaves_the_others():
    weight = array("he_normal", 30, 20, dtype="float64")
    values = np.linalg.svd(weight, compute_uv=False)
    a, b, base = pissa(weight, 5)
    np.testing.assert_allclose(np.linalg.svd(b @ a, compute_uv=False)[:5], values[:5])
    np.testing.assert_allclose(np.linalg.svd(base, compute_uv=False)[:15], values[5:])
    np.testing.assert_allclose(b.T @ b, a @ a.T, atol=1e-12)


def test_olora_has_one_orthonormal_factor():
    a, b, _ = olora(array("he_normal", 30, 20, dtype="float64"), 5)
    np.testing.assert_allclose(b.T @ b, np.eye(5), atol=1e-12)
    np.testing.assert_array_equal(np.tril(a, -1), 0)


@pytest.mark.parametrize("rank", [0, 21])
def test_an_adapter_has_a_rank_that_the_weight_can_give(rank):
    with pytest.raises(initium.ShapeError) as error:
        pissa(np.ones((30, 20)), rank)
    assert str(error.value) == f"an adapter of rank {rank} needs a matrix with sides of {rank} or more, not (30, 20)."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: pissa(w.astype(int), 2), "A start is computed from finite floating-point weights; these are int64."),
        (
            lambda w: olora(w * np.nan, 2),
            "A start is computed from finite floating-point weights; these are numbers that are not finite.",
        ),
        (
            lambda w: pissa(w, 2, scale=math.inf),
            "The scale of an adapter, alpha / rank, is a finite number above 0, not inf.",
        ),
        (lambda w: sparsity_aware(w, w[:2]), "`sparsity_aware` needs a mask of the weight's shape (4, 3), not (2, 3)."),
        (
            lambda w: mimetic(w.reshape(0, 3, 3) if w.size == 0 else w[:3, None], w),
            "`mimetic` needs noise of shapes (heads, width, width) and (width, width), heads dividing width, not "
            "(3, 1, 3) and (4, 3).",
        ),
    ],
)
def test_what_no_start_can_be_computed_from_is_refused(call, message):
    with pytest.raises(initium.InitiumError) as error:
        call(np.arange(12.0).reshape(4, 3))
    assert str(error.value) == message


def test_mimetic_attention_has_the_products_it_imitates():
    width, heads = 96, 4
    noise = array("normal", heads, width, width, axes="boi", dtype="float64")
    other = array("normal", width, width, path="vo", dtype="float64")
    query, key, value, out = mimetic(noise, other)
    np.testing.assert_allclose(out @ value, 0.4 * (other / math.sqrt(width) - np.eye(width)), atol=1e-12)
    for head, (q, k) in enumerate(zip(np.split(query, heads), np.split(key, heads), strict=True)):
        whole = 0.7 * (noise[head] / math.sqrt(width) + np.eye(width))
        rest = np.linalg.svd(whole - q.T @ k, compute_uv=False)
        # Eckart and Young: nothing of this rank is nearer.
        np.testing.assert_allclose(rest[:72], np.linalg.svd(whole, compute_uv=False)[24:], atol=1e-10)
    with pytest.raises(initium.ShapeError):
        mimetic(noise[:3, :, :95], other)


def test_a_masked_net_starts_as_if_drawn_for_the_weights_that_remain():
    weight = array("he_normal", 1000, 400)
    rate = np.linspace(0.2, 0.9, 1000)[:, None]
    mask = array("uniform(0, 1)", 1000, 400, path="mask") < rate
    out = sparsity_aware(weight, mask)
    assert not out[~mask].any()
    kept = mask.sum(1)
    claimed = (out**2).sum(1) / kept / (2 / kept)  # each unit's variance over 2 / nnz
    assert claimed.mean() == pytest.approx(1, abs=5 * math.sqrt(2 / mask.sum()))
    last = (out[-100:] ** 2).mean() * 200
    assert last == pytest.approx(1, abs=5 * math.sqrt(2 / 40_000))


def test_siren_settles_where_its_own_fixed_point_is():
    """q = 1 - exp(-2 q) has the root 0.79681: sin(x) of N(0, q) has mean square (1 - exp(-2 q)) / 2."""
    x = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    h = torch.sin(30 * x @ tensor("siren_first", 512, 2, path="0").T)
    for layer in range(1, 4):
        before = 30 * h @ tensor("siren", 512, 512, path=str(layer)).T
        h = torch.sin(before)
    assert before.std().item() == pytest.approx(math.sqrt(0.79681), rel=0.03)


def test_a_random_walk_keeps_the_logarithm_and_he_loses_it():
    def growth(spec, run, width=32, depth=60):
        x = np.ones(width)
        for layer in range(depth):
            x = np.maximum(array(spec, width, width, path=f"{run}.{layer}", dtype="float64") @ x, 0)
        return math.log(np.linalg.norm(x) / math.sqrt(width)) / depth

    he, walk = [], []
    for run in range(60):
        he.append(growth("he_normal", run))
        walk.append(growth("random_walk", run))
    # log |x|^2 has variance 5 / width a layer: that of a mean over 60 runs of 60 layers.
    error = math.sqrt(5 / 32 / 4 / 3600)
    assert np.mean(walk) == pytest.approx(0, abs=5 * error)
    assert np.mean(he) < -5 * error


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("kumar(slope=0)", "slope is not 0; an activation that is flat at 0 carries no signal there"),
        ("random_walk('tanh')", "activation is 'relu' or 'linear', not 'tanh'"),
        ("siren(w0=0)", "w0 is above 0, not 0.0"),
        ("he_sparse(density=0)", "density is above 0 and at most 1, not 0.0"),
        ("sparse(num_incoming=0)", "num_incoming is a whole number, 1 or more, not 0"),
        ("looks_linear(mirror='up')", "mirror is 'in', 'out' or 'both', not 'up'"),
        ("icnr('framework')", "start draws numbers, and `framework` draws none"),
        ("forget_gate_bias(gate=5)", "gate is one of 4, not 5"),
        ("chrono(2)", "max_time is above 2, not 2.0"),
        ("chrono(9, input_gate=2)", "forget_gate and input_gate are two of 4, not 2 and 2"),
        ("s4d_lin('real')", "part is 'imaginary' or 'log_real', not 'real'"),
        ("mamba_dt(low=1, high=0.1)", "low, high and floor are steps above 0, low below high, not 1.0, 0.1, 0.0001"),
        ("t_fixup(6, part='head')", "part is 'encoder', 'decoder' or 'embedding', not 'head'"),
        ("deepnorm(6, part='head')", "part is 'encoder' or 'decoder', not 'head'"),
        ("fixup(9, num_layers=1)", "num_layers is 2 or more, not 1: a branch of one layer is zero"),
        ("log_prior((1, 0))", "counts are numbers above 0, one a class, not (1, 0)"),
        ("focal_prior(1)", "probability is between 0 and 1, not 1.0"),
        ("gpt2_residual(12.5)", "num_layers is a whole number, 1 or more, not 12.5"),
    ],
)
def test_an_argument_that_does_not_fit_says_why(spec, message):
    name = spec.partition("(")[0]
    with pytest.raises(initium.SpecError) as error:
        initium.parse(spec)
    assert str(error.value) == f"'{spec}' does not fit. `{name}`: {message}."


def test_a_gain_that_is_a_function_is_kept_as_its_number():
    init = initium.init.he_uniform(), initium.init.lecun_normal(gain=np.tanh)
    assert initium.parse(str(init[1])) == init[1]
    assert float(str(init[1]).removeprefix("lecun_normal(gain=").removesuffix(")")) == initium.gain("tanh")
