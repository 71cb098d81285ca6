"""The Recipe: which initialiser goes to which role of parameter."""

import re
from dataclasses import dataclass

from ._errors import SpecError
from ._graph import Role
from .init import Initialiser, constant, framework, parse, zeros

_BIAS = re.compile(r"\s+bias\s*=\s*(?=\S)")
# A word with `=` that is no argument: an argument follows a comma or a bracket.
_OTHER = re.compile(r"(?<![,(\s])\s+(\w+)\s*=")


@dataclass(frozen=True)
class Recipe:
    """A start for a whole model.

    Attributes:
        weight: for weight matrices and kernels.
        bias: for biases; zeros unless the spec names another.
    """

    weight: Initialiser
    bias: Initialiser

    @classmethod
    def parse(cls, spec: "str | Initialiser | Recipe") -> "Recipe":
        """Read `he_normal`, or `he_normal bias=0.1`, or `he_normal bias=uniform(-0.1, 0.1)`.

        Raises:
            SpecError: where the text breaks.
            UnknownNameError: with the nearest name there is.

        Example:
            >>> str(Recipe.parse("kaiming_normal bias = 0.1"))
            'he_normal bias=0.1'
        """
        if isinstance(spec, Recipe):
            return spec
        spec = getattr(spec, "init", spec)  # an edge's start holds the initialiser that it is of
        if isinstance(spec, Initialiser):
            return cls(spec, _usual_bias(spec))
        if not isinstance(spec, str):
            raise SpecError(f"A start is a spec such as 'he_normal', or made by initium.init; got {spec!r}.")
        weight, *bias = _BIAS.split(spec, maxsplit=1)
        if other := _OTHER.search(weight):
            raise SpecError(f"'{spec}': only `bias=` may follow an initialiser, not `{other[1]}=`.")
        start = parse(weight)
        return cls(start, _bias(bias[0]) if bias else _usual_bias(start))

    def of(self, role: Role) -> Initialiser:
        """The initialiser of one role."""
        return {"weight": self.weight, "bias": self.bias, "kept": framework()}[role]

    def __str__(self) -> str:
        is_usual = self.bias == _usual_bias(self.weight)
        bias = str(self.bias)
        if self.bias.spec.startswith("constant("):
            bias = bias.removeprefix("constant(").removesuffix(")")
        return str(self.weight) if is_usual else f"{self.weight} bias={bias}"


def _usual_bias(weight: Initialiser) -> Initialiser:
    return framework() if weight == framework() else zeros()


def _bias(text: str) -> Initialiser:
    try:
        return constant(float(text))
    except ValueError:
        return parse(text)
