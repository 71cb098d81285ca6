"""The named recipes on real models: what they realise, beside what the reference implementation draws by itself."""

import math
import os
from collections import defaultdict

import numpy as np
import pytest
import torch
from torch import nn
from torch_edge.zoo import library

from initium import _stream
from initium._decisions import decide
from initium._fill import fill
from initium._recipes import parse_recipe
from initium.init import mimetic
from initium.init._law import Normal, Uniform
from initium.init._weight import Weight
from initium.torch._apply import apply
from initium.torch._trace import trace

TOKENS = torch.zeros(1, 8, dtype=torch.long)
IMAGE = torch.zeros(1, 3, 64, 64)

# So many numbers on either side that five stds of the ratio of their stds are 1.1%.
ENOUGH = math.ceil((5 / 0.011) ** 2)


def planned(model, example, recipe, seed=0):
    """The plan of a model, which is filled by it."""
    plan = decide(trace(model, example), parse_recipe(recipe))
    apply(plan, model, seed=seed)
    return plan


def pool_of(path):
    return ".".join("*" if word.isdigit() else word for word in path.split("."))


def pooled(model):
    """All numbers of the parameters that differ in a number of the path alone, as in `blocks.0.norm.weight`."""
    groups = defaultdict(list)
    for name, value in model.named_parameters():
        groups[pool_of(name)].append(value.detach().double().flatten().clone())
    return {name: torch.cat(values).numpy() for name, values in groups.items()}


def check(ours, theirs, name):
    """Equal if constant; else of one root mean square, and of one end if uniform."""
    assert ours.size == theirs.size
    if np.ptp(theirs) == 0 or np.ptp(ours) == 0:
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
        return
    rms = [math.sqrt((numbers**2).mean()) for numbers in (ours, theirs)]
    assert rms[0] / rms[1] == pytest.approx(1, abs=max(0.011, 5 / math.sqrt(ours.size))), name
    assert ours.mean() == pytest.approx(theirs.mean(), abs=5 * rms[1] * math.sqrt(2 / ours.size)), name


def compare(build, example, recipe):
    """Pool by pool; gives the reference's numbers, and the share of them that was compared within 1.1%."""
    torch.manual_seed(0)
    model = build()
    theirs = pooled(model)
    plan, ours = planned(model, example, recipe), pooled(model)
    for name in theirs:
        check(ours[name], theirs[name], name)
    sizes = np.array([numbers.size for numbers in theirs.values()])
    return plan, theirs, sizes[sizes >= ENOUGH].sum() / sizes.sum()


def gpt2():
    library("transformers")
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 3, "n_embd": 384, "n_head": 6, "vocab_size": 1000}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))


def llama():
    library("transformers")
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 2, "vocab_size": 1000}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=8, num_key_value_heads=4))


def bert():
    library("transformers")
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"hidden_size": 480, "intermediate_size": 1024, "num_hidden_layers": 2, "vocab_size": 1000}
    return BertForMaskedLM(BertConfig(**sizes, num_attention_heads=8, initializer_range=0.03))


def t5(tie=True, gated="relu"):
    library("transformers")
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 384, "d_kv": 32, "d_ff": 1024, "num_layers": 2, "num_heads": 16, "vocab_size": 1000}
    config = T5Config(**sizes, relative_attention_num_buckets=2000, tie_word_embeddings=tie, feed_forward_proj=gated)
    return T5ForConditionalGeneration(config)


SOURCE_AND_TARGET = {"input_ids": TOKENS, "decoder_input_ids": TOKENS}


def timm(name, **settings):
    """A model of timm's, without the weights of -2 or 2 that its `trunc_normal_` draws about once in 2^24.

    They are where a uniform number meets its end, and no part of a start of std 0.02: one of them is a hundred stds.
    """
    model = library("timm").create_model(name, **settings)
    with torch.no_grad():
        for value in model.parameters():
            value[value.abs() == 2] = 0
    return model


