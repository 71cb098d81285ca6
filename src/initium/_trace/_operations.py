"""What each operation of ATen does to a signal, by its name; of those that take a weight, where all stands."""

import math
from dataclasses import dataclass
from typing import Any

from .._graph import Operation


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Round as a quantised number would be, and hand gradients on as if they had not.
QUANTISES = _names(
    """
    fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams _fake_quantize_learnable_per_tensor_affine
    _fake_quantize_learnable_per_channel_affine _fused_moving_avg_obs_fq_helper
    _fused_moving_avg_obs_fq_helper_functional
    """
)
CASTS = QUANTISES | _names("_to_copy clone detach alias contiguous lift_fresh lift_fresh_copy")
# Hand all elements on, elsewhere or several times.
MOVES = CASTS | _names(
    """
    view _unsafe_view reshape _reshape_alias t transpose permute movedim expand flatten unsqueeze squeeze ravel select
    slice split unsafe_split split_with_sizes chunk unsafe_chunk unsafe_split_with_sizes unbind narrow diagonal unfold
    roll flip repeat repeat_interleave pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle dropout
    gather index index_select reflection_pad1d reflection_pad2d replication_pad1d as_strided replication_pad2d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact2d _pack_padded_sequence
    _pad_packed_sequence
    """
)
# Hand elements on, elsewhere or not at all.
PASSES = CASTS | _names(
    """
    view _unsafe_view reshape _reshape_alias t transpose permute movedim expand unsqueeze squeeze squeeze_copy flatten
    ravel select slice split unsafe_split split_with_sizes unsafe_split_with_sizes chunk unsafe_chunk unbind narrow
    diagonal unfold as_strided roll flip repeat repeat_interleave im2col col2im pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle constant_pad_nd pad reflection_pad1d reflection_pad2d replication_pad1d
    replication_pad2d dropout native_dropout index index_select gather masked_select masked_fill masked_scatter where
    copy fill zero tril triu nan_to_num sort topk cumsum slice_scatter select_scatter scatter scatter_add
    scatter_reduce index_add index_put upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    _upsample_bilinear2d_aa grid_sampler_2d view_as_real view_as_complex _conj resolve_conj
    _pack_padded_sequence _pad_packed_sequence
    """
)
LINEAR = CASTS | _names("mul div neg add sub rsub")
ELEMENTWISE = LINEAR | _names(
    """
    relu relu6 gelu silu sigmoid tanh elu leaky_relu hardtanh hardswish hardsigmoid mish softplus selu celu prelu
    log_sigmoid_forward log_sigmoid threshold softshrink hardshrink rrelu_with_noise sin cos sinc sinh cosh atan asinh
    erf erfc pow square exp exp2 expm1 log log2 log1p sqrt rsqrt reciprocal abs sign sgn floor round frac clamp
    clamp_min clamp_max minimum maximum where gt lt le ge eq ne zeros_like ones_like full_like heaviside isfinite
    logical_and logical_not bitwise_and bitwise_not
    """
)
# Functions that are 0 at 0: those whose gradient passes there, and those where it stops.
THROUGH_ZERO = _names("gelu silu tanh elu leaky_relu mish celu selu hardswish sin atan asinh erf sinh neg abs sign")
STOPS_AT_ZERO = _names("relu relu6 threshold square softshrink hardshrink sqrt")
POOLS = _names(
    """
    mean sum adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d _adaptive_avg_pool3d avg_pool1d avg_pool2d
    avg_pool3d max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d amax amin max
    min median logsumexp segment_reduce
    """
)
SOFTMAXES = _names("_softmax softmax _safe_softmax _log_softmax")
# What each loss takes in; one of log-probabilities says nothing of what gave them.
LOSSES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_names("nll_loss nll_loss_forward nll_loss_nd nll_loss2d nll_loss2d_forward _ctc_loss"), ()),
    "binary_cross_entropy_with_logits": ("softmax",),
    **dict.fromkeys(
        _names(
            """
            mse_loss smooth_l1_loss huber_loss binary_cross_entropy soft_margin_loss multi_margin_loss
            multilabel_margin_loss_forward
            """
        ),
        ("function",),
    ),
}
# Take the shape of a tensor and none of its numbers.
SHAPED = _names("zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty")
# Draws of the shape of a signal besides.
NOISE = SHAPED | _names("randn_like rand_like randint_like")
RECURRENT = "recurrent module"  # stands for a whole module of nn's, recorded as one operation
_NORMS = _names("native_layer_norm native_group_norm _fused_rms_norm rms_norm")


