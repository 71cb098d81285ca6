"""The figures in docs/choose.md and docs/tutorials.md: what starts do to a signal, in plain NumPy.

    python bench/claims.py [SEED]

Second moments are geometric means over nets of width 512 with inputs of second moment 1, the first of them drawn under
SEED (0), each with its 95 % interval.
"""

import math
import sys

import numpy as np
from scipy.special import erf, expit

import initium
from initium._compare._statistics import interval
from initium.init import stability

WIDTH, NETS, SAMPLES = 512, 40, 64
DEPTHS = (5, 20, 50)
ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": expit,
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
    "silu": lambda z: z * expit(z),
}


def preactivations(spec, activation, net):
    """The second moments of what enters the activation of layers 1 + n of one net."""
    found = []
    h = initium.array("normal", (SAMPLES, WIDTH), seed=net, path="data", axes="bo", dtype="float64")
    for layer in range(1 + max(DEPTHS)):
        start = "lecun_normal" if layer == 0 else spec  # the first layer sees data
        z = h @ initium.array(start, (WIDTH, WIDTH), seed=net, path=str(layer)).T
        h = ACTIVATIONS[activation](z)
        found.append(np.mean(z**2))
    return [found[depth] for depth in DEPTHS]


def told(moments):
    """The geometric mean over nets and its interval: `1.00 [0.959, 1.04]`."""
    logs = interval(np.log(moments))
    mean, low, high = (f"{math.exp(log):#.3g}".rstrip(".") for log in (logs.mean, logs.low, logs.high))
    return f"{mean} [{low}, {high}]"


def main(seed):
    print(f"second moment before the activation of layer 1 + n; {NETS} nets, seeds from {seed}")
    print(" " * 37, *(f"{f'n = {depth}':<28}" for depth in DEPTHS))
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
        moments = np.array([preactivations(spec, activation, seed + net) for net in range(NETS)])
        print(f"{activation:<8} {spec:<28}", *(f"{told(column):<28}" for column in moments.T), flush=True)
    print("\nactivation      gain  backward  slope    chi")
    for name in ("relu", "leaky_relu(0.2)", "elu", "selu", "tanh", "sigmoid", "softplus", "gelu", "silu", "mish"):
        slope, chi = stability(name)
        backward = initium.gain(name, backward=True)
        print(f"  {name:<16} {initium.gain(name):.4f} {backward:9.4f} {slope:6.3f} {chi:6.3f}  {stability(name).kind}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