REFERENCES = {
    "gpt2": (gpt2, TOKENS, "gpt2", 0.99),
    "llama": (llama, TOKENS, "llama", 0.99),
    "bert": (bert, TOKENS, "bert(std=0.03)", 0.99),
    "t5": (t5, SOURCE_AND_TARGET, "t5", 0.97),
    "t5 v1.1": (lambda: t5(tie=False, gated="gated-gelu"), SOURCE_AND_TARGET, "t5", 0.97),
    "vit_small": (
        lambda: timm("vit_small_patch16_224", depth=3, img_size=384),
        torch.zeros(1, 3, 384, 384),
        "vit",
        0.99,
    ),
    "convnext_tiny": (lambda: timm("convnext_tiny"), IMAGE, "convnext", 0.98),
    "resnet50": (lambda: timm("resnet50"), IMAGE, "resnet", 0.98),
}


@pytest.mark.slow
@pytest.mark.parametrize(("build", "example", "recipe", "most"), REFERENCES.values(), ids=REFERENCES.keys())
def test_a_recipe_realises_what_the_reference_implementation_draws(build, example, recipe, most):
    _, _, share = compare(build, example, recipe)
    assert share >= most


class Taking(nn.Module):
    """A layer of PyTorch, and what its forward takes beside the example."""

    def __init__(self, layer, *others):
        super().__init__()
        self.layer, self.others = layer, others

    def forward(self, x):
        found = self.layer(x, *self.others)
        return found[0] if isinstance(found, tuple) else found


LAYERS = {
    "Linear": (lambda: nn.Linear(500, 600), torch.zeros(1, 500)),
    "Conv1d": (lambda: nn.Conv1d(80, 1800, 5, groups=2), torch.zeros(1, 80, 9)),
    "Conv2d, strided": (lambda: nn.Conv2d(64, 512, 3, stride=2), torch.zeros(1, 64, 9, 9)),
    "Conv2d, depthwise": (lambda: nn.Conv2d(900, 1800, 15, groups=900), torch.zeros(1, 900, 15, 15)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(300, 96, 4, stride=2, groups=2), torch.zeros(1, 300, 5, 5)),
    "Bilinear": (lambda: Taking(nn.Bilinear(40, 50, 200), torch.zeros(1, 50)), torch.zeros(1, 40)),
    "LSTM": (lambda: nn.LSTM(200, 300, 2, bidirectional=True), torch.zeros(3, 1, 200)),
    "LSTM, projected": (lambda: nn.LSTM(200, 600, proj_size=400), torch.zeros(3, 1, 200)),
    "GRU": (lambda: nn.GRU(300, 300), torch.zeros(3, 1, 300)),
    "RNN": (lambda: nn.RNN(500, 500), torch.zeros(3, 1, 500)),
    "LSTMCell": (lambda: nn.LSTMCell(300, 300), torch.zeros(1, 300)),
    "MultiheadAttention": (
        lambda: Taking(nn.MultiheadAttention(512, 8), torch.zeros(3, 1, 512), torch.zeros(3, 1, 512)),
        torch.zeros(3, 1, 512),
    ),
    "MultiheadAttention, apart": (
        lambda: Taking(
            nn.MultiheadAttention(512, 8, kdim=500, vdim=600), torch.zeros(3, 1, 500), torch.zeros(3, 1, 600)
        ),
        torch.zeros(3, 1, 512),
    ),
    "Embedding": (lambda: nn.Embedding(1000, 300, padding_idx=4), TOKENS),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(1000, 300, padding_idx=0), TOKENS),
    "LayerNorm": (lambda: nn.LayerNorm(30), torch.zeros(1, 30)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(30), torch.zeros(1, 30, 4, 4)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(512, 8, 1024), torch.zeros(3, 1, 512)),
}


