"""What each model of the zoo does with its weights, told from its architecture; the trace has to find the same."""

import functools
import math
from dataclasses import fields, replace
from fnmatch import fnmatchcase

import pytest
import torch
from scipy.integrate import quad
from torch import nn
from torch_edge.zoo import MODELS

import initium
from initium._graph import Branch, Output, Param, Use
from initium.torch._trace import trace

NAMES = [pytest.param(name, marks=pytest.mark.slow) if model.full else name for name, model in MODELS.items()]


class AnyOf(tuple):
    """The contract leaves a choice between these."""

    def __new__(cls, *choices):
        return super().__new__(cls, choices)


class About(float):
    """A number that is measured, so that it is known to 2 %."""


def of_mean(num, alike=0.3):
    """Of the mean of so many positions of second moment 1 that agree by so much."""
    return About(alike + (1 - alike) / num)


# Rows of the table: facts of a Param, or of its first Use; `last_use` has those of the last. A later row adds to and
# overrides an earlier one.

KEPT_MATRIX = {"role": "kept"}  # an orthogonal parametrisation reads it in a form of its own
WEIGHT = {
    "role": "weight",
    "operation": "dense",
    "axes": "oi",
    "packs": (),
    "tied": (),
    "num_uses": 1,
    "head_size": None,
}
CONV1D = WEIGHT | {"layer": "Conv1D", "axes": "io"}  # transformers' dense layer of that name
CONVOLUTION = WEIGHT | {"operation": "convolution", "axes": "oihw"}
DEPTHWISE = CONVOLUTION | {"groups": 32, "fans": (9, 9)}
TRANSPOSED = WEIGHT | {"operation": "transposed convolution", "axes": "iohw"}
RECURRENT = {key: fact for key, fact in WEIGHT.items() if key != "num_uses"} | {"operation": "recurrent"}
# A softmax over experts that weighs their answers may be read as attention, with heads.
EXPERTS = {key: fact for key, fact in WEIGHT.items() if key != "head_size"}
LOOKED_UP = {"role": "embedding", "operation": "embedding", "axes": "vo", "padding": None}
BIAS = {"role": "bias", "axes": "o", "operation": "addition"}
SCALE = {"role": "scale", "axes": "o", "operation": "normalisation"}
SHIFT = {"role": "shift", "axes": "o", "operation": "normalisation"}
LAYER_SCALE = {"role": "scale", "operation": "multiplication", "is_last": True}
QKV = ("query", "key", "value")
LSTM = ("input", "forget", "cell", "output")
GRU = ("reset", "update", "new")


def fed(by, moment=1.0):
    return {"fed_by": by, "moment": moment}


def after(activation):
    return {"fed_by": activation, "moment": initium.gain(activation) ** -2}


def then(*names):
    """What its output meets first, in any order; each may be an AnyOf."""
    return {"followed_by": names}


def windows(fans, groups=1, stride=1):
    return {"fans": fans, "groups": groups, "stride": stride}


def packed(head_size):
    """Queries, keys and values in one weight."""
    return WEIGHT | NORMALISED | {"packs": QKV, "head_size": head_size} | then(*QKV) | at(1, 2)


def at(layer, layers):
    """Where in a branch; whether it ends it follows."""
    return {"layer_of_branch": layer, "layers": layers, "is_last": layer == layers}


def norm(path):
    return {f"{path}.weight": SCALE, f"{path}.bias": SHIFT}


DATA, NORMALISED, STREAM = fed("data"), fed("normalisation"), fed("residual stream")
ATTENDED, DENSE, TO_STREAM = fed("attention"), fed("dense"), then("residual stream")
OUTPUT = then("output")
INSIDE = {"in_branch": True, "is_last": False}
# A stream's first branch is fed by what lies before it.
ANY_STREAM = fed(AnyOf("residual stream", "dense"))
ACTIVATED_STREAM = {"fed_by": AnyOf("relu", "residual stream", "pooling")}


def chain(depth, activation):
    return {
        "*.weight": WEIGHT | after(activation) | then(activation),
        "*.bias": BIAS,
        "0.weight": DATA,
        f"{2 * depth - 2}.weight": OUTPUT,
    }


def moment(function, *kinks):
    """E[f(z)^2] for a standard Gaussian z."""
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    return quad(lambda z: function(z) ** 2 * density(z), -12, 12, points=kinks, epsabs=0, epsrel=1e-11, limit=500)[0]


def _sigmoid(z):
    return 1 / (1 + math.exp(-z))


def _gelu_tanh(z):
    return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def _mish(z):
    return z * math.tanh(math.log1p(math.exp(z)))


GELU_TANH = moment(_gelu_tanh)
SILU = moment(lambda z: z * _sigmoid(z))
# What follows each layer of the model `activations`: the names it may have, and its moment.
FUNCTIONS = [
    (("leaky_relu", "leaky_relu(0.01)"), (1 + 0.01**2) / 2),
    (("sigmoid",), moment(_sigmoid)),
    (("gelu_tanh",), GELU_TANH),
    (("gelu_tanh",), GELU_TANH),
    (("quick_gelu",), moment(lambda z: z * _sigmoid(1.702 * z))),
    (("relu2",), 1.5),
    (("silu",), SILU),
    (("mish",), moment(_mish)),
    (("hardswish",), moment(lambda z: z * min(max(z + 3, 0), 6) / 6, -3, 3)),
    (("elu",), moment(lambda z: z if z > 0 else math.expm1(z), 0)),
    (("softplus",), moment(lambda z: math.log1p(math.exp(z)))),
    (("sine(30)", "sine(30.0)", "f"), (1 - math.exp(-2)) / 2),  # its argument is meant to have second moment 1
    (("f",), moment(lambda z: 2 * math.tanh(z / 2) + 0.1 * z)),
    (("relu", "f"), 4.5),
]


def between(functions):
    """A layer before each activation, and one after the last."""
    layers = [f"layers.{index}.weight" for index in range(len(functions) + 1)]
    befores = {layer: fed(AnyOf(*names), value) for layer, (names, value) in zip(layers[1:], functions, strict=True)}
    afters = [then(AnyOf(*names)) for names, _ in functions] + [OUTPUT]
    rows = {layer: WEIGHT | befores.get(layer, DATA) | row for layer, row in zip(layers, afters, strict=True)}
    return {"*.bias": BIAS} | rows


