"""Sick nets: each with the finding that must come first, and the layer at which it starts. One table."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Sick:
    """One sick net.

    Attributes:
        build: the net, as its author starts it; torch is seeded before.
        first: the id of the finding that must come first.
        at: the path that it must name first.
        how: more of what `diagnose` is called with.
    """

    build: Callable[[], nn.Module]
    first: str
    at: str = ""
    how: Callable[[], dict[str, Any]] = field(default=dict)


SICK: dict[str, Sick] = {}


def sick(first: str, at: str = "", how: Callable[[], dict[str, Any]] = dict):
    """Enter a builder under its own name."""

    def entered(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        SICK[build.__name__] = Sick(build, first, at, how)
        return build

    return entered


def stack(depth: int, activation: Callable[[], nn.Module], width: int = 64, outputs: int = 10, **options: Any):
    """`depth` hidden layers: 0.weight, 2.weight, ..."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, **options), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def started(model: nn.Module, start: Callable[[torch.Tensor], Any], bias: float = 0.0) -> nn.Module:
    """All weights by a function, all biases one number."""
    for value in model.parameters():
        start(value) if value.ndim > 1 else nn.init.constant_(value, bias)
    return model


def he(weight: torch.Tensor) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


def scaled(std: float) -> Callable[[torch.Tensor], Any]:
    return lambda weight: nn.init.normal_(weight, std=std)


def classes(samples: int = 32, width: int = 64, num: int = 10) -> dict[str, Any]:
    return {"inputs": torch.randn(samples, width), "targets": torch.randint(0, num, (samples,))}


# The signal.


@sick("IN101", "2.weight")
def glorot_on_relus():
    return started(stack(30, nn.ReLU), nn.init.xavier_normal_)


@sick("IN101", "0.weight")
def small_normal():
    return started(stack(8, nn.ReLU), scaled(0.01))


@sick("IN101", "0.weight")
def tiny_tanh():
    return started(stack(10, nn.Tanh), scaled(0.01))


@sick("IN101", "6.weight")
def one_tiny_layer():
    model = started(stack(8, nn.ReLU), he)
    nn.init.normal_(model[6].weight, std=1e-5)
    return model


@sick("IN102", "0.weight")
def large_normal():
    return started(stack(8, nn.ReLU), scaled(1.0))


@sick("IN102", "4.weight")
def one_huge_layer():
    model = started(stack(6, nn.ReLU), he)
    nn.init.normal_(model[4].weight, std=100.0)
    return model


@sick("IN102", "0.weight")
def fan_out_where_it_narrows():
    widths = [1024, 256, 64, 16, 4]
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(4, 4))
    return started(model, lambda w: nn.init.normal_(w, std=math.sqrt(20 / w.shape[0])))


class Residual(nn.Module):
    """x + f(x), nothing normalised."""

    def __init__(self, depth: int, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Linear(width, width)
        self.up = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.relu(up(x)))
        return self.head(x)


@sick("IN102", "down.0.weight")
def unscaled_branches():
    return started(Residual(30), he)


def depthwise(depth: int = 10, width: int = 32) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, padding=1, groups=width), nn.ReLU()]
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), *layers, nn.Flatten(), nn.Linear(width * 64, 10))


@sick("IN101", "1.weight", lambda: {"inputs": torch.randn(8, 3, 8, 8)})
def depthwise_by_fan_out():
    return started(depthwise(), lambda w: nn.init.kaiming_normal_(w, mode="fan_out"))


