"""Why a rule matches nothing, and what was perhaps meant."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from .._errors import few
from .._graph import Graph, Param
from .._rule import Rule


def hint(rule: Rule, graph: Graph) -> str:
    """One clause for the person who wrote the rule."""
    named = [param for param in graph.params if rule.names(param)]
    if not named:
        near = _nearest(rule.paths, sorted(graph.by_path))
        return f"no parameter has such a name; the closest is '{near}'" if near else "no parameter has such a name"
    return next(_unmet(rule, named), f"its conditions hold together for none of the {len(named)} that it names")


def _unmet(rule: Rule, named: list[Param]) -> Iterator[str]:
    """The conditions that hold for none of the parameters that are named."""
    found = {
        "role": {param.role for param in named},
        "operation": {param.use.operation for param in named},
        "layer": {param.layer for param in named},
    }
    for condition, there in found.items():
        wanted = getattr(rule, condition)
        if wanted and wanted not in there:
            said = few(sorted(map(repr, there)))
            yield f"none of the {len(named)} that it names has {condition}={wanted!r}; they have {said}"
    if rule.but and all(any(fnmatchcase(name, rule.but) for name in (p.path, *p.tied)) for p in named):
        yield f"but='{rule.but}' leaves out all {len(named)} that it names"


def _nearest(glob: str, names: list[str]) -> str | None:
    """A glob like the one that was written that matches something, or else the nearest name."""
    import difflib  # rarely needed, and slow to import

    mended = _mended(glob, names)
    tried = [f"{before}{text}{after}" for text in (glob, mended) for before in ("", "*.") for after in ("", ".*")]
    matching = [one for one in tried if any(fnmatchcase(name, one) for name in names)]
    return next(iter([*matching, *difflib.get_close_matches(glob, names, n=1)]), None)


def _mended(glob: str, names: list[str]) -> str:
    """The glob with every word that no name contains replaced by the nearest that one does."""
    import difflib

    known = sorted({part for name in names for part in name.split(".")})
    near = [
        difflib.get_close_matches(part, known, n=1) if "*" not in part and part not in known else []
        for part in glob.split(".")
    ]
    return ".".join(found[0] if found else part for part, found in zip(glob.split("."), near, strict=True))
