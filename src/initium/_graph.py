"""The Graph: what a model does with each of its parameters. Names no framework."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ._printable import printable
from .init import Initialiser
from .init._law import Law
from .init._weight import Weight, check_shape

# `weight` multiplies and sums; `bias` adds to what a weight gave; `scale` and `shift` are elementwise, as those of a
# normalisation; `embedding` is looked up; `position` is added; `token` is put beside; `kept` is all else.
Role = Literal["weight", "bias", "scale", "shift", "embedding", "position", "token", "kept"]

Operation = Literal[
    "dense",
    "convolution",
    "transposed convolution",
    "bilinear",
    "recurrent",
    "embedding",
    "normalisation",
    "addition",
    "multiplication",
    "concatenation",
    "activation",
    "other",
]


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Where in a residual branch a weight stands: y = x + branch(x).

    Attributes:
        stream: which sum of branches it belongs to, counted through the model from 0. A projection on the skip
            path starts a new one, a normalisation on it does not.
        number: which branch of that stream, from 1.
        depth: how many branches the stream sums.
        layer: which weight of its branch, from 1.
        layers: how many weights lie one after another in the branch.
        is_last: whether its output joins the stream, perhaps normalised or scaled.
        left: what constants on the stream, as in (x + f(x)) / sqrt(2), leave of second moment 1 for it to add; None if
            there are none.
        repeats: how many branches of that stream are this very branch, done again to the stream alone: they agree, so
            that their sum grows as their number, and not as its root.
    """

    stream: int
    number: int
    depth: int
    layer: int
    layers: int
    is_last: bool
    left: float | None = None
    repeats: int = 1

    @property
    def share(self) -> float:
        """The second moment that it adds to the stream, by itself."""
        return 1 / (self.depth * self.repeats) if self.left is None else self.left

    def asked(self, scaled: float) -> float:
        """The second moment that its end is to give for a constant behind it to leave that share; no more than 1."""
        if not scaled:
            return 1.0
        return self.share / scaled**2 if self.left is not None else min(self.share / scaled**2, 1.0)


