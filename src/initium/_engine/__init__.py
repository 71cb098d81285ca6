"""Train the runs of a study, each from its start."""

from ._contender import Contender as Contender
from ._contender import decided as decided
from ._engine import Engine as Engine
from ._engine import train as train
from ._named import named as named
from ._processes import Processes as Processes
from ._replicas import settled as settled
