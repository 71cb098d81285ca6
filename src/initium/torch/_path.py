"""plain_paths: names as the stream and a checkpoint of the bare model know them."""

from collections.abc import Callable

from torch import nn

from .._errors import ModelError, few
from ._torch import wrappers


def plain_paths(model: nn.Module) -> Callable[[str], str]:
    """A function from a path to the same without what wrappers add: a wrapped model starts like the bare one.

    Only a real wrapper adds anything; a module of the user's own may be called as one calls what it wraps.
    """
    kinds = wrappers()  # found once for all modules
    within = {kind: _name_of(kind, kinds) for kind in {type(module) for module in model.modules()}}
    owners, names = {"": ""}, {"": within[type(model)]}
    for path, module in model.named_modules(remove_duplicate=False):
        if path:
            parent, _, name = path.rpartition(".")
            owners[path] = owners[parent] if name == names[parent] else _joined(owners[parent], name)
            names[path] = within[type(module)]

    def plain(path: str) -> str:
        owner, _, name = path.rpartition(".")
        return owners[path] if path in owners else _joined(owners.get(owner, owner), name)

    return plain


def wrapped_name(module: nn.Module) -> str:
    """How a wrapper calls the module within it; empty of any other module."""
    return _name_of(type(module), wrappers())


def unwrapped_model(model: nn.Module) -> nn.Module:
    """The model within any number of wrappers, which only say where and how it runs.

    Raises:
        ModelError: if one has parameters of its own, which would be in no plan.
    """
    while name := wrapped_name(model):
        inner = getattr(model, name)
        known = {id(value) for value in inner.parameters()}
        if own := [f"`{path}`" for path, value in model.named_parameters() if id(value) not in known]:
            raise ModelError(
                f"{type(model).__name__} wraps a model and has parameters of its own, {few(own)}. Put them into the "
                "model that is wrapped."
            )
        model = inner
    return model


def _name_of(module: type[nn.Module], kinds: list[tuple[type, str]]) -> str:
    return next((name for kind, name in kinds if issubclass(module, kind)), "")


def _joined(owner: str, name: str) -> str:
    return f"{owner}.{name}" if owner else name
