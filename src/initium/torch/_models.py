"""A study's model built, with the arguments that its cell asks for."""

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from .._errors import InitiumError, ModelError, SettingError
from .._imported import file_of, imported, is_own
from .._model_name import model_function
from .._spec import parse_call, takes_no, unknown_name
from .._study._names import meant
from .._study._start import Start
from .._study._study import Study
from ._architectures import BUILT_IN

_OWN = "Your own is file.py:function, or from Python a function that builds a new one."


def build(study: Study, start: Start | None = None) -> nn.Module:
    """A new, freshly made model of the study, or of a start that has its own.

    Raises:
        ModelError: if it cannot be built.
        SettingError: if it takes no argument of a name that the study asks for.
    """
    model = (start and start.model) or study.model
    if isinstance(model, str) and not _names_function(model):
        return _built_in(model, study)
    return _built(_function(model, study) if isinstance(model, str) else model, study.asked, model)


_functions: dict[Any, Callable[[], Any]] = {}


def _function(text: str, study: Study) -> Callable[[], Any]:
    """The function that a text names; its file is run anew if that has changed, or what it imports."""
    where = text.rpartition(":")[0]
    file = where if where.endswith(".py") else file_of(where)
    key = (text, os.getcwd(), study.shape, str(imported(file)) if file and is_own(file) else "")
    if key not in _functions:
        _functions[key] = model_function(text, study.asked, meant=meant)
    return _functions[key]


def _names_function(text: str) -> bool:
    return ":" in text or text.endswith(".py")


def _built_in(spec: str, study: Study) -> nn.Module:
    call = parse_call(spec)
    if call.name not in BUILT_IN:
        raise unknown_name("built-in model", call.name, BUILT_IN, _OWN)
    function = BUILT_IN[call.name]
    _check_known(call.name, _arguments(function), study.asked)
    if twice := [name for name in study.asked if name in call.kwargs]:
        raise SettingError(f"'{spec}' says `{twice[0]}`, and the study says it too; leave out one of them.")
    if call.args and (shape := [name for name in study.asked if name != "activation"]):
        raise SettingError(f"'{spec}' names the width of each layer; `{shape[0]}` goes with '{call.name}' alone.")
    try:
        return function(spec, study.data, *call.args, **{**call.kwargs, **study.asked})
    except TypeError as error:
        if not isinstance(error, InitiumError) and "argument" in str(error):
            known = ", ".join(_arguments(function) or ())
            raise SettingError(f"'{spec}': {call.name} takes {known}. ({error})") from None
        raise
    except RuntimeError as error:
        if isinstance(error, InitiumError):
            raise
        raise ModelError(f"'{spec}' cannot be built: {error}") from error  # so wide that no memory holds it


def _built(function: Any, asked: Mapping[str, Any], model: Any) -> nn.Module:
    if not callable(function) or isinstance(function, nn.Module):
        raise ModelError(
            "model is 'mlp', 'mlp(10, 20, 2)' or a function without arguments that builds a new torch.nn.Module; "
            f"got a {type(function).__name__}. Every run needs a model of its own: pass `lambda: MyNet(...)`."
        )
    if asked and not isinstance(model, str):
        _check_known(getattr(function, "__name__", "the model function"), _arguments(function), asked)
    try:
        made = function() if isinstance(model, str) else function(**asked)
    except InitiumError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's own code may raise
        raise ModelError(f"The model function fails: {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise ModelError(f"The model function returned a {type(made).__name__}, not a torch.nn.Module.")
    return made


def _check_known(name: str, known: list[str] | None, asked: Mapping[str, Any]) -> None:
    if known is not None and (wrong := [one for one in asked if one not in known]):
        raise takes_no(f"`{name}`", wrong[0], known, meant(wrong[0], known))


def _arguments(function: Callable[..., Any]) -> list[str] | None:
    """The names that a function takes; None if it takes any."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
