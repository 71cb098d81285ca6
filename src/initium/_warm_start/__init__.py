"""From a checkpoint's names and shapes to decisions; no numbers are read, and no framework is known."""

from ._checkpoint import Checkpoint as Checkpoint
from ._decide import Wish as Wish
from ._decide import decide as decide
