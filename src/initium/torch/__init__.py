"""PyTorch's edge: the only place that imports torch."""

from ._read import read as read
from ._write import write as write