@sick("IN101", "0.weight", lambda: {"inputs": torch.randn(4, 3, 16, 16)})
def convolutions_by_glorot():
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()]
    for _ in range(18):
        layers += [nn.Conv2d(16, 16, 3, padding=1, padding_mode="circular"), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    return started(model, lambda w: nn.init.xavier_normal_(w, gain=0.7))


# The gradient.


@sick("IN201", "98.weight")
def torch_default_50():
    return stack(50, nn.ReLU)


@sick("IN201", "22.weight")
def sigmoids():
    return started(stack(12, nn.Sigmoid), nn.init.xavier_normal_)


@sick("IN201", "22.weight")
def sigmoids_by_default():
    return stack(12, nn.Sigmoid)


@sick("IN201", "38.weight")
def softplus():
    return stack(20, nn.Softplus)


@sick("IN201", "58.weight")
def torch_default_tanh():
    return stack(30, nn.Tanh)


@sick("IN202")
def tanh_too_large():
    return started(stack(30, nn.Tanh), scaled(3.0 / math.sqrt(64)))


# Zeros and dead units.


@sick("IN103", "0.weight")
def zeros():
    return started(stack(3, nn.ReLU), nn.init.zeros_)


@sick("IN103", "0.weight")
def zeros_under_tanh():
    return started(stack(3, nn.Tanh), nn.init.zeros_)


@sick("IN103", "2.weight")
def two_zero_layers():
    model = started(stack(4, nn.ReLU), he)
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[4].weight)
    return model


@sick("IN104", "0.weight")
def dead_by_bias():
    model = started(stack(3, nn.ReLU), he)
    nn.init.constant_(model[0].bias, -100.0)
    return model


@sick("IN104", "4.weight")
def dead_in_the_middle():
    model = started(stack(4, nn.ReLU), he)
    nn.init.constant_(model[4].bias, -100.0)
    return model


@sick("IN105", "0.weight")
def saturated_tanh():
    return started(stack(2, nn.Tanh), scaled(10.0))


@sick("IN108", "0.weight", lambda: {"inputs": torch.randn(32, 64) * 200})
def unscaled_inputs():
    return started(stack(2, nn.Sigmoid), nn.init.xavier_normal_)


# Symmetry.


@sick("IN301", "0.weight")
def constant():
    return started(stack(3, nn.ReLU), lambda w: nn.init.constant_(w, 0.02))


@sick("IN301", "0.weight")
def zeros_under_sigmoid():
    return started(stack(2, nn.Sigmoid), nn.init.zeros_)


@sick("IN301", "0.weight")
def ones_under_tanh():
    return started(stack(2, nn.Tanh), lambda w: nn.init.constant_(w, 1 / 64))


