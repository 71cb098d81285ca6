"""The guide: what the docstrings of the catalogue and of the recipes say, and which papers they cite."""

import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ._decisions import Decisions
from ._errors import UnknownNameError
from ._graph import Graph
from ._recipes import Recipe, by_name, parse_recipe
from ._spec import Call, parse_call, unknown_name
from .init import Initialiser
from .init._initialiser import ALIASES, CATALOGUE, COMPUTED

_SECTION = re.compile(r"^(Formula|Use|Avoid|Args|Returns|Raises|Differs|Reference|Example): *", re.MULTILINE)
_CITED = re.compile(r" ?\[([a-z]+\d{4}\w*)\]")


@dataclass(frozen=True)
class Entry:
    """One start of the catalogue, as its docstring tells it.

    Attributes:
        name: by which it is called.
        group: its family.
        call: its arguments and their defaults.
        claim: one sentence.
        sections: `Formula`, `Use`, `Avoid`, `Args`, `Differs`, `Reference` and others, by title.
        cited: keys of the papers in the bibliography.
        aliases: its other names.
    """

    name: str
    group: str
    call: str
    claim: str
    sections: dict[str, str]
    cited: tuple[str, ...]
    aliases: tuple[str, ...]

    @property
    def when(self) -> str:
        """The first clause of when to use it."""
        return re.split(r"[.;:] |[.]$", " ".join(self.sections["Use"].split()))[0]

    @property
    def is_recipe(self) -> bool:
        """Whether it is for a whole model."""
        return self.group == _RECIPE

    @property
    def family(self) -> str:
        """The heading under which it is listed."""
        return "Recipes: a start for a whole model" if self.is_recipe else self.group

    @property
    def text(self) -> str:
        """Where a word about it is looked for."""
        words = (self.name, *self.aliases, self.group, self.claim, self.sections["Use"])
        return " ".join(" ".join(words).split()).casefold()


@cache
def entries() -> tuple[Entry, ...]:
    """The whole catalogue, family by family, in the order in which it is written."""
    catalogue = (CATALOGUE | COMPUTED).items()
    found = [_entry(name, function, _GROUPS[function.__module__.rpartition(".")[2]]) for name, function in catalogue]
    groups = list(dict.fromkeys(_GROUPS.values()))
    return tuple(sorted(found, key=lambda entry: groups.index(entry.group)))


# A family is a file.
_GROUPS = {
    "_elementary": "Constants and plain random numbers",
    "_variance_scaling": "Variance scaling",
    "_isometry": "Isometries",
    "_structure": "Structure",
    "_tables": "Tables and steps",
    "_residual": "Transformers and residual nets",
    "_recurrent": "Recurrent nets and state spaces",
    "_heads": "Heads and priors",
    "_adapters": "Adapters for fine-tuning",
    "_computed": "Computed from other arrays",
}


def about(words: Iterable[str] = ()) -> tuple[Entry, ...]:
    """Starts and then recipes of whose name, other names, family or use each word is a part.

    Raises:
        UnknownNameError: if there are none, with the nearest name.
    """
    everything = (*entries(), *(_recipe_entry(name) for name in sorted(by_name())))
    words = [word.casefold() for word in words]
    found = tuple(entry for entry in everything if all(word in entry.text for word in words))
    if not found:
        for word in words:
            if not any(word in entry.text for entry in everything):
                raise unknown_name("start or recipe", word, [*CATALOGUE, *ALIASES, *COMPUTED, *by_name()], _SEE)
        all_of = " and ".join(f"'{word}'" for word in words)
        raise UnknownNameError(f"No start or recipe has {all_of} together; fewer words find more. {_SEE}")
    return found


_SEE = "`initium list` shows all of them."


def entry(name: str) -> Entry:
    """The entry of a name, of an alias or of a spec.

    Raises:
        UnknownNameError: with the nearest name there is.
    """
    name = parse_call(name).name
    name = ALIASES[name].__name__ if name in ALIASES else name
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise unknown_name("initialiser", name, [*known, *ALIASES, *by_name()], _SEE)
    return known[name]


def explain(name: str) -> str:
    """Everything that is known of a start, as text: of a weight's, of a whole model's, or of both under one name.

    Args:
        name: of an entry, an alias, a spec, a recipe, or the first word of several names, such as `xavier`.

    Raises:
        UnknownNameError: with the nearest name there is.

    Example:
        >>> print(explain("kaiming_normal").splitlines()[0])
        he_normal(slope=0.0, mode='in')
    """
    called = parse_call(name).name
    as_recipe = [_told(_recipe_entry(called))] if called in by_name() else []
    starts_a_weight = called in CATALOGUE or called in ALIASES or called in COMPUTED
    family = [] if starts_a_weight else _family(called)
    itself = [] if family or (as_recipe and not starts_a_weight) else [_told(entry(name))]
    return "\n\n\n".join([*itself, *as_recipe, *family])


def _family(word: str) -> list[str]:
    """The starts whose names begin with a word, a line for each."""
    word = word.casefold()
    named = [(name, one) for one in entries() for name in (one.name, *one.aliases) if name.startswith(f"{word}_")]
    lines = [f"  {name:<23}  {one.when if name == one.name else f'is {one.name}'}" for name, one in named]
    more = f"`initium explain {named[0][0]}` tells the rest." if named else ""
    return ["\n".join([f"Starts whose names begin with {word}\n", *lines, "", more])] if named else []