@pytest.mark.parametrize(("build", "example"), LAYERS.values(), ids=LAYERS.keys())
def test_torch_is_what_torch_draws(build, example):
    plan, theirs, share = compare(build, example, "torch")
    assert share > 0.97 or max(numbers.size for numbers in theirs.values()) < 100
    for choice in plan.choices:
        numbers = theirs[pool_of(choice.path)]
        if isinstance(choice.law, Uniform):
            # Of few numbers, such as a bias's, the largest tells more than their std.
            assert choice.law.high * (1 - 12 / numbers.size) < abs(numbers).max() < choice.law.high * (1 + 1e-6)


@pytest.mark.parametrize("recipe", ["torch", "keras", "he", "bert", "t5", "convnext", "vit"])
def test_a_padding_row_stays_zero(recipe):
    model = nn.Embedding(10, 4, padding_idx=7)
    planned(model, TOKENS, recipe)
    assert (model.weight[7] == 0).all()
    assert (model.weight[6] != 0).all()


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


# A layer of PyTorch, that of Keras, and which of its weights each parameter stands for.
TWINS = {
    "Dense": (lambda: nn.Linear(500, 600), lambda layers: layers.Dense(600), (1, 500), ("kernel", "bias")),
    "Conv2D": (
        lambda: nn.Conv2d(64, 512, 3, stride=2, groups=2),
        lambda layers: layers.Conv2D(512, 3, strides=2, groups=2, data_format="channels_last"),
        (1, 9, 9, 64),
        ("kernel", "bias"),
    ),
    "DepthwiseConv2D": (
        lambda: nn.Conv2d(600, 1200, 15, groups=600),
        lambda layers: layers.DepthwiseConv2D(15, depth_multiplier=2, data_format="channels_last"),
        (1, 15, 15, 600),
        ("kernel", "bias"),
    ),
    "Conv2DTranspose": (
        lambda: nn.ConvTranspose2d(200, 96, 4, stride=2),
        lambda layers: layers.Conv2DTranspose(96, 4, strides=2, data_format="channels_last"),
        (1, 5, 5, 200),
        ("kernel", "bias"),
    ),
    "LSTM": (
        lambda: nn.LSTM(200, 300),
        lambda layers: layers.LSTM(300),
        (1, 3, 200),
        ("kernel", "recurrent_kernel", "bias", None),
    ),
    "GRU": (
        lambda: nn.GRU(300, 300),
        lambda layers: layers.GRU(300, reset_after=False),
        (1, 3, 300),
        ("kernel", "recurrent_kernel", "bias", None),
    ),
    "LayerNormalization": (
        lambda: nn.LayerNorm(30),
        lambda layers: layers.LayerNormalization(),
        (1, 30),
        ("gamma", "beta"),
    ),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize(("build", "twin", "shape", "names"), TWINS.values(), ids=TWINS.keys())
def test_keras_is_what_keras_draws(keras, build, twin, shape, names):
    keras.utils.set_random_seed(0)
    layer, model = twin(keras.layers), build()
    layer.build(shape)
    theirs = {weight.path.rpartition("/")[2]: keras.ops.convert_to_numpy(weight).ravel() for weight in layer.weights}
    channels_first = (shape[0], shape[-1], *shape[1:-1]) if len(shape) == 4 else shape
    planned(model, torch.zeros(channels_first), "keras")
    for (path, value), name in zip(model.named_parameters(), names, strict=True):
        ours = value.detach().numpy().ravel()
        check(ours, theirs[name] if name else np.zeros_like(ours), path)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
def test_keras_embeds_and_attends_as_keras_does(keras):
    keras.utils.set_random_seed(0)
    table = keras.layers.Embedding(1000, 300)
    table.build()
    model = nn.Embedding(1000, 300)
    planned(model, TOKENS, "keras")
    check(model.weight.detach().numpy().ravel(), keras.ops.convert_to_numpy(table.embeddings).ravel(), "embeddings")
    theirs = keras.layers.MultiHeadAttention(8, 64)
    theirs.build((1, 3, 512), (1, 3, 512))
    build, example = LAYERS["MultiheadAttention"]
    ours = build()
    planned(ours, example, "keras")
    kernels = {weight.path.split("/")[-2]: keras.ops.convert_to_numpy(weight).ravel() for weight in theirs.weights[::2]}
    for name, block in zip(("query", "key", "value"), ours.layer.in_proj_weight.chunk(3), strict=True):
        check(block.detach().numpy().ravel(), kernels[name], name)
    check(ours.layer.out_proj.weight.detach().numpy().ravel(), kernels["attention_output"], "out")


def std(*tensors):
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors]).std().item()


