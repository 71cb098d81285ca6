"""PyTorch's edge: the only place that imports torch."""

from . import init as init
from ._read import read as read
from ._write import write as write