def residual_attention(norms, qkv, proj, up, down, activation, head_size, *, weight=WEIGHT, packed=True):
    """The blocks of a transformer with normalisation before each branch."""
    blocks = {"packs": QKV, **then(*QKV)} if packed else {}
    return {
        **{key: row for name in norms for key, row in norm(name).items()},
        qkv: weight | NORMALISED | {"head_size": head_size} | blocks | at(1, 2),
        proj: weight | ATTENDED | TO_STREAM | {"head_size": head_size} | at(2, 2),
        up: weight | NORMALISED | then(activation) | {"head_size": None} | at(1, 2),
        down: weight | after(activation) | TO_STREAM | at(2, 2),
    }


def gpt2(head_size):
    block = "transformer.h.*"
    return {
        "*.bias": BIAS,
        **residual_attention(
            ["transformer.*ln_*"],
            f"{block}.attn.c_attn.weight",
            f"{block}.attn.c_proj.weight",
            f"{block}.mlp.c_fc.weight",
            f"{block}.mlp.c_proj.weight",
            "gelu_tanh",
            head_size,
            weight=CONV1D,
        ),
        "transformer.wte.weight": LOOKED_UP
        | {"fed_by": "tokens", "sums_with": ("transformer.wpe.weight",), "tied": ("lm_head.weight",)}
        | {"last_use": {"operation": "dense"} | NORMALISED | OUTPUT, "num_uses": 2},
        "transformer.wpe.weight": LOOKED_UP | {"sums_with": ("transformer.wte.weight",), "tied": (), "num_uses": 1},
    }


def llama(head_size, *, tied):
    layer = "model.layers.*"
    heads = WEIGHT | NORMALISED | {"head_size": head_size} | at(1, 2)
    once = {"tied": (), "num_uses": 1}
    again = {"last_use": {"operation": "dense"} | NORMALISED | OUTPUT, "num_uses": 2, "tied": ("lm_head.weight",)}
    return {
        "model.*norm.weight": SCALE,
        f"{layer}.q_proj.weight": heads | then("query"),
        f"{layer}.k_proj.weight": heads | then("key"),
        f"{layer}.v_proj.weight": heads | then("value"),
        f"{layer}.o_proj.weight": WEIGHT | ATTENDED | TO_STREAM | {"head_size": head_size} | at(2, 2),
        f"{layer}.gate_proj.weight": WEIGHT | NORMALISED | then("silu") | at(1, 2),
        f"{layer}.up_proj.weight": WEIGHT | NORMALISED | then("gate") | at(1, 2),
        f"{layer}.down_proj.weight": WEIGHT | fed("gate", SILU) | TO_STREAM | at(2, 2),
        "model.embed_tokens.weight": LOOKED_UP | {"fed_by": "tokens"} | (again if tied else once),
        **({} if tied else {"lm_head.weight": WEIGHT | NORMALISED | OUTPUT}),
    }


def gemma(head_size):
    """As Llama, with more norms, whose scales are added to 1, and with gelu."""
    down = WEIGHT | fed("gate", GELU_TANH) | then("normalisation") | at(2, 2)
    scale = {"role": AnyOf("scale", "shift"), "axes": "o", "operation": "normalisation"}
    rows = {key: row for key, row in llama(head_size, tied=True).items() if "norm" not in key}
    # The scores of words are capped as well: 30 tanh(x / 30).
    capped = rows["model.embed_tokens.weight"]["last_use"] | then(AnyOf("output", "f"))
    return rows | {
        "model.embed_tokens.weight": rows["model.embed_tokens.weight"] | {"last_use": capped},
        "model.*norm.weight": scale,
        "model.layers.*.post*norm.weight": scale | {"is_last": True},
        "model.layers.*.o_proj.weight": rows["model.layers.*.o_proj.weight"] | then("normalisation"),
        "model.layers.*.gate_proj.weight": rows["model.layers.*.gate_proj.weight"] | then("gelu_tanh"),
        "model.layers.*.down_proj.weight": down,
    }


def mixtral(head_size):
    """As Llama, with a router and stacked experts in place of the perceptron."""
    rows = {key: row for key, row in llama(head_size, tied=False).items() if "layers.*.gate" not in key}
    rows = {
        key: row for key, row in rows.items() if "up_proj" not in key and "mlp" not in key and "down_proj" not in key
    }
    experts = WEIGHT | {"axes": "boi"}
    return rows | {
        "model.layers.*.mlp.gate.weight": WEIGHT | NORMALISED | {"is_last": False},
        "model.layers.*.experts.gate_up_proj": experts | NORMALISED | {"packs": ("gate", "up"), "is_last": False},
        "model.layers.*.experts.down_proj": experts | fed("gate", SILU) | {"is_last": True},
    }


def bert(head_size):
    """Normalisation comes after each sum, so that a branch is fed by it and joins the stream before it."""
    layer, embeddings = "bert.encoder.layer.*", "bert.embeddings"
    names = [f"{embeddings}.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")]
    heads = WEIGHT | NORMALISED | {"head_size": head_size} | at(1, 2)
    return {
        "*.bias": BIAS,
        "*LayerNorm.weight": SCALE | {"branch": None},
        "*LayerNorm.bias": SHIFT | {"branch": None},
        **{name: LOOKED_UP | {"sums_with": tuple(n for n in names if n != name), "tied": ()} for name in names},
        names[0]: LOOKED_UP
        | {"fed_by": "tokens", "padding": 0, "sums_with": tuple(names[1:]), "tied": ("cls.predictions.decoder.weight",)}
        | {"last_use": {"operation": "dense"} | NORMALISED | OUTPUT, "num_uses": 2},
        f"{layer}.query.weight": heads | then("query"),
        f"{layer}.key.weight": heads | then("key"),
        f"{layer}.value.weight": heads | then("value"),
        f"{layer}.output.dense.weight": WEIGHT | after("gelu") | TO_STREAM | at(2, 2),
        f"{layer}.attention.output.dense.weight": ATTENDED | {"head_size": head_size},
        f"{layer}.intermediate.dense.weight": WEIGHT | NORMALISED | then("gelu") | at(1, 2),
        "cls.predictions.transform.dense.weight": WEIGHT | NORMALISED | then("gelu") | {"branch": None},
        "cls.predictions.bias": BIAS | {"tied": ("cls.predictions.decoder.bias",), "bias_of": names[0]},
    }