def is_about(claimed, *tensors):
    """Whether the pooled std is the claimed one, within 1.1% and five of its own stds."""
    size = sum(tensor.numel() for tensor in tensors)
    assert size >= ENOUGH / 2
    return std(*tensors) == pytest.approx(claimed, rel=5 / math.sqrt(2 * size))


class Seq2seq(nn.Module):
    """PyTorch's transformer between two embeddings and a head."""

    def __init__(self, encoder, decoder, width=128):
        super().__init__()
        self.source, self.target = nn.Embedding(1000, width), nn.Embedding(1000, width, padding_idx=0)
        self.net = nn.Transformer(width, 4, encoder, decoder, 4 * width, batch_first=True)
        self.head = nn.Linear(width, 1000)

    def forward(self, source, target):
        return self.head(self.net(self.source(source), self.target(target)))


@pytest.mark.parametrize(
    ("recipe", "beta"),
    [
        ("t_fixup", (0.67 * 3**-0.25, (9 * 4) ** -0.25)),
        ("deepnorm", (0.87 * (3**4 * 4) ** (-1 / 16), (12 * 4) ** -0.25)),
    ],
)
def test_a_deep_transformer_realises_its_papers_factors(recipe, beta):
    model, width = Seq2seq(3, 4), 128
    planned(model, {"source": TOKENS, "target": TOKENS}, recipe)
    square, wide = math.sqrt(2 / (2 * width)), math.sqrt(2 / (5 * width))
    decoder = [layer.multihead_attn for layer in model.net.decoder.layers]
    stacks = ([], model.net.encoder.layers, beta[0]), (decoder, model.net.decoder.layers, beta[1])
    for others, layers, factor in stacks:
        attention = [*others, *(layer.self_attn for layer in layers)]
        query_key, value, out = zip(
            *((a.in_proj_weight[: 2 * width], a.in_proj_weight[2 * width :], a.out_proj.weight) for a in attention),
            strict=True,
        )
        assert std(*query_key) == pytest.approx(square, rel=0.02)
        assert std(*value) == pytest.approx(factor * square, rel=0.02)
        assert std(*out) == pytest.approx(factor * square, rel=0.02)
        nets = [net.weight for layer in layers for net in (layer.linear1, layer.linear2)]
        assert is_about(factor * wide, *nets)
    assert is_about(width**-0.5, model.head.weight)
    embedding = width**-0.5 * (27**-0.25 if recipe == "t_fixup" else 1)
    assert is_about(embedding, model.source.weight, model.target.weight[1:])
    assert (model.target.weight[0] == 0).all()


class Branch(nn.Module):
    """A residual branch without normalisation, with the scalars that Fixup's authors add."""

    def __init__(self, width):
        super().__init__()
        self.first, self.second, self.last = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(3))
        self.before, self.after = (nn.Parameter(torch.full((1,), 7.0)) for _ in range(2))
        self.scale = nn.Parameter(torch.full((1,), 7.0))

    def forward(self, x):
        inner = torch.relu(self.first(x + self.before))
        return x + self.last(torch.relu(self.second(inner))) * self.scale + self.after


class Unnormalised(nn.Module):
    def __init__(self, depth=4, width=96):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.branches = nn.Sequential(*(Branch(width) for _ in range(depth)))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(torch.relu(self.branches(self.stem(x))).mean((2, 3)))


