"""What was decided for each parameter, and why, as data."""

from ._anew import starts_anew as starts_anew
from ._choice import Choice as Choice
from ._decide import decide as decide
from ._decisions import Decisions as Decisions
from ._decisions import with_verbs as with_verbs
from ._fold import folded as folded
from ._in_dtype import in_dtype as in_dtype
from ._origin import LeftOut as LeftOut
from ._origin import Origin as Origin
from ._origin import Sum as Sum
from ._sums import changed as changed
from ._sums import files_of as files_of
from ._sums import sums as sums
