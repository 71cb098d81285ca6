"""Healthy nets: each started as its author does, none with a serious finding. One table, beside the zoo's."""

import math
from collections.abc import Callable
from typing import Any

import torch
from diagnose.sick import Attends, Bigram, LastState, classes, he, places, scaled, stack, started, steps, tokens
from torch import nn
from torch.nn.utils import parametrizations

Built = tuple[nn.Module, dict[str, Any]]
HEALTHY: dict[str, Callable[[], Built]] = {}


def healthy(build: Callable[[], Built]) -> Callable[[], Built]:
    """Enter a builder under its own name; torch is seeded before."""
    HEALTHY[build.__name__] = build
    return build


def images(samples: int = 8, size: int = 16) -> dict[str, Any]:
    return {"inputs": torch.randn(samples, 3, size, size), "targets": torch.arange(samples) % 10}


def lecun(weight: torch.Tensor) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="linear")


def lasting(build: Callable[[], nn.Module], how: Callable[[], dict[str, Any]] = dict) -> Callable[[], Built]:
    return lambda: (build(), how())


# Chains at the size that keeps their signal, narrow and wide, shallow and deep.
for width, depth in ((16, 3), (16, 10), (16, 30), (64, 30), (256, 10), (1024, 3)):
    HEALTHY[f"he_{width}_wide_{depth}_deep"] = lasting(
        lambda width=width, depth=depth: started(stack(depth, nn.ReLU, width), he),
        lambda width=width: classes(16, width),
    )
HEALTHY["orthogonal_tanh"] = lasting(lambda: started(stack(20, nn.Tanh), nn.init.orthogonal_), classes)
HEALTHY["glorot_tanh"] = lasting(lambda: started(stack(5, nn.Tanh), nn.init.xavier_normal_), classes)
HEALTHY["lecun_selu"] = lasting(lambda: started(stack(30, nn.SELU), lecun), classes)
HEALTHY["torch_default_3_deep"] = lasting(lambda: stack(3, nn.ReLU), classes)

# Normalised nets.


@healthy
def batch_norms() -> Built:
    layers = [layer for _ in range(15) for layer in (nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10)), classes()


@healthy
def layer_norms() -> Built:
    layers = [layer for _ in range(20) for layer in (nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU())]
    return nn.Sequential(*layers, nn.Linear(64, 10)), classes()


@healthy
def group_norms() -> Built:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3)]
    for _ in range(4):
        layers += [nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 16, 3, padding=1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)), images()


@healthy
def weight_norms() -> Built:
    layers = [layer for _ in range(4) for layer in (parametrizations.weight_norm(nn.Linear(64, 64)), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(64, 10)), classes()


# Residual nets.


class Branches(nn.Module):
    """x + f(norm(x)), with what ends a branch started by a function."""

    def __init__(self, depth: int, last: Callable[[torch.Tensor], Any], width: int = 64, **norm: Any) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, **norm) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        for up, down in zip(self.up, self.down, strict=True):
            he(up.weight)
            last(down.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            x = x + down(torch.relu(up(norm(x))))
        return self.head(self.norm(x))


HEALTHY["zero_last"] = lasting(lambda: Branches(8, nn.init.zeros_), classes)
HEALTHY["tiny_last"] = lasting(lambda: Branches(8, scaled(1e-5)), classes)
HEALTHY["full_branches"] = lasting(lambda: Branches(12, lecun), classes)
HEALTHY["gpt2_branches"] = lasting(lambda: Branches(12, scaled(0.02 / math.sqrt(24))), classes)


@healthy
def zero_head() -> Built:
    model = started(stack(4, nn.ReLU), he)
    nn.init.zeros_(model[-1].weight)
    return model, classes()


@healthy
def zero_last_scale() -> Built:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
            self.norm, self.end = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
            nn.init.zeros_(self.end.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x + self.end(self.last(torch.relu(self.norm(self.first(x))))))

    layers = [nn.Conv2d(3, 16, 3), *[Block() for _ in range(4)], nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, 10)), images()


@healthy
def layer_scale() -> Built:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.up, self.down = nn.LayerNorm(64), nn.Linear(64, 128), nn.Linear(128, 64)
            self.scale = nn.Parameter(torch.full((64,), 1e-6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.scale * self.down(nn.functional.gelu(self.up(self.norm(x))))

    return nn.Sequential(*[Block() for _ in range(6)], nn.LayerNorm(64), nn.Linear(64, 10)), classes()


@healthy
def adaln_zero() -> Built:
    class Model(nn.Module):
        def __init__(self, width: int = 32, depth: int = 3) -> None:
            super().__init__()
            self.embed = nn.Linear(8, width)
            self.conditions = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(depth))
            self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(depth + 1))
            self.up = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(depth))
            self.down = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(depth))
            self.head = nn.Linear(width, width)
            for layer in (*self.conditions, self.head):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            told = nn.functional.silu(self.embed(time))
            for condition, norm, up, down in zip(self.conditions, self.norms, self.up, self.down, strict=False):
                shift, scale, gate = condition(told).chunk(3, -1)
                x = x + gate * down(nn.functional.gelu(up(norm(x) * (1 + scale) + shift)))
            return self.head(self.norms[-1](x))

    return Model(), {"inputs": (torch.randn(16, 32), torch.randn(16, 8))}