def is_norm(operation: str) -> bool:
    """Whether it is a normalisation with its scale and shift."""
    return operation in _NORMS or "batch_norm" in operation


def is_attention(operation: str) -> bool:
    """Whether it is softmax attention as a whole."""
    return "scaled_dot_product" in operation


SPACE = ("", "w", "hw", "dhw")  # the axes of a kernel in so many dimensions


@dataclass(frozen=True)
class WeightOperation:
    """How an operation takes a weight, by the places of its arguments.

    `args` are an operation's arguments, tensors or the trace's values of them.

    Attributes:
        word: what the Graph calls it.
        operands: all that is multiplied or looked up in, in order.
        weights: where among them a weight may stand.
        roles: letters of the weight's axes, for each of these places.
        bias: what is added, if anything may be.
        plain: the operation without its bias, where passing none is not enough, as PyTorch calls it.
        stride: of a convolution.
        transposed: whether it goes the other way.
        groups: likewise.
        is_use: whether it uses a weight; what only picks rows of one may prepare a use.
    """

    word: Operation
    operands: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    roles: tuple[str, ...] = ()
    bias: int | None = None
    plain: str = ""
    stride: int | None = None
    transposed: int | None = None
    groups: int | None = None
    is_use: bool = True

    def factors(self, args: Any) -> tuple[Any, ...]:
        """What it multiplies: of a matrix product left and right, of a convolution the signal and the kernel."""
        return tuple(args[place] for place in self.operands)

    def weight_of(self, args: Any) -> Any:
        """The one value made from parameters that stands where a weight may; None if there is none, or two."""
        found = [args[place] for place in self.weights if args[place].params]
        return found[0] if len(found) == 1 else None

    def letters(self, args: Any, operand: Any) -> str:
        """The roles of the axes of what stands for the weight."""
        places = zip(self.weights, self.roles, strict=False)
        letters = next((roles for place, roles in places if args[place] is operand), self.roles[-1])
        ndim = operand.tensor.ndim
        if self.word == "convolution":
            return (letters[::-1] if args[self.transposed] else letters) + SPACE[ndim - 2]
        if self.word == "dense":
            return "i" if ndim == 1 else "b" * (ndim - 2) + letters
        return letters[:ndim]

    def output_axis(self, args: Any, operand: Any, ndim: int) -> int:
        """Where the weight's outputs lie among the axes of the result."""
        if self.word == "convolution":
            return 1
        is_left = self.word == "dense" and self.factors(args)[0] is operand
        return max(ndim - 2, 0) if is_left else ndim - 1

    def windows(self, args: Any) -> dict[str, Any]:
        """Groups, stride and direction of a convolution."""
        if self.word != "convolution":
            return {}
        strides, num_space = args[self.stride], args[self.weights[0]].tensor.ndim - 2
        stride = math.prod(strides) if len(strides) == num_space else strides[0] ** num_space
        return {"groups": args[self.groups], "stride": stride, "transposed": args[self.transposed]}

    def operation(self, args: Any) -> Operation:
        """What the Graph calls it, given its arguments."""
        return "transposed convolution" if self.windows(args).get("transposed") else self.word


def weight_operation(name: str) -> WeightOperation:
    """How an operation takes a weight; of one that takes none, a row without places."""
    return WEIGHT_OPERATIONS.get(name, _NONE)


def _product(left: int, right: int, **more: Any) -> WeightOperation:
    return WeightOperation("dense", (left, right), (left, right), ("oi", "io"), **more)


_NONE = WeightOperation("other")
_CONVOLUTION = WeightOperation("convolution", (0, 1), (1,), ("oi",), bias=2, stride=3, transposed=6, groups=8)
_PICK = WeightOperation("embedding", (0,), (0,), ("vo",), is_use=False)
WEIGHT_OPERATIONS: dict[str, WeightOperation] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), _product(0, 1)),
    "_grouped_mm": _product(0, 1, bias=3),
    "addmm": _product(1, 2, bias=0, plain="mm"),
    "baddbmm": _product(1, 2, bias=0, plain="bmm"),
    "addmv": _product(1, 2, bias=0, plain="mv"),
    **dict.fromkeys(_names("convolution _convolution mkldnn_convolution convolution_overrideable"), _CONVOLUTION),
    "_trilinear": WeightOperation("bilinear", (0, 1, 2), (1,), ("oii",)),
    "embedding": WeightOperation("embedding", (0, 1), (0,), ("vo",)),
    **dict.fromkeys(_names("index index_select gather"), _PICK),
    RECURRENT: WeightOperation("recurrent", roles=("oi",)),
}
