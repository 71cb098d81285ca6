"""The Initialiser: a name, its arguments, and the law it gives each weight."""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ParamSpec

from .._errors import ShapeError, SpecError
from .._spec import Call, format_call
from ._law import Composed, Law, Orthogonal, Packed
from ._weight import Weight

P = ParamSpec("P")

_LARGEST = 3.4028234663852886e38  # the largest finite float32, (2 - 2^-23) 2^127


@dataclass(frozen=True)
class Initialiser:
    """A way to start a weight, not yet told its shape.

    `str()` gives the spec (`uniform(-0.1, 0.1)`), and `initium.parse` reads a spec back as an equal
    initialiser. Two initialisers are equal when their specs are.
    """

    law_of: Callable[[Weight], Law] = field(compare=False, repr=False)
    spec: str = ""

    def law(self, weight: Weight) -> Law:
        """The numbers this initialiser gives a weight of that shape; unequal packed blocks each get their own.

        Raises:
            ShapeError: if the weight lacks an axis that the initialiser needs.
        """
        try:
            if len(set(weight.sizes)) == 1:
                return self.law_of(weight)
            laws = tuple(self.law_of(part) for part in weight.parts)
        except ShapeError as error:
            raise ShapeError(f"`{self}` {error}") from None
        return laws[0] if _is_one(laws) else Packed(laws)

    def __str__(self) -> str:
        return self.spec


def _is_one(laws: tuple[Law, ...]) -> bool:
    """Whether blocks can be drawn as if they were one weight: element by element, and all alike."""
    return len(set(laws)) == 1 and not isinstance(laws[0], Orthogonal | Composed)


CATALOGUE: dict[str, Callable[..., Initialiser]] = {}


def initialiser(function: Callable[P, Initialiser]) -> Callable[P, Initialiser]:
    """Enter a function in the catalogue; what it returns bears its name and arguments.

    Arguments annotated `float` are checked to be finite numbers, so that the function can be one
    line.
    """
    signature = inspect.signature(function)
    name = function.__name__

    @functools.wraps(function)
    def build(*args: P.args, **kwargs: P.kwargs) -> Initialiser:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise SpecError(f"`{name}{_plain(signature)}`: {error}.") from None
        values = {key: _checked(name, signature.parameters[key], v) for key, v in bound.arguments.items()}
        try:
            made = function(**values)  # pyright: ignore[reportCallIssue]
        except SpecError:
            raise
        except OverflowError:
            raise SpecError(f"`{name}`: an argument is too large.") from None
        except ValueError as error:
            raise SpecError(f"`{name}`: {error}.") from None
        return replace(made, spec=format_call(_canonical(name, signature, values)))

    CATALOGUE[name] = build
    return build


def _checked(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    if parameter.annotation is str and not isinstance(value, str):
        raise SpecError(f"`{name}`: {parameter.name} is a quoted word, not {value!r}.")
    if parameter.annotation is not float:
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # `cut` alone may be infinite: no cut at all.
    largest = math.inf if parameter.name == "cut" else _LARGEST
    if not is_number or not -_LARGEST <= value <= largest:  # pyright: ignore[reportOperatorIssue]
        raise SpecError(f"`{name}`: {parameter.name} is a finite number that float32 can hold, not {value!r}.")
    return float(value)


def _canonical(name: str, signature: inspect.Signature, values: dict[str, Any]) -> Call:
    """Required arguments by place, the others by name and only where they differ from the default."""
    parameters = signature.parameters
    required = [key for key in parameters if parameters[key].default is inspect.Parameter.empty]
    chosen = {key: value for key, value in values.items() if key not in required and value != parameters[key].default}
    return Call(name, tuple(values[key] for key in required), chosen)


def _plain(signature: inspect.Signature) -> str:
    words = []
    for parameter in signature.parameters.values():
        is_required = parameter.default is inspect.Parameter.empty
        words.append(parameter.name if is_required else f"{parameter.name}={parameter.default!r}")
    return f"({', '.join(words)})"
