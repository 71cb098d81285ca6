"""From a torch module to a Graph, by running it once on tensors without memory."""

from ._trace import said as said
from ._trace import trace as trace
