"""From a function of parameters to a Graph, by its jaxpr, on shapes alone."""

from ._trace import trace as trace