def t5(width, head_size):
    """The signal before the tied output is multiplied by width^-0.5; scores are not divided by a root."""
    names = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
    heads = WEIGHT | NORMALISED | {"head_size": head_size}
    return {
        "*layer_norm.weight": SCALE,
        "shared.weight": LOOKED_UP
        | {"fed_by": "tokens", "tied": names, "num_uses": 3}
        | {"last_use": {"operation": "dense"} | fed("normalisation", 1 / width) | OUTPUT},
        "*Attention.q.weight": heads | then("query") | at(1, 2),
        "*Attention.k.weight": heads | then("key") | {"is_last": False},
        "*Attention.v.weight": heads | then("value") | {"is_last": False},
        "*SelfAttention.[kv].weight": at(1, 2),
        "*Attention.o.weight": WEIGHT | ATTENDED | TO_STREAM | {"head_size": head_size} | at(2, 2),
        "*DenseReluDense.wi.weight": WEIGHT | NORMALISED | then("relu") | at(1, 2),
        "*DenseReluDense.wo.weight": WEIGHT | after("relu") | TO_STREAM | at(2, 2),
        "*relative_attention_bias.weight": {"role": "position", "operation": "embedding"},
    }


def vit(head_size):
    block = "blocks.*"
    return {
        "*.bias": BIAS,
        **residual_attention(
            [f"{block}.norm?", "norm"],
            f"{block}.qkv.weight",
            f"{block}.proj.weight",
            f"{block}.fc1.weight",
            f"{block}.fc2.weight",
            "gelu",
            head_size,
        ),
        "cls_token": {"role": "token", "operation": "concatenation"},
        "pos_embed": {"role": "position", "operation": "addition"},
        "patch_embed.proj.weight": CONVOLUTION | DATA | {"branch": None},
        "head.weight": WEIGHT | NORMALISED | OUTPUT | {"branch": None},
    }


def swin(head_size, num_last):
    block = "layers.*.blocks.*"
    return {
        "*.bias": BIAS,
        **residual_attention(
            ["*norm?", "patch_embed.norm", "norm", "*downsample.norm"],
            f"{block}.qkv.weight",
            f"{block}.proj.weight",
            f"{block}.fc1.weight",
            f"{block}.fc2.weight",
            "gelu",
            head_size,
        ),
        "*relative_position_bias_table": {"role": "position"},
        "*downsample.reduction.weight": WEIGHT | NORMALISED | {"branch": None},
        "patch_embed.proj.weight": CONVOLUTION | DATA | then("normalisation"),
        "head.fc.weight": WEIGHT | fed("pooling", of_mean(num_last)) | OUTPUT,
    }


def resnet(layers):
    last = CONVOLUTION | after("relu") | then("normalisation") | at(layers, layers)
    return {
        "*.bias": SHIFT,
        "*bn?.weight": SCALE,
        f"layer*.bn{layers}.weight": {"is_last": True},
        "layer*.conv1.weight": CONVOLUTION | ACTIVATED_STREAM | then("normalisation") | at(1, layers),
        "layer*.conv2.weight": CONVOLUTION | after("relu") | then("normalisation") | at(2, layers),
        f"layer*.conv{layers}.weight": last,
        "conv1.weight": CONVOLUTION | DATA | then("normalisation") | {"branch": None},
        "layer*.downsample.0.weight": CONVOLUTION | then("normalisation") | {"branch": None},
        "layer*.downsample.1.weight": SCALE,
        "fc.weight": WEIGHT | {"fed_by": "pooling", "branch": None} | OUTPUT,
        "fc.bias": BIAS,
    }


def convnext():
    block = "stages.*.blocks.*"
    return {
        "*.bias": BIAS,
        **norm("*norm"),
        **norm("stem.1"),
        **norm("stages.?.downsample.0"),
        "stem.0.weight": CONVOLUTION | DATA | then("normalisation") | {"branch": None},
        "stages.?.downsample.1.weight": CONVOLUTION | NORMALISED | {"branch": None},
        f"{block}.conv_dw.weight": CONVOLUTION | then("normalisation") | at(1, 3),
        "stages.0.blocks.[1-9].conv_dw.weight": STREAM,
        f"{block}.fc1.weight": WEIGHT | NORMALISED | then("gelu") | at(2, 3),
        f"{block}.fc2.weight": WEIGHT | after("gelu") | then("scale") | at(3, 3),
        f"{block}.gamma": LAYER_SCALE,
        "head.norm.weight": {"fed_by": "pooling"},
        "head.fc.weight": WEIGHT | NORMALISED | OUTPUT,
    }


def encoder(path, activation, first):
    """The layers of nn.TransformerEncoder, of which the first may be fed otherwise."""
    return {
        **norm(f"{path}.norm?"),
        f"{path}.in_proj_bias": BIAS,
        f"{path}.in_proj_weight": packed(8),
        f"{path}0.self_attn.in_proj_weight": first,
        f"{path}.out_proj.weight": WEIGHT | ATTENDED | TO_STREAM | {"head_size": 8} | at(2, 2),
        f"{path}.linear1.weight": WEIGHT | NORMALISED | then(activation) | at(1, 2),
        f"{path}.linear2.weight": WEIGHT | after(activation) | TO_STREAM | at(2, 2),
    }


def recurrent(packs):
    return {
        "layer.weight_ih_l*": RECURRENT | {"packs": packs, "fed_by": "recurrent", "branch": None},
        "layer.weight_ih_l0*": DATA,
        "layer.weight_hh_l*": RECURRENT | {"packs": packs, "fed_by": "state", "branch": None},
        "layer.bias_*": {"role": "bias", "axes": "o"},
        "head.weight": WEIGHT | {"fed_by": "recurrent"} | OUTPUT,
        "head.bias": BIAS,
    }


