"""Way: how the runs of a model are trained, several at once as replicas or one by one."""

from dataclasses import dataclass

FEWEST = 8  # replicas: fewer are no faster than the plain loop


@dataclass(frozen=True)
class Way:
    """What a trial beside the plain loop found out.

    Attributes:
        size: how many train together; 1 is one by one, in the plain loop.
        inside: whether each replica's gradient is taken by itself, and not that of the sum of all losses.
        draws: whether it draws numbers while it trains, as dropout does.
        unused: paths of parameters that no gradient reaches, which no step moves.
        bytes: that a replica holds while it trains.
        why: one by one, if they are; empty if the trial was not asked.
    """

    size: int = 1
    inside: bool = False
    draws: bool = False
    unused: tuple[str, ...] = ()
    bytes: int = 0
    why: str = ""
