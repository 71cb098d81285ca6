"""How every chart looks."""

import numpy as np
import pytest

from initium._report._plots import axis, ends, label, line_style, log_axis, marker_style, numbers


def test_no_two_of_42_lines_look_alike_even_in_black_and_white():
    grey = {(line_style(index)["dash"], marker_style(index)["symbol"]) for index in range(42)}
    assert len(grey) == 42
    assert len({line_style(index)["color"] for index in range(8)}) == 8
    assert all(line_style(index)["color"] == marker_style(index)["color"] for index in range(42))


@pytest.mark.parametrize("ends", [(2.1, 9.5), (0.9, 1.4), (0.5, 80), (1e-6, 2.0), (1e-30, 1e30)])
def test_a_log_axis_has_ticks_within_it_and_not_too_many(ends):
    found = log_axis(*ends, "loss")
    assert found["range"] == pytest.approx(np.log10(ends))
    within = [tick for tick in found["tickvals"] if ends[0] <= tick <= ends[1]]
    assert 1 <= len(within) <= 9
    assert len(found["ticktext"]) == len(found["tickvals"])


@pytest.mark.parametrize("ends", [(0.65, 0.73), (1.05, 1.3), (6.9e-5, 7.7e-5), (0.9, 1.4), (680, 720)])
def test_a_short_log_axis_has_round_ticks_of_its_own_each_written_otherwise(ends):
    found = log_axis(*ends)
    ticks = [tick for tick in found["tickvals"] if ends[0] <= tick <= ends[1]]
    assert 3 <= len(ticks) <= 9
    assert np.ptp(np.diff(ticks)) < 1e-6 * ticks[0]
    assert len(set(found["ticktext"])) == len(found["tickvals"])


def test_ticks_are_written_as_people_write_them():
    assert log_axis(0.5, 80)["ticktext"] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50", "100", "200", "500"]
    assert log_axis(1e-6, 1)["ticktext"][0] == "10<sup>-6</sup>"
    assert log_axis(1e-6, 1e-4)["ticktext"][:3] == ["10<sup>-6</sup>", "2·10<sup>-6</sup>", "5·10<sup>-6</sup>"]


def test_an_axis_has_minor_ticks():
    assert axis()["minor"]["ticks"] == "outside"
    assert log_axis(1, 100)["minor"]["tickvals"][:8] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_long_name_takes_two_lines_at_most_and_is_no_markup():
    assert label("zeros") == "zeros"
    assert label("a<b>") == "a&lt;b&gt;"
    assert label("he_normal with head.*=zeros, body.*=ones and more").count("<br>") == 1
    assert label("he_normal with head.*=zeros, body.*=ones and more", 40, lines=1) == "he_normal with head.*=zeros, ..."


def test_numbers_are_rounded_to_what_is_seen():
    assert numbers(np.array([1.23456789, np.nan, np.inf]), 4) == [1.235, None, None]
    assert numbers(np.array([1.23456789])) == [1.23457]


@pytest.mark.parametrize(
    ("values", "is_log", "reached"),
    [
        ([1.0, None, np.array([3.0, np.nan])], False, (1, 3)),
        ([0.0, 1e-9, -3.0, 10.0], True, (1e-9, 10)),
        ([5.0], False, (5, 5)),
        ([5.0], True, (5, 5)),
        ([0.0], False, (0, 0)),
        ([], True, (0.2, 0.5)),
        ([1e-299, 1e299, 1e308, np.inf], True, (1e-299, 1e299)),
        ([-1e308, 0.0, 1.0], False, (0, 1)),
    ],
)
def test_an_axis_ends_a_little_beyond_what_it_shows(values, is_log, reached):
    low, high = ends(values, is_log=is_log)
    assert low < reached[0] <= reached[1] < high
    assert low > 0 or not is_log
