"""The models on which what is traced, planned and applied is tested: one table, built anew at each call."""

import functools
import importlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

Batch = torch.Tensor | tuple[Any, ...] | dict[str, Any]


@dataclass(frozen=True)
class Model:
    """One model of the table.

    `batch` gives what its forward takes: a tensor, a tuple of arguments or a dict of keyword arguments. Where it is
    `made_up`, a trace has to find such inputs by itself. A `full` one is built without memory, the others train in a
    moment.
    """

    builder: Callable[..., nn.Module]
    batch: Callable[[], Batch]
    made_up: bool = False
    full: bool = False

    def build(self) -> nn.Module:
        with torch.device("meta" if self.full else "cpu"):
            return self.builder()

    def example(self) -> Batch | None:
        return None if self.made_up else self.batch()


MODELS: dict[str, Model] = {}


def enter(batch, *, made_up=False, full=False, **variants):
    """Enter a builder under its own name, and each variant of its arguments under a name of its own."""

    def entered(builder):
        MODELS[builder.__name__] = Model(builder, batch, made_up, full)
        for name, arguments in variants.items():
            MODELS[name] = Model(functools.partial(builder, **arguments), batch, made_up, full)
        return builder

    return entered


def call(model: nn.Module, batch: Batch) -> Any:
    """What a model gives for a batch."""
    if isinstance(batch, dict):
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple) else model(batch)


def small() -> dict[str, tuple[Callable[..., nn.Module], Batch]]:
    """A builder and a batch of each that has memory and runs in a moment."""
    return {name: (model.builder, model.batch()) for name, model in MODELS.items() if not model.full}


def speed_models() -> dict[str, Callable[..., nn.Module]]:
    """Those on which a trace is timed; meant for `torch.device("meta")`."""
    return {
        "ResNet-50": resnet50,
        "GPT-2 small": gpt2,
        "GPT-2 XL": functools.partial(gpt2, n_layer=48, n_embd=1600, n_head=25),
        "Llama 70B": functools.partial(llama, 80, 8192, 28672, 64),
    }


def classifiers() -> dict[str, tuple[Callable[..., nn.Module], Batch, Callable[[Any], torch.Tensor]]]:
    """A builder, a batch and what finds the logits `(..., class)` in the output; full widths and numbers of classes."""

    def whole(output):
        return output

    def logits(output):
        return output.logits

    images, tokens = _numbers(4, 3, 224, 224)(), _tokens(2, 32)()
    both = {"input_ids": tokens, "decoder_input_ids": tokens}
    return {
        "mlp": (functools.partial(mlp, (64, 256, 256, 10)), _numbers(256, 64)(), whole),
        "cnn": (functools.partial(cnn, 32), _numbers(32, 3, 32, 32)(), whole),
        "resnet50": (resnet50, images, whole),
        "convnext_tiny": (convnext, images, whole),
        "vit_small": (vit, images, whole),
        "swin_tiny": (swin, images, whole),
        "gpt2": (functools.partial(gpt2, n_layer=4), tokens, logits),
        "llama": (functools.partial(llama, 4, 512, 1376, 8, 4, 32000), tokens, logits),
        "llama, tied": (functools.partial(llama, 4, 512, 1376, 8, 4, 32000, tied=True), tokens, logits),
        "bert": (functools.partial(bert, num_hidden_layers=4), tokens, logits),
        "t5": (functools.partial(t5, num_layers=3), both, logits),
    }


def _numbers(*shape):
    return lambda: torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _tokens(*shape, below=100):
    return lambda: torch.randint(1, below, shape, generator=torch.Generator().manual_seed(0))


def _source_and_target():
    return {"input_ids": _tokens(2, 12)(), "decoder_input_ids": _tokens(2, 8)()}


