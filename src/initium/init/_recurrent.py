"""Recurrent nets and state spaces: biases of gates, time constants, memories."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError
from ._initialiser import Initialiser, initialiser
from ._law import Composed, Draw, Law, Rounded, Uniform
from ._variance_scaling import variance_scaling
from ._weight import Weight


@initialiser
def forget_gate_bias(value: float = 1.0, num_gates: int = 4, gate: int = 2) -> Initialiser:
    """An LSTM's bias: `value` for the forget gate, 0 for the others.

    Formula: b = (0, value, 0, 0) for the gates (i, f, g, o), in the order of PyTorch and Keras

    Use: every LSTM. With 0 it forgets half of its memory at each step.
    Avoid: both of PyTorch's bias vectors, which are added: give the other one zeros.

    Args:
        value: of the forget gate.
        num_gates: packed in the bias.
        gate: which of them forgets, counted from 1.

    Reference: Gers, Schmidhuber, Cummins, "Learning to Forget", Neural Computation 12 (2000) [gers2000learning];
        Jozefowicz, Zaremba, Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015
        [jozefowicz2015empirical]

    Example:
        >>> str(forget_gate_bias())
        'forget_gate_bias'
    """
    if gate > num_gates:
        raise ValueError(f"gate is one of {num_gates}, not {gate}")
    return _gates(num_gates, lambda draw, size: {gate: np.full(size, value)})


@initialiser
def chrono(max_time: float, num_gates: int = 4, forget_gate: int = 2, input_gate: int = 1) -> Initialiser:
    """An LSTM's bias, for memories that last between 2 and `max_time` steps.

    Formula: b_f = log u, b_i = -b_f, u ~ U[1, max_time - 1], the other gates 0. A forget gate of
        sigmoid(b_f) decays over 1 / (1 - sigmoid(b_f)) = 1 + u steps

    Use: LSTMs with dependencies of known range.
    Avoid: both of PyTorch's bias vectors: give the other one zeros.

    Args:
        max_time: the longest dependency expected, in steps, above 2.
        num_gates: packed in the bias, (i, f, g, o) in PyTorch and Keras.
        forget_gate: which of them forgets, counted from 1.
        input_gate: which lets in.

    Reference: Tallec, Ollivier, "Can recurrent neural networks warp time?", ICLR 2018, eq. 16.
        https://arxiv.org/abs/1804.11188 [tallec2018can]

    Example:
        >>> str(chrono(784))
        'chrono(784)'
    """
    if max_time <= 2:
        raise ValueError(f"max_time is above 2, not {max_time}")
    if max(forget_gate, input_gate) > num_gates or forget_gate == input_gate:
        raise ValueError(f"forget_gate and input_gate are two of {num_gates}, not {forget_gate} and {input_gate}")

    def make(draw: Draw, size: int) -> dict[int, NDArray[Any]]:
        times = draw(Uniform(1, max_time - 1), Weight(shape=(size,), axes="o"))
        bias = np.log(times.astype(np.float64))
        return {forget_gate: bias, input_gate: -bias}

    return _gates(num_gates, make)


@initialiser
def hippo_legs() -> Initialiser:
    """The state matrix that remembers a whole history by Legendre polynomials.

    Formula: A[n, k] = -sqrt((2n + 1) (2k + 1)) for n > k, -(n + 1) for n = k, 0 for n < k, from 0, along the last
        two axes as they are stored; dx/dt = A x + B u. Its eigenvalues are -1, ..., -N

    Use: the state matrix of S4, where it is dense.
    Avoid: as a discrete recurrence: it is of continuous time.

    Raises:
        ShapeError: when it meets a matrix that is not square.

    Reference: Gu, Dao, Ermon, Rudra, Re, "HiPPO", NeurIPS 2020, theorem 2, with the scale of S4's code.
        https://arxiv.org/abs/2008.07669 [gu2020hippo]

    Example:
        >>> str(hippo_legs())
        'hippo_legs'
    """

    def law(weight: Weight) -> Law:
        if len(weight.shape) < 2 or weight.shape[-1] != weight.shape[-2]:
            raise ShapeError(f"is square, but {weight} has shape {weight.shape}.")
        return Composed(lambda draw: np.broadcast_to(_legs(weight.shape[-1]), weight.shape))

    return Initialiser(law, has_roles=False)


def _legs(size: int) -> NDArray[Any]:
    """The matrix of HiPPO's scaled Legendre measure."""
    n = np.arange(size)
    norms = np.sqrt(2 * n + 1)
    return -np.tril(np.multiply.outer(norms, norms), -1) - np.diag(n + 1)


@initialiser
def hippo_legs_input() -> Initialiser:
    """The input vector that belongs to `hippo_legs`.

    Formula: B[n] = sqrt(2n + 1) along the last axis, from 0

    Use: the input vector of S4, beside `hippo_legs`.

    Reference: Gu, Dao, Ermon, Rudra, Re, "HiPPO", NeurIPS 2020, theorem 2. https://arxiv.org/abs/2008.07669
        [gu2020hippo]

    Example:
        >>> str(hippo_legs_input())
        'hippo_legs_input'
    """
    return _along_last(lambda n: np.sqrt(2 * n + 1))