class TwoHeads(nn.Module):
    """One trunk, two heads, drawn with one seed."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.trunk = nn.Linear(width, width)
        torch.manual_seed(1)
        self.left = nn.Linear(width, 10)
        torch.manual_seed(1)
        self.right = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.trunk(x))
        return self.left(x) + self.right(x)


@sick("IN302", "right.weight")
def one_seed_for_two_heads():
    return TwoHeads()


@sick("IN302", "encoder.layers.1.self_attn.in_proj_weight")
def copied_layers():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 3)
            self.head = nn.Linear(32, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.encoder(x).mean(1))

    return Model()


# Numbers that are none.


@sick("IN001", "2.weight")
def nan_weight():
    model = started(stack(3, nn.ReLU), he)
    with torch.no_grad():
        model[2].weight[3, 4] = math.nan
    return model


@sick("IN001", "0.weight")
def infinite_weight():
    model = started(stack(3, nn.ReLU), he)
    with torch.no_grad():
        model[0].weight[0, 0] = math.inf
    return model


@sick("IN601", "6.weight")
def float16_overflow():
    return started(stack(6, nn.ReLU), scaled(3.0)).half()


@sick("IN602", how=lambda: {"inputs": torch.randn(32, 64).half(), "loss": lambda outputs: 1e-6 * outputs.mean()})
def float16_underflow():
    return started(stack(3, nn.ReLU), he).half()


# The loss.


class Bigram(nn.Module):
    """A tied embedding, one residual block."""

    def __init__(self, vocabulary: int = 100, width: int = 64, std: float = 1.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, width)
        nn.init.normal_(self.embed.weight, std=std)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        x = x + self.down(torch.relu(self.up(self.norm(x))))
        return x @ self.embed.weight.T


def tokens() -> dict[str, Any]:
    return {"inputs": torch.randint(0, 100, (4, 16)), "loss": "next_token"}


@sick("IN403", "embed.weight", tokens)
def tied_embedding_of_std_1():
    return Bigram()


@sick("IN401", "6.weight", classes)
def loud_head():
    model = started(stack(3, nn.ReLU), he)
    nn.init.normal_(model[6].weight, std=3.0)
    return model


@sick("IN401", "6.weight", classes)
def biased_head():
    model = started(stack(3, nn.ReLU), he)
    with torch.no_grad():
        model[6].bias[0] = 100.0
    return model


@sick("IN401", "2.weight", lambda: {"inputs": torch.randn(32, 8), "targets": torch.randn(32, 1)})
def loud_regression():
    return started(nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 1)), scaled(3.0))


# What is not reached.


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.body(x)).detach())


@sick("IN203", "body.weight")
def detached():
    return Detached()


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.spare, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.body(x)))


@sick("IN203", "spare.weight")
def unused():
    return Unused()


@sick("IN205", how=lambda: classes() | {"optimizer": "sgd", "lr": 1000.0})
def step_too_large():
    return started(stack(2, nn.ReLU), he)


@sick("IN205", how=lambda: classes() | {"optimizer": "adam", "lr": 1e-9})
def step_too_small():
    return started(stack(2, nn.ReLU), he)


# Structure.


@sick("IN501", "2.weight")
def one_weight_too_small():
    model = started(stack(3, nn.ReLU), he)
    nn.init.normal_(model[2].weight, std=0.01)
    return model


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(100, 64), nn.Embedding(16, 64)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=1.0)
        self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, 100)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.head(self.norm(x))


@sick("IN503", "tokens.weight", tokens)
def positions_too_loud():
    return Positions()


@sick("IN506", "0.weight", lambda: {"inputs": torch.randn(32, 64)})
def scale_hidden_by_a_normalisation():
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    nn.init.normal_(model[0].weight, std=100.0)
    return model


@sick("IN108", "0.weight", lambda: {"inputs": torch.randn(32, 64) * 10})
def inputs_of_another_size():
    return started(stack(3, nn.ReLU), he)


@sick("IN507", "0.weight")
def torch_default_5():
    return stack(5, nn.ReLU)


@sick("IN502", "down.0.weight")
def a_few_unscaled_branches():
    return started(Residual(6), he)


@sick("IN002", "2.weight")
def never_filled():
    """As memory is where objects lay: their addresses, read as float32."""
    model = started(stack(3, nn.ReLU), he)
    addresses = 0x7F1200000000 + 16 * torch.arange(64 * 32)
    with torch.no_grad():
        model[2].weight.copy_(addresses.view(torch.float32).reshape(64, 64).nan_to_num())
    return model


# Attention.


class Attends(nn.Module):
    """One attention over the places of a sample."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(width, 4, batch_first=True), nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.attention(x, x, x, need_weights=False)[0])


def places() -> dict[str, Any]:
    return {"inputs": torch.randn(8, 12, 32)}


@sick("IN107", "attention.in_proj_weight", places)
def attention_of_one_place():
    model = Attends()
    nn.init.normal_(model.attention.in_proj_weight[:64], std=5.0)
    return model


@sick("IN107", "attention.in_proj_weight", places)
def attention_among_equals():
    model = Attends()
    nn.init.constant_(model.attention.in_proj_bias[64:], 1000.0)
    return model


class Softmaxes(nn.Module):
    """Attention written out."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.head = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.query(x) @ self.key(x).mT
        return self.head(scores.softmax(-1) @ self.value(x))


@sick("IN107", "query.weight", places)
def attention_without_its_scale():
    model = Softmaxes()
    for layer in (model.query, model.key):
        nn.init.normal_(layer.weight, std=1.0)
    return model


@sick("IN303", "attention.in_proj_weight", places)
def one_seed_for_query_and_key():
    model = Attends()
    with torch.no_grad():
        model.attention.in_proj_weight[32:64] = model.attention.in_proj_weight[:32]
    return model


@sick("IN303", "attention.in_proj_weight", places)
def one_seed_for_two_value_heads():
    model = Attends()
    with torch.no_grad():
        model.attention.in_proj_weight[72:80] = model.attention.in_proj_weight[64:72]
    return model


# Recurrences.


class LastState(nn.Module):
    """A recurrence of which the last output alone is read."""

    def __init__(self, body: nn.Module, width: int = 32) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)[0][-1])


class Cells(nn.Module):
    """A cell in a loop."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        state = x.new_zeros(x.shape[1], 32)
        states = [state := self.cell(one, state) for one in x]
        return (torch.stack(states),)


