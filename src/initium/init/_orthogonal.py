"""The orthogonal start."""

from ._initialiser import Initialiser, initialiser
from ._law import Law
from ._law import Orthogonal as OrthogonalLaw
from ._weight import Weight


@initialiser
def orthogonal(gain: float = 1.0) -> Initialiser:
    """Gain times a random matrix with orthonormal rows or columns, whichever are fewer.

    All singular values are `gain`, so a deep linear net neither shrinks nor stretches any signal.
    A kernel is flattened to (output, input x positions). Where there are more outputs than inputs
    the columns are orthonormal, and a signal's second moment falls by fan_in / fan_out.

    Args:
        gain: every singular value, above 0.

    Raises:
        ShapeError: when it meets a weight without an input or an output axis.

    Reference: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in
        deep linear neural networks", ICLR 2014. https://arxiv.org/abs/1312.6120. Uniform over all
        such matrices as a product of reflections: Stewart, SIAM J. Numer. Anal. 17 (1980).

    Example:
        >>> str(orthogonal(gain=2**0.5))
        'orthogonal(gain=1.4142135623730951)'
    """
    if gain <= 0:
        raise ValueError(f"gain is above 0, not {gain}")

    def law(weight: Weight) -> Law:
        _ = weight.fans  # refuses a weight that is not a matrix
        return OrthogonalLaw(gain)

    return Initialiser(law)
