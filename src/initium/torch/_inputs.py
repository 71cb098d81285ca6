"""Inputs: the user's example, or some made up from the model."""

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from torch import nn

from .._errors import ModelError, with_article
from ._memory import DTYPES
from ._torch import ConvNd, NormBase, tree_leaves, tree_map

_BATCH, _LENGTH = 2, 8
# Widths of space that architectures were written for, the usual first.
_SPACE = {1: (64, 256, 1024, 16000), 2: (224, 64, 32, 28, 128, 256, 299), 3: (32, 16, 64, 112)}
_SMALL = (1, 4, 8)  # what a generator, which begins with a transposed convolution, makes an image of
_TOKENS = {"input_ids", "ids", "idx", "tokens", "token_ids", "token", "indices", "words", "input_tokens"}
_TOKENS |= {"decoder_input_ids", "categories", "categorical", "words", "users", "items", "labels"}
_IMAGES = {"pixel_values", "image", "images", "img", "pixels"}


@dataclass(frozen=True)
class Inputs:
    """What a model is called with."""

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


class Told(nn.Module):
    """A module that is made for a trace, by whoever knows what it may take.

    Attributes:
        inputs: the likeliest first.
        usual: names of those of its parameters that are built as such parameters are, whatever they look like by now.
    """

    inputs: tuple[Inputs, ...] = ()
    usual: frozenset[str] = frozenset()


def described(model: nn.Module, inputs: Inputs) -> str:
    """Each input's name, dtype and shape."""
    names = [*inspect.signature(model.forward).parameters, *map(str, range(len(inputs.args)))]
    named = [*zip(names, inputs.args, strict=False), *inputs.kwargs.items()]
    return ", ".join(f"`{name}` {_described(value)}" for name, value in named) or "nothing"


def was_given(model: nn.Module, inputs: Inputs) -> str:
    """What a model that fails was given, in a sentence, and what to give it."""
    shape = _shape([*inputs.args, *inputs.kwargs.values()]) or next(
        filter(None, map(_shape, (*inputs.args, *inputs.kwargs.values()))), None
    )
    typed = f" For a shape pass a tensor of it: {_drawn(shape)}." if shape else dtype_hint(model, inputs)
    return f"It was given {described(model, inputs)}.{typed or ' Pass inputs that it runs on.'}"


def _shape(example: Any) -> tuple[int, ...] | None:
    """The shape that was typed in place of a tensor, as it seems."""
    is_one = isinstance(example, list | tuple) and len(example) > 0 and all(type(size) is int for size in example)
    return tuple(example) if is_one and all(size > 0 for size in example) else None


def _drawn(shape: tuple[int, ...]) -> str:
    return f"torch.randn({', '.join(map(str, shape))})"


def given(model: nn.Module, example: Any, *, argument: str = "example") -> Inputs:
    """The inputs that a user's example means.

    Args:
        model: that is to take them.
        example: a tensor, a tuple of arguments, or a dict of keyword arguments.
        argument: what the user calls it.

    Raises:
        ModelError: if it is none, or holds NaN or infinity.
    """
    noun = "An example" if argument == "example" else f"`{argument}`"
    if isinstance(example, torch.Size | list) and (shape := _shape(example)):
        raise ModelError(f"{noun} is a tensor, not the shape of one: pass {_drawn(shape)}.")
    if isinstance(example, Mapping):
        example = {str(name): _with_tensors(value) for name, value in example.items()}
        inputs = Inputs((), example) if _takes(model, example) else Inputs((example,))
    elif isinstance(example, torch.Tensor | np.ndarray | tuple):
        inputs = _bound(model, _with_tensors(example if isinstance(example, tuple) else (example,)))
    else:
        hint = " A data loader's batch holds labels too: pass its inputs alone, batch[0]." if _is_list(example) else ""
        raise ModelError(
            f"{noun} is a tensor, a tuple of arguments or a dict of keyword arguments, "
            f"not {with_article(type(example).__name__)}.{hint}"
        )
    for name, value in [*enumerate(inputs.args), *inputs.kwargs.items()]:
        _check_numbers(name, value, argument)
    return inputs


def made_up(model: nn.Module, *, argument: str = "example") -> Iterator[Inputs]:
    """Inputs that the model may take, the likeliest first; `argument` is by which a user passes others.

    Raises:
        ModelError: naming an input that cannot be told.
    """
    dtype = next((param.dtype for param in model.parameters() if param.dtype in DTYPES), torch.float32)
    for inputs in _made_up(model, argument):
        args, kwargs = tree_map(
            lambda value: value.to(dtype) if value.is_floating_point() else value, (inputs.args, inputs.kwargs)
        )
        yield Inputs(args, kwargs)


