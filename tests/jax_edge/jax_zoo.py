"""Functions of parameters on which the trace of JAX is tested: of Flax, Haiku, Equinox and plain JAX."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
from flax import linen as nn

KEY = jax.random.key(0)


@dataclass(frozen=True)
class Model:
    """A function, how its parameters are made, and an input; `num_classes` of its logits."""

    function: Callable[..., Any]
    init: Callable[[], Any]
    inputs: Callable[[], tuple[Any, ...]]
    num_classes: int = 10

    def shapes(self) -> Any:
        return eqx.filter_eval_shape(self.init)


MODELS: dict[str, Model] = {}


def tokens(vocabulary=50, shape=(4, 16)):
    return lambda: (jax.random.randint(KEY, shape, 0, vocabulary),)


def numbers(*shape):
    return lambda: (jax.random.normal(KEY, shape),)


def linen(inputs, num_classes=10, **kwargs):
    """Enter a Flax module under its own name."""

    def entered(kind):
        module = kind()
        MODELS[kind.__name__] = Model(
            lambda params, *x: module.apply(params, *x, **kwargs),
            lambda: module.init(KEY, *inputs()),
            inputs,
            num_classes,
        )
        return kind

    return entered


@linen(numbers(64, 30))
class Mlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(128, name="first")(x))
        x = nn.gelu(nn.Dense(128, name="second")(x), approximate=False)
        x = nn.tanh(nn.Dense(128, name="third")(x))
        return nn.Dense(10, name="head")(x)


@linen(numbers(16, 16, 16, 3))
class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(16, (3, 3), name="first")(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(16, (3, 3), feature_group_count=16, name="depthwise")(x))
        x = nn.relu(nn.Conv(32, (1, 1), strides=(2, 2), name="strided")(x))
        x = nn.silu(nn.ConvTranspose(16, (3, 3), strides=(2, 2), name="transposed")(x))
        return nn.Dense(10, name="head")(x.mean((1, 2)))


class ResidualBlock(nn.Module):
    width: int
    stride: int = 1
    is_training: bool = False

    @nn.compact
    def __call__(self, x):
        def norm(name):
            return nn.BatchNorm(use_running_average=not self.is_training, name=name)

        y = nn.relu(norm("norm1")(nn.Conv(self.width, (3, 3), self.stride, use_bias=False, name="conv1")(x)))
        y = norm("norm2")(nn.Conv(self.width, (3, 3), use_bias=False, name="conv2")(y))
        if x.shape != y.shape:
            x = norm("norm3")(nn.Conv(self.width, (1, 1), self.stride, use_bias=False, name="skip")(x))
        return nn.relu(x + y)


@linen(numbers(8, 16, 16, 3))
class ResNet(nn.Module):
    is_training: bool = False

    @nn.compact
    def __call__(self, x):
        x = nn.relu(
            nn.BatchNorm(use_running_average=not self.is_training, name="norm")(nn.Conv(16, (3, 3), name="stem")(x))
        )
        for place, (width, stride) in enumerate(((16, 1), (16, 1), (32, 2), (32, 1))):
            x = ResidualBlock(width, stride, self.is_training, name=f"block{place}")(x)
        return nn.Dense(10, name="head")(x.mean((1, 2)))


class GroupedAttention(nn.Module):
    """Four heads of queries share two of keys and values."""

    @nn.compact
    def __call__(self, x):
        query = nn.DenseGeneral((4, 16), use_bias=False, name="query")(x)
        key, value = (nn.DenseGeneral((2, 16), use_bias=False, name=name)(x) for name in ("key", "value"))
        mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        return nn.DenseGeneral(64, axis=(-2, -1), use_bias=False, name="out")(mixed)


class Gated(nn.Module):
    @nn.compact
    def __call__(self, x):
        gate, up = (nn.Dense(128, use_bias=False, name=name)(x) for name in ("gate", "up"))
        return nn.Dense(64, use_bias=False, name="down")(nn.silu(gate) * up)


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        x = x + GroupedAttention(name="attention")(nn.RMSNorm(name="norm1")(x))
        return x + Gated(name="mlp")(nn.RMSNorm(name="norm2")(x)), None


@linen(tokens(), num_classes=50)
class Transformer(nn.Module):
    @nn.compact
    def __call__(self, ids):
        x = nn.Embed(50, 64, name="embed")(ids)
        for place in range(3):
            x, _ = Block(name=f"block{place}")(x)
        return nn.Dense(50, use_bias=False, name="head")(nn.LayerNorm(name="norm")(x))


@linen(tokens(), num_classes=50)
class ScannedTransformer(nn.Module):
    @nn.compact
    def __call__(self, ids):
        embed = nn.Embed(50, 64, name="embed")
        layers = nn.scan(nn.remat(Block), {"params": 0}, split_rngs={"params": True}, length=3)
        x, _ = layers(name="layers")(embed(ids), None)
        return embed.attend(nn.RMSNorm(name="norm")(x))


@linen(tokens(), num_classes=50)
class Encoder(nn.Module):
    """Learned positions, and the attention of Flax itself."""

    @nn.compact
    def __call__(self, ids):
        x = nn.Embed(50, 64, name="embed")(ids) + nn.Embed(16, 64, name="positions")(jnp.arange(ids.shape[1]))
        y = nn.LayerNorm(name="norm1")(x)
        x = x + nn.MultiHeadDotProductAttention(4, name="attention")(y, y)
        y = nn.gelu(nn.Dense(256, name="up")(nn.LayerNorm(name="norm2")(x)))
        x = x + nn.Dense(64, name="down")(y)
        return nn.Dense(50, name="head")(nn.LayerNorm(name="norm")(x))


@linen(numbers(8, 12, 8))
class Lstm(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.RNN(nn.OptimizedLSTMCell(32, name="cell"), name="rnn")(x)
        return nn.Dense(10, name="head")(x[:, -1])


@linen(numbers(4, 16, 16, 3))
class UNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        wide = nn.relu(nn.Conv(16, (3, 3), name="in")(x))
        deep = nn.relu(nn.Conv(32, (3, 3), 2, name="down")(wide))
        back = nn.relu(nn.ConvTranspose(16, (2, 2), (2, 2), name="up")(deep))
        return nn.Conv(10, (1, 1), name="head")(jnp.concatenate([wide, back], -1))


@linen(numbers(4, 16, 16, 3))
class Vit(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(64, (4, 4), 4, name="patch")(x).reshape(len(x), -1, 64)
        token = self.param("token", nn.initializers.zeros, (1, 1, 64))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, 64)), x], 1)
        x = x + self.param("position", nn.initializers.normal(0.02), (1, x.shape[1], 64))
        y = nn.LayerNorm(name="norm1")(x)
        x = x + nn.MultiHeadDotProductAttention(4, name="attention")(y, y)
        y = nn.gelu(nn.Dense(256, name="up")(nn.GroupNorm(4, reduction_axes=(2,), name="norm2")(x)))
        x = x + nn.Dense(64, name="down")(y)
        return nn.Dense(10, name="head")(nn.LayerNorm(name="norm")(x)[:, 0])


@linen(tokens(), num_classes=50)
class Packed(nn.Module):
    """Queries, keys and values in one matrix, and a gate beside what it gates."""

    @nn.compact
    def __call__(self, ids):
        x = nn.Embed(50, 64, name="embed")(ids)
        packed = nn.Dense(192, use_bias=False, name="qkv")(nn.RMSNorm(name="norm1")(x))
        heads = [part.reshape(*part.shape[:-1], 4, 16) for part in jnp.split(packed, 3, -1)]
        mixed = jax.nn.dot_product_attention(*heads, is_causal=True)
        x = x + nn.Dense(64, name="out")(mixed.reshape(x.shape))
        gate, up = jnp.split(nn.Dense(256, name="gated")(nn.RMSNorm(name="norm2")(x)), 2, -1)
        x = x + nn.Dense(64, name="down")(nn.silu(gate) * up)
        return nn.Dense(50, name="head")(nn.RMSNorm(name="norm")(x))


def equinox(inputs, num_classes=10):
    def entered(build):
        MODELS[build.__name__] = Model(lambda model, *x: jax.vmap(model)(*x), lambda: build(KEY), inputs, num_classes)
        return build

    return entered


@equinox(numbers(64, 30))
def equinox_mlp(key):
    return eqx.nn.MLP(30, 10, 128, 2, key=key)


class EquinoxAttention(eqx.Module):
    embed: eqx.nn.Embedding
    norm: eqx.nn.LayerNorm
    attention: eqx.nn.MultiheadAttention
    head: eqx.nn.Linear

    def __call__(self, ids):
        x = jax.vmap(self.embed)(ids)
        y = jax.vmap(self.norm)(x)
        x = x + self.attention(y, y, y)
        return jax.vmap(self.head)(x)


@equinox(tokens(), num_classes=50)
def equinox_attention(key):
    keys = jax.random.split(key, 3)
    return EquinoxAttention(
        eqx.nn.Embedding(50, 64, key=keys[0]),
        eqx.nn.LayerNorm(64),
        eqx.nn.MultiheadAttention(4, 64, key=keys[1]),
        eqx.nn.Linear(64, 50, key=keys[2]),
    )


def haiku(inputs, num_classes=10):
    def entered(forward):
        made = hk.without_apply_rng(hk.transform(forward))
        MODELS[forward.__name__] = Model(made.apply, lambda: made.init(KEY, *inputs()), inputs, num_classes)
        return forward

    return entered


@haiku(numbers(64, 30))
def haiku_mlp(x):
    return hk.nets.MLP([128, 128, 10])(x)


@haiku(numbers(8, 16, 16, 3))
def haiku_resnet(x):
    x = jax.nn.relu(hk.Conv2D(16, 3, name="stem")(x))
    for place in range(2):
        y = jax.nn.relu(hk.GroupNorm(4, name=f"norm{place}")(hk.Conv2D(16, 3, name=f"conv{place}_1")(x)))
        x = x + hk.Conv2D(16, 3, name=f"conv{place}_2")(y)
    return hk.Linear(10, name="head")(x.mean((1, 2)))


def _plain_mlp(params, x):
    for layer in params[:-1]:
        x = jax.nn.softplus(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


MODELS["plain_mlp"] = Model(
    _plain_mlp,
    lambda: [{"w": jnp.zeros(sizes), "b": jnp.zeros(sizes[1])} for sizes in ((30, 128), (128, 128), (128, 10))],
    numbers(64, 30),
)
