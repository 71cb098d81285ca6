"""digest_of: what a value of Python is made of, code and all, as text that every process writes alike."""

import copyreg
import dis
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._imported import file_of, is_own

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
# What a class has besides what was written in it; the names of its slots stand there themselves.
_BESIDE = {
    *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__"),
    *(
        "__annotate_func__",
        "__annotations_cache__",
        "__firstlineno__",
        "__static_attributes__",
        "__slotnames__",
        "_abc_impl",
    ),
}
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME"}


def digest_of(value: Any, of_file: Callable[[Path], str]) -> tuple[str, bool]:
    """A digest of a value, and whether code of somebody's own is part of it.

    A function is its code, that of the functions within it, its defaults, what it encloses, and the globals that it
    names; a class is its members and its bases. Both are the file of their module as well, if another process imports
    it, for that is what this one will run. What an installed package holds goes by its name. An object is its class and
    what it is pickled as: never its address, nor its `repr`.

    Args:
        value: whatever is to be known again.
        of_file: the digest of a module's file.
    """
    walk = _Walk(of_file)
    return walk.digest(value), walk.is_own


class _Walk:
    """One way through a value; what was met keeps its digest, so that nothing is gone through twice."""

    def __init__(self, of_file: Callable[[Path], str]) -> None:
        self.is_own = False
        self._of_file = functools.cache(of_file)
        self._met: dict[int, tuple[Any, str]] = {}  # with the object, whose number is another's once it is gone
        self._within: list[int] = []

    def digest(self, value: Any) -> str:
        if type(value) in _PLAIN:
            return _hashed([type(value).__name__, repr(value)])
        if id(value) in self._met:
            return self._met[id(value)][1]
        if id(value) in self._within:
            return f"the one {self._within.index(id(value))} from the top"
        self._within.append(id(value))
        found = _hashed(self._told(value))
        self._within.pop()
        self._met[id(value)] = value, found
        return found

    def _told(self, value: Any) -> Iterator[str]:
        yield type(value).__qualname__
        if isinstance(value, types.CodeType):
            yield from self._code(value)
        elif isinstance(value, types.ModuleType):
            yield from self._module(value.__name__, getattr(value, "__file__", None))
        elif (name := known_as(value)) and not is_of_own(value):
            yield name
        elif isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield from self._class(value)
        elif type(value) in (tuple, list):
            yield from map(self.digest, value)
        elif type(value) in (dict, types.MappingProxyType):
            yield from (self.digest(one) for pair in value.items() for one in pair)
        elif type(value) in (set, frozenset):
            # Each by itself: in which order they come differs between processes.
            yield from sorted(map(self._by_itself, value))
        elif isinstance(value, functools.partial):
            yield from map(self.digest, (value.func, value.args, dict(sorted(value.keywords.items()))))
        elif isinstance(value, types.MethodType):
            yield from map(self.digest, (value.__func__, value.__self__))
        elif isinstance(value, staticmethod | classmethod):
            yield self.digest(value.__func__)
        elif isinstance(value, property):
            yield from map(self.digest, (value.fget, value.fset, value.fdel))
        elif (array := _array(value)) is not None:
            yield from self._array(value, array)
        else:
            yield from self._object(value)

    def _by_itself(self, value: Any) -> str:
        other = _Walk(self._of_file)
        other._within = list(self._within)
        found = other.digest(value)
        self.is_own |= other.is_own
        return found

    def _code(self, code: types.CodeType) -> Iterator[str]:
        """What it does; neither where it was written nor in which line."""
        yield from (code.co_code.hex(), code.co_exceptiontable.hex())
        facts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, *code.co_names)
        yield from map(str, (*facts, code.co_varnames, code.co_freevars, code.co_cellvars))
        yield from map(self.digest, code.co_consts)

    def _module(self, name: str, file: Any) -> Iterator[str]:
        yield name
        if name != "__main__" and is_own(file):
            self.is_own = True
            yield self._of_file(Path(file))

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        code = function.__code__
        yield from map(self.digest, (code, function.__defaults__, function.__kwdefaults__, vars(function)))
        for cell in function.__closure__ or ():
            try:
                yield self.digest(cell.cell_contents)
            except ValueError:  # not given yet
                yield "empty"
        if not _is_file_of_own(code.co_filename):  # a package's, made of what it was given
            return
        self.is_own = True
        yield from self._home(function)
        for kind, name in _outside(code):
            if kind in _GLOBAL and name in function.__globals__:
                yield name
                yield self.digest(function.__globals__[name])
            elif kind == "IMPORT_NAME" and (file := file_of(name)):
                yield from self._module(name, file)

    def _class(self, value: type) -> Iterator[str]:
        if value.__module__ == "builtins":  # one of those that no module shows
            yield value.__qualname__
            return
        self.is_own |= is_of_own(value)
        yield from self._home(value)
        yield from map(self.digest, (type(value), *value.__bases__))
        for name, member in vars(value).items():
            if name not in _BESIDE:
                yield name
                if not isinstance(member, _SLOTS):
                    yield self.digest(member)

    def _home(self, value: Any) -> Iterator[str]:
        """The file that another process reads it from."""
        if known_as(value) and value.__module__ != "__main__":
            yield from self._module(value.__module__, getattr(sys.modules[value.__module__], "__file__", None))

    def _array(self, value: Any, array: np.ndarray[Any, Any]) -> Iterator[str]:
        yield from (str(getattr(value, "dtype", "")), str(array.dtype), str(array.shape))
        if array.dtype.hasobject:
            yield self.digest(array.tolist())
        else:
            yield hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

    def _object(self, value: Any) -> Iterator[str]:
        yield self.digest(type(value))
        if (inner := getattr(value, "__dict__", {}).get("__wrapped__")) is not None:  # a cache around a function, say
            yield self.digest(inner)
            return
        try:
            own = copyreg.dispatch_table.get(type(value))
            found = own(value) if own else value.__reduce_ex__(4)
        except Exception:  # no process can be given it, or it goes by its class; what it says of itself is all there is
            yield self.digest(getattr(value, "__dict__", None))
            return
        if isinstance(found, str):
            yield found
            return
        make, given, *more = found
        yield from map(self.digest, (make, given))
        for part in more:
            yield self.digest(list(part) if isinstance(part, Iterator) else part)


