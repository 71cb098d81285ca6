"""What the frameworks' own layers draw."""

import math

from .._graph import Graph, Param
from .._rule import Rule
from ..init import (
    Initialiser,
    glorot_uniform,
    normal,
    torch_default,
    uniform,
    variance_scaling,
    whole,
    zeros,
)
from ._embeddings import embeddings
from ._recipe import USUAL, recipe
from ._recurrent import forget_gates, is_recurrent

_ATTENTION = "MultiheadAttention"


@recipe(version=2, cites=("glorot2010understanding",))
def torch(graph: Graph) -> tuple[Rule, ...]:
    """What PyTorch's own layers draw.

    Formula: Linear and Conv, weight and bias: U(+-1/sqrt(fan_in)), where of a transposed convolution torch takes the
        outputs for inputs, and of Bilinear the first inputs alone; RNN, LSTM, GRU, weights and biases: U(+-1/sqrt(H)),
        H hidden units; MultiheadAttention: Glorot uniform on q, k and v as one matrix (3E, E), its biases 0; Embedding:
        N(0, 1), padding row 0; normalisation: 1 and 0

    Use: to repeat a PyTorch model. Also as a yardstick.
    Avoid: deep nets without normalisation; see `torch_default`.

    Differs: a parameter that no layer of PyTorch owns, such as a class token, stays as it was built.

    Reference: PyTorch 2.13, reset_parameters of torch.nn; Glorot, Bengio, AISTATS 2010 [glorot2010understanding]
    """
    return (*torch_layers(graph), *USUAL)


def torch_layers(graph: Graph) -> tuple[Rule, ...]:
    """The rules for PyTorch's layers, which other recipes end with."""

    def like_its_weight(param: Param) -> Initialiser:
        bound = bound_of(param)
        return uniform(-bound, bound)

    def has_bound(param: Param) -> bool:
        return bound_of(param) > 0

    def bound_of(bias: Param) -> float:
        # the state's size is also the bias's, whatever its weight is made from
        weight = bias if bias.use.operation == "recurrent" else graph.weight_of(bias)
        return _torch_bound(weight) if weight else 0.0

    return (
        Rule(role="weight", layer=_ATTENTION, start=whole("glorot_uniform"), because="Glorot's, on all it packs"),
        Rule(role="weight", operation="recurrent", start=_by_bound, because="1/sqrt(hidden units)"),
        Rule(role="weight", operation="bilinear", start=_by_bound, because="1/sqrt(first inputs)"),
        Rule(
            role="weight",
            operation="transposed convolution",
            start=variance_scaling(1 / 3, "out", "uniform"),
            because="1/sqrt(fan), torch's fan_in of a transposed kernel being the true fan_out",
        ),
        Rule(role="weight", start=torch_default(), because="1/sqrt(fan_in)"),
        Rule(role="bias", layer=_ATTENTION, start=zeros(), because="bias of attention"),
        Rule(role="bias", layer="NonDynamicallyQuantizableLinear", start=zeros(), because="bias of attention"),
        Rule(role="token", layer=_ATTENTION, start=_unit_token, because="Glorot's, of bias_k and bias_v"),
        Rule(role="bias", when=has_bound, start=like_its_weight, because="drawn like its weight"),
        *(rule for layer in ("Embedding", "EmbeddingBag") for rule in _owned_by(layer)),
    )


def _torch_bound(weight: Param) -> float:
    """The bound from which PyTorch draws a weight and its bias."""
    match weight.use.operation:
        case "recurrent":
            fan = _hidden(weight)
        case "bilinear":
            fan = weight.shape[1]
        case "transposed convolution":
            fan = weight.fans.fan_out
        case _ if weight.role == "weight":
            fan = weight.parts[0].fans.fan_in  # blocks differ in their outputs alone
        case _:
            fan = 0
    return 1 / math.sqrt(fan) if fan else 0.0


def _hidden(weight: Param) -> int:
    """Hidden units; the matrix that projects a cell to its state has them as inputs."""
    return weight.size("i") if weight.use.fed_by == "cell" else weight.sizes[0]


def _by_bound(param: Param) -> Initialiser:
    bound = _torch_bound(param)
    return uniform(-bound, bound)


def _unit_token(param: Param) -> Initialiser:
    return normal(std=1 / math.sqrt(param.shape[-1] or 1))


def _owned_by(layer: str) -> list[Rule]:
    return [Rule(layer=layer, role=rule.role, start=rule.start, because=rule.because) for rule in _STANDARD_NORMAL]


_STANDARD_NORMAL = embeddings(normal(), "torch's N(0, 1)")


@recipe(version=2, cites=("glorot2010understanding", "saxe2014exact", "jozefowicz2015empirical"))
def keras(graph: Graph) -> tuple[Rule, ...]:
    """What Keras's own layers draw.

    Formula: kernels: Glorot uniform with Keras's fans, which count packed gates as one and forget groups and strides;
        recurrent kernels: orthogonal over all gates together; biases 0, of an LSTM's forget gate 1; Embedding:
        U(-0.05, 0.05); normalisation: 1 and 0

    Use: to repeat a Keras model in another framework.

    Differs: of the two biases that PyTorch adds in an LSTM one has the 1; a padding row is 0, which in Keras it is
        not. A parameter that no layer of Keras has, such as a class token, stays as it was built.

    Reference: Keras 3.15, keras.layers and keras.initializers; Glorot, Bengio, AISTATS 2010 [glorot2010understanding];
        Saxe, McClelland, Ganguli, ICLR 2014 [saxe2014exact]; Jozefowicz, Zaremba, Sutskever, ICML 2015
        [jozefowicz2015empirical]
    """
    return (
        Rule(role="weight", when=is_recurrent, start=whole("orthogonal"), because="orthogonal over all gates"),
        Rule(role="weight", operation="recurrent", start=whole("glorot_uniform"), because="Glorot's, over all gates"),
        Rule(role="weight", start=_keras_kernel, because="Glorot's, with Keras's fans"),
        forget_gates(graph),
        *embeddings(uniform(-0.05, 0.05), "Keras's U(-0.05, 0.05)"),
        *USUAL,
    )


def _keras_kernel(param: Param) -> Initialiser:
    """Glorot's; with Keras's fans where they are not the true ones, in a kernel with groups or a stride."""
    channels = param.size("g")
    if param.groups == param.stride == channels == 1:
        return glorot_uniform()
    places = param.size("d") * param.size("h") * param.size("w")
    inputs, outputs = param.size("i"), param.size("o")
    if param.groups > 1 and inputs == 1 and not param.transposed:
        channels, outputs = param.groups, outputs // param.groups  # a depthwise kernel is (place, channel, multiplier)
    inputs *= channels
    bound = math.sqrt(6 / (places * (inputs + outputs) or 1))
    return uniform(-bound, bound)
