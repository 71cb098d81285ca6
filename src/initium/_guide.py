"""The guide: what the catalogue's docstrings say, entry by entry, and which papers they cite."""

import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ._plan import Plan
from ._recipe import Recipe
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


@cache
def entries() -> tuple[Entry, ...]:
    """The whole catalogue, family by family, in the order in which it is written."""
    found = [_entry(name, function) for name, function in (CATALOGUE | COMPUTED).items()]
    groups = list(dict.fromkeys(_GROUPS.values()))
    return tuple(sorted(found, key=lambda entry: groups.index(entry.group)))


# A family is a file.
_GROUPS = {
    "_elementary": "Constants and plain random numbers",
    "_variance_scaling": "Variance scaling",
    "_isometry": "Isometries",
    "_structure": "Structure",
    "_residual": "Transformers and residual nets",
    "_recurrent": "Recurrent nets and state spaces",
    "_heads": "Heads and priors",
    "_adapters": "Adapters for fine-tuning",
    "_computed": "Computed from other arrays",
}


def entry(name: str) -> Entry:
    """The entry of a name, of an alias or of a spec.

    Raises:
        UnknownNameError: with the nearest name there is.
    """
    name = parse_call(name).name
    name = ALIASES[name].__name__ if name in ALIASES else name
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise unknown_name("initialiser", name, [*known, *ALIASES], "`initium list` shows all of them.")
    return known[name]


def explain(name: str) -> str:
    """Everything that is known of a start, as text.

    Args:
        name: of an entry, an alias, or a spec.

    Raises:
        UnknownNameError: with the nearest name there is.

    Example:
        >>> print(explain("kaiming_normal").splitlines()[0])
        he_normal(slope=0.0, mode='in')
    """
    found = entry(name)
    also = f" Also called {', '.join(found.aliases)}." if found.aliases else ""
    parts = [found.call, _filled(found.claim + also, 76)]
    parts += [_TITLES[title] + _indented(text) for title, text in found.sections.items() if title in _TITLES]
    return "\n\n".join(parts)


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


def cite(what: Plan | Recipe | Initialiser | str | Iterable[Any]) -> str:
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
    cited = sorted({key for name in _names(what) for key in entry(name).cited})
    return "\n".join(_bibliography()[key] for key in cited)


def _names(what: Any) -> Iterable[str]:
    """The catalogue names that something is made of; a spec may hold further ones, as in icnr('he_normal')."""
    match what:
        case Plan():
            return _names(choice.init for choice in what.choices)
        case Recipe():
            return _names([what.weight, what.bias])
        case Initialiser():
            return _made_of(parse_call(what.spec))
        case str() if what in COMPUTED:
            return [what]
        case str():
            return _names(Recipe.parse(what))
    return [name for one in what for name in _names(one)]


def _made_of(call: Call) -> list[str]:
    """A start and those that its arguments name, given or by default."""
    parameters = inspect.signature(CATALOGUE[call.name]).parameters.values()
    values = {parameter.name: parameter.default for parameter in parameters} | call.kwargs
    inner = [text for text in values.values() if isinstance(text, str) and text.partition("(")[0] in CATALOGUE]
    return [call.name, *(name for text in inner for name in _made_of(parse_call(text)))]


@cache
def _bibliography() -> dict[str, str]:
    with open(os.path.join(os.path.dirname(__file__), "init", "references.bib"), encoding="utf-8") as file:
        text = file.read()
    return {key: entry for entry, key in re.findall(r"^(@\w+\{(\w+),\n.*?^\}\n)", text, re.MULTILINE | re.DOTALL)}


def _entry(name: str, function: Callable[..., Any]) -> Entry:
    first, *rest = _SECTION.split(inspect.getdoc(function) or "")
    sections = {title: _section(title, text) for title, text in zip(rest[::2], rest[1::2], strict=True)}
    return Entry(
        name=name,
        group=_GROUPS[function.__module__.rpartition(".")[2]],
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
    ]
    return f"{name}({', '.join(plain)})" if plain else name
