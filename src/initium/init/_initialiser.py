"""The Initialiser: a name, its arguments, and the law it gives each weight."""

import functools
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec, TypeVar

from .._errors import ShapeError, SpecError, UnknownNameError
from .._spec import Call, format_call
from ._gain import gain as gain_of
from ._law import Elementwise, Keep, Law, Packed
from ._weight import Weight

P = ParamSpec("P")
R = TypeVar("R")

Gain = float | str | Callable[..., Any]  # a number, the name of an activation, or a function

_LARGEST = 3.4028234663852886e38  # the largest finite float32, (2 - 2^-23) 2^127


@dataclass(frozen=True)
class Initialiser:
    """A way to start a weight, not yet told its shape.

    `str()` gives the spec (`uniform(-0.1, 0.1)`), and `initium.parse` reads a spec back as an equal
    initialiser. Two initialisers are equal when their specs are.
    """

    law_of: Callable[[Weight], Law] = field(compare=False, repr=False)
    spec: str = ""
    has_roles: bool = field(default=True, compare=False, repr=False)
    of_all_blocks: bool = field(default=False, compare=False, repr=False)  # asked of a packed weight as one

    def sees(self, weight: Weight) -> Weight:
        """The weight with the roles that matter here: a state's axes have none, so it is numbered as it is stored."""
        if self.has_roles:
            return weight
        return replace(weight, axes="b" * len(weight.shape), groups=1, stride=1, transposed=False, blocks=1)

    def law(self, weight: Weight) -> Law:
        """The numbers this initialiser gives a weight of that shape; unequal packed blocks each get their own.

        Raises:
            ShapeError: if the weight lacks an axis that the initialiser needs.
        """
        try:
            if self.of_all_blocks or len(set(weight.sizes)) == 1:
                return self.law_of(weight)
            laws = tuple(self.law_of(part) for part in weight.parts)
        except ShapeError as error:
            raise ShapeError(f"`{self}` {error}") from None
        return laws[0] if _is_one(laws) else Packed(laws)

    def __str__(self) -> str:
        return self.spec


def _is_one(laws: tuple[Law, ...]) -> bool:
    """Whether blocks can be drawn as if they were one weight: element by element, and all alike."""
    return len(set(laws)) == 1 and isinstance(laws[0], Elementwise | Keep)


CATALOGUE: dict[str, Callable[..., Initialiser]] = {}
ALIASES: dict[str, Callable[..., Initialiser]] = {}
COMPUTED: dict[str, Callable[..., Any]] = {}
# Starts that a checkpoint makes: a spec names them, and nobody chooses one from a list.
FROM_FILES: dict[str, Callable[..., Initialiser]] = {}


def alias(name: str, function: Callable[P, Initialiser]) -> Callable[P, Initialiser]:
    """Enter a second name of an initialiser."""
    ALIASES[name] = function
    return function


def computed(function: Callable[P, R]) -> Callable[P, R]:
    """Enter a function that makes weights from other arrays, which no spec can name."""
    COMPUTED[function.__name__] = function
    return function


def from_file(function: Callable[P, Initialiser]) -> Callable[P, Initialiser]:
    """Enter a function of what a file holds. See `initialiser`."""
    return _entered(function, FROM_FILES)


def initialiser(function: Callable[P, Initialiser]) -> Callable[P, Initialiser]:
    """Enter a function in the catalogue; what it returns bears its name and arguments.

    Arguments are checked by their annotation, so that the function can be one line: `float` is a finite
    number, `int` a whole one from 1, `str` a word; of a `Gain` that is a function the number is kept.
    """
    return _entered(function, CATALOGUE)


def _entered(function: Callable[P, Initialiser], table: dict[str, Callable[..., Initialiser]]) -> Any:
    signature = inspect.signature(function)
    name = function.__name__
    takes_tuple = any(parameter.annotation is tuple for parameter in signature.parameters.values())

    usual: list[Initialiser] = []  # without arguments, made once: a plan asks for zeros of each of its biases

    @functools.wraps(function)
    def build(*args: P.args, **kwargs: P.kwargs) -> Initialiser:
        if args or kwargs:
            return made_with(*args, **kwargs)
        if not usual:
            usual.append(made_with(*args, **kwargs))
        return usual[0]

    def made_with(*args: P.args, **kwargs: P.kwargs) -> Initialiser:
        if not takes_tuple and any(map(_is_for_a_call, args)):
            raise SpecError(
                f"`{name}` is told how to start, and then what: write `{name}()`, and call that or pass it on."
            )
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise SpecError(f"`{name}{plain(signature)}`: {error}.") from None
        values = {key: checked(name, signature.parameters[key], v) for key, v in bound.arguments.items()}
        try:
            made = function(**values)  # pyright: ignore[reportCallIssue]
        except SpecError as error:
            # A general method that was called within names itself; the user called this one.
            raise SpecError(re.sub(r"^`\w+`:", f"`{name}`:", str(error))) from None
        except UnknownNameError as error:
            raise SpecError(f"`{name}`: {error}") from None
        except ArithmeticError:
            raise SpecError(f"`{name}`: an argument is too large or too small.") from None
        except ValueError as error:
            raise SpecError(f"`{name}`: {error}.") from None
        return replace(made, spec=format_call(canonical(name, signature, values)))

    table[name] = build
    return build


def _is_for_a_call(value: Any) -> bool:
    """Whether it is what a start is called with: a weight, or the shape of one."""
    return isinstance(value, tuple | list) or getattr(value, "ndim", 0) > 1


def checked(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    kind = parameter.annotation
    if hasattr(value, "tolist"):
        value = value.tolist()  # NumPy's numbers are not Python's
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if kind is Gain:
        kind = str if isinstance(value, str) else float
        value = gain_of(value) if callable(value) else value
    if kind is str and not isinstance(value, str):
        raise SpecError(f"`{name}`: {parameter.name} is a quoted word, not {value!r}.")
    if kind is int and not _is_count(value) and value != parameter.default:
        raise SpecError(f"`{name}`: {parameter.name} is a whole number, 1 or more, not {value!r}.")
    return _finite(name, parameter.name, value) if kind is float else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _finite(name: str, parameter: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # `cut` alone may be infinite: no cut at all.
    largest = math.inf if parameter == "cut" else _LARGEST
    if not is_number or not -_LARGEST <= value <= largest:
        raise SpecError(f"`{name}`: {parameter} is a finite number that float32 can hold, not {value!r}.")
    return float(value)


def canonical(name: str, signature: inspect.Signature, values: dict[str, Any]) -> Call:
    """Required arguments by place, the others by name and only where they differ from the default."""
    parameters = signature.parameters
    required = [key for key in parameters if parameters[key].default is inspect.Parameter.empty]
    chosen = {key: value for key, value in values.items() if key not in required and value != parameters[key].default}
    return Call(name, tuple(values[key] for key in required), chosen)


def plain(signature: inspect.Signature) -> str:
    words = []
    for parameter in signature.parameters.values():
        is_required = parameter.default is inspect.Parameter.empty
        words.append(parameter.name if is_required else f"{parameter.name}={parameter.default!r}")
    return f"({', '.join(words)})"
