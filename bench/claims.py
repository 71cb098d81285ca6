"""The figures in docs/choose.md and docs/tutorials.md: what starts do to a signal, in plain NumPy.

Second moments are medians over nets of width 512 with inputs of second moment 1.
"""

import math

import numpy as np
from scipy.special import erf, expit

import initium
from initium.init import stability

WIDTH, NETS, SAMPLES = 512, 9, 64
ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z * expit(z),
}


def preactivations(spec, activation, depth):
    """The second moment of what enters the last of `depth` activations."""
    found = []
    for net in range(NETS):
        h = initium.array("normal", (SAMPLES, WIDTH), seed=net, path="data", axes="bo", dtype="float64")
        for layer in range(depth):
            start = "lecun_normal" if layer == 0 else spec  # the first layer sees data
            z = h @ initium.array(start, (WIDTH, WIDTH), seed=net, path=str(layer)).T
            h = ACTIVATIONS[activation](z)
        found.append(np.mean(z**2))  # pyright: ignore[reportPossiblyUnboundVariable]
    return np.median(found)


def main():
    print("second moment before the activation of layer 1 + n, n =        5        20        50")
    for activation, spec in [
        ("relu", "he_normal"),
        ("relu", "orthogonal(gain='relu')"),
        ("relu", "glorot_uniform"),
        ("relu", "torch_default"),
        ("relu", "uniform(-0.05, 0.05)"),
        ("relu", "normal(std=0.1)"),
        ("tanh", "glorot_normal"),
        ("tanh", "lecun_normal(gain=1.6666666666666667)"),
        ("tanh", "lecun_normal(gain='tanh')"),
        ("sigmoid", "lecun_normal"),
        ("sigmoid", "lecun_normal(gain='sigmoid')"),
        ("selu", "lecun_normal"),
        ("selu", "lecun_normal(gain=0.75)"),
        ("gelu", "he_normal"),
        ("gelu", "lecun_normal(gain='gelu')"),
        ("silu", "he_normal"),
        ("silu", "lecun_normal(gain='silu')"),
    ]:
        moments = [preactivations(spec, activation, 1 + n) for n in (5, 20, 50)]
        print(f"  {activation:<8} {spec:<42}", *(f"{moment:10.2g}" for moment in moments))
    print("\nactivation      gain  backward  slope    chi")
    for name in ("relu", "leaky_relu(0.2)", "elu", "selu", "tanh", "sigmoid", "softplus", "gelu", "silu", "mish"):
        slope, chi = stability(name)
        backward = initium.gain(name, backward=True)
        print(f"  {name:<16} {initium.gain(name):.4f} {backward:9.4f} {slope:6.3f} {chi:6.3f}  {stability(name).kind}")


if __name__ == "__main__":
    main()
