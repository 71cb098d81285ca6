"""The Plan: one decision for every parameter, and why."""

from ._choice import Choice as Choice
from ._decide import decide as decide
from ._plan import Plan as Plan
