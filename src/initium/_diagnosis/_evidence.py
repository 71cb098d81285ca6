"""What was measured of a model at step zero, as data; names no framework."""

from dataclasses import dataclass, field

from .._graph import Graph
from ._geometry import Geometry


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What one weight did at its first use, over the whole batch.

    Attributes:
        path: of the weight.
        fed: second moment of what it multiplies; None of a table, which is looked up.
        moment: second moment of what it gives, its bias added.
        mean: of what it gives.
        constant: which share of that second moment is the same for all inputs, as a bias is.
        similarity: mean cosine between what it takes in of two different inputs; None with one input.
        dead: share of the units of the activation before it that are 0 for every input; None if no activation is.
        saturated: share of what it gives at which the activation behind it has less than 5 % of its steepest slope;
            None if that is straight between bends, or there is none.
        num_bad: how many numbers of what it gives are NaN or infinite.
        gradient: mean square of the loss's gradient by what it gives; None if none came.
        energy: the sum of those squares.
        underflow: which share of that gradient is 0.
        dtype: of what it gives.
        histogram: of what it gives, as shares: bins of equal width between -4 and 4 times its root mean square, the
            outermost with what lies beyond; empty if it was not taken.
        gradient_histogram: the same of the gradient.
    """

    path: str
    fed: float | None
    moment: float
    mean: float = 0.0
    constant: float | None = None
    similarity: float | None = None
    dead: float | None = None
    saturated: float | None = None
    num_bad: int = 0
    gradient: float | None = None
    energy: float | None = None
    underflow: float | None = None
    dtype: str = "float32"
    histogram: tuple[float, ...] = ()
    gradient_histogram: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What was measured of one parameter.

    Attributes:
        path: its own.
        rms: root mean square of its numbers.
        num_bad: how many of them are NaN or infinite.
        gradient: root mean square of the loss's gradient; None if none came.
        is_trained: whether it takes part in training: it is not frozen.
        is_stuck: whether its gradient is exactly 0, and stays so when all that has one has moved.
        num_units: how many units it has, of a weight.
        num_alike: how many of them have the same weights and the same gradient as another, not all 0.
        twin: the path of an earlier parameter that holds the same numbers, which nothing ties to it.
        moves_with_twin: whether the gradients are the same too.
        repeats: names of blocks or heads packed within it that hold an earlier one's numbers, such as `key`.
        repeats_move: whether their gradients are that one's too.
        odd: share of its numbers that no start draws: above 1e10, or below 1e-30 and not 0.
        is_unset: whether its constructor is known to have left some of it as memory that nothing wrote.
    """

    path: str
    rms: float
    num_bad: int = 0
    gradient: float | None = None
    is_trained: bool = True
    is_stuck: bool = False
    num_units: int = 0
    num_alike: int = 0
    twin: str = ""
    moves_with_twin: bool = False
    repeats: tuple[str, ...] = ()
    repeats_move: bool = False
    odd: float = 0.0
    is_unset: bool = False


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What softmax attention did, on a few samples.

    Attributes:
        path: of the weight that made its queries, or was met last before it.
        freedom: mean of 1 - sum p^2 over 1 - 1/n, of n places that may be looked at: 1 if it looks at all of them
            alike, 0 if at one alone; None if there are no two.
        similarity: mean cosine between the values of two places of one sample; None if there are no two.
    """

    path: str
    freedom: float | None = None
    similarity: float | None = None


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """What a weight that multiplies a state did at its first and last steps.

    Attributes:
        path: of the weight.
        steps: how often it was met.
        moments: second moments of what it gave when it first met a state that is not 0, and at the last step.
        energies: sums of squares of the loss's gradient by what it gave, at the first and the last step; None if none
            came.
    """

    path: str
    steps: int
    moments: tuple[float, float]
    energies: tuple[float | None, float | None]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss at step zero.

    Attributes:
        name: what it is, such as `cross_entropy`.
        value: over the batch.
        chance: what knowing nothing costs: log k of k classes, the variance of targets; None if nothing says it.
        chance_is: which of them, in words: `log 10`.
        why: why it was chosen; empty if somebody named it.
        remark: what a reader must know of the targets.
        classes: k, where there are classes.
        logits: root mean square of the outputs around their mean.
        own: how sure the outputs are, on average, of the token that was fed in at their place.
        takes_logits: whether it applies a softmax or a sigmoid by itself.
        is_normalised: whether the outputs are probabilities of classes already, where the loss takes logits.
        gap: mean square between the means of targets and outputs, of squared error.
        target_mean: mean of the targets, of squared error.
    """

    name: str
    value: float
    chance: float | None = None
    chance_is: str = ""
    why: str = ""
    remark: str = ""
    classes: int | None = None
    logits: float | None = None
    own: float | None = None
    takes_logits: bool = False
    is_normalised: bool = False
    gap: float | None = None
    target_mean: float | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """The optimiser that the first step is to be judged for.

    Attributes:
        optimizer: `sgd`, `adam` or `adamw`.
        lr: its learning rate.
    """

    optimizer: str
    lr: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that findings are judged by.

    Attributes:
        graph: what the model does with each parameter.
        layers: in the order in which the weights were met.
        numbers: of each parameter.
        attentions: in the order in which they were met.
        recurrences: of each weight that multiplies a state.
        wanted: by path, the root mean square that keeps the signal, where `auto` knows it.
        loss: None if nothing was differentiated.
        step: None if no optimiser was named.
        strays: what takes part in the loss and wants a gradient, and is none of the model's parameters.
        notes: what a reader must know of how it was measured.
        start: the recipe that started it; empty if it is as it was built.
        geometry: what `thorough` measures besides; None if it was not asked for.
    """

    graph: Graph
    layers: tuple[Layer, ...] = ()
    numbers: tuple[Numbers, ...] = ()
    attentions: tuple[Attention, ...] = ()
    recurrences: tuple[Recurrence, ...] = ()
    wanted: dict[str, float] = field(default_factory=dict)
    loss: Loss | None = None
    step: Step | None = None
    strays: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    start: str = ""
    geometry: Geometry | None = None
