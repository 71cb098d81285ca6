"""From what was measured to findings, the root cause first."""

from collections.abc import Iterable

from .._graph import Graph
from .._spec import unknown_name
from ._evidence import Evidence
from ._finding import SEVERITIES, Anew, Finding, Found, Kind
from ._kinds import KINDS

_RECIPE = "auto"  # by which the line that starts parameters anew starts them
_TRIED = (
    "`auto` was tried, and no size of the weights mends it: another activation, a normalisation or a residual sum "
    "between the layers"
)


def judge(evidence: Evidence, ignore: str | Iterable[str] = ()) -> tuple[Finding, ...]:
    """All findings, by severity, and of one severity causes before what they cause, as the table has them."""
    ignored = ignored_of(ignore)
    told = [(kind, _finding(kind, one, evidence.start)) for kind in KINDS for one in kind.judge(evidence)]
    left = [(kind, finding) for kind, finding in told if not any(finding.matches(text) for text in ignored)]
    kept = [
        finding
        for kind, finding in left
        if not any(other.id in kind.told_by and _leads(evidence.graph, other, finding) for _, other in left)
    ]
    return tuple(sorted(kept, key=lambda finding: SEVERITIES.index(finding.severity)))


def _leads(graph: Graph, cause: Finding, finding: Finding) -> bool:
    """Whether two findings share a place, or what starts at one comes to the other; the whole model is everywhere."""
    if not cause.paths or not finding.paths or {*cause.paths} & {*finding.paths}:
        return True
    seen, waiting = set[str](), [*finding.paths]
    while waiting:
        path = waiting.pop()
        if path in graph.by_path and path not in seen:
            seen.add(path)
            waiting += [source for use in graph.by_path[path].uses for source in use.after]
    return cause.path in seen


def ignored_of(ignore: str | Iterable[str]) -> tuple[str, ...]:
    """What is to be left out, one by one; a text may name several, with commas between.

    Raises:
        UnknownNameError: with the nearest id there is, if one names no kind of finding.
    """
    ids = [kind.id for kind in KINDS]
    texts = (ignore,) if isinstance(ignore, str) else ignore
    ignored = tuple(part.strip() for text in texts for part in text.split(","))
    for text in ignored:
        if text.partition(":")[0] not in ids:
            raise unknown_name(
                "finding", text.partition(":")[0], ids, "A finding is ignored by id, or by id and paths: IN201:head.*"
            )
    return ignored


def _finding(kind: Kind, found: Found, start: str) -> Finding:
    remedy = found.remedy or kind.remedy
    if start == _RECIPE and isinstance(remedy, Anew):
        remedy = _TRIED
    return Finding(
        id=kind.id,
        name=kind.name,
        severity=found.severity or kind.severity,
        paths=found.paths,
        measured=found.measured,
        cause=found.cause,
        remedy=str(remedy),
        docs=kind.docs,
        back_to=found.back_to,
    )