TRUTHS = {
    "mlp": chain(3, "relu"),
    "deep_relu": chain(50, "relu"),
    "deep_tanh": chain(50, "tanh"),
    "deep_selu": chain(50, "selu"),
    "deep_gelu": chain(50, "gelu"),
    "activations": between(FUNCTIONS),
    "prelu": {
        "*.bias": BIAS,
        "0.weight": WEIGHT | DATA,
        "[13].weight": {"role": "kept", "operation": "activation", "axes": "o"},
        # Its slope is a parameter: what it is before a fill is no fact of the model.
        "[24].weight": WEIGHT | {"fed_by": AnyOf("prelu", "prelu(0.25)", "f"), "moment": AnyOf(None, 0.53125)},
        "4.weight": OUTPUT,
    },
    "swiglu": {
        "*.weight": WEIGHT | DENSE,
        "0.[gu]*": DATA,
        "?.gate.weight": then("silu"),
        "?.up.weight": then("gate"),
        "?.down.weight": fed("gate", SILU) | then("dense"),
        "3.weight": OUTPUT,
        "3.bias": BIAS,
    },
    "packed_swiglu": {
        "?.gate_up.weight": WEIGHT | DENSE | then("silu", "gate") | {"packs": ("gate", "up")},
        "0.gate_up.weight": DATA,
        "?.down.weight": WEIGHT | fed("gate", SILU) | then("dense"),
        "3.weight": WEIGHT | DENSE | OUTPUT,
        "3.bias": BIAS,
    },
    "dropped": {
        "first.weight": WEIGHT | DATA | then("relu"),
        "second.weight": WEIGHT | after("relu") | then("tanh"),
        "last.weight": WEIGHT | after("tanh") | {"is_head": True},
        "*.bias": BIAS,
    },
    "cnn": {
        "*.bias": BIAS,
        **norm("[15]"),
        "0.weight": CONVOLUTION | DATA | then("normalisation"),
        "4.weight": CONVOLUTION | {"fed_by": "pooling"} | then("normalisation") | windows((36, 18), groups=4, stride=4),
        "7.weight": CONVOLUTION | after("relu") | then("hardswish") | windows((25, 25), groups=32),
        "9.weight": CONVOLUTION | after("hardswish") | then("elu") | windows((9, 18), groups=32),
        "13.weight": WEIGHT | {"fed_by": "pooling"} | OUTPUT,
    },
    "separable": {
        "*.bias": BIAS,
        "0.weight": CONVOLUTION | DATA | then("relu"),
        **{f"{3 * i + 2}.weight": DEPTHWISE | after("relu") | then("convolution") for i in range(20)},
        **{f"{3 * i + 3}.weight": CONVOLUTION | fed("convolution") | then("relu") for i in range(20)},
        "64.weight": WEIGHT | {"fed_by": "pooling"} | OUTPUT,
    },
    "conv1d": {
        "*.bias": BIAS,
        "0.weight": CONVOLUTION | {"axes": "oiw"} | windows((28, 28), stride=2) | DATA | then("tanh"),
        "2.weight": TRANSPOSED | {"axes": "iow"} | windows((16, 16), stride=2) | after("tanh") | then("tanh"),
        "4.weight": CONVOLUTION | {"axes": "oiw"} | windows((4, 2)) | after("tanh") | OUTPUT,
    },
    "conv3d": {
        "*.bias": BIAS,
        "0.weight": CONVOLUTION | {"axes": "oidhw"} | windows((54, 216)) | DATA | then("relu"),
        "2.weight": TRANSPOSED | {"axes": "iodhw"} | windows((8, 32), stride=8) | after("relu") | OUTPUT,
    },
    "upsampling": {
        "*.bias": BIAS,
        "0.weight": TRANSPOSED | windows((48, 256), stride=4) | DATA | then("leaky_relu(0.2)"),
        "2.weight": TRANSPOSED | windows((4, 18), groups=4, stride=9) | after("leaky_relu(0.2)") | then("tanh"),
        "5.weight": CONVOLUTION | windows((72, 27)) | after("tanh") | OUTPUT,
    },
    "generator": {
        "*.bias": SHIFT,
        "[14].weight": SCALE,
        "0.weight": TRANSPOSED | windows((256, 512)) | DATA | then("normalisation"),
        "3.weight": TRANSPOSED | windows((128, 128), stride=4) | after("relu") | then("normalisation"),
        "6.weight": TRANSPOSED | windows((32, 48), stride=4) | after("relu") | then("tanh"),
    },
    "discriminator": {
        **norm("3"),
        "0.weight": CONVOLUTION | DATA | then("leaky_relu(0.2)") | windows((48, 32), stride=4),
        "2.weight": CONVOLUTION | after("leaky_relu(0.2)") | then("normalisation"),
        "5.weight": CONVOLUTION | after("leaky_relu(0.2)") | then("sigmoid", "output"),
    },
    "unet": {
        "*.bias": BIAS,
        "down.weight": CONVOLUTION | DATA | then("relu"),
        "deep.weight": CONVOLUTION | {"fed_by": "pooling"} | then("relu"),
        "up.weight": TRANSPOSED | {"stride": 4} | after("relu") | then(AnyOf("convolution", "concatenation")),
        "merge.weight": CONVOLUTION | {"moment": 0.75} | then("relu"),  # half of its channels 0.5, half 1
        "out.weight": CONVOLUTION | after("relu") | OUTPUT,
    },
    "squeeze_excite": {
        "*.bias": BIAS,
        "stem.weight": CONVOLUTION | DATA | then("silu"),
        "squeeze.weight": CONVOLUTION | {"fed_by": "pooling"} | then("relu"),
        "excite.weight": CONVOLUTION | after("relu") | then("sigmoid"),
        "head.weight": WEIGHT | {"fed_by": "pooling"} | OUTPUT,
    },
    "resnet50": resnet(3),
    "tiny_resnet": resnet(2) | {"layer*.bn2.weight": {"is_last": True, "role": "kept"}},  # zero on purpose
    "convnext": convnext(),
    "tiny_convnext": {k: row for k, row in convnext().items() if "blocks.[1-9]" not in k},
    "vit": vit(64),
    "tiny_vit": vit(16),
    "swin": swin(32, 49),
    "tiny_swin": swin(16, 64),
    "gpt2": gpt2(64),
    "tiny_gpt2": gpt2(16),
    "llama": llama(64, tied=False),
    "tiny_llama": llama(16, tied=False),
    "tied_llama": llama(16, tied=True),
    "tiny_gemma": gemma(16),
    "tiny_mixtral": mixtral(16),
    "bert": bert(64),
    "tiny_bert": bert(16),
    "t5": t5(512, 64),
    "tiny_t5": t5(64, 16),
    "pre_norm_encoder": {
        "*.bias": BIAS,
        **encoder("encoder.layers.*", "gelu", NORMALISED),
        **norm("encoder.norm"),
        "head.weight": WEIGHT | fed("pooling", of_mean(6)) | OUTPUT,
    },
    "post_norm_encoder": {
        "*.bias": BIAS,
        **encoder("encoder.layers.*", "gelu", DATA),
        "head.weight": WEIGHT | fed("pooling", of_mean(6)) | OUTPUT,
    },
    "transformer": {
        "*.bias": BIAS,
        **encoder("*coder.layers.*", "relu", DATA),
        "*multihead_attn.in_proj_weight": {
            "num_uses": AnyOf(2, 3)
        },  # queries of one signal, keys and values of another
        **norm("encoder.norm"),
        "decoder.norm.weight": SCALE | OUTPUT,
        "decoder.norm.bias": SHIFT,
    },
    "self_attention": {
        **norm("norm"),
        "attention.in_proj_bias": BIAS | {"bias_of": "attention.in_proj_weight"},
        "attention.in_proj_weight": packed(8) | {"fans": (32, 32)},
        "attention.out_proj.weight": WEIGHT | ATTENDED | TO_STREAM | {"head_size": 8} | at(2, 2),
        "attention.out_proj.bias": BIAS | {"bias_of": "attention.out_proj.weight"},
    },
    "cross_attention": {
        "attention.q_proj_weight": WEIGHT | DATA | {"head_size": 8} | then("query"),
        "attention.k_proj_weight": WEIGHT | DATA | {"head_size": 8} | then("key"),
        "attention.v_proj_weight": WEIGHT | DATA | {"head_size": 8} | then("value"),
        "attention.bias_?": {"role": "token"},
        "attention.in_proj_bias": {"role": "bias"},
        "attention.out_proj.weight": WEIGHT | ATTENDED | OUTPUT | {"head_size": 8},
        "attention.out_proj.bias": BIAS,
    },
    "grouped_attention": {
        "*.bias": BIAS,
        **norm("?.norm"),
        "0.weight": WEIGHT | DATA,
        "[12].qkv.weight": packed(8) | {"blocks": (32, 16, 16)},
        "[12].proj.weight": WEIGHT | ATTENDED | TO_STREAM | {"head_size": 8} | at(2, 2),
        "3.weight": WEIGHT | STREAM | OUTPUT,
    },
    "parallel": {
        "*.bias": BIAS,
        **norm("?.norm"),
        **norm("3"),
        "0.weight": WEIGHT | DATA,
        "?.qkv.weight": WEIGHT | NORMALISED | {"packs": QKV, "head_size": 8, "is_last": False} | then(*QKV),
        "?.proj.weight": WEIGHT | ATTENDED | TO_STREAM | {"is_last": True, "depth": 4, "head_size": 8},
        "?.up.weight": WEIGHT | NORMALISED | then("gelu") | {"is_last": False},
        "?.down.weight": WEIGHT | after("gelu") | TO_STREAM | {"is_last": True, "depth": 4},
        "4.weight": WEIGHT | NORMALISED | OUTPUT,
    },
    "lstm": recurrent(LSTM),
    "gru": recurrent(GRU),
    "rnn": recurrent(()),
    "lstm_cell": {
        "cell.weight_ih": RECURRENT | DATA | {"packs": LSTM},
        "cell.weight_hh": RECURRENT | {"fed_by": "state", "packs": LSTM},
        "cell.bias_?h": {"role": "bias"},
        "head.weight": WEIGHT | {"fed_by": "recurrent"} | OUTPUT,
        "head.bias": BIAS,
    },
    "mamba": {
        "0.weight": LOOKED_UP | {"fed_by": "tokens"},
        "?.norm.weight": SCALE,
        "3.weight": SCALE,
        "?.in_proj.weight": WEIGHT | NORMALISED | {"packs": AnyOf((), ("up", "gate"))} | INSIDE,
        "?.conv.weight": CONVOLUTION | DENSE | then("silu") | {"axes": "oiw"} | windows((4, 4), groups=32),
        "?.conv.bias": BIAS,
        "?.x_proj.weight": WEIGHT | after("silu") | INSIDE,
        "?.dt_proj.weight": WEIGHT | DENSE | then("softplus") | INSIDE,
        "?.dt_proj.bias": BIAS,
        "?.A_log": {"role": "kept"},
        "?.D": {"role": "scale", "operation": "multiplication"},
        "?.out_proj.weight": WEIGHT | {"fed_by": "gate"} | TO_STREAM | {"is_last": True},
        "4.weight": WEIGHT | NORMALISED | OUTPUT,
    },
    "bilinear": {
        "bilinear.weight": WEIGHT | {"operation": "bilinear", "axes": "oii", "fans": (84, 8)} | DATA | then("tanh"),
        "*.bias": BIAS,
        "head.weight": WEIGHT | after("tanh") | OUTPUT,
    },
    "dlrm": {
        "*.bias": BIAS,
        "bottom.0.weight": WEIGHT | DATA | then("relu"),
        "bottom.2.weight": WEIGHT | after("relu") | then("relu"),
        "tables.*": LOOKED_UP | {"fed_by": "tokens", "fans": (1, 8)},
        "words.weight": LOOKED_UP | {"fed_by": "tokens", "fans": (1, 8), "padding": 0},
        "top.0.weight": WEIGHT | then("relu"),
        "top.2.weight": WEIGHT | after("relu") | then("sigmoid", "output"),
    },
    "experts": {
        "router.weight": WEIGHT | DATA,
        # All experts see the same input, so that their outputs may count as one.
        "up": WEIGHT | {"axes": AnyOf("bio", "oio"), "fans": AnyOf((16, 24), (16, 72))} | DATA | then("relu"),
        "down": EXPERTS | {"axes": "bio", "fans": (24, 16)} | after("relu") | then(AnyOf("gate", "value")),
    },
    "weight_norm": {
        "*.bias": BIAS,
        **{f"{i}.bias": BIAS | {"bias_of": f"{i}.parametrizations.weight.original1"} for i in (0, 3)},
        "?.parametrizations.weight.original0": {"role": "kept"},
        "0.parametrizations.weight.original1": WEIGHT | DATA | then("relu") | {"fans": (10, 32)},
        "3.parametrizations.weight.original1": CONVOLUTION
        | {"axes": "oiw", "fans": (96, 48)}
        | after("relu")
        | then("dense"),
        "5.weight": WEIGHT | fed("convolution") | OUTPUT,
    },
    "weight_standardisation": {
        "*.bias": BIAS,
        "[02].gain": {"role": "kept"},
        "0.weight": CONVOLUTION | DATA | then("relu"),
        "2.weight": CONVOLUTION | after("relu") | then("dense"),
        "4.weight": WEIGHT | fed("convolution") | OUTPUT,
    },
    "spectral_norm": {
        "*.bias": BIAS,
        "0.parametrizations.weight.original": WEIGHT | DATA | then("relu") | {"fans": (10, 32)},
        "2.parametrizations.weight.original": WEIGHT | after("relu") | then("relu") | {"fans": (32, 32)},
        "4.weight": WEIGHT | after("relu") | OUTPUT,
    },
    "orthogonal": {
        "*.bias": BIAS,
        "0.parametrizations.weight.original": WEIGHT | DATA | then("tanh") | KEPT_MATRIX | {"fans": (32, 32)},
        "2.parametrizations.weight.original": WEIGHT | after("tanh") | then("tanh") | KEPT_MATRIX | {"fans": (32, 16)},
        "4.weight": WEIGHT | after("tanh") | OUTPUT,
    },
    "shared": {
        "*.bias": BIAS,
        "encode.weight": WEIGHT
        | {"tied": ("copy.weight",), "num_uses": 3}
        | DATA
        | then("tanh")
        | {"last_use": {"operation": "dense"} | after("tanh") | OUTPUT},
        "step.weight": WEIGHT | {"tied": ("again.weight",), "num_uses": 3} | after("tanh") | then("relu"),
        "step.bias": BIAS | {"tied": ("again.bias",), "bias_of": "step.weight"},
        "decode.weight": WEIGHT | after("relu") | then("dense"),
    },
    "on_shape": {
        "*.bias": BIAS,
        "wide.weight": WEIGHT | DATA | then("relu"),
        "long.*": {"num_uses": 0},
        "long.weight": {"operation": "dense", "role": "weight", "axes": "oi", "fans": (20, 32)},
        "head.weight": WEIGHT | after("relu") | OUTPUT,
    },
    "on_value": {
        "*.bias": BIAS,
        "first.weight": WEIGHT | DATA | then("relu"),
        "second.weight": WEIGHT | after("relu") | then("tanh"),
        "head.weight": WEIGHT | after("tanh") | OUTPUT,
    },
    "several_outputs": {
        "*.bias": BIAS,
        "body.weight": WEIGHT | DATA | then("relu"),
        "classes.weight": WEIGHT | after("relu") | OUTPUT,
        "box.weight": WEIGHT | after("relu") | OUTPUT,
        "score.weight": WEIGHT | after("relu") | then("sigmoid", "output"),
    },
    "dict_inputs": {
        "text.weight": LOOKED_UP | {"fed_by": "tokens"} | then("pooling"),
        "image.weight": WEIGHT | DATA,
        "head.weight": WEIGHT | {"moment": About(0.6)} | OUTPUT,  # of its inputs half the mean of 5 rows
        "*.bias": BIAS,
    },
    "frozen": {
        "body.*": {"role": "kept"},
        "mask_token": {"num_uses": 0},
        "spare.weight": {"role": "weight", "num_uses": 0, "axes": "oi"},
        "spare.bias": {"role": "bias", "num_uses": 0},
        "head.weight": WEIGHT | after("relu") | OUTPUT,
        "head.bias": BIAS,
    },
    "rezero": {
        "*.bias": BIAS,
        "?.alpha": LAYER_SCALE | {"axes": "", "role": "kept"},  # zero on purpose
        "0.weight": WEIGHT | DATA,
        "[1-4].up.weight": WEIGHT | ANY_STREAM | then("relu") | at(1, 2),
        "[1-4].down.weight": WEIGHT | after("relu") | then("scale") | at(2, 2),
        "5.weight": WEIGHT | STREAM | OUTPUT,
    },
    "fixup": {
        "[05].bias": BIAS,
        "[1-4].first": {"role": AnyOf("bias", "shift")},
        **{f"{i}.second": {"role": "bias", "bias_of": f"{i}.up.weight"} for i in range(1, 5)},
        "[1-4].third": {"role": AnyOf("bias", "shift")},
        "[1-4].last": {"role": AnyOf("bias", "shift")},
        "[1-4].scale": LAYER_SCALE,
        "0.weight": WEIGHT | DATA,
        "[1-4].up.weight": WEIGHT | {"fed_by": AnyOf("relu", "residual stream", "dense")} | then("relu") | at(1, 2),
        "[1-4].down.weight": WEIGHT | {"fed_by": AnyOf("relu", "f")} | then("scale") | at(2, 2),
        "5.weight": WEIGHT | {"fed_by": AnyOf("relu", "residual stream")} | OUTPUT,
    },
    "residual": {
        "*.bias": BIAS,
        "0.weight": WEIGHT | DATA,
        "[1-6].branch.1.weight": WEIGHT | after("relu") | then("tanh") | at(1, 2),
        "[1-6].branch.3.weight": WEIGHT | after("tanh") | TO_STREAM | at(2, 2),
        "8.weight": WEIGHT | after("relu") | OUTPUT,
    },
}


