"""A plan's numbers on disk: written, hashed and verified without a model and without a framework."""

from ._asked import asked as asked
from ._manifest import digest as digest
from ._manifest import manifest as manifest
from ._manifest import read as read
from ._manifest import read_for as read_for
from ._verify import verify as verify
from ._write import target as target
from ._write import write as write