@healthy
def lora() -> Built:
    class Adapted(nn.Module):
        def __init__(self, width: int = 64, rank: int = 4) -> None:
            super().__init__()
            self.base, self.a, self.b = nn.Linear(width, width), nn.Linear(width, rank), nn.Linear(rank, width)
            he(self.base.weight)
            self.base.requires_grad_(False)
            nn.init.zeros_(self.b.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.base(x) + self.b(self.a(x)))

    return nn.Sequential(*[Adapted() for _ in range(4)], nn.Linear(64, 10)), classes()


@healthy
def zero_convolutions() -> Built:
    class Controlled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
            self.into, self.copy, self.out = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
            self.head = nn.Conv2d(8, 3, 3, padding=1)
            for layer in (self.into, self.out):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, x: torch.Tensor, control: torch.Tensor) -> torch.Tensor:
            x = torch.relu(self.stem(x))
            y = torch.relu(self.copy(x + self.into(control)))
            return self.head(torch.relu(self.body(x)) + self.out(y))

    return Controlled(), {"inputs": (torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8))}


@healthy
def post_norm_branches() -> Built:
    class Model(nn.Module):
        """x + norm(f(x)) behind a small embedding."""

        def __init__(self, width: int = 64, depth: int = 4) -> None:
            super().__init__()
            self.embed = nn.Embedding(100, width)
            self.value = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
            self.out = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(depth))
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth + 1))
            self.head = nn.Linear(width, 100)
            for layer in (self.embed, *self.value, *self.out, self.head):
                nn.init.normal_(layer.weight, std=0.02)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            x = self.embed(ids)
            for value, out, norm in zip(self.value, self.out, self.norms, strict=False):
                x = x + norm(out(value(x).cumsum(1)))
            return self.head(self.norms[-1](x))

    return Model(), tokens()


# Nets with a start of their own.


class Sines(nn.Module):
    """SIREN, as Sitzmann et al. 2020 start it."""

    def __init__(self, width: int = 64, depth: int = 4, frequency: float = 30.0) -> None:
        super().__init__()
        self.frequency = frequency
        self.layers = nn.ModuleList(nn.Linear(2 if i == 0 else width, width) for i in range(depth))
        self.head = nn.Linear(width, 3)
        for i, layer in enumerate((*self.layers, self.head)):
            bound = 1 / 2 if i == 0 else math.sqrt(6 / width) / frequency
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.sin(self.frequency * layer(x))
        return self.head(x)


HEALTHY["siren"] = lasting(Sines, lambda: {"inputs": torch.rand(64, 2) * 2 - 1})
HEALTHY["small_tied_embedding"] = lasting(lambda: Bigram(std=0.02), tokens)


@healthy
def forget_gates_of_one() -> Built:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.body, self.head = nn.Embedding(100, 32), nn.LSTM(32, 32, 2), nn.Linear(32, 100)
            for name, value in self.body.named_parameters():
                if "weight_hh" in name:
                    nn.init.orthogonal_(value)
                elif "weight_ih" in name:
                    nn.init.xavier_uniform_(value)
                else:
                    nn.init.zeros_(value)
                    nn.init.constant_(value[32:64], 0.5)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(self.embed(ids))[0])

    return Reader(), tokens()


@healthy
def lstm_of_many_steps() -> Built:
    class All(LastState):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x)[0])

    return All(nn.LSTM(32, 32)), steps(60)


@healthy
def identity_recurrence() -> Built:
    """Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units, 2015."""
    body = nn.RNN(32, 32, nonlinearity="relu")
    nn.init.eye_(body.weight_hh_l0)
    nn.init.normal_(body.weight_ih_l0, std=0.001)
    for bias in (body.bias_ih_l0, body.bias_hh_l0):
        nn.init.zeros_(bias)
    return LastState(body), steps(60)


@healthy
def uniform_attention() -> Built:
    """Queries of zero, which look at all places alike: their gradient is not 0, for keys and values differ."""
    model = Attends()
    nn.init.zeros_(model.attention.in_proj_weight[:32])
    return model, places()


@healthy
def dcgan_generator() -> Built:
    layers: list[nn.Module] = []
    for i, o in ((16, 32), (32, 16), (16, 8)):
        layers += [nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    model = nn.Sequential(*layers, nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh())
    for module in model.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.02)
    return model, {"inputs": torch.randn(8, 16, 1, 1)}


@healthy
def prior_bias() -> Built:
    """A detector's head, whose bias says that objects are rare (Lin et al. 2017)."""
    model = started(stack(3, nn.ReLU, outputs=1), he)
    nn.init.normal_(model[-1].weight, std=0.01)
    nn.init.constant_(model[-1].bias, -math.log(99))
    targets = (torch.arange(32) == 0).float()[:, None]
    return model, {"inputs": torch.randn(32, 64), "targets": targets, "loss": "bce"}


@healthy
def bfloat16() -> Built:
    return started(stack(6, nn.ReLU), he).bfloat16(), {"inputs": torch.randn(16, 64).bfloat16()}