def repeated(depth, *paths):
    """The weights that end the branches of one stream, in order."""
    return [path.format(i) + ".weight" for i in range(depth) for path in paths]


def stages(depths, path):
    return [[path.format(stage, block) + ".weight" for block in range(depth)] for stage, depth in enumerate(depths)]


def of_gpt2(depth):
    return [repeated(depth, "transformer.h.{}.attn.c_proj", "transformer.h.{}.mlp.c_proj")]


def of_llama(depth):
    return [repeated(depth, "model.layers.{}.self_attn.o_proj", "model.layers.{}.mlp.down_proj")]


def of_bert(depth):
    return [repeated(depth, "bert.encoder.layer.{}.attention.output.dense", "bert.encoder.layer.{}.output.dense")]


def of_t5(depth):
    encoder = repeated(depth, "encoder.block.{}.layer.0.SelfAttention.o", "encoder.block.{}.layer.1.DenseReluDense.wo")
    attention = ("decoder.block.{}.layer.0.SelfAttention.o", "decoder.block.{}.layer.1.EncDecAttention.o")
    return [encoder, repeated(depth, *attention, "decoder.block.{}.layer.2.DenseReluDense.wo")]


def of_vit(depth):
    return [repeated(depth, "blocks.{}.attn.proj", "blocks.{}.mlp.fc2")]


