"""The Rule: which parameters, and how they start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import FunctionType, MethodType
from typing import Any, Literal, Union, get_args

from ._errors import InitiumError, RuleError, SpecError, UnknownNameError
from ._graph import Operation, Param, Role
from ._spec import unknown_name
from .init import Initialiser, parse
from .init._parse import of_another_library, uncalled

_LONGEST = 60

# Who decides: a recipe, a rule or an edit of yours, the model's own constructor, or a checkpoint.
By = Literal["recipe", "you", "author", "checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How one parameter starts, as a rule says it.

    Attributes:
        init: the initialiser.
        because: the clause a reader can check.
        lr: what the learning rate is multiplied by for this parameter (muP).
        moment: the second moment that its output is meant to have; None if it does not matter.
        draws_as: the path under which numbers are drawn, if they are shared with another parameter.
        by: who decides; in a rule of the user's it is `you`.
    """

    init: Initialiser
    because: str = ""
    lr: float = 1.0
    moment: float | None = None
    draws_as: str = ""
    by: By = "recipe"


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
    typed: str = field(default="", init=False, repr=False, compare=False)  # the start, if by another of its names

    def __post_init__(self) -> None:
        """Read the rule where it is written, so that a typo is told there."""
        for condition in ("paths", "but", "role", "operation", "layer"):
            self._check_type(condition, "a text", isinstance(getattr(self, condition), str))
        self._check_type("when", "a function of the parameter", self.when is None or callable(self.when))
        is_reason = isinstance(self.because, str) or callable(self.because)
        self._check_type("because", "a text or a function of the parameter", is_reason)
        self._check_word("role", get_args(Role))
        self._check_word("operation", get_args(Operation))
        object.__setattr__(self, "start", self._read_start(_bare(self.start)))

    def _read_start(self, start: Any) -> Any:
        if isinstance(start, str) and not start:
            raise SpecError("A rule needs a start: Rule('head.*', 'zeros').")
        if isinstance(start, str):
            return self._parsed(start)
        if name := uncalled(start):
            raise RuleError(f"Rule for '{self.paths}': {name} is a function; write `{name}()`, or the text '{name}'.")
        if told := of_another_library(start):
            raise RuleError(f"Rule for '{self.paths}': {told}")
        is_start = isinstance(start, Initialiser | Decision) or (callable(start) and not isinstance(start, type))
        self._check_type("start", "a spec such as 'zeros', an initialiser or a function of the parameter", is_start)
        return start

    def _parsed(self, spec: str) -> Initialiser:
        try:
            start = parse(spec)
        except UnknownNameError as error:
            raise UnknownNameError(f"Rule for '{self.paths}': {error} A recipe is for a whole model.") from None
        if _name(spec) != _name(str(start)):
            object.__setattr__(self, "typed", spec.strip())
        return start

    def _check_type(self, field: str, wanted: str, holds: bool) -> None:
        if not holds:
            raise RuleError(f"Rule for {shown(self.paths)}: {field} is {wanted}, not {shown(getattr(self, field))}.")

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
            and (self.when is None or bool(self._asked(self.when, param)))
        )

    def decide(self, param: Param, usual: Decision | None = None) -> Decision:
        """What it says of a parameter.

        Args:
            param: the parameter.
            usual: what else would be decided. A plain start replaces no learning rate and no moment, a Decision does.

        Raises:
            RuleError: if its function fails or gives no start.
        """
        start = self._asked(self.start, param)
        because = self._asked(self.because, param)
        if isinstance(start, Decision):
            return start
        start = _bare(start)
        try:
            start = parse(start) if isinstance(start, str) else start
        except InitiumError as error:
            raise RuleError(f"Rule `{self}` gave {start!r} for {param}. {error}") from None
        if not isinstance(start, Initialiser):
            raise RuleError(
                f"Rule `{self}` gave {shown(start)} for {param}; a start is a spec, an initialiser or a Decision."
            )
        kept = {"lr": usual.lr, "moment": usual.moment} if usual else {}
        return Decision(init=start, because=because, **kept)

    def _asked(self, function: Any, param: Param) -> Any:
        """What a function of the parameter gives; what is none stands for itself."""
        if not callable(function) or isinstance(function, Initialiser):
            return function
        try:
            return function(param)
        except InitiumError:
            raise
        except Exception as error:  # whatever a user's own function may raise
            raise RuleError(
                f"Rule `{self}` fails for {param}: {type(error).__name__}: {error}\n"
                "Its function is given a Param, which has a path, a shape and a role, and no numbers."
            ) from error

    @property
    def conditions(self) -> str:
        """For which parameters it is meant, as text."""
        given = [(name, getattr(self, name)) for name in ("but", "role", "operation", "layer", "when")]
        given = [f"{name}={_named(value)}" for name, value in given if value and _named(value)]
        return " ".join([self.paths, *given]) if self.paths != "*" or not given else " ".join(given)

    @property
    def reason(self) -> str:
        """Why a parameter starts so, where the rule itself says nothing of it."""
        return f"your rule {self if self.typed else self.conditions}"

    def __str__(self) -> str:
        start = _named(self.start) if not _is_ours(self.start) else ""  # the decision itself tells more than its name
        start = self.typed or start
        return f"{self.conditions} -> {start}" if start else self.conditions


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


def read_rule_text(text: str) -> tuple[str, str]:
    """The glob and the start of a rule that is typed: `head.*=zeros`.

    Raises:
        RuleError: if it is none.
    """
    paths, equals, spec = text.partition("=")
    if not (paths and equals and spec):
        raise RuleError(f"A rule is written GLOB=SPEC, as in 'head.*=zeros'; got '{text}'.")
    return paths.strip(), spec.strip()


def _read(rule: Any) -> Rule:
    if isinstance(rule, tuple | list) and len(rule) == 2 and isinstance(rule[0], str):
        return Rule(*rule)
    if not isinstance(rule, Rule):
        raise RuleError(f"A rule is Rule('head.*', 'zeros'), or short ('head.*', 'zeros'); got {shown(rule)}.")
    return rule


def shown(value: Any) -> str:
    """A value in a message; one that would fill the screen, such as a tensor, by its type."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"a {type(value).__name__}"


def _bare(start: Any) -> Any:
    """The initialiser that an edge's start is of; all else as it is."""
    held = getattr(start, "init", None)
    return held if isinstance(held, Initialiser) and type(start) is not Decision else start


def _name(spec: str) -> str:
    """What a spec calls, without its arguments."""
    return spec.partition("(")[0].strip()


def _is_ours(value: Any) -> bool:
    """Whether it is a function of Initium's own."""
    return isinstance(value, FunctionType | MethodType) and value.__module__.startswith("initium.")


def _named(value: object) -> str:
    if not callable(value) or isinstance(value, Initialiser):
        return str(getattr(value, "init", value))  # a Decision goes by its initialiser
    name = getattr(value, "__name__", "<lambda>")
    if _is_ours(value) and name.startswith(("_", "<")):
        return ""
    return "a function" if name == "<lambda>" else name.strip("_")