def steps(num: int = 40) -> dict[str, Any]:
    return {"inputs": torch.randn(num, 8, 32)}


@sick("IN206", "body.weight_hh_l0", steps)
def recurrence_that_forgets():
    return LastState(nn.RNN(32, 32))


@sick("IN206", "body.weight_hh_l0", lambda: steps(60))
def lstm_that_forgets():
    return LastState(nn.LSTM(32, 32))


@sick("IN206", "body.weight_hh_l0", lambda: steps(60))
def gru_that_forgets():
    return LastState(nn.GRU(32, 32))


@sick("IN206", "body.cell.weight_hh", steps)
def cells_that_forget():
    return LastState(Cells(nn.RNNCell(32, 32)))


@sick("IN207", "body.weight_hh_l0", steps)
def recurrence_that_explodes():
    body = nn.RNN(32, 32, nonlinearity="relu")
    nn.init.normal_(body.weight_hh_l0, std=2 / math.sqrt(32))
    return LastState(body)


@sick("IN207", "body.weight_hh_l0", steps)
def recurrence_whose_gradient_explodes():
    body = nn.RNN(32, 32)
    nn.init.normal_(body.weight_hh_l0, std=3 / math.sqrt(32))
    nn.init.normal_(body.weight_ih_l0, std=0.1 / math.sqrt(32))
    return LastState(body)


class Signs(nn.Module):
    """A function without a slope between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.sign(self.body(x)))


@sick("IN204", "body.weight")
def signs():
    return Signs()


@sick("IN106", "6.weight")
def biases_outweigh_the_signal():
    model = started(stack(3, nn.Tanh), scaled(0.02))
    for layer in model[::2]:
        nn.init.normal_(layer.bias)
    return model


@sick("IN508", "2.weight", lambda: classes() | {"thorough": True})
def number_far_out():
    model = started(stack(2, nn.ReLU), he)
    with torch.no_grad():
        model[2].weight[3, 5] = 3.0
    return model


# The batch, and what the model hands on.


@sick("IN108", "0.weight", lambda: classes() | {"inputs": 128 + 60 * torch.randn(32, 64)})
def bytes_for_numbers():
    return started(stack(3, nn.ReLU), he)


@sick("IN109", "0.weight", lambda: {"inputs": torch.ones(32, 64)})
def one_sample_many_times():
    return started(stack(3, nn.ReLU), he)


@sick("IN109", "0.weight", lambda: {"inputs": torch.zeros(32, 64)})
def nothing_for_inputs():
    return started(stack(3, nn.ReLU), he)


class Listed(nn.Module):
    """Layers in a list that PyTorch does not look into."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(64, 64) for _ in range(3)]
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


@sick("IN208", "layers.0.weight", classes)
def layers_in_a_list():
    return Listed()


class Plain(nn.Module):
    """A tensor that is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.scales = nn.Linear(64, 10), {"in": torch.ones(64, requires_grad=True)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x * self.scales["in"])


@sick("IN208", "scales.in", classes)
def a_plain_tensor():
    return Plain()


@sick("IN404", "6.weight", classes)
def softmax_before_cross_entropy():
    return nn.Sequential(*started(stack(3, nn.ReLU), he), nn.Softmax(-1))


@sick("IN404", "6.weight", lambda: {"inputs": torch.randn(32, 64), "targets": torch.ones(32, 1), "loss": "bce"})
def sigmoid_before_the_logistic_loss():
    return nn.Sequential(*started(stack(3, nn.ReLU, outputs=1), he), nn.Sigmoid())
