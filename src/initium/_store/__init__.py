"""Where a study lives: one SQLite file that outlives whoever writes it. It knows no framework and no model."""

from ._row import Key as Key
from ._row import Row as Row
