"""Train the runs of a study, each from its start."""

from ._contender import decided as decided
from ._engine import Engine as Engine
from ._engine import trained as trained
from ._processes import Processes as Processes