@functools.cache
def library(name):
    """Import timm or transformers. Both import torchvision, which fails where it was built for CUDA and torch was not.

    The two operators that are missing there are declared; no model here calls them.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
    return importlib.import_module(name)


# Chains of layers


@enter(_numbers(4, 10), made_up=True)
def mlp(widths=(10, 64, 64, 3), activation=nn.ReLU):
    layers = []
    for width, next_width in itertools.pairwise(widths[:-1]):
        layers += [nn.Linear(width, next_width), activation()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


@enter(
    _numbers(4, 32),
    made_up=True,
    deep_tanh={"activation": nn.Tanh},
    deep_selu={"activation": nn.SELU},
    deep_gelu={"activation": nn.GELU},
)
def deep_relu(width=32, depth=50, activation=nn.ReLU):
    return mlp((width,) * (depth + 1), activation)


class Activations(nn.Module):
    """A layer before each of many activations, some of them nobody's but this model's."""

    FUNCTIONS = (
        functional.leaky_relu,
        torch.sigmoid,
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        lambda x: x * torch.sigmoid(1.702 * x),
        lambda x: functional.relu(x).square(),
        lambda x: functional.silu(x),
        functional.mish,
        functional.hardswish,
        functional.elu,
        functional.softplus,
        lambda x: torch.sin(30 * x),
        lambda x: 2 * torch.tanh(x / 2) + 0.1 * x,
        lambda x: 3 * functional.relu(x),
    )

    def __init__(self, width=24):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(len(self.FUNCTIONS) + 1))

    def forward(self, x):
        for layer, function in zip(self.layers, self.FUNCTIONS, strict=False):
            x = function(layer(x))
        return self.layers[-1](x)


@enter(_numbers(4, 24))
def activations():
    return Activations()


@enter(_numbers(4, 10), made_up=True)
def prelu():
    return nn.Sequential(nn.Linear(10, 32), nn.PReLU(32), nn.Linear(32, 32), nn.PReLU(), nn.Linear(32, 3))


class GLU(nn.Module):
    def __init__(self, width, hidden, packed):
        super().__init__()
        self.packed = packed
        if packed:
            self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        else:
            self.gate = nn.Linear(width, hidden, bias=False)
            self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, dim=-1) if self.packed else (self.gate(x), self.up(x))
        return self.down(functional.silu(gate) * up)


@enter(_numbers(4, 32), made_up=True, packed_swiglu={"packed": True})
def swiglu(width=32, hidden=64, depth=3, packed=False):
    return nn.Sequential(*(GLU(width, hidden, packed) for _ in range(depth)), nn.Linear(width, 3))


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 32)
        self.second = nn.Linear(32, 32)
        self.last = nn.Linear(32, 3)

    def forward(self, x):
        x = functional.dropout(torch.relu(self.first(x)), 0.4, self.training)
        x = functional.dropout(torch.tanh(self.second(x)), 0.2, self.training)
        return functional.log_softmax(self.last(x), dim=-1)


@enter(_numbers(4, 10), made_up=True)
def dropped():
    model = Dropped()
    model.second.eval()  # what is trained and what is not is the owner's and stays
    return model


# Convolutions


@enter(_numbers(2, 3, 32, 32), made_up=True)
def cnn(width=16):
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, groups=4),
        nn.GroupNorm(4, 2 * width),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 5, padding=2, groups=2 * width),
        nn.Hardswish(),
        nn.Conv2d(2 * width, 4 * width, 3, padding=1, groups=2 * width),  # two kernels a channel
        nn.ELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


@enter(_numbers(2, 3, 8, 8))
def separable(width=32, depth=20):
    layers = [nn.Conv2d(3, width, 1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


@enter(_numbers(2, 4, 32))
def conv1d():
    return nn.Sequential(
        nn.Conv1d(4, 8, 7, stride=2), nn.Tanh(), nn.ConvTranspose1d(8, 4, 4, stride=2), nn.Tanh(), nn.Conv1d(4, 2, 1)
    )


@enter(_numbers(1, 2, 6, 6, 6))
def conv3d():
    return nn.Sequential(nn.Conv3d(2, 8, 3, dilation=2), nn.ReLU(), nn.ConvTranspose3d(8, 4, 2, stride=2))


@enter(_numbers(2, 12, 5, 5))
def upsampling():
    return nn.Sequential(
        nn.ConvTranspose2d(12, 16, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(16, 8, 3, stride=3, groups=4),
        nn.Tanh(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 3, 3, padding="same", padding_mode="reflect"),
    )


@enter(_numbers(2, 16, 1, 1))
def generator(latent=16, width=8):
    return nn.Sequential(
        nn.ConvTranspose2d(latent, 4 * width, 4, bias=False),
        nn.BatchNorm2d(4 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(4 * width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1, bias=False),
        nn.Tanh(),
    )


@enter(_numbers(2, 3, 16, 16))
def discriminator(width=8):
    return nn.Sequential(
        nn.Conv2d(3, width, 4, stride=2, padding=1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 4, bias=False),
        nn.Sigmoid(),
    )


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down = nn.Conv2d(1, width, 3, padding=1)
        self.deep = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        skip = torch.relu(self.down(x))
        deep = torch.relu(self.deep(functional.max_pool2d(skip, 2)))
        return self.out(torch.relu(self.merge(torch.cat([skip, self.up(deep)], dim=1))))


@enter(_numbers(1, 1, 16, 16))
def unet():
    return UNet()


class SqueezeExcite(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.squeeze = nn.Conv2d(width, 4, 1)
        self.excite = nn.Conv2d(4, width, 1)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = functional.silu(self.stem(x))
        x = x * torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.head(x.mean((2, 3)))


@enter(_numbers(2, 3, 8, 8))
def squeeze_excite():
    return SqueezeExcite()


# Models of vision, by timm


@enter(_numbers(1, 3, 224, 224), made_up=True, full=True)
def resnet50():
    return library("timm").create_model("resnet50", pretrained=False)


@enter(_numbers(2, 3, 64, 64), made_up=True)
def tiny_resnet():
    resnet = library("timm.models.resnet")
    return resnet.ResNet(resnet.BasicBlock, [2, 1, 1, 1], num_classes=10, channels=(16, 24, 32, 48))


@enter(_numbers(1, 3, 224, 224), made_up=True, full=True)
def convnext():
    return library("timm").create_model("convnext_tiny", pretrained=False)


@enter(_numbers(2, 3, 64, 64), made_up=True)
def tiny_convnext():
    return library("timm").create_model(
        "convnext_tiny", pretrained=False, depths=(1, 1, 2, 1), dims=(16, 32, 48, 64), num_classes=10
    )


@enter(_numbers(1, 3, 224, 224), made_up=True, full=True)
def vit():
    return library("timm").create_model("vit_small_patch16_224", pretrained=False)


@enter(_numbers(2, 3, 32, 32), made_up=True)
def tiny_vit():
    return library("timm").create_model(
        "vit_small_patch16_224",
        pretrained=False,
        img_size=32,
        patch_size=8,
        embed_dim=64,
        depth=2,
        num_heads=4,
        num_classes=10,
    )


@enter(_numbers(1, 3, 224, 224), made_up=True, full=True)
def swin():
    return library("timm").create_model("swin_tiny_patch4_window7_224", pretrained=False)


@enter(_numbers(2, 3, 64, 64), made_up=True)
def tiny_swin():
    return library("timm").create_model(
        "swin_tiny_patch4_window7_224",
        pretrained=False,
        img_size=64,
        window_size=4,
        embed_dim=32,
        depths=(2, 2),
        num_heads=(2, 4),
        num_classes=10,
    )


# Models of language, by transformers


def _transformer(name, config, **settings):
    transformers = library("transformers")
    return getattr(transformers, name)(getattr(transformers, config)(**settings))


_NO_SPECIAL = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}


@enter(_tokens(2, 12), made_up=True, full=True)
def gpt2(**settings):
    return _transformer("GPT2LMHeadModel", "GPT2Config", **settings)


@enter(_tokens(2, 12), made_up=True)
def tiny_gpt2():
    return gpt2(n_layer=2, n_embd=64, n_head=4, n_positions=32, vocab_size=100, **_NO_SPECIAL)


@enter(_tokens(2, 12), made_up=True, full=True)
def llama(num_layers=16, width=2048, hidden=8192, num_heads=32, kv=8, vocabulary=128256, tied=False):
    return _transformer(
        "LlamaForCausalLM",
        "LlamaConfig",
        num_hidden_layers=num_layers,
        hidden_size=width,
        intermediate_size=hidden,
        num_attention_heads=num_heads,
        num_key_value_heads=kv,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        **_NO_SPECIAL,
    )


@enter(_tokens(2, 12), made_up=True, tied_llama={"tied": True})
def tiny_llama(tied=False):
    return llama(num_layers=3, width=64, hidden=160, num_heads=4, kv=2, vocabulary=100, tied=tied)


@enter(_tokens(2, 12), made_up=True)
def tiny_gemma():
    """Scales of norms are added to 1, scores are capped by tanh before softmax, the embedding is multiplied."""
    return _transformer(
        "Gemma2ForCausalLM",
        "Gemma2Config",
        num_hidden_layers=2,
        hidden_size=64,
        intermediate_size=160,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=100,
        **_NO_SPECIAL,
    )


@enter(_tokens(2, 12), made_up=True)
def tiny_mixtral():
    """Each token goes to two of four experts, whose weights are stacked."""
    return _transformer(
        "MixtralForCausalLM",
        "MixtralConfig",
        num_hidden_layers=2,
        hidden_size=64,
        intermediate_size=96,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        vocab_size=100,
        **_NO_SPECIAL,
    )


@enter(_tokens(2, 12), made_up=True, full=True)
def bert(**settings):
    return _transformer("BertForMaskedLM", "BertConfig", **settings)


@enter(_tokens(2, 12), made_up=True)
def tiny_bert():
    sizes = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    return bert(**sizes, vocab_size=100, max_position_embeddings=32)


@enter(_source_and_target, made_up=True, full=True)
def t5(**settings):
    return _transformer("T5ForConditionalGeneration", "T5Config", **settings)


@enter(_source_and_target, made_up=True)
def tiny_t5():
    return t5(num_layers=2, d_model=64, d_ff=128, num_heads=4, d_kv=16, vocab_size=100, decoder_start_token_id=0)


# Attention by PyTorch and by hand


class Encoder(nn.Module):
    def __init__(self, norm_first, num_layers=2, width=32):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 64, batch_first=True, norm_first=norm_first, activation="gelu")
        self.encoder = nn.TransformerEncoder(
            layer, num_layers, nn.LayerNorm(width) if norm_first else None, enable_nested_tensor=False
        )
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


@enter(_numbers(2, 6, 32), post_norm_encoder={"norm_first": False})
def pre_norm_encoder(norm_first=True):
    return Encoder(norm_first)


@enter(lambda: {"src": _numbers(2, 6, 32)(), "tgt": _numbers(2, 4, 32)()})
def transformer():
    return nn.Transformer(32, 4, 2, 2, 64, batch_first=True)


class SelfAttention(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        return x + self.attention(y, y, y, need_weights=False)[0]


@enter(_numbers(2, 6, 32))
def self_attention():
    return SelfAttention()


class CrossAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, kdim=24, vdim=20, batch_first=True, add_bias_kv=True)

    def forward(self, query, key, value):
        return self.attention(query, key, value)


@enter(lambda: (_numbers(2, 6, 32)(), _numbers(2, 5, 24)(), _numbers(2, 5, 20)()))
def cross_attention():
    return CrossAttention()


class GroupedAttention(nn.Module):
    """Eager attention; queries, fewer keys and values are packed in one weight."""

    def __init__(self, width=32, num_heads=4, num_groups=2):
        super().__init__()
        self.heads, self.groups, self.size = num_heads, num_groups, width // num_heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, (num_heads + 2 * num_groups) * self.size, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        sizes = [self.heads * self.size, self.groups * self.size, self.groups * self.size]
        parts = self.qkv(self.norm(x)).split(sizes, dim=-1)
        q, k, v = (part.view(batch, length, -1, self.size).transpose(1, 2) for part in parts)
        k, v = (part.repeat_interleave(self.heads // self.groups, dim=1) for part in (k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.size)
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
        return x + self.proj((weights @ v).transpose(1, 2).reshape(batch, length, width))


@enter(_numbers(2, 6, 32))
def grouped_attention():
    return nn.Sequential(nn.Linear(32, 32), GroupedAttention(), GroupedAttention(), nn.Linear(32, 5))


class ParallelBlock(nn.Module):
    """Attention and a perceptron beside each other on one stream: y = x + attention(x) + perceptron(x)."""

    def __init__(self, width=32):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.norm(x)
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in self.qkv(y).chunk(3, dim=-1))
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.proj(attended) + self.down(functional.gelu(self.up(y)))


@enter(_numbers(2, 6, 32))
def parallel():
    return nn.Sequential(nn.Linear(32, 32), ParallelBlock(), ParallelBlock(), nn.LayerNorm(32), nn.Linear(32, 5))


# Recurrence and states


class Recurrent(nn.Module):
    def __init__(self, layer, width):
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(width, 4)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


@enter(_numbers(2, 5, 10), made_up=True)
def lstm():
    return Recurrent(nn.LSTM(10, 16, num_layers=2, bidirectional=True, batch_first=True), 32)


@enter(_numbers(2, 5, 10))
def gru():
    return Recurrent(nn.GRU(10, 16, num_layers=2, batch_first=True), 16)


@enter(_numbers(2, 5, 10))
def rnn():
    return Recurrent(nn.RNN(10, 16, batch_first=True, nonlinearity="relu"), 16)


class Unrolled(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(10, 16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        state = hidden = None
        for step in x.unbind(1):
            state = hidden, _ = self.cell(step, state)
        return self.head(hidden)


@enter(_numbers(2, 5, 10))
def lstm_cell():
    return Unrolled()


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class StateSpace(nn.Module):
    """A selective state space as in Mamba: its step, input and output depend on the signal."""

    def __init__(self, width=16, inner=32, state=4, rank=2):
        super().__init__()
        self.state, self.rank = state, rank
        self.norm = RMSNorm(width)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, 4, padding=3, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        signal, gate = self.in_proj(self.norm(x)).chunk(2, dim=-1)  # (batch, time, inner)
        signal = functional.silu(self.conv(signal.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        step, write, read = self.x_proj(signal).split([self.rank, self.state, self.state], dim=-1)
        step = functional.softplus(self.dt_proj(step))
        decay = torch.exp(step[..., None] * -torch.exp(self.A_log))  # (batch, time, inner, state)
        change = step[..., None] * write[:, :, None] * signal[..., None]
        state, outputs = torch.zeros_like(change[:, 0]), []
        for time in range(x.shape[1]):
            state = decay[:, time] * state + change[:, time]
            outputs.append((state * read[:, time, None]).sum(-1))
        return x + self.out_proj((torch.stack(outputs, 1) + self.D * signal) * functional.silu(gate))


@enter(_tokens(2, 5))
def mamba():
    return nn.Sequential(nn.Embedding(100, 16), StateSpace(), StateSpace(), RMSNorm(16), nn.Linear(16, 100, bias=False))


# Layers of other kinds


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.bilinear = nn.Bilinear(12, 7, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, left, right):
        return self.head(torch.tanh(self.bilinear(left, right)))


@enter(lambda: (_numbers(3, 12)(), _numbers(3, 7)()))
def bilinear():
    return TwoInputs()


class DLRM(nn.Module):
    """Features and categories, their dot products, and a perceptron on top."""

    def __init__(self, num_rows=(50, 60, 70), width=8):
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, width), nn.ReLU())
        self.tables = nn.ModuleList(nn.EmbeddingBag(rows, width, mode="sum") for rows in num_rows)
        self.words = nn.Embedding(90, width, padding_idx=0)
        self.top = nn.Sequential(nn.Linear(width + 10, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())

    def forward(self, features, categories, words):
        dense = self.bottom(features)
        found = [table(categories[:, i, None]) for i, table in enumerate(self.tables)]
        vectors = torch.stack([dense, *found, self.words(words)], dim=1)  # (batch, vector, width)
        rows, columns = torch.tril_indices(5, 5, offset=-1)
        products = (vectors @ vectors.transpose(1, 2))[:, rows, columns]
        return self.top(torch.cat([dense, products], dim=1))


@enter(lambda: (_numbers(4, 5)(), _tokens(4, 3, below=50)(), _tokens(4, below=90)()))
def dlrm():
    return DLRM()


class Experts(nn.Module):
    """Every expert's answer, weighted by a softmax gate."""

    def __init__(self, width=16, hidden=24, num_experts=3):
        super().__init__()
        self.router = nn.Linear(width, num_experts, bias=False)
        self.up = nn.Parameter(torch.randn(num_experts, width, hidden) / 4)
        self.down = nn.Parameter(torch.randn(num_experts, hidden, width) / 5)

    def forward(self, x):
        hidden = torch.relu(torch.einsum("bi,eio->ebo", x, self.up))
        answers = torch.einsum("ebi,eio->ebo", hidden, self.down)
        return torch.einsum("ebo,be->bo", answers, self.router(x).softmax(-1))