def _hashed(texts: Any) -> str:
    found = hashlib.sha256()
    for text in texts:
        found.update(text.encode(errors="surrogatepass") + b"\0")
    return found.hexdigest()[:16]


def known_as(value: Any) -> str:
    """The name under which a module holds a function or a class; empty if none does."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, types.BuiltinFunctionType) and not isinstance(value.__self__, types.ModuleType | type(None)):
        return ""  # a method of an object
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return ""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}.{name}" if found is value else ""


def is_of_own(value: Any) -> bool:
    """Whether the module of a function or a class is somebody's own."""
    module = sys.modules.get(value.__module__)
    return value.__module__ == "__main__" or is_own(getattr(module, "__file__", None))


def _is_file_of_own(name: str) -> bool:
    """Whether code is somebody's own by the file that it was written in; a prompt or a cell of a notebook is."""
    return name.startswith("<") or is_own(name)


def _outside(code: types.CodeType) -> Iterator[tuple[str, str]]:
    """What a function and those within it ask for outside of them: how, and its name."""
    for one in dis.get_instructions(code):
        if one.opname in _GLOBAL or one.opname == "IMPORT_NAME":
            yield one.opname, str(one.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _outside(inner)


def _array(value: Any) -> np.ndarray[Any, Any] | None:
    """The numbers of an array or a tensor."""
    if isinstance(value, np.ndarray):
        return value
    if not (hasattr(type(value), "__array__") and hasattr(type(value), "dtype") and hasattr(type(value), "shape")):
        return None
    try:
        return np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception:
        try:
            return np.asarray(value.tolist())  # of a kind of number that NumPy has not
        except Exception:  # on a device that is gone, or of no numbers at all
            return None