@dataclass(frozen=True, kw_only=True)
class Output:
    """How what a weight gives becomes the model's output, with no other weight behind it.

    Attributes:
        kind: `logits` before a softmax or cross-entropy; `open` if nothing says what it is; `normalised` if its size is
            divided out; `product` if it is a factor of a dot product; `output` behind any other function, constant or
            loss.
        scaled: by which constant it is multiplied on the way; 1 if one is added as well, which then is the unit.
        num_summed: how many weights' outputs are added to make it.
        factors: of a dot product, how many factors share its size.
        size: of a dot product, its second moment if each of those factors has second moment 1.
    """

    kind: Literal["logits", "open", "normalised", "product", "output"]
    scaled: float = 1.0
    num_summed: int = 1
    factors: int = 1
    size: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Use:
    """One operation that a parameter takes part in.

    Attributes:
        operation: what it does.
        fed_by: what the other operand is: `data`, `tokens`, `positions` (that no input says), `state` (of a
            recurrence), `cell` (of one whose state is a projection of it), `normalisation`, `residual stream`,
            `attention`, `gate` (a product of signals), `embedding`, `learned` (a parameter), `pooling`, an activation's
            name, `f` for an activation without one, the operation of the weight before, or `unknown`.
        moment: E[x^2] of that operand if everything before it is of the size that it is meant to have, by quadrature
            where it is a function of one signal; None if it is not known.
        is_measured: whether no formula gave the moment: it is that of noise to which was done what the model does.
        followed_by: what its output meets first: an activation's name or `f`, `normalisation`, `query`, `key`,
            `value`, `gate`, `scale`, `residual stream`, `pooling`, `output`, an operation, `unknown`.
        branch: where in a residual branch, if in one.
        head_size: width of an attention head that it projects to or from.
        scaled: by which constant its output is multiplied before it meets anything else, such as sqrt(d) behind an
            embedding or 0.1 at the end of a branch.
        frequency: by which constant its output is multiplied within a sine or a cosine, if that is all it meets: w of
            sin(w x + p).
        factor: by which constant the parameter itself is multiplied before it is used, as under an equalised learning
            rate; of a weight that is added to its own transpose sqrt(2); under a mask the root of the mean square of
            what multiplies its connections, rows without any left out.
        counted: which share of its connections is not multiplied by 0; None if what multiplies them is not known.
        behind: which constant multiplies its output at once, where c (x W) is meant as x (c W): 1 where it is its
            author's, as at the end of a branch, of a head, of a query, in a sum, before a softmax or a sine.
        offset: which constant is then added to it, as in x * (1 + w): it is used as offset + factor * w.
        after: paths of the weights whose output this operand is made from, whatever function, pooling, reshaping,
            sum or concatenation lies between; none behind a normalisation, attention or a recurrence.
        sums_with: paths of the other embeddings and positions that are added to the same signal.
        output: how it becomes the model's output, if it does and no other weight takes it in.
        is_sized: whether its own size was seen to be divided out before it is used, so that its direction alone counts.
        given: the second moment that its output, or a row, is to have before a branch takes its share: 1, but where it
            becomes a matrix that multiplies another signal, 1 / what that product sums; within a sine 1 / frequency^2,
            unless the frequency is the model's own, as in the first layer.
    """

    operation: Operation
    fed_by: str = "unknown"
    moment: float | None = None
    is_measured: bool = False
    followed_by: tuple[str, ...] = ()
    branch: Branch | None = None
    head_size: int | None = None
    scaled: float = 1.0
    frequency: float | None = None
    factor: float = 1.0
    counted: float | None = 1.0
    behind: float = 1.0
    offset: float = 0.0
    after: tuple[str, ...] = ()
    sums_with: tuple[str, ...] = ()
    output: Output | None = None
    is_sized: bool = False
    given: float = 1.0

    @property
    def is_normalised(self) -> bool:
        """Whether its scale is divided out at once."""
        return set(self.followed_by) == {"normalisation"}

    @property
    def is_head(self) -> bool:
        """Whether what it gives is the model's output, perhaps bent or multiplied, and feeds no other weight."""
        ends = self.output is not None or set(self.followed_by) == {"output"}
        return ends and self.operation != "recurrent"


@dataclass(frozen=True, kw_only=True)
class Made:
    """How the model's own constructor made a parameter or a buffer.

    Attributes:
        init: as a start, its elements numbered as they are stored; None if no start says it.
        because: by which calls, such as `normal_(0, 0.02)`.
        origin: the draw that it holds; of two parameters with the same one, one is a copy of the other.
        is_pending: whether it has no numbers yet. Those that it has may be trained or loaded by now, and `framework`
            leaves them.
    """

    init: Initialiser | None
    because: str
    origin: Hashable = field(default=None, compare=False)
    is_pending: bool = field(default=True, compare=False)


@dataclass(frozen=True, kw_only=True)
class Param(Weight):
    """One parameter; its axes and fans are those of its first use.

    Attributes:
        path: its dotted name in the model.
        role: what it is for.
        because: the clause from which the role follows.
        layer: the type of the module that owns it, such as `Linear`.
        tied: its other names.
        packs: what each packed block is, in order: `query`, `key`, `value`; `input`, `forget`, `cell`, `output`.
        bias_of: of a bias, the path of the weight to whose output it is added.
        length_of: of the length in a weight norm, the path of the direction.
        sized_by: what its layer's type says may set its size, such as `made anew by Symmetric`; a pass that saw it says
            so in `Use.is_sized`.
        built: what it was built with, where that is no draw and it is started anew all the same: `-4.6`.
        padding: of an embedding, the row that stays zero.
        uses: everything that is done with it, look-ups first and else in order of execution; none if it was not used.
        by_type: what its layer's type says is done with it, if the pass has not reached it.
        dtype: of its numbers, as frameworks spell it: `float32`, `bfloat16`.
        made: how the constructor made it; None if that was not recorded.
        stream: under which path its numbers are drawn, if its framework calls it otherwise than others do.
    """

    path: str
    role: Role
    because: str
    layer: str = ""
    tied: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    bias_of: str | None = None
    length_of: str | None = None
    sized_by: str = ""
    built: str = ""
    padding: int | None = None
    uses: tuple[Use, ...] = ()
    by_type: Use | None = None
    dtype: str = "float32"
    made: Made | None = None
    stream: str = ""

    @property
    def use(self) -> Use:
        """The first use; if there is none, the one that its layer's type says, or an unknown one."""
        return self.uses[0] if self.uses else self.by_type or Use(operation="other")

    @property
    def makes_signal(self) -> bool:
        """Whether what it gives is a signal: that which it multiplies, or its own rows that are looked up."""
        return self.role in ("weight", "embedding")

    def __str__(self) -> str:
        return f"`{printable(self.path)}`"


