"""Nets for images, as timm starts them."""

import math

from .._graph import Graph, Param
from .._rule import Decision, Rule
from ..init import Initialiser, mimetic_attention, normal, zeros
from ._attention import parts_of
from ._branches import ends_branch
from ._embeddings import embeddings
from ._frameworks import torch_layers
from ._lines import used_as
from ._recipe import USUAL, recipe


@recipe(version=2, cites=("dosovitskiy2021image", "wightman2019timm"))
def vit(graph: Graph, std: float = 0.02) -> tuple[Rule, ...]:
    """Vision transformers, as timm starts them.

    Formula: dense weights and positions: N(0, std^2); class and register tokens: N(0, 1e-12); the patches' convolution,
        weight and bias: PyTorch's own; biases of dense layers 0; normalisation: 1 and 0

    Use: vision transformers such as ViT and DeiT.

    Args:
        graph: of the model.
        std: of all dense weights, the head's too.

    Differs: the paper's own code has Glorot uniform for dense weights, a head of zeros and LeCun's for the patches.
        timm's bounds of +-2 cut nothing, but once in some 2^24 draws it has a weight of -2 or 2, a hundred stds.

    Reference: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 [dosovitskiy2021image]; timm 1.0.31,
        init_weights_vit_timm [wightman2019timm]
    """
    return (
        Rule(role="weight", operation="dense", start=normal(std=std), because=f"std {std:g} throughout"),
        Rule(role="bias", when=lambda param: _is_of_dense(graph, param), start=zeros(), because="bias"),
        Rule(role="position", start=normal(std=std), because=f"std {std:g} throughout"),
        *embeddings(normal(std=std), f"std {std:g} throughout"),
        Rule(role="token", start=normal(std=1e-6), because="a token that starts as next to nothing"),
        *torch_layers(graph),
        *USUAL,
    )


def _is_of_dense(graph: Graph, bias: Param) -> bool:
    weight = graph.weight_of(bias)
    return weight is None or weight.use.operation == "dense"


@recipe(version=2, cites=("trockman2023mimetic", "wightman2019timm"))
def mimetic(graph: Graph, query_key: float = 0.7, value_out: float = 0.4) -> tuple[Rule, ...]:
    """Vision transformers whose attention starts like trained attention; all else as in `vit`.

    Formula: for each head W_q' W_k is the best approximation of rank head size of query_key (Z + I), and
        W_out W_v = value_out (Z - I), Z standard normal noise / sqrt(width)

    Use: vision transformers on small data sets.
    Avoid: language models, for which other signs are reported.

    Args:
        graph: of the model.
        query_key: size of noise and identity in the first product.
        value_out: size of noise and negative identity in the second.

    Differs: the two sizes are those of published reproductions. The paper's sinusoidal start of the positions is left
        out. Attention whose matrices are not square, as with fewer keys than queries, starts as in `vit`.

    Reference: Trockman, Kolter, "Mimetic Initialization of Self-Attention Layers", ICML 2023, section 3.
        https://arxiv.org/abs/2305.09828 [trockman2023mimetic]; for the rest timm 1.0.31 [wightman2019timm]
    """
    shared = _attentions(graph)

    def like_trained(param: Param) -> Decision:
        (part, *more), heads = parts_of(param), _heads(param)
        init = mimetic_attention(heads, "packed" if more else part, query_key, value_out)
        return Decision(init=init, because=f"attention of {heads} heads, as if trained", draws_as=shared[param.path])

    return (Rule(role="weight", when=lambda param: param.path in shared, start=like_trained), *vit().rules_of(graph))


def _attentions(graph: Graph) -> dict[str, str]:
    """For each weight of a square attention the path of the first of them, under which all draw their noise."""
    found = dict[tuple[int, int], list[Param]]()
    for param in graph.weights:
        if (branch := param.use.branch) and parts_of(param):
            found.setdefault((branch.stream, branch.number), []).append(param)
    complete = [
        weights
        for weights in found.values()
        if sorted(part for weight in weights for part in parts_of(weight)) == ["key", "out", "query", "value"]
        and all(_is_square(weight) for weight in weights)
    ]
    return {weight.path: weights[0].path for weights in complete for weight in weights}


def _is_square(param: Param) -> bool:
    width, head_size = param.size("i"), param.use.head_size
    fits = param.use.operation == "dense" and set(param.sizes) == {width} and len(param.sizes) == len(parts_of(param))
    return fits and bool(head_size) and width % (head_size or 1) == 0


def _heads(param: Param) -> int:
    return param.size("i") // (param.use.head_size or 1)


@recipe(version=2, cites=("he2015delving", "goyal2017accurate", "wightman2019timm"))
def resnet(graph: Graph) -> tuple[Rule, ...]:
    """ResNets: He's Gaussian by outputs, and residual branches that start as nothing.

    Formula: convolutions: std = sqrt(2 / (o k)), o outputs of k positions each; the scale of the normalisation that
        ends a residual branch 0, other scales 1, shifts 0; all else, such as the head, PyTorch's own

    Use: convolutional residual nets with normalisation.

    Differs: o k is what torch calls fan_out: it forgets groups and strides, for which `he_normal(mode="out")` is right.
        torchvision keeps the last scale at 1 unless asked.

    Reference: He, Zhang, Ren, Sun, ICCV 2015, eq. 14 [he2015delving]; the zero scale in Goyal et al., "Accurate, Large
        Minibatch SGD", 2017, section 5.1 [goyal2017accurate]; timm 1.0.31, ResNet.init_weights [wightman2019timm]
    """
    return (
        Rule(role="weight", operation="convolution", start=by_outputs, because="ReLU, by outputs times positions"),
        Rule(
            role="scale",
            operation="normalisation",
            when=ends_branch,
            start=used_as(0.0, "ends residual branch, which starts as nothing"),
        ),
        *torch_layers(graph),
        *USUAL,
    )


def by_outputs(param: Param) -> Initialiser:
    """He's Gaussian by torch's fan_out, which forgets groups and strides."""
    places = param.size("d") * param.size("h") * param.size("w")
    return normal(std=math.sqrt(2 / (param.size("o") * places or 1)))


@recipe(version=2, cites=("liu2022convnet", "wightman2019timm"))
def convnext(graph: Graph, std: float = 0.02, layer_scale: float = 1e-6) -> tuple[Rule, ...]:
    """ConvNeXts: one small Gaussian, and branches that are scaled to next to nothing.

    Formula: weights of convolutions and dense layers: N(0, std^2); biases 0; what scales a branch, one a channel:
        layer_scale; normalisation: 1 and 0

    Use: convolutional nets with layer scale.

    Args:
        graph: of the model.
        std: of all weights, the head's too.
        layer_scale: of all channels, at every depth.

    Differs: the paper's table says 0.2, the authors' code and timm 0.02, and it is that here. Their bounds of +-2 cut
        nothing, but once in some 2^24 draws timm has a weight of -2 or 2, a hundred stds.

    Reference: Liu et al., "A ConvNet for the 2020s", CVPR 2022, table 5 [liu2022convnet]; timm 1.0.31, ConvNeXt
        [wightman2019timm]
    """
    return (
        Rule(role="weight", start=normal(std=std), because=f"std {std:g} throughout"),
        Rule(role="scale", operation="multiplication", start=used_as(layer_scale, "scales a residual branch")),
        *embeddings(normal(std=std), f"std {std:g} throughout"),
        Rule(role="token", start=normal(std=std), because=f"std {std:g} throughout"),
        *USUAL,
    )
