"""check_as_loaded: refuse code that memory holds otherwise than the file from which other processes read it."""

import ast
import inspect
import os
import sys
import types
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from .._errors import ModelError
from ._own_code import own_parts
from ._sources import own_files
from ._study import Study
from ._value_digest import digest_of

_PURE = (
    *(ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.IfExp),
    *(ast.Compare, ast.Name, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)
_MISSING: Any = object()


def check_as_loaded(study: Study) -> None:
    """Refuse what would be planned by one code and trained by another.

    Somebody edits a file after its import, or sets a name in a module: this process goes on by what it holds, every
    other one by the file, and the file is what a study is known by. What a file makes is told without running it:
    functions by their code, and names by what is written after them, where that is no more than figures and words.

    Raises:
        ModelError: naming the module, and what in it differs.
    """
    files = own_files(own_parts(study))
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if name == "__main__" or not place or Path(os.path.realpath(place)) not in files:
            continue
        # Other loaders change what they read, as that of pytest does.
        if type(getattr(module.__spec__, "loader", None)) is SourceFileLoader and (what := _differing(module, place)):
            raise ModelError(
                f"`{what}` of the module `{name}` is not what its file says now, and that is what would be trained: "
                f"'{os.path.basename(place)}' was edited after it was imported, or the module was changed in memory. "
                f"Have the file say what is meant and call importlib.reload({name}), or start Python anew."
            )


class _File:
    """A file of Python, by what it says."""

    def __init__(self, place: str) -> None:
        try:
            text = Path(place).read_bytes()
            tree, code = ast.parse(text), compile(text, place, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError) as error:
            raise ModelError(f"'{place}' cannot be read any more: {type(error).__name__}: {error}") from None
        self.body = tree.body
        self.codes = defaultdict[str, list[types.CodeType]](list)
        for one in _codes(code):
            self.codes[one.co_qualname].append(one)
        self._bound, self._used = set[str](), set[str]()
        for one in ast.walk(tree):
            if isinstance(one, ast.Global):
                self._bound.update(one.names)
            elif isinstance(one, ast.Attribute) and _is_set(one):
                self._bound.add(one.attr)
            elif isinstance(one, ast.Attribute | ast.Subscript) and isinstance(one.value, ast.Name):
                self._used |= {one.value.id} if isinstance(one, ast.Attribute) or _is_set(one) else set()

    def changes(self, name: str, value: Any) -> bool:
        """Whether its own code may change what it has written: counters, caches, registers."""
        holds = isinstance(value, list | dict | set)
        return name in self._bound or (holds and (name in self._used or not value))


def _is_set(node: ast.Attribute | ast.Subscript) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _differing(module: types.ModuleType, place: str) -> str:
    """The first name that a module holds otherwise than its file makes it; empty if none."""
    file = _File(place)
    return next(_differences(file.body, vars(module), file), "")


def _differences(
    body: Iterable[ast.stmt], held: Mapping[str, Any], file: _File, within: tuple[str, ...] = ()
) -> Iterator[str]:
    """The names of a module or a class that hold something else than is written for them."""
    known: dict[str, Any] = {}
    for name, node in _written(body):
        value, whole = held.get(_mangled(name, within), _MISSING), ".".join((*within, name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not _is_made(_function(value), node, value, whole, file, in_class=bool(within)):
                yield whole
        elif isinstance(node, ast.ClassDef):
            if isinstance(value, type):
                yield from _differences(node.body, vars(value), file, (*within, name))
            elif not node.decorator_list:
                yield whole
        elif _is_pure(node, known):
            try:
                known[name] = eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}, known)
            except Exception:
                continue
            # A class may make something of what is written in it, as an enumeration does.
            is_kept = within and type(value) is not type(known[name])
            if not is_kept and not file.changes(name, known[name]) and not _same(known[name], value):
                yield whole


def _is_made(
    function: types.FunctionType | None, node: Any, value: Any, whole: str, file: _File, *, in_class: bool
) -> bool:
    """Whether a function is that of the file; what a decorator or a metaclass makes of one may be anything."""
    if function and function.__code__.co_qualname == whole:
        return _done(function.__code__) in map(_done, file.codes[whole])
    return bool(node.decorator_list) or (in_class and function is None and value is not _MISSING)


def _mangled(name: str, within: tuple[str, ...]) -> str:
    """As a class keeps a private name."""
    is_private = within and name.startswith("__") and not name.endswith("__")
    return f"_{within[-1].lstrip('_')}{name}" if is_private else name


def _written(body: Iterable[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """The names that are bound once, in the open, and what to."""
    found: dict[str, list[Any]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and len(node.targets) == 1:
            found.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found.setdefault(node.target.id, []).append(node.value)
        else:
            bound = list(_bound(node))
            for name in [*found, *bound] if "*" in bound else bound:  # an import of all may be of any name
                found.setdefault(name, []).extend((None, None))
    return ((name, nodes[0]) for name, nodes in found.items() if len(nodes) == 1)


def _bound(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store | ast.Del):
            yield one.id
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield one.name
        elif isinstance(one, ast.alias):
            yield one.asname or one.name.partition(".")[0]


def _is_pure(node: Any, known: Mapping[str, Any]) -> bool:
    """Whether an expression is made of figures, words and names that are known."""
    return isinstance(node, ast.AST) and all(
        isinstance(one, _PURE) and (not isinstance(one, ast.Name) or one.id in known) for one in ast.walk(node)
    )


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _function(value: Any) -> types.FunctionType | None:
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    value = value.fget if isinstance(value, property) else value
    try:
        value = inspect.unwrap(value)
    except ValueError:
        return None
    return value if isinstance(value, types.FunctionType) else None


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)


def _done(code: types.CodeType) -> str:
    """What code does, wherever it stands."""
    return digest_of(code, str)[0]  # it holds no module, whose file would be asked for
