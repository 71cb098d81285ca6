"""MODEL as it is typed: `file.py:function` or `package.module:function`."""

import contextlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ._errors import InitiumError, ModelError, UnknownNameError, few
from ._imported import Stamp, file_of, imported, is_own
from ._reading import check_regular
from ._spec import takes_no

_NAMED = re.compile(r"[\w./\\~-]+")  # a file or a module, as most are called


def model_function(
    text: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    given: tuple[str, ...] = (),
    meant: Callable[[str, Iterable[str]], str] = lambda wrong, known: "",
) -> Callable[..., Any]:
    """The function that a text names, with these arguments; what goes wrong in it is told as one message.

    Args:
        text: `file.py:function`, `package.module:function`; a class that needs no arguments, or a class of
            Transformers, which is given the default of its configuration; or something that is built already.
        arguments: what it is always called with, by name.
        given: what it is called with besides, by place, in words; as a rule, nothing.
        meant: what an argument that it does not take, beside those that it takes, may be a slip of.

    Raises:
        ModelError: if there is no such file or module, it fails, or the function needs arguments.
        UnknownNameError: with the nearest name there is.
    """
    where, _, name = text.rpartition(":")
    if not where or not name:
        named = text.strip(":")
        example = f"{named if _NAMED.fullmatch(named) else 'model.py'}:build"
        raise ModelError(f"'{text}' names no function. Write the function after a colon, as in '{example}'.")
    folder = os.path.dirname(os.path.abspath(where)) if where.endswith(".py") else os.getcwd()
    found = _told(f"'{where}' cannot be imported", folder, lambda: _attribute(_module(where), where, name))
    if given:
        function = _taking(found, where, name, given)
    else:
        function = _bound(found, where, name, arguments, meant) if arguments else _without_arguments(found, where, name)
    return lambda *values: _told(f"`{name}` of '{where}' fails", folder, lambda: function(*values))


def _module(where: str) -> ModuleType:
    if not where.endswith(".py"):
        _forget_changed(file_of(where))
        return _package(where)
    check_regular(Path(where), refuse=ModelError)
    _forget_changed(Path(where))
    # Under a name of its own, so that a file called json.py takes nobody's place.
    name = f"initium_model_{Path(where).stem}"
    spec = importlib.util.spec_from_file_location(name, where)
    assert spec  # Python has a reader for every file that ends in .py
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_run: dict[Path, Stamp] = {}  # the files of somebody's own that were run, as they were


def _forget_changed(file: Path | None) -> None:
    """Let a file import anew what has changed since, and what lies beside it where another folder's has its name."""
    found = imported(file) if is_own(file) and file else {}
    is_changed = any(path in _run and _run[path] != stamp for path, stamp in found.items())
    files, names = {path.name for path in found}, {part for path in found for part in (path.stem, path.parent.name)}
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if name == "__main__" or not place:
            continue
        # Where a file really lies takes long to find out of thousands of modules; its name tells of nearly all.
        if (os.path.basename(place) not in files and name.rpartition(".")[2] not in names) or not is_own(place):
            continue
        path = Path(os.path.realpath(place))
        if (is_changed and path in found) or (path not in found and any(one in found for one in _files(file, name))):
            del sys.modules[name]
    _run.update(found)


def _files(file: Path | None, module: str) -> Iterator[Path]:
    """The files that a module of this name would be read from beside a file."""
    place = Path(os.path.realpath(file or "")).parent.joinpath(*module.split("."))
    yield from (place / "__init__.py", place.with_suffix(".py"))


def _package(where: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):
            raise  # of something that the module itself imports
        raise ModelError(
            f"There is no module '{error.name}', neither in this folder nor installed. "
            "A file is named with its ending, as in 'model.py:build'."
        ) from None


