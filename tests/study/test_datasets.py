"""Data sets of `datasets`: the real ones where it is installed, else what looks like them from outside."""

from dataclasses import dataclass

import numpy as np
import pytest

from initium import DataError
from initium._study._data import load_data

pandas = pytest.importorskip("pandas")
RANDOM = np.random.default_rng(0)
LABEL = [0, 1] * 10
VECTORS = RANDOM.normal(size=(20, 5))
IMAGES = RANDOM.normal(size=(20, 3, 4, 4))


@dataclass
class Stub:
    """As much of one as anybody sees: columns by name, rows by number, a table of pandas."""

    columns_by_name: dict

    @property
    def column_names(self):
        return list(self.columns_by_name)

    @property
    def features(self):
        return dict.fromkeys(self.columns_by_name)

    def __len__(self):
        return len(next(iter(self.columns_by_name.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns_by_name[key]
        return {name: column[key] for name, column in self.columns_by_name.items()}

    def with_format(self, kind):
        return self

    def to_pandas(self):
        nested = {name: list(map(_nested, column)) for name, column in self.columns_by_name.items()}
        return pandas.DataFrame({name: pandas.Series(column) for name, column in nested.items()})


def _nested(cell):
    """Lists are arrays of arrays, as Arrow gives them to pandas."""
    if not isinstance(cell, list):
        return cell
    if not isinstance(cell[0], list):
        return np.array(cell)
    found = np.empty(len(cell), object)
    found[:] = list(map(_nested, cell))
    return found


def real(columns):
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


@pytest.fixture(params=[Stub, real], ids=["stub", "real"])
def make(request):
    return request.param


def test_columns_of_numbers_are_features(make):
    data = load_data(make({"a": list(range(20)), "label": LABEL, "b": [n / 2 for n in range(20)]}), target="label")
    assert (data.features, data.told_task) == ((2,), "classification of 2 classes")
    assert data.preparation.startswith("target 'label'; a fifth for testing")


@pytest.mark.parametrize("cells", [VECTORS, IMAGES])
def test_a_column_of_vectors_or_images_is_as_it_is(make, cells):
    ours = load_data(make({"x": cells.tolist(), "label": LABEL}))
    theirs = load_data((cells, np.array(LABEL)))
    np.testing.assert_array_equal(ours.x_train, theirs.x_train)
    np.testing.assert_array_equal(ours.y_test, theirs.y_test)


def test_vectors_stand_beside_numbers_and_several_labels_are_a_target(make):
    both = [[0, 1], [1, 1]] * 5 + [[1, 0], [0, 0]] * 5
    data = load_data(make({"x": VECTORS.tolist(), "z": list(range(20)), "label": both}))
    assert (data.features, data.told_task) == ((6,), "2 labels that hold or do not")


def test_two_of_them_are_a_split_of_their_own(make):
    one = make({"a": list(range(20)), "label": LABEL})
    data = load_data((one, make({"a": [1, 2, 3], "label": [0, 1, 0]})))
    assert (len(data.x_train), len(data.x_test), data.source) == (20, 3, None)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [[1.0], [1.0, 2.0]] * 10, "label": LABEL}, "Column 'x' has cells of the shapes (1,), (2,); all need "),
        ({"x": ["red"] * 20, "label": LABEL}, "Column 'x' holds 'red', no numbers. Leave it out or encode it."),
        ({"x": [{"bytes": "b" * 99}] * 20, "label": LABEL}, "Column 'x' holds '{'bytes': 'bbb"),
        ({"x": [1.0, float("nan")] * 10, "label": LABEL}, "Column 'x' is NaN or infinite in 10 rows, the first row 1."),
        ({"x": [1.0, None] * 10, "label": LABEL}, "Column 'x' is NaN or infinite in 10 rows, the first row 1."),
        ({"x": [1.0], "label": [0]}, "X holds 1 of the 2 samples that it needs at least."),
        ({"label": LABEL}, "The table has one column, 'label', and so no features."),
    ],
)
def test_what_does_not_fit_is_told_with_its_column(make, columns, message):
    with pytest.raises(DataError) as error:
        load_data(make(columns))
    assert str(error.value).startswith(message)
    assert len(str(error.value)) < 160


def test_a_column_that_is_not_there_and_splits_of_other_names(make):
    one = make({"a": list(range(20)), "label": LABEL})
    with pytest.raises(DataError, match="There is no column 'z' in the table; its columns are a, label"):
        load_data(one, target="z")

    class Splits(dict):
        column_names = None

    with pytest.raises(DataError) as error:
        load_data(Splits(train=one, validation=one))
    assert str(error.value) == (
        "The data set has the splits train, validation; a comparison needs `train` and `test`. Name two: "
        "(data['train'], data['validation'])."
    )