def _made_up(model: nn.Module, argument: str) -> Iterator[Inputs]:
    if isinstance(model, Told):
        yield from model.inputs
        return
    if getattr(model, "main_input_name", None) and hasattr(model, "config"):
        yield Inputs(kwargs=_of_transformers(model))
        return
    for layer, make in _WHOLE.items():
        if isinstance(model, layer):
            yield Inputs(make(model))
            return
    required = _required(model)
    if not required:
        yield Inputs()
    first, *others = required or ["input"]
    known = {name: _by_name(model, name) for name in others}
    for name, value in known.items():
        if value is None:
            raise cannot_make_up(model, name, argument=argument)
    named = inspect.signature(model.forward).parameters.get(first)
    for value in _first(model, first):
        if named and named.kind is named.KEYWORD_ONLY:
            yield Inputs((), {first: value} | known)
        else:
            yield Inputs((value,), dict(known))


_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def cannot_make_up(model: nn.Module, name: str = "", *, tried: str = "", argument: str = "example") -> ModelError:
    """The refusal that asks for an example."""
    takes = inspect.signature(model.forward).parameters
    required = [one for one in _required(model) if one in takes and takes[one].kind not in _STARS]
    name = name or next(iter(required or (one for one, p in takes.items() if p.kind is p.POSITIONAL_OR_KEYWORD)), "")
    written = required or [_STARS.get(p.kind, "") + one for one, p in takes.items()]
    return ModelError(
        f"Initium cannot make up {f'the input `{name}`' if name else 'an input'} of "
        f"{type(model).__name__}.forward({', '.join(written)}). Pass {argument}=..., a tensor, a tuple of arguments "
        f"or a dict of keyword arguments.{tried}",
        needs_example=True,
    )


def dtype_hint(model: nn.Module, inputs: Inputs) -> str:
    """What to do about an input of another dtype than the parameters'; empty if there is none."""
    dtype = next((param.dtype for param in model.parameters() if param.dtype in DTYPES), None)
    tokens = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in model.modules())
    leaves = [leaf for leaf in tree_leaves((inputs.args, inputs.kwargs)) if isinstance(leaf, torch.Tensor)]
    others = [leaf.dtype for leaf in leaves if leaf.dtype != dtype and (leaf.is_floating_point() or not tokens)]
    if dtype is None or not others:
        return ""
    ours, theirs = (str(one).removeprefix("torch.") for one in (dtype, others[0]))
    return f" The model's numbers are {ours}, and these are {theirs}: pass x.to(torch.{ours})."


def _is_list(example: Any) -> bool:
    return isinstance(example, list) and len(example) > 1


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return with_article(type(value).__name__)


def _with_tensors(tree: Any) -> Any:
    return tree_map(lambda value: torch.as_tensor(value) if isinstance(value, np.ndarray) else value, tree)


def _bound(model: nn.Module, args: tuple[Any, ...]) -> Inputs:
    """Arguments in their order; where forward takes none in order, by its names."""
    takes = inspect.signature(model.forward).parameters.values()
    names = [p.name for p in takes if p.kind is p.KEYWORD_ONLY]
    if len(args) > len(names) or any(p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in takes):
        return Inputs(args)
    required = [name for name in _required(model) if name in names]
    return Inputs((), dict(zip(dict.fromkeys(required + names), args, strict=False)))


def _takes(model: nn.Module, kwargs: dict[str, Any]) -> bool:
    try:
        inspect.signature(model.forward).bind(**kwargs)
    except TypeError:
        return len(_required(model)) != 1
    return True


def _check_numbers(name: int | str, value: Any, argument: str) -> None:
    tensors = [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor) and not leaf.is_meta]
    numbers = [_stored(tensor) for tensor in tensors if tensor.is_floating_point() or tensor.is_complex()]
    num_bad = sum(int((~torch.isfinite(values)).sum()) for values in numbers)
    if num_bad:
        where = f"argument {name}" if isinstance(name, int) else f"`{name}`"
        num_values = sum(values.numel() for values in numbers)
        raise ModelError(
            f"The {argument}'{'' if argument.endswith('s') else 's'} {where} holds {num_bad} values of {num_values} "
            "that are NaN or infinite. Pass finite numbers."
        )


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers that a tensor, sparse or not, has memory for."""
    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce().values()
    elif tensor.layout is not torch.strided:
        tensor = tensor.values()
    return tensor.float() if tensor.itemsize == 1 else tensor  # what PyTorch cannot ask of eight bits


def _required(model: nn.Module) -> list[str]:
    """The names of the arguments that forward cannot do without."""
    parameters = inspect.signature(model.forward).parameters.values()
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    required = [p.name for p in parameters if p.default is p.empty and p.kind in usual]
    if not required and any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return ["input"]
    return required


def _tokens() -> torch.Tensor:
    return torch.zeros(_BATCH, _LENGTH, dtype=torch.long)


def _sequence(width: int) -> torch.Tensor:
    return torch.zeros(_BATCH, _LENGTH, width)


def _of_transformers(model: Any) -> dict[str, Any]:
    """What a model of Hugging Face's transformers takes."""
    takes = inspect.signature(model.forward).parameters
    names = [model.main_input_name]
    if getattr(model.config, "is_encoder_decoder", False) and "decoder_input_ids" in takes:
        names.append("decoder_input_ids")
    if hasattr(model.config, "vision_config") and hasattr(model.config, "text_config"):
        names += [name for name in ("input_ids", "pixel_values") if name in takes and name not in names]
    made = {name: _transformers_input(model, name) for name in names}
    return {name: value for name, value in made.items() if value is not None}