@enter(_numbers(4, 16))
def experts():
    return Experts()


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


@enter(_numbers(2, 7, 10))
def weight_norm():
    return nn.Sequential(
        parametrizations.weight_norm(nn.Linear(10, 32)),
        nn.ReLU(),
        Transposed(),
        parametrizations.weight_norm(nn.Conv1d(32, 16, 3)),
        nn.Flatten(),
        nn.Linear(80, 3),
    )


class StandardConv2d(nn.Conv2d):
    """Its kernels have mean 0 and variance 1, times a gain."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))

    def forward(self, input):
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        weight = (self.weight - mean) * torch.rsqrt(variance + 1e-6) * self.gain
        return functional.conv2d(input, weight, self.bias, self.stride, self.padding)


@enter(_numbers(2, 3, 8, 8))
def weight_standardisation():
    return nn.Sequential(StandardConv2d(3, 16, 3), nn.ReLU(), StandardConv2d(16, 8, 3), nn.Flatten(), nn.Linear(128, 3))


@enter(_numbers(2, 10))
def spectral_norm():
    return nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(10, 32)),
        nn.ReLU(),
        parametrizations.spectral_norm(nn.Linear(32, 32)),
        nn.ReLU(),
        nn.Linear(32, 1),
    )


@enter(_numbers(2, 32))
def orthogonal():
    return nn.Sequential(
        parametrizations.orthogonal(nn.Linear(32, 32)),
        nn.Tanh(),
        parametrizations.orthogonal(nn.Linear(32, 16), orthogonal_map="cayley"),
        nn.Tanh(),
        nn.Linear(16, 3),
    )


class Shared(nn.Module):
    """One layer called three times, and one weight under two names, the second time transposed."""

    def __init__(self, width=16):
        super().__init__()
        self.encode = nn.Linear(12, width)
        self.step = nn.Linear(width, width)
        self.again = self.step
        self.decode = nn.Linear(width, 12)
        self.copy = nn.Linear(12, width, bias=False)
        self.copy.weight = self.encode.weight

    def forward(self, x):
        x = torch.tanh(self.encode(x))
        for layer in (self.step, self.again, self.step):
            x = torch.relu(layer(x))
        x = torch.tanh(self.copy(self.decode(x)))
        return x @ self.encode.weight


@enter(_numbers(2, 12))
def shared():
    return Shared()


class OnShape(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(10, 32)
        self.long = nn.Linear(20, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        hidden = self.wide(x) if x.shape[-1] == 10 else self.long(x)
        return self.head(torch.relu(hidden))


@enter(_numbers(2, 10))
def on_shape():
    return OnShape()


class OnValue(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 32)
        self.second = nn.Linear(32, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        x = torch.relu(self.first(x))
        if x.sum() > -1:  # always so, but only numbers can tell
            x = torch.tanh(self.second(x))
        return self.head(x)


@enter(_numbers(2, 10))
def on_value():
    return OnValue()


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(10, 32)
        self.classes = nn.Linear(32, 4)
        self.box = nn.Linear(32, 2)
        self.score = nn.Linear(32, 1)

    def forward(self, x):
        x = torch.relu(self.body(x))
        return {"classes": self.classes(x), "regions": (self.box(x), [torch.sigmoid(self.score(x))])}


@enter(_numbers(2, 10))
def several_outputs():
    return Heads()


class OfDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.text = nn.Embedding(100, 16)
        self.image = nn.Linear(12, 16)
        self.head = nn.Linear(32, 3)

    def forward(self, batch, scale=1.0):
        text = self.text(batch["text"]).mean(1)
        return self.head(torch.cat([text, scale * self.image(batch["image"])], dim=-1))


@enter(lambda: {"batch": {"text": _tokens(2, 5)(), "image": _numbers(2, 12)()}, "scale": 2.0})
def dict_inputs():
    return OfDict()


class Frozen(nn.Module):
    """Some weights are not trained, some are not used."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(10, 16).requires_grad_(False)
        self.mask_token = nn.Parameter(torch.zeros(16))
        self.spare = nn.Linear(16, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


@enter(_numbers(2, 10))
def frozen():
    return Frozen()


# Residual networks without normalisation


class ReZero(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.alpha * self.down(torch.relu(self.up(x)))


@enter(_numbers(2, 10))
def rezero(width=32, depth=4):
    return nn.Sequential(nn.Linear(10, width), *(ReZero(width) for _ in range(depth)), nn.Linear(width, 3))


class Fixup(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second, self.third, self.last = (nn.Parameter(torch.zeros(1)) for _ in range(4))
        self.up = nn.Linear(width, width, bias=False)
        self.down = nn.Linear(width, width, bias=False)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        y = torch.relu(self.up(x + self.first) + self.second)
        y = self.down(y + self.third) * self.scale + self.last
        return torch.relu(x + y)


@enter(_numbers(2, 10))
def fixup(width=32, depth=4):
    return nn.Sequential(nn.Linear(10, width), *(Fixup(width) for _ in range(depth)), nn.Linear(width, 3))


class Residual(nn.Module):
    """y = x + branch(x), with nothing else."""

    def __init__(self, *branch):
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x):
        return x + self.branch(x)


@enter(_numbers(2, 10))
def residual(width=32, depth=6):
    blocks = [Residual(nn.ReLU(), nn.Linear(width, 48), nn.Tanh(), nn.Linear(48, width)) for _ in range(depth)]
    return nn.Sequential(nn.Linear(10, width), *blocks, nn.ReLU(), nn.Linear(width, 3))
