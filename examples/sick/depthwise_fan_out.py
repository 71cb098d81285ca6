"""Depthwise convolutions by PyTorch's fan-out, which forgets the groups: 9 x 32 for 9. IN101 vanishing signal."""

from torch import nn


def build():
    layers = [nn.Conv2d(3, 32, 3, padding=1)]
    for _ in range(10):
        layers += [nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            nn.init.zeros_(layer.bias)
    return model