def _attribute(module: ModuleType, where: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnknownNameError(f"'{where}' has no `{name}`{_near(name, module)}.")
        found = getattr(found, part)
    return found


def _near(name: str, module: ModuleType) -> str:
    """The nearest name in a module, or what the module itself defines."""
    import difflib  # rarely needed, and slow to import

    names = [found for found in dir(module) if not found.startswith("_")]
    if near := difflib.get_close_matches(name, names, n=1):
        return f"; the closest is `{near[0]}`"
    own = [one for one in names if getattr(module.__dict__.get(one), "__module__", None) == module.__name__]
    return f"; it has {few(own)}" if own else ""


def _bound(
    found: Any, where: str, name: str, arguments: Mapping[str, Any], meant: Callable[[str, Iterable[str]], str]
) -> Callable[[], Any]:
    """A function with arguments of the names that it has."""
    if not callable(found):
        raise ModelError(f"`{name}` of '{where}' is a {type(found).__name__}, not a function that builds a model.")
    try:
        parameters = inspect.signature(found).parameters.values()
    except ValueError:  # of a function that was not written in Python
        parameters = ()
    known = [one.name for one in parameters]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    if not takes_any and (wrong := [one for one in arguments if one not in known]):
        raise takes_no(f"`{name}` of '{where}'", wrong[0], known, meant(wrong[0], known))
    if left := [one for one in _needed(found) if one not in arguments]:
        raise ModelError(f"`{name}` of '{where}' needs arguments that nobody gives here: {', '.join(left)}.")
    return lambda: found(**arguments)


def _without_arguments(found: Any, where: str, name: str) -> Callable[[], Any]:
    """What is called with no arguments to have the model."""
    if hasattr(found, "parameters") and not isinstance(found, type):
        return lambda: found  # a model that is built already
    if not callable(found):
        raise ModelError(f"`{name}` of '{where}' is a {type(found).__name__}, not a function that builds a model.")
    needed, config = _needed(found), getattr(found, "config_class", None)
    if needed == ["config"] and callable(config):
        return lambda: found(config())
    if needed:
        raise ModelError(
            f"`{name}` of '{where}' needs arguments that nobody gives here: {', '.join(needed)}. "
            "Name a function without arguments that calls it."
        )
    return found


def _taking(found: Any, where: str, name: str, given: tuple[str, ...]) -> Callable[..., Any]:
    """What is called with so many arguments to have the model."""
    call = f"{name}({', '.join(given)})"
    try:
        if hasattr(found, "parameters") and not isinstance(found, type):
            raise TypeError
        inspect.signature(found).bind(*given)
    except TypeError:
        raise ModelError(
            f"`{name}` of '{where}' cannot be called as `{call}`, which is to build a new model."
        ) from None
    except ValueError:  # of a function that was not written in Python
        pass
    return found


def _needed(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function that was not written in Python
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _told(what: str, folder: str, action: Callable[[], Any]) -> Any:
    """Run somebody's code; whatever it raises becomes one message."""
    try:
        with _as_script(folder):
            return action()
    except InitiumError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"{what}: {type(error).__name__}: {error}{_line(error, folder)}{_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """What went wrong first, where the error that arrived does not say it."""
    first = error
    while first.__cause__ or (first.__context__ and not first.__suppress_context__):
        first = first.__cause__ or first.__context__ or first
    told = str(first).strip()
    return f". It began with {type(first).__name__}: {told}" if told and told not in str(error) else ""


@contextlib.contextmanager
def _as_script(folder: str) -> Iterator[None]:
    """Imports find what lies beside the file, nothing is written there, and what it prints goes not to our output."""
    writes = sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(ValueError):  # whoever has taken it out already
            sys.path.remove(folder)  # what the file itself added stays, for its function may need it
        sys.dont_write_bytecode = writes


def _line(error: BaseException, folder: str) -> str:
    """The last line of the user's own code that led there."""
    if isinstance(error, SyntaxError):  # which names its line itself
        return ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if os.path.dirname(os.path.abspath(frame.filename)) == folder]
    return f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