def _transformers_input(model: Any, name: str) -> torch.Tensor | None:
    config = model.config
    if name == "pixel_values":
        vision = getattr(config, "vision_config", config)
        size = getattr(vision, "image_size", 224)
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return torch.zeros(_BATCH, getattr(vision, "num_channels", 3), height, width)
    if name == "input_features":
        return torch.zeros(_BATCH, config.num_mel_bins, 2 * config.max_source_positions)
    if name == "input_values":
        return torch.zeros(_BATCH, 16000)
    return _tokens() if name.endswith("input_ids") else None


def _by_name(model: nn.Module, name: str) -> torch.Tensor | None:
    """An input whose name tells what it is."""
    if name in _TOKENS and any(isinstance(module, nn.Embedding) for module in model.modules()):
        return _tokens()
    if name in _IMAGES:
        return next(_images(model), None)
    return None


def _images(model: nn.Module) -> Iterator[torch.Tensor]:
    for module in model.modules():
        if isinstance(module, ConvNd):
            yield from _of_layer(module)
            return


def _first(model: nn.Module, name: str) -> Iterator[torch.Tensor]:
    """What the first input may be: by its name, by the model's own description, by its layers in their order."""
    named = _by_name(model, name)
    if named is not None:
        yield named
    described = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None)
    if isinstance(described, dict) and described.get("input_size"):
        yield torch.zeros(_BATCH, *described["input_size"])
    seen = set[tuple[int, ...]]()
    for made in _of_layers(model):
        shape = (made.dtype is torch.long, *made.shape)
        if shape not in seen:
            seen.add(shape)
            yield made


_MOST_LAYERS = 4  # a model whose input none of its first layers takes is asked about


def _of_layers(model: nn.Module) -> Iterator[torch.Tensor]:
    found = (made for module in model.modules() if (made := [*_of_layer(module)]))  # of a large model gigabytes in all
    yield from chain.from_iterable(islice(found, _MOST_LAYERS))
    for param in model.parameters(recurse=False):
        if param.ndim == 2:
            yield from (torch.zeros(_BATCH, width) for width in reversed(param.shape))


def _of_layer(module: Any) -> Iterator[torch.Tensor]:
    """What a layer takes."""
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        yield _tokens()
        yield _tokens()[:, 0]
    elif isinstance(module, ConvNd):
        num_space = len(module.kernel_size)
        widths = (*_SMALL, *_SPACE[num_space]) if module.transposed else _SPACE[num_space]
        yield from (torch.zeros(_BATCH, module.in_channels, *[width] * num_space) for width in widths)
    elif isinstance(module, nn.Linear):
        yield torch.zeros(_BATCH, module.in_features)
        yield _sequence(module.in_features)
        side = math.isqrt(module.in_features)
        if side * side == module.in_features:
            yield torch.zeros(_BATCH, 1, side, side)
    elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
        yield _sequence(module.input_size) if isinstance(module, nn.RNNBase) else torch.zeros(_BATCH, module.input_size)
    elif isinstance(module, nn.MultiheadAttention):
        yield _sequence(module.embed_dim)
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
        yield torch.zeros(_BATCH, _LENGTH, *module.normalized_shape)
        yield torch.zeros(_BATCH, *module.normalized_shape)
    elif isinstance(module, NormBase):
        yield torch.zeros(_BATCH, module.num_features)
        yield torch.zeros(_BATCH, module.num_features, 32, 32)


# Modules of PyTorch's own that take several inputs.
_WHOLE: dict[Any, Any] = {
    nn.Transformer: lambda m: (_sequence(m.d_model), _sequence(m.d_model)),
    nn.TransformerDecoder: lambda m: (_sequence(_width(m)), _sequence(_width(m))),
    nn.TransformerDecoderLayer: lambda m: (_sequence(_width(m)), _sequence(_width(m))),
    nn.MultiheadAttention: lambda m: (_sequence(m.embed_dim), _sequence(m.kdim), _sequence(m.vdim)),
    nn.Bilinear: lambda m: (torch.zeros(_BATCH, m.in1_features), torch.zeros(_BATCH, m.in2_features)),
}


def _width(module: nn.Module) -> int:
    """Of the signal that a decoder of PyTorch's own takes."""
    attention = next(m for m in module.modules() if isinstance(m, nn.MultiheadAttention))
    return attention.embed_dim
