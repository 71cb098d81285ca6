import pytest

from initium._decisions._fold import Row, fold


def folded(*paths):
    return [row.paths for row in fold((path, "") for path in paths)]


def test_repeated_blocks_are_one_row_where_the_first_stood():
    paths = ["wte", "h.0.a", "h.0.b", "h.1.a", "h.1.b", "h.2.a", "h.2.b", "head"]
    assert fold((path, path[-1]) for path in paths) == [
        Row("wte", "e", (0,)),
        Row("h.0-2.a", "a", (1, 3, 5)),
        Row("h.0-2.b", "b", (2, 4, 6)),
        Row("head", "d", (7,)),
    ]


def test_what_starts_otherwise_stays_apart():
    assert [row.paths for row in fold([("0.w", "x"), ("1.w", "y"), ("2.w", "x"), ("3.w", "x")])] == ["0,2-3.w", "1.w"]


def test_repeats_within_repeats_fold_both_ways():
    stages = {0: 2, 1: 2, 2: 3}
    paths = [f"layers.{stage}.blocks.{block}.w" for stage, blocks in stages.items() for block in range(blocks)]
    assert folded(*paths) == ["layers.0-1.blocks.0-1.w", "layers.2.blocks.0-2.w"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0,), "0"),
        ((0, 1), "0-1"),
        ((0, 2), "0,2"),
        ((0, 2, 4), "0,2,4"),
        ((0, 1, 2, 5, 7, 8), "0-2,5,7-8"),
        ((9, 10, 11), "9-11"),
    ],
)
def test_numbers_are_told_as_ranges(numbers, text):
    assert folded(*[f"{number}.weight" for number in numbers]) == [f"{text}.weight"]


def test_equal_steps_are_told_by_the_first_two_and_the_last():
    assert folded(*[f"{number}.weight" for number in range(2, 99, 2)]) == ["2.weight, 4.weight .. 98.weight"]
    assert folded(*[f"h.{block}.{layer}.w" for block in (0, 1) for layer in (1, 4, 7, 10)]) == [
        "h.0-1.1.w, h.0-1.4.w .. h.0-1.10.w"
    ]


def test_a_number_that_is_part_of_a_name_is_one():
    assert folded("layer1.0.w", "layer1.1.w", "layer2.0.w") == ["layer1.0-1.w", "layer2.0.w"]
    assert folded("fc1.w", "fc2.w", "01.w", "02.w") == ["fc1.w", "fc2.w", "01.w", "02.w"]


def test_two_numbered_names_stay_two_and_three_are_a_row_of_layers():
    assert folded("h.0.ln_1.w", "h.0.ln_2.w", "h.1.ln_1.w", "h.1.ln_2.w") == ["h.0-1.ln_1.w", "h.0-1.ln_2.w"]
    assert folded(*[f"encoder_layer_{i}.w" for i in range(3)]) == ["encoder_layer_0-2.w"]


def test_no_path_is_lost_or_told_twice():
    paths = [f"a.{i}.b.{j}.{name}" for i in range(5) for j in range(i + 1) for name in "xy" if (i + j) % 3]
    rows = fold((path, "") for path in paths)
    assert sorted(member for row in rows for member in row.members) == [*range(len(paths))]
    assert all(list(row.members) == sorted(row.members) for row in rows)