def of_swin(depths):
    return [
        repeated(depth, f"layers.{stage}.blocks.{{}}.attn.proj", f"layers.{stage}.blocks.{{}}.mlp.fc2")
        for stage, depth in enumerate(depths)
    ]


def of_resnet(depths, last):
    return [repeated(depth, f"layer{stage}.{{}}.{last}") for stage, depth in enumerate(depths, 1)]


def of_convnext(depths):
    return [repeated(depth, f"stages.{stage}.blocks.{{}}.mlp.fc2") for stage, depth in enumerate(depths)]


# Of each stream of each model, the weights that end its branches, in order; models that are not here have none.
STREAMS = {
    "gpt2": of_gpt2(12),
    "tiny_gpt2": of_gpt2(2),
    "llama": of_llama(16),
    "tiny_llama": of_llama(3),
    "tied_llama": of_llama(3),
    "tiny_gemma": of_llama(2),
    "tiny_mixtral": [
        [f"model.layers.{i}.{last}" for i in range(2) for last in ("self_attn.o_proj.weight", "mlp.experts.down_proj")]
    ],
    "bert": of_bert(12),
    "tiny_bert": of_bert(2),
    "t5": of_t5(6),
    "tiny_t5": of_t5(2),
    "vit": of_vit(12),
    "tiny_vit": of_vit(2),
    "swin": of_swin([2, 2, 6, 2]),
    "tiny_swin": of_swin([2, 2]),
    "resnet50": of_resnet([3, 4, 6, 3], "conv3"),
    "tiny_resnet": of_resnet([2, 1, 1, 1], "conv2"),
    "convnext": of_convnext([3, 3, 9, 3]),
    "tiny_convnext": of_convnext([1, 1, 2, 1]),
    "pre_norm_encoder": [repeated(2, "encoder.layers.{}.self_attn.out_proj", "encoder.layers.{}.linear2")],
    "post_norm_encoder": [repeated(2, "encoder.layers.{}.self_attn.out_proj", "encoder.layers.{}.linear2")],
    "transformer": [
        repeated(2, "encoder.layers.{}.self_attn.out_proj", "encoder.layers.{}.linear2"),
        repeated(
            2, *(f"decoder.layers.{{}}.{last}" for last in ("self_attn.out_proj", "multihead_attn.out_proj", "linear2"))
        ),
    ],
    "self_attention": [["attention.out_proj.weight"]],
    "grouped_attention": [["1.proj.weight", "2.proj.weight"]],
    "mamba": [["1.out_proj.weight", "2.out_proj.weight"]],
    "rezero": [[f"{i}.down.weight" for i in range(1, 5)]],
    "fixup": [[f"{i}.down.weight" for i in range(1, 5)]],
    "residual": [[f"{i}.branch.3.weight" for i in range(1, 7)]],
}

