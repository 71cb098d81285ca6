"""One table that every catalogue entry goes through."""

import math
from typing import Any, NamedTuple

import numpy as np

from initium.init._law import Constant, Keep, Normal, Orthogonal, TruncatedNormal, Uniform
from initium.init._weight import Weight

# On a dense weight of 20 inputs and 30 outputs: the spec, and the law its paper's formula gives.
FAN_IN, FAN_OUT = 20, 30
LAWS = {
    "zeros": Constant(0),
    "ones": Constant(1),
    "constant(0.1)": Constant(0.1),
    "uniform(-0.1, 0.3)": Uniform(-0.1, 0.3),
    "normal": Normal(0, 1),
    "normal(mean=0.5, std=0.02)": Normal(0.5, 0.02),
    "truncated_normal": TruncatedNormal(0, 1, 2),
    "truncated_normal(std=0.02, cut=3)": TruncatedNormal(0, 0.02, 3),
    "truncated_normal(cut=inf)": TruncatedNormal(0, 1, math.inf),
    "framework": Keep(),
    "variance_scaling": Normal(0, math.sqrt(1 / 20)),
    "variance_scaling(scale=3)": Normal(0, math.sqrt(3 / 20)),
    "variance_scaling(scale=3, mode='out')": Normal(0, math.sqrt(3 / 30)),
    "variance_scaling(scale=3, mode='avg', distribution='uniform')": Uniform(-math.sqrt(9 / 25), math.sqrt(9 / 25)),
    "variance_scaling(scale=3, mode='geo', distribution='truncated_normal')": TruncatedNormal(
        0, math.sqrt(3 / math.sqrt(600)), 2
    ),
    "variance_scaling(gain='relu')": Normal(0, math.sqrt(2 / 20)),
    "lecun_normal": Normal(0, math.sqrt(1 / 20)),
    "lecun_normal(mode='out')": Normal(0, math.sqrt(1 / 30)),
    "lecun_normal(gain='tanh')": Normal(0, 1.592537419722831 / math.sqrt(20)),
    "lecun_uniform": Uniform(-math.sqrt(3 / 20), math.sqrt(3 / 20)),
    "lecun_truncated_normal": TruncatedNormal(0, math.sqrt(1 / 20), 2),
    "glorot_normal": Normal(0, math.sqrt(2 / 50)),
    "glorot_normal(gain=2)": Normal(0, 2 * math.sqrt(2 / 50)),
    "glorot_uniform": Uniform(-math.sqrt(6 / 50), math.sqrt(6 / 50)),
    "glorot_truncated_normal": TruncatedNormal(0, math.sqrt(2 / 50), 2),
    "he_normal": Normal(0, math.sqrt(2 / 20)),
    "he_normal(slope=0.25)": Normal(0, 1.371988681140079 / math.sqrt(20)),  # gain of PReLU's first slope
    "he_normal(mode='out')": Normal(0, math.sqrt(2 / 30)),
    "he_uniform": Uniform(-math.sqrt(6 / 20), math.sqrt(6 / 20)),
    "he_truncated_normal": TruncatedNormal(0, math.sqrt(2 / 20), 2),
    "torch_default": Uniform(-math.sqrt(1 / 20), math.sqrt(1 / 20)),
    "kumar": Normal(0, math.sqrt(12.8 / 20)),  # 3.6 / sqrt(N) in the paper's words
    "kumar(value=0, slope=1)": Normal(0, math.sqrt(1 / 20)),
    "random_walk": Normal(0, math.sqrt(2 / 20) * math.exp(1.2 / 17.6)),
    "random_walk(activation='linear')": Normal(0, math.sqrt(1 / 20) * math.exp(1 / 40)),
    "siren_first": Uniform(-1 / 20, 1 / 20),
    "siren": Uniform(-math.sqrt(6 / 20) / 30, math.sqrt(6 / 20) / 30),
    "orthogonal": Orthogonal(1),
    "orthogonal(gain=1.4142)": Orthogonal(1.4142),
    "gpt2_residual(12)": Normal(0, 0.02 / math.sqrt(24)),
    "small_init(20)": Normal(0, math.sqrt(2 / (20 + 80))),  # Glorot's of (20, 80)
    "wang_init(28, 4096)": Normal(0, 2 / 28 / 64),
    "depth_scaled(2)": Normal(0, 0.01),
    "ds_init(4)": Uniform(-math.sqrt(6 / 50) / 2, math.sqrt(6 / 50) / 2),
    "t_fixup(16, part='encoder')": Uniform(-math.sqrt(6 / 50) * 0.67 / 2, math.sqrt(6 / 50) * 0.67 / 2),
    "t_fixup(9)": Uniform(-math.sqrt(6 / 50) / 3, math.sqrt(6 / 50) / 3),
    "t_fixup(9, part='embedding')": Normal(0, 30**-0.5 / 3),
    "deepnorm(2)": Normal(0, math.sqrt(2 / 50) / 2),
    "deepnorm(4, num_others=16, part='encoder')": Normal(0, math.sqrt(2 / 50) * 0.87 * 2 ** (-12 / 16)),
    "deepnorm(12, num_others=6)": Normal(0, math.sqrt(2 / 50) / math.sqrt(12)),
    "fixup(16)": Normal(0, math.sqrt(2 / 30) / 4),
    "fixup(16, num_layers=3)": Normal(0, math.sqrt(2 / 30) / 2),
    "rezero": Constant(0),
    "skip_init": Constant(0),
    "layer_scale(18)": Constant(0.1),
    "layer_scale(24)": Constant(1e-5),
    "layer_scale(25)": Constant(1e-6),
    "mup_input": Normal(0, math.sqrt(1 / 20)),
    "mup_hidden(std=0.5)": Normal(0, 0.5 * math.sqrt(1 / 20)),
    "mup_output(5)": Normal(0, math.sqrt(5) / 20),
    "mamba_dt_projection": Uniform(-(20**-0.5), 20**-0.5),
    "focal_prior": Constant(-4.59511985013459),
    "zero_head": Constant(0),
    "ppo_hidden": Orthogonal(math.sqrt(2)),
    "ppo_policy": Orthogonal(0.01),
    "ppo_value": Orthogonal(1),
    "lora_a": Uniform(-math.sqrt(1 / 20), math.sqrt(1 / 20)),
    "lora_b": Constant(0),
}


