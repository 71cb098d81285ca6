"""The Rule: which parameters, and how they start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Union, get_args

from ._errors import RuleError, SpecError
from ._graph import Operation, Param, Role
from ._spec import unknown_name
from .init import Initialiser, parse


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How one parameter starts, as a rule says it.

    Attributes:
        init: the initialiser.
        because: the clause a reader can check.
        lr: what the learning rate is multiplied by for this parameter (muP).
        moment: the second moment that its output is meant to have; None if it does not matter.
        draws_as: the path under which numbers are drawn, if they are shared with another parameter.
    """

    init: Initialiser
    because: str = ""
    lr: float = 1.0
    moment: float | None = None
    draws_as: str = ""


Start = Union[str, Initialiser, Decision]  # noqa: UP007  Decision is no type that `|` takes in a string


@dataclass(frozen=True)
class Rule:
    """One rule: every condition that is given must hold.

    Attributes:
        paths: a glob of dotted names, as in `h.*.attn.*`; any name of a tied parameter counts.
        start: a spec, an initialiser, or a function of the parameter that returns one.
        but: a glob of names to leave out.
        role: `weight`, `bias`, `embedding`, ...
        operation: `dense`, `convolution`, ...
        layer: the type of the module that owns it, as in `Linear`.
        when: a function of the parameter that says whether the rule is meant.
        because: the clause a reader can check, or a function of the parameter that returns it.

    Example:
        >>> rule = Rule("head.*", "zeros")
        >>> str(rule)
        'head.* -> zeros'
    """

    paths: str = "*"
    start: Start | Callable[[Param], Start] = ""
    but: str = ""
    role: str = ""
    operation: str = ""
    layer: str = ""
    when: Callable[[Param], bool] | None = None
    because: str | Callable[[Param], str] = ""

    def __post_init__(self) -> None:
        """Read the rule where it is written, so that a typo is told there."""
        self._check_word("role", get_args(Role))
        self._check_word("operation", get_args(Operation))
        if not callable(self.start) and not isinstance(self.start, Decision):
            if self.start == "":
                raise SpecError("A rule needs a start: Rule('head.*', 'zeros').")
            start = getattr(self.start, "init", self.start)  # an edge's start holds the initialiser that it is of
            object.__setattr__(self, "start", parse(start) if isinstance(start, str) else start)

    def _check_word(self, condition: str, words: tuple[str, ...]) -> None:
        word = getattr(self, condition)
        if word and word not in words:
            error = unknown_name(condition, word, words, f"There are: {', '.join(words)}.")
            raise RuleError(f"Rule for '{self.paths}': {error}")

    def names(self, param: Param) -> bool:
        """Whether a parameter, by any of its names, is among the paths."""
        return any(fnmatchcase(name, self.paths) for name in (param.path, *param.tied))

    def matches(self, param: Param) -> bool:
        """Whether the rule is meant for a parameter."""
        return (
            self.names(param)
            and not any(fnmatchcase(name, self.but) for name in (param.path, *param.tied))
            and self.role in ("", param.role)
            and self.operation in ("", param.use.operation)
            and self.layer in ("", param.layer)
            and (self.when is None or bool(self.when(param)))
        )

    def decide(self, param: Param) -> Decision:
        """What it says of a parameter.

        Raises:
            RuleError: if its function gives no start.
        """
        start = self.start(param) if callable(self.start) and not isinstance(self.start, Initialiser) else self.start
        because = self.because(param) if callable(self.because) else self.because
        if isinstance(start, Decision):
            return start
        start = getattr(start, "init", start)  # as of an edge
        start = parse(start) if isinstance(start, str) else start
        if not isinstance(start, Initialiser):
            raise RuleError(
                f"Rule `{self}` gave {start!r} for {param}; a start is a spec, an initialiser or a Decision."
            )
        return Decision(init=start, because=because or param.because)

    def __str__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if f.name not in ("paths", "start", "because")]
        given = [f"{name}={_named(value)}" for name, value in given if value]
        conditions = " ".join([self.paths, *given]) if self.paths != "*" or not given else " ".join(given)
        return f"{conditions} -> {_named(self.start)}"


Rules = Iterable[Rule | tuple[str, Any]] | Mapping[str, Any] | Rule


def read_rules(rules: Rules) -> tuple[Rule, ...]:
    """Rules, also where they are written as pairs of a glob and a start, or as a dict of them.

    Args:
        rules: one or several.

    Raises:
        RuleError: if one is none of that.

    Example:
        >>> [str(rule) for rule in read_rules({"head.*": "zeros"})]
        ['head.* -> zeros']
    """
    if isinstance(rules, Rule | str) or not isinstance(rules, Iterable):
        return (_read(rules),)
    return tuple(map(_read, rules.items() if isinstance(rules, Mapping) else rules))


def _read(rule: Any) -> Rule:
    if isinstance(rule, tuple | list) and len(rule) == 2 and isinstance(rule[0], str):
        return Rule(*rule)
    if not isinstance(rule, Rule):
        raise RuleError(f"A rule is Rule('head.*', 'zeros'), or short ('head.*', 'zeros'); got {rule!r}.")
    return rule


def _named(value: object) -> str:
    if not callable(value) or isinstance(value, Initialiser):
        return str(getattr(value, "init", value))  # a Decision goes by its initialiser
    name = getattr(value, "__name__", "<lambda>").strip("_")
    return "a function" if name == "<lambda>" else name
