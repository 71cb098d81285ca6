"""The built-in models: mlp, cnn, rnn and transformer, as deep and as wide as asked."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from .._errors import ModelError, SettingError, SpecError
from .._spec import parse_call, unknown_name
from .._study._prepared import Data

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "selu": nn.SELU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
}
_HIDDEN = (128, 64)


def activation_of(name: str) -> type[nn.Module]:
    """The layer of an activation.

    Raises:
        UnknownNameError: with the nearest name there is.
    """
    if name not in ACTIVATIONS:
        raise unknown_name("activation", name, ACTIVATIONS, "")
    return ACTIVATIONS[name]


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> Iterator[nn.Module]:
    """The layers of a multilayer perceptron."""
    for index, (width, next_width) in enumerate(itertools.pairwise(sizes)):
        if index:
            yield activation()
        yield nn.Linear(width, next_width)


def sizes_of(spec: str, hint: str, example: str) -> list[int]:
    """The widths of the layers that a text names; what is refused comes with a hint, or an example."""
    call = parse_call(spec)
    if call.name != "mlp":
        raise unknown_name("built-in model", call.name, ["mlp"], hint)
    sizes = list(call.args)
    if call.kwargs or len(sizes) < 2 or any(type(size) is not int or size < 1 for size in sizes):
        raise SpecError(f"'{spec}': an mlp is named by the widths of its layers, as in `{example}`.")
    return sizes


# Each takes the text that names it and the data, the widths of its layers if they can be written out, and what a
# study may ask for by name.


def _mlp(
    spec: str, data: Data, /, *sizes: int, depth: int | None = None, width: int | None = None, activation: str = "relu"
) -> nn.Module:
    hidden = _HIDDEN if depth is None and width is None else (_whole("width", width, 128),) * _whole("depth", depth, 2)
    widths = _checked(spec, data) if sizes else [math.prod(data.features), *hidden, data.num_outputs]
    _check_numbers(spec, data)
    flat = [nn.Flatten()] if len(data.features) > 1 else []
    return nn.Sequential(*flat, *mlp(widths, activation_of(activation)))


def _cnn(
    spec: str, data: Data, /, *, depth: int = 2, width: int = 16, activation: str = "relu", kernel: int = 3
) -> nn.Module:
    channels, *size = _image(spec, data)
    layers: list[nn.Module] = [nn.Unflatten(1, (channels, *size))] if len(data.features) == 1 else []
    layers += [nn.Unflatten(1, (1, size[0]))] if len(data.features) == 2 else []
    for block in range(_whole("depth", depth)):
        out = _whole("width", width) * 2 ** min(block, 3)
        layers += [nn.Conv2d(channels, out, _whole("kernel", kernel), padding="same"), activation_of(activation)()]
        channels = out
        if min(size) >= 4:
            layers.append(nn.MaxPool2d(2))
            size = [one // 2 for one in size]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(size), data.num_outputs))


def _rnn(
    spec: str, data: Data, /, *, depth: int = 1, width: int = 64, activation: str = "tanh", kind: str = "rnn"
) -> nn.Module:
    kinds = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    if kind not in kinds:
        raise SettingError(f"'{spec}': kind is {', '.join(kinds)}, not {kind!r}.")
    if activation not in ("tanh", "relu") or (kind != "rnn" and activation != "tanh"):
        raise SettingError(
            f"'{spec}': the activation of {kind} is tanh{' or relu' * (kind == 'rnn')}, not {activation}."
        )
    more = {"nonlinearity": activation} if kind == "rnn" else {}
    core = kinds[kind](_whole("width", width), width, num_layers=_whole("depth", depth), batch_first=True, **more)
    return _Recurrent(_entrance(spec, data, width), core, nn.Linear(width, data.num_outputs), _is_text(data))


def _transformer(
    spec: str, data: Data, /, *, depth: int = 2, width: int = 32, activation: str = "gelu", heads: int = 4
) -> nn.Module:
    if _whole("width", width) % _whole("heads", heads):
        raise SettingError(f"'{spec}': a width of {width} is no multiple of {heads} heads.")
    blocks = [_Block(width, heads, activation_of(activation)(), _is_text(data)) for _ in range(_whole("depth", depth))]
    entrance, head = _entrance(spec, data, width), nn.Linear(width, data.num_outputs)
    return _Transformer(entrance, data.features[0], width, blocks, head, _is_text(data))


BUILT_IN: dict[str, Callable[..., nn.Module]] = {"mlp": _mlp, "cnn": _cnn, "rnn": _rnn, "transformer": _transformer}


class _Recurrent(nn.Module):
    def __init__(self, entrance: nn.Module, core: nn.Module, head: nn.Module, at_each_place: bool) -> None:
        super().__init__()
        self.entrance, self.core, self.head = entrance, core, head
        self._at_each_place = at_each_place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.core(self.entrance(x))  # (sample, place, width)
        return self.head(states if self._at_each_place else states[:, -1])


class _Block(nn.Module):
    """Attention and a feed-forward part, each behind a normalisation."""

    def __init__(self, width: int, heads: int, activation: nn.Module, is_causal: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), activation, nn.Linear(4 * width, width))
        self._heads, self._is_causal = heads, is_causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        met = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=self._is_causal)
        x = x + self.out(met.transpose(1, 2).flatten(-2))
        return x + self.mlp(self.norm2(x))


class _Transformer(nn.Module):
    def __init__(
        self, entrance: nn.Module, places: int, width: int, blocks: list[_Block], head: nn.Module, at_each_place: bool
    ) -> None:
        super().__init__()
        self.entrance, self.position = entrance, nn.Embedding(places, width)
        self.blocks, self.norm, self.head = nn.ModuleList(blocks), nn.LayerNorm(width), head
        self._at_each_place = at_each_place

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.entrance(x) + self.position(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x if self._at_each_place else x.mean(dim=1))


def _entrance(spec: str, data: Data, width: int) -> nn.Module:
    """From tokens, or from the numbers of each place, to a width."""
    if _is_text(data):
        return nn.Embedding(data.num_outputs, width)
    if len(data.features) != 2:
        raise ModelError(f"'{spec}' reads a text or samples (place, feature); {data.name} has samples {data.features}.")
    return nn.Linear(data.features[1], width)


def _image(spec: str, data: Data) -> tuple[int, int, int]:
    """Channels, rows and columns of a sample."""
    side = math.isqrt(math.prod(data.features))
    match data.features:
        case (channels, rows, columns):
            return channels, rows, columns
        case (rows, columns):
            return 1, rows, columns
        case (_,) if side > 1 and side**2 == data.features[0] and not _is_text(data):
            return 1, side, side
    raise ModelError(
        f"'{spec}' reads images (channel, row, column), or as many numbers as a square has; {data.name} has samples "
        f"{data.features}."
    )


def _is_text(data: Data) -> bool:
    return data.task == "next_token"


def _check_numbers(spec: str, data: Data) -> None:
    if _is_text(data):
        raise ModelError(f"'{spec}' reads numbers, and {data.name} is a text: take 'rnn' or 'transformer'.")


def _whole(name: str, value: Any, usual: int | None = None) -> int:
    value = usual if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingError(f"{name} is a whole number of 1 or more, not {value!r}.")
    return value


def _checked(spec: str, data: Data) -> list[int]:
    """The widths that a text names, checked against the data."""
    num_features = math.prod(data.features)
    sizes = sizes_of(spec, "From Python, pass a function that builds your own.", "mlp(10, 20, 2)")
    one = data.task == "classification" and data.num_outputs == 2 and sizes[-1] == 1  # a single sigmoid says which
    if (sizes[0], sizes[-1]) != (num_features, 1 if one else data.num_outputs):
        outputs = "classes" if data.is_classification else "targets"
        fitting = ", ".join(map(str, [num_features, *sizes[1:-1], data.num_outputs]))
        hint = f" Use 'mlp({fitting})'"
        hint += f", or '{data.name}(features={sizes[0]})'." if sizes[0] < num_features else "."
        raise ModelError(
            f"'{spec}' takes {sizes[0]} features and gives {sizes[-1]} outputs, but {data.name} has {num_features} "
            f"features and {data.num_outputs} {outputs}.{hint}"
        )
    return sizes
