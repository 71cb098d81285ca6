"""Findings about units and layers that are the same."""

from collections.abc import Iterator

from ._evidence import Evidence
from ._finding import Found, anew

_ALIKE = 0.5
_FEW = 5  # names that a line can hold


def identical_units(evidence: Evidence) -> Iterator[Found]:
    """Weights of which many units are one, and stay one."""
    alike = [n for n in evidence.numbers if n.num_units > 1 and n.num_alike > _ALIKE * n.num_units]
    if alike:
        yield Found.at(
            alike,
            measured=f"{alike[0].num_alike} of {alike[0].num_units} units have another's weights and gradient",
            cause="units that start alike and are read alike get the same gradient, and stay one unit for ever",
        )


def duplicates(evidence: Evidence) -> Iterator[Found]:
    """Parameters that hold another's numbers."""
    twins = [numbers for numbers in evidence.numbers if numbers.twin]
    for moves, and_gradient in ((True, ", and gets the same gradient"), (False, "")):
        alike = [numbers for numbers in twins if numbers.moves_with_twin is moves]
        if alike:
            yield Found.at(
                alike,
                measured=f"it holds the same numbers as `{alike[0].twin}`{and_gradient}",
                cause="the same seed was used twice, or one layer was copied",
                remedy=anew([numbers.path for numbers in alike]),
                severity="serious" if moves else None,
            )


def repeats(evidence: Evidence) -> Iterator[Found]:
    """Weights in which one block or head holds another's numbers."""
    for moves, and_gradient in ((True, ", and get the same gradient"), (False, "")):
        alike = [numbers for numbers in evidence.numbers if numbers.repeats and numbers.repeats_move is moves]
        if alike:
            named = ", ".join(alike[0].repeats[:_FEW])
            yield Found.at(
                alike,
                measured=f"{len(alike[0].repeats)} of its parts hold the numbers of one before them{and_gradient}: "
                f"{named}",
                cause="each part was drawn with the same seed, or one was copied into the others",
                remedy=anew([numbers.path for numbers in alike]),
                severity="serious" if moves else None,
            )
