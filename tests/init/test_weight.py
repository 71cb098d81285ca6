import math

import pytest

from initium import ShapeError, fans
from initium.init import layout
from initium.init._weight import Fans, Weight


@pytest.mark.parametrize(
    ("weight", "fans"),
    [
        (Weight(shape=(30, 20), axes="oi"), (20, 30)),
        (Weight(shape=(20, 30), axes="io"), (20, 30)),
        (Weight(shape=(16, 8, 3, 3), axes="oihw"), (72, 144)),
        # Depthwise 3x3, 64 channels: one input channel feeds one output channel.
        (Weight(shape=(64, 1, 3, 3), axes="oihw", groups=64), (9, 9)),
        # Stride 2 in two dimensions: an input position is read by a quarter of the kernel.
        (Weight(shape=(16, 8, 4, 4), axes="oihw", stride=4), (128, 64)),
        # Transposed, kernel 4, stride 2: four of sixteen positions meet in one output.
        (Weight(shape=(8, 16, 4, 4), axes="iohw", stride=4, transposed=True), (32, 256)),
        (Weight(shape=(8, 4, 3), axes="iow", groups=2, transposed=True), (12, 12)),
        (Weight(shape=(0, 20), axes="oi"), (20, 0)),
        (Weight(shape=(3, 3, 8, 16), axes="hwio"), (72, 144)),
        # Keras's depthwise kernel: 64 input channels, 2 outputs of each.
        (Weight(shape=(3, 3, 64, 2), axes="hwgo"), (9, 18)),
        # Keras's transposed kernel; the stride splits the sum, not what one input reaches.
        (Weight(shape=(4, 4, 16, 8), axes="hwoi", stride=4, transposed=True), (32, 256)),
        (Weight(shape=(50000, 512), axes="vo"), (1, 512)),
        (Weight(shape=(1536, 512), axes="oi", blocks=3), (512, 512)),  # q, k and v
        (Weight(shape=(20, 160), axes="io", blocks=4), (20, 40)),  # the gates of Keras's LSTM
        (Weight(shape=(8, 20, 30), axes="bio"), (20, 30)),  # eight experts
        (Weight(shape=(20, 4, 5), axes="ioo"), (20, 20)),  # heads and their widths are outputs
        (Weight(shape=(4, 5, 20), axes="iio"), (20, 20)),
        (Weight(shape=(30, 4, 5), axes="oii"), (20, 30)),  # bilinear: a sum over 4 x 5 products
    ],
)
def test_fans_come_from_what_each_axis_does(weight, fans):
    assert tuple(weight.fans) == fans


def test_fans_are_public():
    assert fans((64, 1, 3, 3), "oihw", groups=64) == (9, 9)
    assert fans((4, 4, 16, 8), "hwoi", stride=4, transposed=True) == (32, 256)
    assert fans((60, 20), "oi", blocks=(20, 20, 20)) == (20, 20)


UNEQUAL = "needs one pair of fans, but the blocks of the weight, of (40, 10, 10) outputs, have one each."