@initialiser
def s4d_real() -> Initialiser:
    """The logarithm of a real diagonal state matrix: A_log of Mamba.

    Formula: A_log[n] = log(n + 1) along the last axis, from 0; A = -exp(A_log) = -1, -2, ..., -N

    Use: Mamba and S4D-Real. For each channel alike.
    Avoid: code that zeroes or redraws every parameter afterwards.

    Reference: Gu, Gupta, Goel, Re, "On the Parameterization and Initialization of Diagonal State Space Models",
        NeurIPS 2022, section 4. https://arxiv.org/abs/2206.11893 [gu2022s4d]

    Example:
        >>> str(s4d_real())
        's4d_real'
    """
    return _along_last(lambda n: np.log(n + 1))


@initialiser
def s4d_lin(part: str = "imaginary") -> Initialiser:
    """A complex diagonal state matrix of evenly spaced frequencies, as two real parameters.

    Formula: A[n] = -1/2 + i pi n along the last axis, from 0. Part `imaginary` is pi n; part `log_real` is
        log(1/2), the logarithm of minus the real part

    Use: S4D-Lin layers. Conjugate pairs are counted once.

    Args:
        part: `imaginary` or `log_real`.

    Reference: Gu, Gupta, Goel, Re, "On the Parameterization and Initialization of Diagonal State Space Models",
        NeurIPS 2022, section 4. https://arxiv.org/abs/2206.11893 [gu2022s4d]

    Example:
        >>> str(s4d_lin())
        's4d_lin'
    """
    if part not in ("imaginary", "log_real"):
        raise ValueError(f"part is 'imaginary' or 'log_real', not {part!r}")
    return _along_last(lambda n: math.pi * n if part == "imaginary" else np.full(n.shape, math.log(0.5)))


@initialiser
def mamba_dt(low: float = 0.001, high: float = 0.1, floor: float = 1e-4) -> Initialiser:
    """A bias whose softplus is a step size, spread evenly over its orders of magnitude.

    Formula: b = dt + log(1 - exp(-dt)), the inverse of softplus; dt = max(floor, exp(u)),
        u ~ U[log low, log high]

    Use: the bias of Mamba's dt_proj.
    Avoid: code that zeroes every bias afterwards.

    Args:
        low: the least step, above 0.
        high: the greatest step, above `low`.
        floor: no step is below it.

    Reference: Gu, Dao, "Mamba", 2023, section 3.6, and the authors' code. https://arxiv.org/abs/2312.00752
        [gu2023mamba]

    Example:
        >>> str(mamba_dt())
        'mamba_dt'
    """
    if not 0 < low < high or floor <= 0:
        raise ValueError(f"low, high and floor are steps above 0, low below high, not {low}, {high}, {floor}")

    def law(weight: Weight) -> Law:
        def make(draw: Draw) -> NDArray[Any]:
            logs = draw(Uniform(math.log(low), math.log(high)), weight).astype(np.float64)
            steps = np.maximum(np.exp(logs), floor)
            return steps + np.log(-np.expm1(-steps))

        return Rounded(make)

    return Initialiser(law)


@initialiser
def mamba_dt_projection(scale: float = 1.0) -> Initialiser:
    """The weight of Mamba's dt_proj, which keeps the variance of what it projects.

    Formula: W ~ U[-a, a], a = scale fan_in^-1/2, fan_in the rank of dt

    Use: the weight of Mamba's dt_proj, with `mamba_dt`.

    Args:
        scale: above 0.

    Reference: Gu, Dao, "Mamba", 2023, and the authors' code (`dt_init="random"`). https://arxiv.org/abs/2312.00752
        [gu2023mamba]

    Example:
        >>> str(mamba_dt_projection())
        'mamba_dt_projection'
    """
    return variance_scaling(1 / 3, "in", "uniform", scale)


def _gates(num_gates: int, make: Callable[[Draw, int], dict[int, NDArray[Any]]]) -> Initialiser:
    """A bias from what some of its gates hold, counted from 1."""

    def law(weight: Weight) -> Law:
        if weight.axes != "o" or weight.shape[0] % num_gates:
            raise ShapeError(f'is the bias of {num_gates} gates, but {weight} has shape {weight.shape} with axes '
                             f'"{weight.axes}".')  # fmt: skip
        size = weight.shape[0] // num_gates

        def whole(draw: Draw) -> NDArray[Any]:
            held = make(draw, size)
            return np.concatenate([held.get(gate, np.zeros(size)) for gate in range(1, num_gates + 1)])

        return Rounded(whole)

    return Initialiser(law)


def _along_last(values: Callable[[NDArray[Any]], NDArray[Any]]) -> Initialiser:
    def law(weight: Weight) -> Law:
        if not weight.shape:
            raise ShapeError("goes along an axis, and a scalar has none.")
        return Rounded(lambda draw: np.broadcast_to(values(np.arange(weight.shape[-1])), weight.shape))

    return Initialiser(law, has_roles=False)