# What a reader must know, beside that inputs were made up: something is not used, or asked for numbers or a precision.
NOTED = {"on_shape", "on_value", "frozen", "tiny_mixtral"}


# What a trace finds is asked by many tests.
@functools.cache
def traced(name):
    """The model, what it was before and after it was traced, and its graph."""
    model = MODELS[name].build()
    example = MODELS[name].example()
    before = everything(model)
    graph = trace(model, example)
    return model, (before, everything(model)), graph


def everything(model):
    """All that a trace must leave as it is."""
    modules = dict(model.named_modules())
    tensors = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    hooks = [key for key in vars(nn.Module()) if "hooks" in key]
    return {
        "modules": {name: (id(module), type(module), sorted(vars(module))) for name, module in modules.items()},
        "training": {name: module.training for name, module in modules.items()},
        "hooks": {name: [dict(getattr(module, kind)) for kind in hooks] for name, module in modules.items()},
        "tensors": {name: (id(t), t.device, t.requires_grad, t.grad, t._version) for name, t in tensors.items()},
        "values": {name: t.detach().clone() for name, t in tensors.items()},
        "torch": (torch.is_grad_enabled(), torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()),
        "random": torch.get_rng_state(),
    }


def known(param, key):
    """A fact by its name in the table."""
    match key:
        case "fans":
            return tuple(param.fans)
        case "num_uses":
            return len(param.uses)
        case "in_branch":
            return param.use.branch is not None
        case "is_last":
            return param.use.branch is not None and param.use.branch.is_last
        case "layer_of_branch" | "layers" | "depth":
            return param.use.branch and getattr(param.use.branch, key.removesuffix("_of_branch"))
        case "last_use":
            return param.uses[-1] if param.uses else None
    return getattr(param if key in {field.name for field in fields(Param)} else param.use, key)


def agrees(found, expected):
    if isinstance(expected, About):
        return found is not None and found == pytest.approx(expected, rel=0.02)
    if isinstance(expected, AnyOf):
        return any(agrees(found, choice) for choice in expected)
    if isinstance(expected, dict):  # of a use
        return all(agrees(getattr(found, key, None), value) for key, value in expected.items())
    if isinstance(expected, float):
        return found is not None and found == pytest.approx(expected, rel=1e-8)
    return found == expected


def same(key, found, expected):
    """Whether a fact is as expected; names that follow come in any order."""
    if key == "followed_by":
        return len(found) == len(expected) and all(any(agrees(name, e) for name in found) for e in expected)
    if key == "last_use":
        expected = dict(expected)
        return same("followed_by", found.followed_by, expected.pop("followed_by")) and agrees(found, expected)
    return agrees(found, expected)


def expectation(name, param):
    """All rows that are meant for a parameter, as one."""
    rows = [row for glob, row in TRUTHS[name].items() if fnmatchcase(param.path, glob)]
    return functools.reduce(lambda row, other: row | other, rows, {})


def owner(model, path):
    module, _, name = path.rpartition(".")
    return model.get_submodule(module), name


def test_the_table_has_every_model():
    assert list(TRUTHS) == list(MODELS)
    assert set(STREAMS) <= set(MODELS)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_has_every_parameter_and_nothing_else(name):
    paths = [path for path, _ in MODELS[name].build().named_parameters()]
    assert [path for path in paths if not any(fnmatchcase(path, glob) for glob in TRUTHS[name])] == []
    assert [glob for glob in TRUTHS[name] if not any(fnmatchcase(path, glob) for path in paths)] == []
    ends = {path for stream in STREAMS.get(name, []) for path in stream}
    assert ends - set(paths) == set()


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 0.5),
        ("leaky_relu(0.2)", 0.52),
        ("gelu_tanh", GELU_TANH),
        ("silu", SILU),
        ("gelu", moment(lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2)),
        ("tanh", moment(math.tanh)),
        ("selu", 1.0),
        ("elu", moment(lambda z: z if z > 0 else math.expm1(z), 0)),
        ("hardswish", moment(lambda z: z * min(max(z + 3, 0), 6) / 6, -3, 3)),
    ],
)
def test_the_moments_of_the_table_are_those_of_another_quadrature(activation, expected):
    assert after(activation)["moment"] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_what_its_architecture_says(name):
    _, _, graph = traced(name)
    wrong = [
        f"{param.path}: {key} is {known(param, key)!r}, not {expected!r}"
        for param in graph.params
        for key, expected in expectation(name, param).items()
        if not same(key, known(param, key), expected)
    ]
    assert not wrong, f"{len(wrong)} facts\n" + "\n".join(wrong)


# Which of two branches beside each other is the first is left open.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "parallel"])
def test_the_weights_that_end_a_branch_are_known_with_their_stream(name):
    _, _, graph = traced(name)
    found = {
        param.path: (branch.stream, branch.number, branch.depth)
        for param in graph.weights
        if (branch := param.use.branch) and branch.is_last
    }
    assert found == {
        path: (stream, number, len(paths))
        for stream, paths in enumerate(STREAMS.get(name, []))
        for number, path in enumerate(paths, 1)
    }


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_buffers_have_the_names_and_ties_that_the_model_gives_them(name):
    model, _, graph = traced(name)
    names = {}
    for path, tensor in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(tensor), []).append(path)
    assert [(param.path, *param.tied) for param in graph.params] == [tuple(paths) for paths in names.values()]
    assert [param.shape for param in graph.params] == [tuple(p.shape) for p in model.parameters()]
    assert sorted(buffer.path for buffer in graph.buffers) == sorted(path for path, _ in model.named_buffers())


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_is_the_type_of_the_owner(name):
    model, _, graph = traced(name)
    paths = [param.path for param in graph.params if "parametrizations" not in param.path]
    assert {path: graph.by_path[path].layer for path in paths} == {
        path: type(owner(model, path)[0]).__name__ for path in paths
    }


