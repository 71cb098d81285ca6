"""Findings about units and layers that are the same."""

from collections.abc import Iterator

from ._evidence import Evidence
from ._finding import Found

_ALIKE = 0.5


def identical_units(evidence: Evidence) -> Iterator[Found]:
    """Weights of which many units are one, and stay one."""
    alike = [n for n in evidence.numbers if n.num_units > 1 and n.num_alike > _ALIKE * n.num_units]
    if alike:
        yield Found(
            paths=tuple(numbers.path for numbers in alike),
            measured=f"{alike[0].num_alike} of {alike[0].num_units} units have another's weights and gradient",
            cause="units that start alike and are read alike get the same gradient, and stay one unit for ever",
        )


def duplicates(evidence: Evidence) -> Iterator[Found]:
    """Parameters that hold another's numbers."""
    twins = [numbers for numbers in evidence.numbers if numbers.twin]
    for moves, and_gradient in ((True, ", and gets the same gradient"), (False, "")):
        alike = [numbers for numbers in twins if numbers.moves_with_twin is moves]
        if alike:
            yield Found(
                paths=tuple(numbers.path for numbers in alike),
                measured=f"it holds the same numbers as `{alike[0].twin}`{and_gradient}",
                cause="the same seed was used twice, or one layer was copied",
                severity="serious" if moves else None,
            )