def _told(found: Entry) -> str:
    also = f" Also called {', '.join(found.aliases)}." if found.aliases else ""
    parts = [f"{found.call}{_RECIPE if found.group == _RECIPE else ''}", _filled(found.claim + also, 76)]
    parts += [_TITLES[title] + _indented(text) for title, text in found.sections.items() if title in _TITLES]
    return "\n\n".join(parts)


def _recipe_entry(name: str) -> Entry:
    found = _entry(name, by_name()[name], _RECIPE)
    args = re.sub(r"^graph: .*\n?", "", found.sections.get("Args", ""))
    sections = {title: args if title == "Args" else text for title, text in found.sections.items()}
    return replace(found, sections={title: text for title, text in sections.items() if text})


_RECIPE = ", a recipe"


_TITLES = {
    "Formula": "Formula",
    "Use": "When to use it",
    "Avoid": "When not, and what goes wrong",
    "Args": "Arguments",
    "Raises": "Errors",
    "Differs": "Where others differ",
    "Reference": "Reference",
    "Example": "Example",
}


def _indented(text: str) -> str:
    return "\n" + textwrap.indent(text, "    ")


def cite(what: Decisions | Recipe | Initialiser | str | Iterable[Any]) -> str:
    """The papers behind a plan or some initialisers, as BibTeX.

    Args:
        what: a plan, a recipe, an initialiser, a spec, or several of them.

    Returns:
        One entry a paper, sorted by key; empty if nothing is due to a paper.

    Raises:
        UnknownNameError: with the nearest name there is.

    Example:
        >>> print(cite(["he_normal", "zeros"]).splitlines()[0])
        @inproceedings{he2015delving,
    """
    return "\n".join(_bibliography()[key] for key in sorted(set(_cited(what))))


def _cited(what: Any) -> Iterable[str]:
    """Keys of the papers behind something."""
    match what:
        case Decisions():
            recipe = [what.recipe] if what.version and what.recipe.partition("(")[0] in by_name() else []
            return _cited([*recipe, *(choice.init for choice in what.choices)])
        case Recipe() if what.version:
            return what.cites
        case Recipe():  # of one initialiser, whose rules are the same for every model
            return _cited([rule.start for rule in what.rules_of(Graph(())) if isinstance(rule.start, Initialiser)])
        case Initialiser():
            return [key for name in _made_of(parse_call(what.spec)) for key in entry(name).cited]
        case str() if what in COMPUTED:
            return entry(what).cited
        case str():
            return _cited(parse_recipe(what))
    return [key for one in what for key in _cited(one)]


def _made_of(call: Call) -> list[str]:
    """A start and those that its arguments name, given or by default, as in icnr('he_normal')."""
    parameters = list(inspect.signature(CATALOGUE[call.name]).parameters.values())
    values = {parameter.name: parameter.default for parameter in parameters} | call.kwargs
    values |= {parameter.name: value for parameter, value in zip(parameters, call.args, strict=False)}
    texts = [text for value in values.values() for text in (value if isinstance(value, tuple) else [value])]
    inner = [text for text in texts if isinstance(text, str) and text.partition("(")[0] in CATALOGUE]
    return [call.name, *(name for text in inner for name in _made_of(parse_call(text)))]


@cache
def _bibliography() -> dict[str, str]:
    with open(os.path.join(os.path.dirname(__file__), "init", "references.bib"), encoding="utf-8") as file:
        text = file.read()
    return {key: entry for entry, key in re.findall(r"^(@\w+\{(\w+),\n.*?^\}\n)", text, re.MULTILINE | re.DOTALL)}


def _entry(name: str, function: Callable[..., Any], group: str) -> Entry:
    first, *rest = _SECTION.split(inspect.getdoc(function) or "")
    sections = {title: _section(title, text) for title, text in zip(rest[::2], rest[1::2], strict=True)}
    return Entry(
        name=name,
        group=group,
        call=_call(name, function),
        claim=" ".join(first.split()),
        sections=sections,
        cited=tuple(_CITED.findall(inspect.getdoc(function) or "")),
        aliases=tuple(alias for alias, meant in ALIASES.items() if meant is function),
    )


def _section(title: str, text: str) -> str:
    """Prose in lines of 72; lists and examples as they are written."""
    text = inspect.cleandoc(_CITED.sub("", text))
    if title in ("Args", "Raises"):
        items = re.split(r"\n(?=\S)", text)
        return "\n".join(textwrap.fill(" ".join(item.split()), 72, subsequent_indent="    ") for item in items)
    return text if title == "Example" else _filled(text, 72)


def _filled(text: str, width: int) -> str:
    return textwrap.fill(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)


def _call(name: str, function: Callable[..., Any]) -> str:
    plain = [
        f"{p.name}={p.default!r}" if p.default is not p.empty else p.name
        for p in inspect.signature(function).parameters.values()
        if p.annotation is not Graph  # which every recipe is a function of
    ]
    return f"{name}({', '.join(plain)})" if plain else name
