"""strays: what takes part in a loss, wants a gradient, and is none of the model's parameters."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from .._torch import tree_leaves


def strays(model: nn.Module, outputs: Any, known: Iterable[torch.Tensor]) -> tuple[str, ...]:
    """The leaves behind a model's outputs that nobody knows, by where it holds them, else by their shape.

    A loss may have parameters of its own, and is not looked at; nor does a plain tensor that nobody holds count, as an
    input by which a model differentiates on its way.

    Args:
        model: whose attributes are searched for them.
        outputs: what it returned.
        known: the leaves that are meant.
    """
    ours = {id(leaf) for leaf in (*known, *model.parameters())}
    found = {id(leaf): leaf for leaf in _leaves(outputs) if id(leaf) not in ours}
    if not found:
        return ()
    named = {path: found.pop(id(leaf)) for path, leaf in _held(model) if id(leaf) in found}
    others = [leaf for leaf in found.values() if isinstance(leaf, nn.Parameter)]
    return (*named, *(f"a parameter of shape {tuple(leaf.shape)}" for leaf in others))


def _leaves(outputs: Any) -> Iterator[torch.Tensor]:
    waiting = [one.grad_fn for one in tree_leaves(outputs) if isinstance(one, torch.Tensor)]
    seen = set[Any]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(leaf := getattr(node, "variable", None), torch.Tensor):
            yield leaf
        waiting += [following for following, _ in node.next_functions]


def _held(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors and layers' parameters in plain attributes, and in lists and dicts of them."""
    for path, module in model.named_modules():
        for name, held in vars(module).items():
            if not name.startswith("_"):
                yield from _within(f"{path}.{name}".lstrip("."), held)


def _within(path: str, held: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(held, torch.Tensor):
        yield path, held
    elif isinstance(held, nn.Module):
        yield from ((f"{path}.{name}", value) for name, value in held.named_parameters())
    elif isinstance(held, dict):
        for key, part in held.items():
            yield from _within(f"{path}.{key}", part)
    elif isinstance(held, list | tuple):
        for place, part in enumerate(held):
            yield from _within(f"{path}.{place}", part)
