"""One table that every catalogue entry goes through."""

import math

from initium.init._law import Constant, Keep, Normal, Orthogonal, TruncatedNormal, Uniform

# On a dense weight of 20 inputs and 30 outputs: the spec, and the law its paper's formula gives.
FAN_IN, FAN_OUT = 20, 30
CASES = {
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
    "variance_scaling(3)": Normal(0, math.sqrt(3 / 20)),
    "variance_scaling(3, mode='out')": Normal(0, math.sqrt(3 / 30)),
    "variance_scaling(3, mode='avg', distribution='uniform')": Uniform(-math.sqrt(9 / 25), math.sqrt(9 / 25)),
    "variance_scaling(3, mode='geo', distribution='truncated_normal')": TruncatedNormal(
        0, math.sqrt(3 / math.sqrt(600)), 2
    ),
    "lecun_normal": Normal(0, math.sqrt(1 / 20)),
    "lecun_normal(mode='out')": Normal(0, math.sqrt(1 / 30)),
    "lecun_uniform": Uniform(-math.sqrt(3 / 20), math.sqrt(3 / 20)),
    "glorot_normal": Normal(0, math.sqrt(2 / 50)),
    "glorot_normal(gain=2)": Normal(0, 2 * math.sqrt(2 / 50)),
    "glorot_uniform": Uniform(-math.sqrt(6 / 50), math.sqrt(6 / 50)),
    "he_normal": Normal(0, math.sqrt(2 / 20)),
    "he_normal(slope=0.25)": Normal(0, 1.371988681140079 / math.sqrt(20)),  # gain of PReLU's first slope
    "he_normal(mode='out')": Normal(0, math.sqrt(2 / 30)),
    "he_uniform": Uniform(-math.sqrt(6 / 20), math.sqrt(6 / 20)),
    "orthogonal": Orthogonal(1),
    "orthogonal(gain=1.4142)": Orthogonal(1.4142),
}
