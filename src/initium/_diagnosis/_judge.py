"""From what was measured to findings, the root cause first."""

from collections.abc import Iterable

from .._spec import unknown_name
from ._evidence import Evidence
from ._finding import SEVERITIES, Finding, Found, Kind
from ._kinds import KINDS


def judge(evidence: Evidence, ignore: Iterable[str] = ()) -> tuple[Finding, ...]:
    """All findings, by severity, and of one severity causes before what they cause, as the table has them."""
    ignored = tuple(ignore)
    check_ignored(ignored)
    found = {kind.id: [_finding(kind, one) for one in kind.judge(evidence)] for kind in KINDS}
    kinds = [kind for kind in KINDS if not any(found[other] for other in kind.told_by)]
    told = [finding for kind in kinds for finding in found[kind.id]]
    kept = [finding for finding in told if not any(finding.matches(text) for text in ignored)]
    return tuple(sorted(kept, key=lambda finding: SEVERITIES.index(finding.severity)))


def check_ignored(ignored: Iterable[str]) -> None:
    """Refuse what names no kind of finding.

    Raises:
        UnknownNameError: with the nearest id there is.
    """
    ids = [kind.id for kind in KINDS]
    for text in ignored:
        if text.partition(":")[0] not in ids:
            raise unknown_name(
                "finding", text.partition(":")[0], ids, "A finding is ignored by id, or by id and paths: IN201:head.*"
            )


def _finding(kind: Kind, found: Found) -> Finding:
    return Finding(
        id=kind.id,
        name=kind.name,
        severity=found.severity or kind.severity,
        paths=found.paths,
        measured=found.measured,
        cause=found.cause,
        remedy=found.remedy or kind.remedy,
        docs=kind.docs,
    )
