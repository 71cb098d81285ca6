"""Transformers and residual nets: the std follows the depth as well. Depth and width are arguments."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._errors import ShapeError
from ._computed import query_and_key, value_and_out
from ._elementary import constant, normal, zeros
from ._initialiser import Initialiser, initialiser
from ._law import Composed, Draw, Law, Normal
from ._variance_scaling import glorot_normal, glorot_uniform, lecun_normal
from ._weight import Weight


@initialiser
def gpt2_residual(num_layers: int, std: float = 0.02) -> Initialiser:
    """The projection that ends a residual branch of GPT-2.

    Formula: std / sqrt(2 num_layers): each of the transformer's layers has two branches

    Use: what ends a residual branch in GPT-2. That is attention's output projection and the second layer of
        each MLP; `normal(std=0.02)` for all else.

    Args:
        num_layers: of the transformer.
        std: of its other weights.

    Reference: Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask
        Learners", 2019, section 2.3 [radford2019language]

    Example:
        >>> str(gpt2_residual(12))
        'gpt2_residual(12)'
    """
    return normal(0.0, std / math.sqrt(2 * num_layers))


@initialiser
def small_init(width: int) -> Initialiser:
    """One small Gaussian for all matrices of a transformer: Glorot's std of its widest, (width, 4 width).

    Formula: std = sqrt(2 / (5 width))

    Use: attention's projections. GPT-NeoX takes it for everything that ends no branch, with `wang_init`.

    Args:
        width: of the model.

    Reference: Nguyen, Salazar, "Transformers without Tears", IWSLT 2019, section 2.2.
        https://arxiv.org/abs/1910.05895 [nguyen2019transformers]

    Example:
        >>> str(small_init(768))
        'small_init(768)'
    """
    return normal(0.0, math.sqrt(2 / (5 * width)))


@initialiser
def wang_init(num_layers: int, width: int) -> Initialiser:
    """The projection that ends a residual branch of GPT-J and GPT-NeoX.

    Formula: std = 2 / (num_layers sqrt(width))

    Use: what ends a residual branch in GPT-J and GPT-NeoX. That is attention's output projection and the
        second layer of each MLP, with `small_init` elsewhere.

    Args:
        num_layers: of the transformer.
        width: of the model, for the MLP's second layer too.

    Differs: GPT-J truncates at two stds without correction, which realises 0.88 of it.

    Reference: Wang, "Mesh-Transformer-JAX", 2021, and GPT-NeoX's `wang_init_method`. [wang2021mesh]

    Example:
        >>> str(wang_init(28, 4096))
        'wang_init(28, 4096)'
    """
    return normal(0.0, 2 / (num_layers * math.sqrt(width)))


@initialiser
def depth_scaled(layer: int, std: float = 0.02) -> Initialiser:
    """The projection that ends a residual branch, smaller the deeper it stands.

    Formula: Gaussian of std / sqrt(2 layer)

    Use: what ends a residual branch in BEiT and timm's ViTs. That is attention's output projection and the
        MLP's second layer (`fix_init`).

    Args:
        layer: counted from 1.
        std: of the other weights.

    Differs: BEiT cuts its draws at one std, which realises 0.54 of it; timm, which names bounds of +-2, in effect
        does not cut, as here.

    Reference: Bao, Dong, Piao, Wei, "BEiT", ICLR 2022, section 2.5, and the authors' code.
        https://arxiv.org/abs/2106.08254 [bao2022beit]

    Example:
        >>> str(depth_scaled(12))
        'depth_scaled(12)'
    """
    return normal(0.0, std / math.sqrt(2 * layer))


@initialiser
def ds_init(layer: int, alpha: float = 1.0) -> Initialiser:
    """Glorot's uniform start, smaller the deeper a layer stands.

    Formula: W ~ U[-a, a], a = alpha sqrt(6 / (fan_in + fan_out)) / sqrt(layer)

    Use: all matrices of deep post-norm transformers.

    Args:
        layer: counted from 1, in encoder and decoder each.
        alpha: between 0 and 1.

    Differs: the authors' code divides the *variance* by sqrt(layer); here as in the paper it is the limit.

    Reference: Zhang, Titov, Sennrich, "Improving Deep Transformer with Depth-Scaled Initialization and Merged
        Attention", EMNLP 2019, section 4. https://arxiv.org/abs/1908.11365 [zhang2019improving]

    Example:
        >>> str(ds_init(6))
        'ds_init(6)'
    """
    return glorot_uniform(alpha / math.sqrt(layer))


@initialiser
def t_fixup(num_layers: int, part: str = "decoder") -> Initialiser:
    """Weights of a transformer that trains without warm-up and without layer normalisation.

    Formula: Glorot uniform times 0.67 N^(-1/4) in the encoder, (9 N)^(-1/4) in the decoder;
        embeddings N(0, 1/d) times (9 N)^(-1/4), d their width

    Use: transformers without layer norm and without warm-up. For v, the output projections, the MLPs and
        the embeddings; q and k keep `glorot_uniform`.
    Avoid: models with layer normalisation.

    Args:
        num_layers: N, of the encoder or of the decoder; for embeddings of the stack that reads them.
        part: `encoder`, `decoder` or `embedding`.

    Reference: Huang, Perez, Ba, Volkovs, "Improving Transformer Optimization Through Better Initialization",
        ICML 2020, section 3, and the authors' code. [huang2020improving]

    Example:
        >>> str(t_fixup(6, part="encoder"))
        "t_fixup(6, part='encoder')"
    """
    factors = {"encoder": 0.67 * num_layers**-0.25}
    factor = factors.get(part, (9 * num_layers) ** -0.25)
    if part == "embedding":
        return Initialiser(lambda weight: Normal(0.0, factor / math.sqrt(weight.fans.fan_out or 1)))
    if part not in ("encoder", "decoder"):
        raise ValueError(f"part is 'encoder', 'decoder' or 'embedding', not {part!r}")
    return glorot_uniform(factor)


@initialiser
def deepnorm(num_layers: int, num_others: int = 0, part: str = "decoder") -> Initialiser:
    """Weights for x = LayerNorm(alpha x + f(x)), which trains a thousand layers.

    Formula: Glorot's normal start with gain beta. N layers alone: beta = (8 N)^(-1/4), alpha = (2 N)^(1/4).
        Encoder of N beside a decoder of M: beta = 0.87 (N^4 M)^(-1/16), alpha = 0.81 (N^4 M)^(1/16);
        the decoder: beta = (12 M)^(-1/4), alpha = (3 M)^(1/4)

    Use: v, out and MLP of very deep post-norm transformers. q and k keep gain 1: `glorot_normal`.
    Avoid: without alpha on the skip connection, which is the model's to multiply.

    Args:
        num_layers: of the stack that the weight is in.
        num_others: layers of the other stack; 0 if there is none.
        part: `encoder` or `decoder`; without another stack it does not matter.

    Differs: the authors' code (torchscale) divides an encoder's weights by (N^4 M)^(1/16) / 1.15, so multiplies by
        1.15 (N^4 M)^(-1/16): the reciprocal of 0.87, for it. Here it is the paper's 0.87.

    Reference: Wang, Ma, Dong, Huang, Zhang, Wei, "DeepNet: Scaling Transformers to 1,000 Layers", 2022,
        figure 2. https://arxiv.org/abs/2203.00555 [wang2022deepnet]

    Example:
        >>> str(deepnorm(100))
        'deepnorm(100)'
    """
    if part not in ("encoder", "decoder"):
        raise ValueError(f"part is 'encoder' or 'decoder', not {part!r}")
    if not num_others:
        return glorot_normal((8 * num_layers) ** -0.25)
    if part == "encoder":
        return glorot_normal(0.87 * (num_layers**4 * num_others) ** (-1 / 16))
    return glorot_normal((12 * num_layers) ** -0.25)


@initialiser
def fixup(num_branches: int, num_layers: int = 2) -> Initialiser:
    """The inner layers of residual branches in a net without normalisation.

    Formula: std = L^(-1 / (2m - 2)) sqrt(2 / (o k)), o outputs of k positions, L branches of m layers each

    Use: residual nets without normalisation. For all but the last layer of each branch, which is zero, as is the
        classifier. The net needs a scalar bias before each layer and a scalar multiplier for each branch, started
        at 0 and 1.

    Args:
        num_branches: L, in the whole net.
        num_layers: m, of one branch, 2 or more.

    Differs: the paper leaves the base open ("a standard method"). Here it is that of the authors' code: outputs
        times positions of the kernel, whatever the stride.

    Reference: Zhang, Dauphin, Ma, "Fixup Initialization: Residual Learning Without Normalization", ICLR 2019,
        section 3. https://arxiv.org/abs/1901.09321 [zhang2019fixup]

    Example:
        >>> str(fixup(54))
        'fixup(54)'
    """
    if num_layers < 2:
        raise ValueError(f"num_layers is 2 or more, not {num_layers}: a branch of one layer is zero")
    factor = num_branches ** (-1 / (2 * num_layers - 2))

    def law(weight: Weight) -> Law:
        positions = weight.fans.fan_out * (1 if weight.transposed else weight.stride)
        return Normal(0.0, factor * math.sqrt(2 / (positions or 1)))

    return Initialiser(law)


@initialiser
def rezero() -> Initialiser:
    """The scalar that multiplies a residual branch: 0, so that the net starts as the identity.

    Formula: alpha = 0 in x + alpha f(x)

    Use: deep residual nets without normalisation.

    Reference: Bachlechner, Majumder, Mao, Cottrell, McAuley, "ReZero is All You Need", UAI 2021.
        https://arxiv.org/abs/2003.04887 [bachlechner2021rezero]; De, Smith, "Batch Normalization Biases Residual
        Blocks Towards the Identity Function", NeurIPS 2020. https://arxiv.org/abs/2002.10444 [de2020batch]

    Example:
        >>> str(rezero())
        'rezero'
    """
    return zeros()


@initialiser
def skip_init() -> Initialiser:
    """The scalar that multiplies a residual branch: 0, as in `rezero`.

    Formula: alpha = 0 in x + alpha f(x)

    Use: residual nets without batch normalisation. One scalar at the end of each branch.

    Reference: De, Smith, "Batch Normalization Biases Residual Blocks Towards the Identity Function", NeurIPS 2020,
        section 3. https://arxiv.org/abs/2002.10444 [de2020batch]

    Example:
        >>> str(skip_init())
        'skip_init'
    """
    return zeros()


@initialiser
def layer_scale(num_layers: int) -> Initialiser:
    """The scales, one a channel, that multiply a residual branch of a vision transformer.

    Formula: 0.1 up to 18 layers, 1e-5 up to 24, 1e-6 for deeper nets

    Use: vision transformers such as CaiT and DeiT III. ConvNeXt takes 1e-6 at any depth: `constant(1e-6)`.

    Args:
        num_layers: of the transformer.

    Differs: one released model of 36 layers (XXS36) has 1e-5.

    Reference: Touvron, Cord, Sablayrolles, Synnaeve, Jegou, "Going deeper with Image Transformers", ICCV 2021,
        section 2. https://arxiv.org/abs/2103.17239 [touvron2021going]

    Example:
        >>> str(layer_scale(24))
        'layer_scale(24)'
    """
    return constant(0.1 if num_layers <= 18 else 1e-5 if num_layers <= 24 else 1e-6)


@initialiser
def mup_input(std: float = 1.0) -> Initialiser:
    """Weights under muP whose input does not grow with the model: embeddings and the first layer.

    Formula: the std is `std` / sqrt(fan_in): constant, since fan_in is

    Use: the input layer and embeddings under muP. The width is scaled up after tuning.

    Args:
        std: of the base model, in units of 1 / sqrt(fan_in).

    Reference: Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter
        Transfer", 2022, table 3. https://arxiv.org/abs/2203.03466 [yang2022tensor]

    Example:
        >>> str(mup_input())
        'mup_input'
    """
    return lecun_normal("in", std)


@initialiser
def mup_hidden(std: float = 1.0) -> Initialiser:
    """Weights under muP between two layers that grow with the model.

    Formula: the std is `std` / sqrt(fan_in)

    Use: hidden matrices under muP. The width is scaled up after tuning; Adam's rate goes with 1 / fan_in.

    Args:
        std: of the base model, in units of 1 / sqrt(fan_in).

    Reference: Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter
        Transfer", 2022, table 3. https://arxiv.org/abs/2203.03466 [yang2022tensor]

    Example:
        >>> str(mup_hidden(std=0.5))
        'mup_hidden(std=0.5)'
    """
    return lecun_normal("in", std)


@initialiser
def mup_output(base_width: int, std: float = 1.0) -> Initialiser:
    """The last layer under muP, whose input grows with the model and whose output does not.

    Formula: the std is `std` sqrt(base_width) / fan_in: that of the base model where fan_in = base_width, and
        falling with 1 / fan_in from there

    Use: the head under muP. The width is scaled up after tuning; zeros are as good.
    Avoid: together with a multiplier of 1 / width on the output (the paper's table 8): it is one or the other.

    Args:
        base_width: fan_in of the model that was tuned.
        std: of that model, in units of 1 / sqrt(fan_in).

    Reference: Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter
        Transfer", 2022, table 3. https://arxiv.org/abs/2203.03466 [yang2022tensor]

    Example:
        >>> str(mup_output(256))
        'mup_output(256)'
    """
    if std < 0:
        raise ValueError(f"std is 0 or more, not {std}")

    def law(weight: Weight) -> Law:
        return Normal(0.0, std * math.sqrt(base_width) / (weight.fans.fan_in or 1))

    return Initialiser(law)


@initialiser
def mimetic_attention(
    num_heads: int, part: str = "packed", query_key: float = 0.7, value_out: float = 0.4
) -> Initialiser:
    """One weight of an attention layer that starts like trained attention; see `mimetic`.

    Formula: for each head W_q' W_k is the best approximation of rank width / num_heads of query_key (Z + I), and
        W_out W_v = value_out (Z - I); Z standard normal noise / sqrt(width)

    Use: vision transformers on small data sets. All parts of one attention must be drawn under one path, so that they
        share Z: the recipe `mimetic` sees to that.
    Avoid: language models, for which other signs are reported.

    Args:
        num_heads: of the attention.
        part: `query`, `key`, `value`, `out`, or `packed`: query, key and value in one matrix.
        query_key: size of noise and identity in the first product.
        value_out: size of noise and negative identity in the second.

    Raises:
        ShapeError: when it meets a block that is not square, or whose width the heads do not divide.

    Differs: as `mimetic`.

    Reference: Trockman, Kolter, "Mimetic Initialization of Self-Attention Layers", ICML 2023, section 3.
        https://arxiv.org/abs/2305.09828 [trockman2023mimetic]

    Example:
        >>> str(mimetic_attention(6, part="out"))
        "mimetic_attention(6, part='out')"
    """
    parts = ("query", "key", "value") if part == "packed" else (part,)
    if not {"query", "key", "value", "out"} >= set(parts):
        raise ValueError(f"part is 'packed', 'query', 'key', 'value' or 'out', not {part!r}")

    def law(weight: Weight) -> Law:
        width = weight.kernel_shape[1]
        if weight.num_kernels != len(parts) or weight.kernel_shape != (width, width) or width % num_heads:
            needs = "a square matrix" if len(parts) == 1 else "3 packed square matrices"
            raise ShapeError(
                f"needs {needs} whose width {num_heads} heads divide, but {weight} has {weight.num_kernels} of shape "
                f"{weight.kernel_shape}."
            )

        def make(draw: Draw) -> NDArray[Any]:
            made = dict[str, NDArray[Any]]()
            if {"query", "key"} & set(parts):
                noise = _noise(draw, (num_heads, width, width), "query and key")
                made["query"], made["key"] = query_and_key(noise, query_key)
            if {"value", "out"} & set(parts):
                made["value"], made["out"] = value_and_out(_noise(draw, (width, width), "value and out"), value_out)
            return np.concatenate([made[part] for part in parts])

        return Composed(make)

    return Initialiser(law)


def _noise(draw: Draw, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Standard normals in the number type of the fill, then in full precision: singular vectors are touchy."""
    weight = Weight(shape=shape, axes="boi"[-len(shape) :])
    return draw(Normal(0.0, 1.0), weight, name).astype(np.float64)
