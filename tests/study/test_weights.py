"""The weights of a run as it keeps them."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest

from initium._study._run import Run
from initium._study._weights import Histogram, Weights, from_arrays, to_arrays

RUN = {
    "recipe": "zeros", "index": 0, "train_loss": (1.0, 0.5), "test_loss": (1.0, 0.5), "test_score": (0.5, 1.0),
    "merits": np.ones(4), "units_start": (2,), "units_end": (2,), "widths": (2,),
}  # fmt: skip
NUMBERS = np.linspace(-1, 1, 4801)[:-1]  # a hundred in each bin


def test_a_histogram_counts_each_number_once_and_its_density_has_area_one():
    found = Histogram.of(NUMBERS)
    assert sum(found.counts) == 4800
    assert set(found.counts) <= {99, 100, 101}
    width = found.middles[1] - found.middles[0]
    assert (found.density * width).sum() == pytest.approx(1)
    assert found.density == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("many", [10, 500, 5000])
def test_fewer_numbers_are_shown_in_fewer_bins_and_none_is_lost(many):
    found = Histogram.of(np.linspace(0, 1, many)).shown
    assert len(found.counts) == {10: 12, 500: 24, 5000: 48}[many]
    assert sum(found.counts) == many


def test_what_is_not_finite_is_in_no_bin():
    assert sum(Histogram.of(np.array([np.nan, np.inf, 1.0])).counts) == 1
    assert sum(Histogram.of(np.array([])).counts) == 0


def test_a_run_is_kept_with_every_weight():
    weights = (Weights.of("0.weight", NUMBERS, 2 * NUMBERS), Weights.of("1.weight", np.zeros(4), np.ones(4)))
    assert Run.of(Run(**RUN, weights=weights).row).weights == weights
    assert Run.of(Run(**RUN).row).weights == ()


def test_a_run_kept_before_there_were_histograms_has_that_of_its_first_weight():
    row = Run(**RUN).row
    with np.load(BytesIO(row.detail)) as found:
        arrays = {name: found[name] for name in found.files}
    detail = BytesIO()
    np.savez_compressed(detail, **arrays, first_start=NUMBERS, first_end=2 * NUMBERS)
    assert Run.of(replace(row, detail=detail.getvalue())).weights == (Weights.of("first layer", NUMBERS, 2 * NUMBERS),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_paths", np.array([1.0])),
        ("weight_ends", np.zeros((1, 2, 2))),
        ("weight_ends", np.full((1, 2, 2), np.nan)),
        ("weight_counts", np.zeros((1, 2, 3), np.int64)),
        ("weight_counts", np.full((1, 2, 48), -1)),
        ("weight_counts", np.array(["a"])),
    ],
)
def test_damaged_histograms_are_refused(name, value):
    arrays = to_arrays((Weights.of("a", NUMBERS, NUMBERS),))
    assert from_arrays(arrays)
    with pytest.raises(ValueError, match="histogram"):
        from_arrays({**arrays, name: value})
