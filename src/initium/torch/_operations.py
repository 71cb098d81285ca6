"""What each operation of aten does to a signal, by its name."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CASTS = _names("_to_copy clone detach alias contiguous lift_fresh lift_fresh_copy")
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
POOLS = _names(
    """
    mean sum adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d _adaptive_avg_pool3d avg_pool1d avg_pool2d
    avg_pool3d max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d amax amin max
    min median logsumexp segment_reduce
    """
)
SOFTMAXES = _names("_softmax softmax _safe_softmax _log_softmax")
# Where the two factors stand among the arguments.
PRODUCTS = {
    "mm": (0, 1),
    "addmm": (1, 2),
    "bmm": (0, 1),
    "baddbmm": (1, 2),
    "mv": (0, 1),
    "addmv": (1, 2),
    "dot": (0, 1),
    "_grouped_mm": (0, 1),
}
CONVOLUTIONS = _names("convolution _convolution mkldnn_convolution convolution_overrideable")
LOOKUPS = _names("embedding embedding_bag _embedding_bag _embedding_bag_forward_only index index_select gather")
RECURRENT = "recurrent module"  # stands for a whole module of nn's, recorded as one operation
_NORMS = _names("native_layer_norm native_group_norm _fused_rms_norm rms_norm")


def is_norm(operation: str) -> bool:
    """Whether it is a normalisation with its scale and shift."""
    return operation in _NORMS or "batch_norm" in operation


def is_attention(operation: str) -> bool:
    """Whether it is softmax attention as a whole."""
    return "scaled_dot_product" in operation