class Made(NamedTuple):
    """What an entry that computes its weight gives: an array, or statistics of what is not 0."""

    weight: Weight
    exact: Any = None
    mean: float = 0.0
    std: float = 0.0
    low: float = -math.inf
    high: float = math.inf


def dense(*shape, **kwargs):
    return Weight(shape=shape, axes="oi", **kwargs)


def conv(*shape, **kwargs):
    return Weight(shape=shape, axes="oihw", **kwargs)


def bias(size):
    return Weight(shape=(size,), axes="o")


TRIANGLE = np.array([0.25, 0.75, 0.75, 0.25])  # kernel 4, factor 2: FCN's
MADE = {
    "identity": Made(dense(4, 3), exact=np.eye(4, 3)),
    "identity(gain=0.01)": Made(dense(3, 3), exact=0.01 * np.eye(3)),
    "dirac": Made(conv(2, 3, 1, 3), exact=np.eye(2, 3)[:, :, None, None] * np.array([0, 1, 0])),
    "sparse": Made(dense(8000, 60), std=1),
    "sparse(num_incoming=4, std=0.1)": Made(conv(30000, 5, 3, 3), std=0.1),
    "bilinear": Made(
        conv(2, 2, 4, 4, transposed=True), exact=np.eye(2)[:, :, None, None] * np.outer(TRIANGLE, TRIANGLE)
    ),
    "icnr": Made(conv(4000, 100, 3, 3), std=math.sqrt(2 / 900)),
    "icnr(order='pixel')": Made(conv(4000, 100, 3, 3), std=math.sqrt(2 / 900)),
    "icnr(start='glorot_uniform', factor=3)": Made(
        Weight(shape=(9000, 100, 3), axes="oiw"), std=math.sqrt(2 / 9300), low=-math.sqrt(6 / 9300) * 1.000001
    ),
    "packed(('zeros', 'ones'))": Made(dense(4, 3, blocks=2), exact=np.repeat([[0], [1]], 2, 0) * np.ones(3)),
    "whole('glorot_uniform')": Made(
        dense(900, 200, blocks=3), std=math.sqrt(2 / 1100), low=-math.sqrt(6 / 1100) * 1.000001
    ),
    "whole('orthogonal')": Made(dense(900, 200, blocks=3), std=math.sqrt(1 / 900)),
    "padded('normal(std=0.02)')": Made(Weight(shape=(1201, 90), axes="vo"), std=0.02),
    "rows(('ones', 'constant(3)'), (1, 2))": Made(dense(3, 2), exact=np.outer([1, 3, 3], [1, 1])),
    "rows(('zeros', 'normal(std=0.02)'), (1, 35))": Made(dense(36, 3000), std=0.02),
    "values((2,), 'float32', 'eNpjYGCwZ2BgcAAAAYMAgA==')": Made(dense(3, 2), exact=np.outer(np.ones(3), [0.5, 2])),
    "sinusoidal": Made(dense(2, 4), exact=[[0, 1, 0, 1], [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]]),
    "sinusoidal(base=100, layout='halves')": Made(
        dense(2, 4), exact=[[0, 0, 1, 1], [math.sin(1), math.sin(0.1), math.cos(1), math.cos(0.1)]]
    ),
    "sinusoidal(layout='halves', slowest='reached')": Made(
        dense(2, 4), exact=[[0, 0, 1, 1], [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)]]
    ),
    "flattened('orthogonal')": Made(conv(300, 40, 3, 3), std=math.sqrt(1 / 360)),
    # log u, u ~ U[1, 2], halved.
    "through('uniform(1, 2)', ('log', 'multiply(0.5)'))": Made(
        dense(400, 500), mean=math.log(2) - 0.5, std=math.sqrt(1 - 2 * math.log(2) ** 2) / 2, low=0, high=0.3465737
    ),
    "padded('ones', row=2)": Made(Weight(shape=(4, 2), axes="vo"), exact=np.outer([1, 1, 0, 1], [1, 1])),
    "mimetic_attention(1, part='value', value_out=0)": Made(dense(3, 3), exact=np.zeros((3, 3))),
    "he_sparse": Made(dense(4000, 600), std=math.sqrt(2 / 60)),
    "he_sparse(density=0.001)": Made(dense(120000, 20), std=math.sqrt(2)),
    "delta_orthogonal": Made(conv(500, 300, 3, 3), std=math.sqrt(1 / 500)),
    "delta_orthogonal(gain='relu')": Made(conv(500, 300, 1, 2), std=math.sqrt(2 / 500)),
    "conv_orthogonal": Made(conv(300, 200, 2, 3), std=math.sqrt(1 / 300 / 6)),
    "looks_linear": Made(dense(600, 1000), std=math.sqrt(1 / 600)),
    "looks_linear(start='he_normal', mirror='both')": Made(dense(1000, 1000), std=math.sqrt(2 / 500)),
    "looks_linear(start='lecun_normal', mirror='out')": Made(dense(1000, 400), std=math.sqrt(1 / 400)),
    "hadamard": Made(dense(4, 2), exact=np.array([[1, 1], [1, -1], [1, 1], [1, -1]]) / 2),
    "idinit": Made(dense(5, 2), exact=np.eye(2)[[0, 1, 0, 1, 0]]),
    "idinit(tau=0.5)": Made(dense(2, 3), exact=0.5 * np.eye(2, 3)),
    "forget_gate_bias": Made(bias(8), exact=np.repeat([0, 1, 0, 0], 2)),
    "forget_gate_bias(value=2, num_gates=3, gate=1)": Made(bias(6), exact=np.repeat([2, 0, 0], 2)),
    # log u, u ~ U[1, 99], and its negative together: E[(log u)^2] by parts.
    "chrono(100)": Made(
        bias(400_000),
        std=math.sqrt((99 * (math.log(99) ** 2 - 2 * math.log(99) + 2) - 2) / 98),
        low=-math.log(99) * 1.000001,
        high=math.log(99) * 1.000001,
    ),
    "hippo_legs": Made(dense(3, 3), exact=-np.array([[1, 0, 0], [3**0.5, 2, 0], [5**0.5, 15**0.5, 3]])),
    "hippo_legs_input": Made(bias(3), exact=np.sqrt([1, 3, 5])),
    "s4d_real": Made(dense(2, 3), exact=np.log([[1, 2, 3], [1, 2, 3]])),
    "s4d_lin": Made(bias(3), exact=np.pi * np.arange(3)),
    "s4d_lin(part='log_real')": Made(bias(2), exact=np.log([0.5, 0.5])),
    "log_prior((90, 9, 1))": Made(bias(3), exact=np.log([0.9, 0.09, 0.01])),
    "mamba_dt": Made(bias(200_000), mean=-4.594376, std=1.340382, low=-6.907256, high=-2.252168),
}
CASES = [*LAWS, *MADE]
