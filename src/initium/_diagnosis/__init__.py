"""Diagnosis: from what was measured at step zero to findings.

Whoever measures takes what is here and in `_geometry`, which `thorough` alone needs.
"""

from ._diagnosis import Diagnosis as Diagnosis
from ._evidence import Attention as Attention
from ._evidence import Evidence as Evidence
from ._evidence import Layer as Layer
from ._evidence import Loss as Loss
from ._evidence import Numbers as Numbers
from ._evidence import Recurrence as Recurrence
from ._evidence import Step as Step
from ._finding import Finding as Finding
from ._judge import ignored_of as ignored_of
from ._judge import judge as judge
from ._kinds import KINDS as KINDS
from ._lines import lines as lines
from ._wanted import wanted as wanted
