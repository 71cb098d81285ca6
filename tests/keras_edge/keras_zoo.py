"""Keras models on which plans are tested, built anew at each call, and what is to be found of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers as L  # noqa: N812
from keras import ops

from initium._edge import _TRACERS

TRACES = keras.backend.backend() in _TRACERS


class Fact(NamedTuple):
    """What a weight does: counted by hand from the model's source.

    `branch` is (number, depth, whether it ends the branch) of a residual branch; `moment` that of what feeds it, where
    a formula says it.
    """

    operation: str
    fan_in: float
    fan_out: float
    fed_by: str
    moment: float | None = None
    branch: tuple[int, int, bool] | None = None
    head: str = ""


@dataclass(frozen=True)
class Model:
    """One model of the table; `shape` is that of a batch, of whole numbers below `vocabulary` if it is given."""

    build: Callable[[], Any]
    shape: tuple[int, ...]
    facts: dict[str, Fact]
    vocabulary: int = 0
    classes: int = 0
    tied: dict[str, tuple[str, ...]] | None = None

    def batch(self, rows: int | None = None) -> np.ndarray:
        shape = self.shape if rows is None else (rows, *self.shape[1:])
        rng = np.random.Generator(np.random.Philox(3))
        if self.vocabulary:
            return rng.integers(0, self.vocabulary, shape)
        return rng.standard_normal(shape).astype("float32")

    def built(self) -> Any:
        model = self.build()
        if not model.built:
            model(self.batch())
        return model


MODELS: dict[str, Model] = {}
RELU, GELU = 0.5, 0.4252214825703  # E[f(x)^2] of a standard normal x


def enter(shape: tuple[int, ...], facts: dict[str, Fact], **more: Any) -> Callable[[Any], Any]:
    def entered(build: Callable[[], Any]) -> Callable[[], Any]:
        MODELS[build.__name__] = Model(build, shape, facts, **more)
        return build

    return entered


@enter(
    (2, 64),
    {
        "hidden/kernel": Fact("dense", 64, 32, "data", 1.0),
        "norm_in/kernel": Fact("dense", 32, 16, "relu", RELU),
        "head/kernel": Fact("dense", 16, 10, "gelu", GELU, head="open"),
    },
    classes=10,
)
def mlp():
    return keras.Sequential(
        [
            keras.Input((64,)),
            L.Dense(32, activation="relu", name="hidden"),
            L.Dense(16, name="norm_in"),
            L.BatchNormalization(name="norm"),
            L.Activation("gelu"),
            L.Dense(10, name="head"),
        ]
    )


@enter(
    (2, 16, 16, 4),
    {
        # groups of 2 channels; the outputs that an input reaches are those of its group, every other place of a row
        "conv/kernel": Fact("convolution", 9 * 2, 9 * 4 / 4, "data", 1.0),
        "deep/kernel": Fact("convolution", 9, 9 * 2, "relu", RELU),
        "both/depthwise_kernel": Fact("convolution", 9, 9, "relu", RELU),
        "both/pointwise_kernel": Fact("convolution", 16, 12, "convolution", 1.0),
        # back from 12 channels to 6: each output is reached by one of four places of a kernel with stride 2
        "up/kernel": Fact("transposed convolution", 12 * 9 / 4, 6 * 9, "normalisation", 1.0),
        "head/kernel": Fact("dense", 6, 5, "pooling", head="logits"),
    },
    classes=5,
)
def convolutions():
    x = inputs = keras.Input((16, 16, 4))
    x = L.Conv2D(8, 3, strides=2, groups=2, padding="same", activation="relu", name="conv")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu", name="deep")(x)
    x = L.SeparableConv2D(12, 3, padding="same", name="both")(x)
    x = L.GroupNormalization(4, name="norm")(x)
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu", name="up")(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax", name="head")(L.GlobalAveragePooling2D()(x)))


@enter(
    (2, 7),
    {
        "table/embeddings": Fact("embedding", 1, 16, "tokens"),
        "lstm/lstm_cell/kernel": Fact("recurrent", 16, 12, "embedding", 1.0),
        "lstm/lstm_cell/recurrent_kernel": Fact("recurrent", 12, 12, "state"),
        "gru/gru_cell/kernel": Fact("recurrent", 12, 9, "recurrent"),
        "gru/gru_cell/recurrent_kernel": Fact("recurrent", 9, 9, "state"),
        "head/kernel": Fact("dense", 9, 5, "recurrent", head="logits"),
    },
    vocabulary=50,
    classes=5,
)
def recurrent():
    return keras.Sequential(
        [
            keras.Input((7,)),
            L.Embedding(50, 16, name="table"),
            L.LSTM(12, return_sequences=True, name="lstm"),
            L.GRU(9, name="gru"),
            L.Dense(5, activation="softmax", name="head"),
        ]
    )


class Block(L.Layer):
    """A pre-norm block of a transformer."""

    def __init__(self, width=16, heads=2, **kwargs):
        super().__init__(**kwargs)
        self.norm1, self.norm2 = L.LayerNormalization(name="norm1"), L.LayerNormalization(name="norm2")
        self.attention = L.MultiHeadAttention(heads, width // heads, name="attention")
        self.up = L.Dense(4 * width, activation="gelu", name="up")
        self.down = L.Dense(width, name="down")

    def call(self, x):
        normal = self.norm1(x)
        x = x + self.attention(normal, normal)
        return x + self.down(self.up(self.norm2(x)))


def block(path: str, number: int, depth: int, width: int = 16) -> dict[str, Fact]:
    """The facts of a block whose first branch has that number."""
    inner, last = (number, depth, False), (number, depth, True)
    parts = {
        f"{path}/attention/{part}/kernel": Fact("dense", width, width, "normalisation", 1.0, inner)
        for part in ("query", "key", "value")
    }
    return parts | {
        f"{path}/attention/attention_output/kernel": Fact("dense", width, width, "attention", 1.0, last),
        f"{path}/up/kernel": Fact("dense", width, 4 * width, "normalisation", 1.0, (number + 1, depth, False)),
        f"{path}/down/kernel": Fact("dense", 4 * width, width, "gelu", GELU, (number + 1, depth, True)),
    }


@enter(
    (2, 8),
    {
        "words/embeddings": Fact("embedding", 1, 16, "tokens"),
        "places/embeddings": Fact("embedding", 1, 16, "positions"),
        **block("block_0", 1, 4),
        **block("block_1", 3, 4),
        "head/kernel": Fact("dense", 16, 50, "normalisation", 1.0, head="open"),
    },
    vocabulary=50,
    classes=50,
)
class Transformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.words, self.places = L.Embedding(50, 16, name="words"), L.Embedding(8, 16, name="places")
        self.blocks = [Block(name=f"block_{number}") for number in range(2)]
        self.norm, self.head = L.LayerNormalization(name="norm"), L.Dense(50, use_bias=False, name="head")

    def call(self, ids):
        x = self.words(ids) + self.places(ops.arange(ids.shape[1]))
        for one in self.blocks:
            x = one(x)
        return self.head(self.norm(x))


@enter(
    (2, 16, 16, 3),
    {
        "patches/kernel": Fact("convolution", 48, 16 * 4 * 4 / 16, "data", 1.0),
        **block("block_0", 1, 4),
        **block("block_1", 3, 4),
        "head/kernel": Fact("dense", 16, 10, "normalisation", 1.0, head="open"),
    },
    classes=10,
)
class VisionTransformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.patches = L.Conv2D(16, 4, strides=4, name="patches")
        self.token = self.add_weight(shape=(1, 1, 16), name="token", initializer="zeros")
        self.places = self.add_weight(shape=(1, 17, 16), name="places", initializer="random_normal")
        self.blocks = [Block(name=f"block_{number}") for number in range(2)]
        self.norm, self.head = L.LayerNormalization(name="norm"), L.Dense(10, name="head")

    def call(self, x):
        x = ops.reshape(self.patches(x), (-1, 16, 16))
        x = ops.concatenate([ops.broadcast_to(self.token, (ops.shape(x)[0], 1, 16)), x], axis=1) + self.places
        for one in self.blocks:
            x = one(x)
        return self.head(self.norm(x)[:, 0])


@enter(
    (2, 7),
    {"table/embeddings": Fact("embedding", 1, 16, "tokens")},
    vocabulary=50,
    classes=50,
)
class TiedEmbedding(keras.Model):
    def __init__(self):
        super().__init__()
        self.table, self.norm = L.Embedding(50, 16, name="table"), L.LayerNormalization(name="norm")

    def call(self, ids):
        return ops.matmul(self.norm(self.table(ids)), ops.transpose(self.table.embeddings))


@enter(
    (2, 6, 4, 8),
    {
        "heads/kernel": Fact("dense", 8, 3 * 5, "data", 1.0),
        "joined/kernel": Fact("dense", 3 * 5, 7, "relu", RELU),
        "head/kernel": Fact("dense", 7, 2, "dense", 1.0, head="open"),
    },
)
def einsum():
    x = inputs = keras.Input((6, 4, 8))
    x = L.EinsumDense("abcd,dhe->abche", (None, 4, 3, 5), activation="relu", bias_axes="he", name="heads")(x)
    x = L.EinsumDense("abche,hef->abcf", (None, 4, 7), name="joined")(x)
    return keras.Model(inputs, L.Dense(2, name="head")(x))


def residual_facts():
    """Three branches; a stream sums to second moment 1, and relu leaves 1 of a sum of two halves."""
    facts = {"stem/kernel": Fact("convolution", 27, 9 * 16, "data", 1.0)}
    for number in range(3):
        fed = RELU if number == 0 else 1.0
        facts[f"conv_{number}a/kernel"] = Fact("convolution", 144, 144, "relu", None, (number + 1, 3, False))
        facts[f"conv_{number}b/kernel"] = Fact("convolution", 144, 144, "relu", RELU, (number + 1, 3, True))
        facts[f"conv_{number}a/kernel"] = facts[f"conv_{number}a/kernel"]._replace(moment=fed)
    return facts | {"head/kernel": Fact("dense", 16, 10, "pooling", head="open")}


@enter((2, 32, 32, 3), residual_facts(), classes=10)
def residual():
    def conv(x, name):
        return L.BatchNormalization(name=f"norm_{name}")(L.Conv2D(16, 3, padding="same", use_bias=False, name=name)(x))

    inputs = keras.Input((32, 32, 3))
    x = L.ReLU()(conv(inputs, "stem"))
    for number in range(3):
        y = conv(L.ReLU()(conv(x, f"conv_{number}a")), f"conv_{number}b")
        x = L.ReLU()(L.Add()([x, y]))
    return keras.Model(inputs, L.Dense(10, name="head")(L.GlobalAveragePooling2D()(x)))


@enter(
    (2, 32, 32, 3),
    {
        "a/kernel": Fact("convolution", 27, 9 * 8, "data", 1.0),
        "b/kernel": Fact("convolution", 72, 9 * 16, "pooling"),
        "c/kernel": Fact("convolution", 144, 9 * 32, "pooling"),
        "up/kernel": Fact("transposed convolution", 32 * 4 / 4, 16 * 4, "relu", RELU),
        # beside each other, 1 of the transposed convolution and 1/2 of relu
        "d/kernel": Fact("convolution", 9 * 32, 9 * 16, "transposed convolution", 0.75),
        "e/kernel": Fact("convolution", 9 * 24, 9 * 8, "relu", RELU),
        "head/kernel": Fact("convolution", 8, 1, "relu", RELU, head="output"),
    },
)
def unet():
    def conv(x, width, name):
        return L.Conv2D(width, 3, padding="same", activation="relu", name=name)(x)

    inputs = keras.Input((32, 32, 3))
    a = conv(inputs, 8, "a")
    b = conv(L.MaxPooling2D()(a), 16, "b")
    x = L.Conv2DTranspose(16, 2, strides=2, name="up")(conv(L.MaxPooling2D()(b), 32, "c"))
    x = L.UpSampling2D()(conv(L.Concatenate()([x, b]), 16, "d"))
    x = conv(L.Concatenate()([x, a]), 8, "e")
    return keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid", name="head")(x))