def reckoned(module, name):
    """The true fans of a layer's weight, from what its constructor was given; of all packed blocks together."""
    match module:
        case nn.Embedding() | nn.EmbeddingBag():
            return 1, module.embedding_dim
        case nn.Bilinear():
            return module.in1_features * module.in2_features, module.out_features
        case nn.Linear():
            return module.in_features, module.out_features
        case nn.modules.conv._ConvTransposeNd() | nn.modules.conv._ConvNd():
            positions, stride = math.prod(module.kernel_size), math.prod(module.stride)
            fan_in, fan_out = (
                channels // module.groups * positions for channels in (module.in_channels, module.out_channels)
            )
            return (fan_in / stride, fan_out) if module.transposed else (fan_in, fan_out / stride)
        case nn.RNNBase():
            width = module.hidden_size * (1 + module.bidirectional)
            inputs = module.hidden_size if "hh" in name else module.input_size if "_l0" in name else width
            return inputs, getattr(module, name).shape[0]
        case nn.RNNCellBase():
            return (module.hidden_size if "hh" in name else module.input_size), getattr(module, name).shape[0]
    if type(module).__name__ == "Conv1D":
        return module.nx, module.nf
    return None


@pytest.mark.parametrize("name", NAMES)
def test_fans_are_those_of_the_layer(name):
    model, _, graph = traced(name)
    found, expected = {}, {}
    for param in graph.params:
        fans = reckoned(*owner(model, param.path))
        if fans and "weight" in param.path and param.role != "position":
            expected[param.path] = fans
            ins = {part.fans.fan_in for part in param.parts}
            found[param.path] = (ins.pop() if len(ins) == 1 else ins, sum(part.fans.fan_out for part in param.parts))
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_bias_knows_the_weight_at_its_side(name):
    _, _, graph = traced(name)
    found, expected = {}, {}
    for param in graph.params:
        weight = graph.by_path.get(param.path.replace("bias", "weight"))
        if param.role == "bias" and weight and weight is not param:
            found[param.path], expected[param.path] = param.bias_of, weight.path
    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_model_is_traced_and_what_is_out_of_the_ordinary_is_noted(name):
    _, _, graph = traced(name)
    assert graph.is_traced
    assert bool(graph.notes) == (name in NOTED or MODELS[name].made_up)
    unused = {param.path for param in graph.params if not param.uses}
    assert unused == {
        "on_shape": {"long.weight", "long.bias"},
        "frozen": {"mask_token", "spare.weight", "spare.bias"},
    }.get(name, set())
    assert all(param.because for param in graph.params)
    assert all(any(path in note for note in graph.notes) for path in unused)


@pytest.mark.parametrize("name", NAMES)
def test_branches_are_counted_in_order_within_their_stream(name):
    _, _, graph = traced(name)
    branches = [param.use.branch for param in graph.params if param.use.branch]
    assert all(1 <= b.number <= b.depth and 1 <= b.layer <= b.layers for b in branches)
    depths = {(b.stream, b.depth) for b in branches}
    assert sorted(stream for stream, _ in depths) == list(range(len(depths)))
    # Every model here declares its weights in the order in which it uses them.
    places = [(b.stream, b.number) for b in (param.use.branch for param in graph.weights) if b]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_has_as_many_blocks_as_it_packs(name):
    _, _, graph = traced(name)
    assert {param.path: len(param.sizes) for param in graph.params} == {
        param.path: max(1, len(param.packs)) for param in graph.params
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_holds_plain_numbers_and_strings(name):
    _, _, graph = traced(name)
    uses = [use for param in graph.params for use in param.uses]
    outputs = [use.output for use in uses if use.output]
    values = [getattr(thing, field.name) for thing in (*graph.params, *uses, *outputs) for field in fields(thing)]
    assert {type(value) for value in values} <= {str, float, int, bool, tuple, Branch, Output, Use, type(None)}
    assert {type(size) for param in graph.params for size in param.shape} <= {int}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_model_is_changed(name):
    _, (before, after), _ = traced(name)
    assert set(after["values"]) == set(before["values"])
    values = [(path, value, after["values"][path]) for path, value in before["values"].items() if not value.is_meta]
    assert [path for path, value, now in values if not torch.equal(value, now)] == []
    assert torch.equal(before["random"], after["random"])
    for kind in before.keys() - {"values", "random"}:
        assert after[kind] == before[kind], kind


def without_order(param):
    """A cast to another precision changes the dtype, and perhaps which of several operations is met first."""
    uses = tuple(replace(use, followed_by=tuple(sorted(use.followed_by))) for use in param.uses)
    return replace(param, uses=uses, dtype="")


ALIKE = ["mlp", "cnn", "tiny_gpt2", "tiny_llama", "tiny_convnext", "lstm", "post_norm_encoder", "weight_norm", "mamba"]
CHANGES = {
    "training": nn.Module.train,
    "evaluated": nn.Module.eval,
    "float64": nn.Module.double,
    "bfloat16": nn.Module.bfloat16,
}


@pytest.mark.parametrize("name", ALIKE)
@pytest.mark.parametrize("change", CHANGES)
def test_the_graph_does_not_depend_on_mode_or_precision(name, change):
    model, example = MODELS[name].build(), MODELS[name].example()
    CHANGES[change](model)
    if isinstance(example, torch.Tensor) and example.is_floating_point():
        example = example.to(next(model.parameters()).dtype)
    found, expected = (list(map(without_order, graph.params)) for graph in (trace(model, example), traced(name)[2]))
    assert [param for param in found if param not in expected] == []


@pytest.mark.parametrize("name", ALIKE)
def test_a_model_without_memory_has_the_same_graph(name):
    with torch.device("meta"):
        model = MODELS[name].builder()
    graph, real = trace(model, MODELS[name].example()), traced(name)[2]
    assert graph.params == real.params
    assert [note for note in graph.notes if not note.startswith("on meta without a record")] == list(real.notes)


def test_a_choice_by_value_without_memory_is_read_from_the_layers_types_and_said():
    graph = trace(MODELS["on_value"].build().to("meta"), MODELS["on_value"].example())
    assert not graph.is_traced
    assert graph.notes
    assert all(param.role == param.path.split(".")[1] for param in graph.params)
    assert all(param.use.fed_by == "unknown" and param.use.moment is None for param in graph.weights)
