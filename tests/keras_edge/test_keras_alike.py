"""One model, written in PyTorch and in Keras with the same names, starts alike: the same bits, axes turned."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
from keras_zoo import TRACES

import initium

torch = pytest.importorskip("torch")
nn = torch.nn
L = keras.layers
EPSILON = 1e-5
traced = pytest.mark.skipif(not TRACES, reason="this backend has no tracer")


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.head = nn.Linear(20, 30), nn.LayerNorm(30), nn.Linear(30, 5)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.fc1(x))))


def keras_mlp():
    norm = L.LayerNormalization(epsilon=EPSILON, name="norm")
    return keras.Sequential([keras.Input((20,)), L.Dense(30, name="fc1"), norm, L.ReLU(), L.Dense(5, name="head")])


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3, stride=2, groups=2)
        self.deep, self.point = nn.Conv2d(16, 16, 3, groups=16), nn.Conv2d(16, 6, 4)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return self.head(torch.relu(self.point(torch.relu(self.deep(x)))).flatten(1))


def keras_cnn():
    layers = [
        L.Conv2D(8, 3, activation="relu", name="conv1"),
        L.Conv2D(16, 3, strides=2, groups=2, activation="relu", name="conv2"),
        L.DepthwiseConv2D(3, activation="relu", name="deep"),
        L.Conv2D(6, 4, activation="relu", name="point"),
        L.Flatten(),
        L.Dense(5, name="head"),
    ]
    return keras.Sequential([keras.Input((16, 16, 3)), *layers])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(12), nn.LayerNorm(12)
        self.attention = nn.ModuleDict({name: nn.Linear(12, 12) for name in ("query", "key", "value")})
        self.attention["attention_output"] = nn.Linear(12, 12)
        self.up, self.down = nn.Linear(12, 48), nn.Linear(48, 12)

    def forward(self, x):
        normal = self.norm1(x)
        heads = (
            self.attention[name](normal).unflatten(-1, (3, 4)).transpose(1, 2) for name in ("query", "key", "value")
        )
        mixed = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x = x + self.attention["attention_output"](mixed)
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


def keras_block():
    x = inputs = keras.Input((7, 12))
    normal = L.LayerNormalization(epsilon=EPSILON, name="norm1")(x)
    x = x + L.MultiHeadAttention(3, 4, name="attention")(normal, normal)
    normal = L.LayerNormalization(epsilon=EPSILON, name="norm2")(x)
    wide = L.Dense(48, activation=lambda y: keras.activations.gelu(y, approximate=False), name="up")(normal)
    return keras.Model(inputs, x + L.Dense(12, name="down")(wide))


PAIRS = {
    "mlp": (Mlp, keras_mlp, (4, 20)),
    "cnn": (Cnn, keras_cnn, (4, 16, 16, 3)),
    "block": (Block, keras_block, (4, 7, 12)),
}


def turned(value, shape):
    """A weight of Keras's as PyTorch stores it: outputs first, heads and their widths as one axis."""
    if len(shape) == 4:
        value = value.transpose(3, 2, 0, 1)
        return value if value.shape == shape else value.transpose(1, 0, 2, 3)  # a depthwise one has inputs first
    if len(shape) == 2:
        value = value.reshape(-1, shape[0]) if value.shape[-1] == shape[0] and value.ndim == 3 else value
        value = value.reshape(value.shape[0], -1)
        return value.T
    return value.reshape(shape)


@traced
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("recipe", ["auto", "glorot_normal", "he_uniform"])
def test_the_same_names_and_seed_are_the_same_bits(name, recipe):
    build, build_keras, shape = PAIRS[name]
    batch = np.random.Generator(np.random.Philox(4)).standard_normal(shape).astype("float32")
    ours, theirs = build(), build_keras()
    first = torch.from_numpy(batch.transpose(0, 3, 1, 2).copy() if len(shape) == 4 else batch)
    made = initium.initialize(ours, seed=11, recipe=recipe, example=first)
    made_of_keras = initium.initialize(theirs, seed=11, recipe=recipe, example=batch)
    parameters = dict(ours.named_parameters())
    assert {choice.stream for choice in made_of_keras} == set(parameters)
    by_path = {v.path.split("/", 1)[1] if name != "block" else v.path: v for v in theirs.trainable_variables}
    for choice in made_of_keras:
        value = parameters[choice.stream].detach().numpy()
        held = next(v for path, v in by_path.items() if f"/{path}".endswith(f"/{choice.path}") or choice.path == path)
        found = turned(np.asarray(keras.ops.convert_to_numpy(held)), value.shape)
        assert str(made[choice.stream].init) == str(choice.init), choice.path
        assert np.array_equal(found, value), choice.path
    assert np.allclose(ours(first).detach().numpy(), keras.ops.convert_to_numpy(theirs(batch)), rtol=0, atol=1e-5)


@traced
def test_the_kernels_of_an_lstm_are_those_of_pytorch():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    ours = Net()
    theirs = keras.Sequential([keras.Input((5, 6)), L.LSTM(8, name="lstm"), L.Dense(3, name="head")])
    initium.initialize(ours, seed=2, example=torch.zeros(2, 5, 6))
    initium.initialize(theirs, seed=2)
    cell = theirs.get_layer("lstm").cell
    for kernel, name in ((cell.kernel, "weight_ih_l0"), (cell.recurrent_kernel, "weight_hh_l0")):
        found, value = keras.ops.convert_to_numpy(kernel).T, getattr(ours.lstm, name).detach().numpy()
        assert np.allclose(found, value, rtol=0, atol=1e-6), name  # orthogonal by products, which may differ in a bit
    if keras.backend.backend() != "torch":
        return  # each step is followed there, and what comes out measured: the head behind it starts otherwise
    x = np.random.Generator(np.random.Philox(4)).standard_normal((3, 5, 6)).astype("float32")
    out = ours(torch.from_numpy(x)).detach().numpy()
    assert np.allclose(out, keras.ops.convert_to_numpy(theirs(x)), rtol=0, atol=1e-5)


def test_one_table_names_what_frameworks_call_otherwise():
    from initium._stream_path import stream_path

    names = {
        "a/b/kernel": "a.b.weight",
        "words/embeddings": "words.weight",
        "norm/gamma": "norm.weight",
        "norm/beta": "norm.bias",
        "head/bias": "head.bias",
        "rnn/lstm/lstm_cell/kernel": "rnn.lstm.weight_ih_l0",
        "both/depthwise_kernel": "both.depthwise_kernel",
        "my_kernel": "my_kernel",
    }
    assert {path: stream_path(path) for path in names} == names
