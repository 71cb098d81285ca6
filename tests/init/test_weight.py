import math

import pytest

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
    ],
)
def test_fans_come_from_what_each_axis_does(weight, fans):
    assert tuple(weight.fans) == fans


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