@pytest.mark.parametrize(
    ("shape", "axes", "arguments", "message"),
    [
        ((3, 4), "oih", {}, 'shape (3, 4) needs 2 letters of axes, not "oih".'),
        ((3, 4), "ok", {}, "axes \"ok\": 'k' is no role; the letters are o, i, h, w, d, g, b, v."),
        ((3,), "o", {}, 'needs an input and an output axis, but the weight has shape (3,) with axes "o".'),
        ((3, 4), "ii", {}, 'needs an input and an output axis, but the weight has shape (3, 4) with axes "ii".'),
        ((5, 4), "oi", {"groups": 2}, "2 groups do not divide the channels of shape (5, 4)."),
        ((5, 4), "oi", {"groups": 2.0}, "2.0 groups do not divide the channels of shape (5, 4)."),
        ((5, 4), "oi", {"stride": 0}, "a stride is a whole number, the product over the axes of space, not 0."),
        (
            (5, 4, 2),
            "oiw",
            {"stride": (2, 2)},
            "a stride is a whole number, the product over the axes of space, not (2, 2).",
        ),
        ((5, 4), "oi", {"stride": 4}, 'a stride of 4 needs axes of space, but shape (5, 4) has axes "oi".'),
        ((5, -4), "oi", {}, "shape (5, -4) has a negative axis."),
        ((6, 4), "oi", {"blocks": (-2, 8)}, "(-2, 8) blocks do not fill the 6 outputs of shape (6, 4)."),
        ((6, 4, 1), "oiw", {"blocks": 2, "groups": 2}, "2 groups do not divide blocks of (3, 3) outputs."),
        ((5, 4), "oi", {"blocks": 3}, "3 blocks do not fill the 5 outputs of shape (5, 4)."),
        ((5, 4), "oi", {"blocks": (3, 3)}, "(3, 3) blocks do not fill the 5 outputs of shape (5, 4)."),
        ((60, 4), "oi", {"blocks": (40, 10, 10)}, UNEQUAL),
    ],
)
def test_axes_that_contradict_the_shape_are_refused(shape, axes, arguments, message):
    with pytest.raises(ShapeError) as error:
        fans(shape, axes, **arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("framework", "layer", "module"),
    [
        ("torch", "dense", lambda nn: nn.Linear(5, 7)),
        ("torch", "convolution", lambda nn: nn.Conv3d(5, 7, (2, 3, 4))),
        ("torch", "transposed", lambda nn: nn.ConvTranspose2d(5, 7, (2, 3))),
        ("torch", "embedding", lambda nn: nn.Embedding(5, 7)),
        ("torch", "bilinear", lambda nn: nn.Bilinear(5, 6, 7)),
    ],
)
def test_torchs_layouts_are_torchs(framework, layer, module):
    torch = pytest.importorskip("torch")
    shape = tuple(module(torch.nn).weight.shape)
    sizes = dict(zip(layout(framework, layer, len(shape)), shape, strict=True))
    known = {"o": 7, "i": 6 if layer == "bilinear" else 5, "v": 5, "d": 2, "h": 3, "w": 4}
    if layer == "transposed":
        known |= {"h": 2, "w": 3}
    assert sizes == {letter: known[letter] for letter in sizes}


def test_a_layout_that_does_not_exist_is_refused():
    with pytest.raises(ShapeError, match=r"no layout is known of 'torch' 'depthwise'\. Known are torch: dense, conv"):
        layout("torch", "depthwise", 4)
    with pytest.raises(ShapeError, match="a keras dense weight is stored as io, not with 4 axes"):
        layout("keras", "dense", 4)


def test_kernels_join_to_the_weight_they_came_from():
    """Each kernel of a grouped, transposed and packed weight lies where torch's grouped convolution reads it."""
    torch = pytest.importorskip("torch")
    weight = Weight(shape=(6, 4, 3), axes="iow", groups=2, transposed=True)
    kernels = torch.randn(weight.num_kernels, *weight.kernel_shape, dtype=torch.float64)  # (2, 4, 3, 3)
    x = torch.randn(1, 6, 9, dtype=torch.float64)
    whole = torch.conv_transpose1d(x, torch.from_numpy(weight.join(kernels.numpy())), groups=2)
    parts = [
        torch.conv_transpose1d(part, kernel.swapaxes(0, 1))
        for part, kernel in zip(x.split(3, dim=1), kernels, strict=True)
    ]
    torch.testing.assert_close(whole, torch.cat(parts, dim=1))


def test_a_mode_names_a_fan_or_a_mean_of_both():
    fans = Fans(20, 30)
    assert [fans.of(mode) for mode in ("in", "out", "avg", "geo")] == [20, 30, 25, math.sqrt(600)]


@pytest.mark.parametrize("transposed", [False, True])
def test_the_fan_in_keeps_the_second_moment_of_a_convolution(transposed):
    """The definition itself, measured with torch: output variance 1 for unit inputs and variance 1/fan_in."""
    torch = pytest.importorskip("torch")
    layer = torch.nn.ConvTranspose2d if transposed else torch.nn.Conv2d
    conv = layer(32, 32, 4, stride=2, groups=4, bias=False)
    axes = "iohw" if transposed else "oihw"
    weight = Weight(shape=tuple(conv.weight.shape), axes=axes, groups=4, stride=4, transposed=transposed)
    torch.manual_seed(0)
    with torch.no_grad():
        conv.weight.normal_(0, 1 / math.sqrt(weight.fans.fan_in))
        out = conv(torch.randn(16, 32, 40, 40))[..., 4:-4, 4:-4]
    # 4,096 or 1,024 weights settle the variance to about sqrt(2 / weights): 5 of that.
    assert out.var().item() == pytest.approx(1, abs=5 * math.sqrt(2 / conv.weight.numel()))
