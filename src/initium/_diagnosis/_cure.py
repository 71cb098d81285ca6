"""The plan that removes what a start can remove of what was found."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from .._errors import few
from .._rule import Rules
from ._beside import Beside
from ._finding import Finding

if TYPE_CHECKING:
    from .._plan import Plan
    from ._diagnosis import Diagnosis

_RECIPE = "auto"


def cure(diagnosis: "Diagnosis", rules: Rules) -> "Plan":
    """See `Diagnosis.cure`."""
    plan, after = diagnosis.under(_RECIPE, rules=rules)
    kept = ", with what your rules ask," if rules else ""
    return replace(plan, notes=(*plan.notes, *_told(Beside(diagnosis, after), f"{_RECIPE}{kept}")))


def _told(beside: Beside, what: str) -> Iterator[str]:
    """What was measured of the cure, as notes."""
    if beside.mended:
        yield f"measured on a copy with seed 0: {what} removes {_names(beside.mended)}"
    for verb, findings in (("leaves", beside.left), ("brings", beside.brought)):
        for one in findings:
            yield f"{what} {verb} {one.id} {one.name} ({one.severity}): {one.cause}; what mends it: {one.remedy}"


def _names(findings: tuple[Finding, ...]) -> str:
    return few([f"{finding.id} {finding.name}" for finding in findings])