@dataclass(frozen=True, kw_only=True)
class Buffer:
    """What a model keeps beside its parameters.

    Attributes:
        path: its dotted name.
        shape: as the framework stores it.
        dtype: of its numbers, such as `int64`.
        is_saved: whether a checkpoint holds it.
        made: how the constructor made it; None if that was not recorded.
        tied: its other names.
        draws_as: the path under which its numbers are drawn; its own, unless it is a copy.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    is_saved: bool = True
    made: Made | None = None
    tied: tuple[str, ...] = ()
    draws_as: str = ""

    def __post_init__(self) -> None:
        """Refuse a shape that no array has."""
        check_shape(self.shape)

    @property
    def law(self) -> Law | None:
        """What its numbers are, numbered as they are stored; None if nobody knows."""
        if self.made is None or self.made.init is None:
            return None
        return self.made.init.law(Weight(shape=self.shape, axes="b" * len(self.shape)))

    @property
    def is_loaded(self) -> bool:
        """Whether its numbers come from a checkpoint, as they are or adapted."""
        return self.law is not None and self.law.is_loaded


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What a normalisation keeps of the batches that it saw.

    Attributes:
        path: of the normalisation; empty if it is the model itself.
        params: its own parameters; where it has none, those of the module around it.
        frozen: those of them that are not to be trained.
        has_counted: whether it holds anything else than what it is built with.
    """

    path: str
    params: tuple[str, ...]
    frozen: tuple[str, ...] = ()
    has_counted: bool = False


@dataclass(frozen=True)
class Graph:
    """Every parameter of a model, in the model's own order.

    Attributes:
        params: one for each parameter; a tied one counts once, under the name that is declared first.
        buffers: what the model keeps beside its parameters.
        notes: what a reader must know of how the graph was found.
        is_traced: whether the model was run; otherwise its layers' types alone speak.
        statistics: of every normalisation that keeps some.
        trained: what shows that the model was trained before; empty if nothing does.
        written: of a model of which nothing shows it, the parameters whose numbers are not those that their layers
            drew, as loading, training or an initialisation of the model's own leaves them.
        learned: of a model that was, the parameters that are trained, and the saved buffers of which only their module
            knows how they change.
    """

    params: tuple[Param, ...]
    buffers: tuple[Buffer, ...] = ()
    notes: tuple[str, ...] = ()
    is_traced: bool = False
    statistics: tuple[Statistics, ...] = ()
    trained: str = ""
    written: tuple[str, ...] = ()
    learned: tuple[str, ...] = ()

    @cached_property
    def by_path(self) -> dict[str, Param]:
        """Each parameter by its name, and by each name it is tied to."""
        named = {name: param for param in self.params for name in param.tied}
        return named | {param.path: param for param in self.params}

    @property
    def weights(self) -> tuple[Param, ...]:
        """The parameters that multiply and sum."""
        return tuple(param for param in self.params if param.role == "weight")

    def bias_of(self, weight: Param) -> Param | None:
        """The bias that is added to what a weight gives, if there is one."""
        return next((p for p in self.params if p.role == "bias" and self.weight_of(p) is weight), None)

    def weight_of(self, bias: Param) -> Param | None:
        """The weight to whose output a bias is added; if nothing says which, the one that is named like it."""
        owner, dot, name = bias.path.rpartition(".")
        found = self.by_path.get(bias.bias_of or owner + dot + name.replace("bias", "weight"))
        return found if found is not bias else None