def test_fixup_realises_its_authors_stds():
    model = Unnormalised()
    for value in model.parameters():
        value.grad = torch.zeros_like(value)  # trained: 7 was not built on purpose
    planned(model, IMAGE, "fixup")
    he = math.sqrt(2 / (96 * 9))
    inside = [kernel for branch in model.branches for kernel in (branch.first.weight, branch.second.weight)]
    assert is_about(he * 4**-0.25, *inside)
    assert std(model.stem.weight) == pytest.approx(he, rel=5 / math.sqrt(2 * model.stem.weight.numel()))
    for branch in model.branches:
        assert (branch.last.weight == 0).all()
        assert branch.before == branch.after == 0
        assert branch.scale == 1
    assert (model.head.weight == 0).all()
    assert (model.head.bias == 0).all()


def test_mup_realises_its_papers_stds_and_learning_rates():
    model = nn.Sequential(nn.Linear(200, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 200))
    plan = planned(model, torch.zeros(1, 200), "mup(base_width=256, std=0.5)")
    assert is_about(0.5 / math.sqrt(200), model[0].weight)
    assert is_about(0.5 / math.sqrt(1024), model[2].weight)
    assert is_about(0.5 * math.sqrt(256) / 1024, model[4].weight)
    assert {choice.path: choice.lr for choice in plan.choices if choice.lr != 1} == {"2.weight": 0.25, "4.weight": 0.25}


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(30 * x)


def test_siren_realises_its_authors_bounds():
    model = nn.Sequential(nn.Linear(210, 512), Sine(), nn.Linear(512, 512), Sine(), nn.Linear(512, 3))
    planned(model, torch.zeros(1, 210), "siren")
    assert is_about(1 / 210 / math.sqrt(3), model[0].weight)
    assert is_about(math.sqrt(2 / 512) / 30, model[2].weight)
    assert std(model[4].weight) == pytest.approx(math.sqrt(2 / 512) / 30, rel=5 / math.sqrt(2 * 3 * 512))
    assert model[2].bias.detach().abs().max() == pytest.approx(512**-0.5, rel=0.02)


def standard_normals(shape, seed, path, name):
    out = np.empty(shape, np.float32)
    weight = Weight(shape=shape, axes="boi"[-len(shape) :])
    fill(out, Normal(0, 1), weight, key=_stream.child(_stream.key(seed, path), name))
    return out.astype(np.float64)


@pytest.mark.slow
def test_mimetic_fills_a_vision_transformer_with_one_noise_for_each_attention():
    model = timm("vit_tiny_patch16_224", depth=2)
    planned(model, torch.zeros(1, 3, 224, 224), "mimetic", seed=5)
    for number, block in enumerate(model.blocks):
        path = f"blocks.{number}.attn.qkv.weight"
        heads = standard_normals((3, 192, 192), 5, path, "query and key")
        made = mimetic(heads, standard_normals((192, 192), 5, path, "value and out"))
        np.testing.assert_allclose(block.attn.qkv.weight.detach(), np.concatenate(made[:3]), atol=1e-7)
        np.testing.assert_allclose(block.attn.proj.weight.detach(), made.out, atol=1e-7)
    assert is_about(0.02, *(net.weight for block in model.blocks for net in (block.mlp.fc1, block.mlp.fc2)))


def test_one_start_for_all_gives_each_packed_block_its_own_fans():
    model = nn.MultiheadAttention(512, 8)
    planned(Taking(model, torch.zeros(3, 1, 512), torch.zeros(3, 1, 512)), torch.zeros(3, 1, 512), "glorot")
    assert is_about(math.sqrt(2 / 1024), model.in_proj_weight)
    planned(Taking(model, torch.zeros(3, 1, 512), torch.zeros(3, 1, 512)), torch.zeros(3, 1, 512), "orthogonal")
    for block in model.in_proj_weight.detach().chunk(3):
        torch.testing.assert_close(block @ block.T, torch.eye(512), atol=1e-5, rtol=0)
