import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sklearn.datasets
import sklearn.model_selection
import torch

from initium import DataError, SpecError, UnknownNameError
from initium._study._data import BUILT_IN, load_data

X = np.arange(60.0).reshape(20, 3)
Y = np.arange(20) % 2


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_set_is_split_stratified_and_whole(name):
    data = load_data(name)
    x, _ = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    assert len(data.x_train) + len(data.x_test) == len(x)
    assert len(data.x_test) == pytest.approx(len(x) / 5, abs=1)
    if data.is_classification:
        shares = [np.bincount(part) / len(part) for part in (data.y_train, data.y_test)]
        np.testing.assert_allclose(*shares, atol=1.5 / len(data.y_test))
    assert data.x_train.dtype == np.float32


def test_features_are_standardised_on_the_training_split_alone():
    data = load_data("breast_cancer")
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, rtol=1e-5)
    assert np.abs(data.x_test.mean(axis=0)).max() > 1e-2
    x, _ = sklearn.datasets.load_breast_cancer(return_X_y=True)
    # Changing the test split alone changes nothing of the training split.
    parts = [x[:400], np.arange(400) % 2, x[400:], np.arange(169) % 2]
    other = [*parts[:2], parts[2] * 5, parts[3]]
    np.testing.assert_array_equal(load_data(parts).x_train, load_data(other).x_train)
    np.testing.assert_allclose(
        load_data(other).x_test, (other[2] - x[:400].mean(axis=0)) / x[:400].std(axis=0), rtol=1e-4, atol=1e-5
    )


def test_pixels_share_one_mean_and_one_std():
    data = load_data("digits")
    assert data.x_train.mean() == pytest.approx(0, abs=1e-5)
    assert data.x_train.std() == pytest.approx(1, rel=1e-5)
    assert np.ptp(data.x_train, axis=0).min() == 0  # the corner that no digit touches


def test_a_split_is_fixed_by_its_seed():
    same, again, other = (load_data("digits", split_seed=seed).y_test for seed in (3, 3, 4))
    np.testing.assert_array_equal(same, again)
    assert (same != other).any()


def test_a_set_narrows_to_its_first_features():
    np.testing.assert_array_equal(load_data("wine(features=4)").x_train, load_data("wine").x_train[:, :4])


def test_a_constant_feature_is_only_centred():
    x = np.column_stack([np.full(20, 0.1), X])
    assert load_data((x, Y, x, Y)).x_train[:, 0] == pytest.approx(0)


def test_regression_targets_are_standardised_on_the_training_split():
    data = load_data("diabetes(features=5)")
    assert data.task == "regression"
    assert data.y_train.shape == (353, 1)
    assert data.y_train.mean() == pytest.approx(0, abs=1e-5)
    assert data.y_train.std() == pytest.approx(1, rel=1e-5)
    _, y = sklearn.datasets.load_diabetes(return_X_y=True)
    train, test = sklearn.model_selection.train_test_split(y, test_size=0.2, random_state=0)
    np.testing.assert_allclose(data.y_test[:, 0], (test - train.mean()) / train.std(), rtol=1e-4, atol=1e-5)


def test_tensors_and_text_labels_are_taken():
    torch = pytest.importorskip("torch")
    x = torch.tensor(X, requires_grad=True)
    data = load_data((x, np.array(["no", "yes"])[Y], x[:6], ["no", "yes"] * 3))
    np.testing.assert_array_equal(data.y_train, Y)
    assert data.num_outputs == 2


def test_standardise_can_be_declined():
    np.testing.assert_array_equal(load_data((X, Y, X, Y), standardise=False).x_train, X.astype(np.float32))


def test_chance_is_the_best_constant_answer():
    assert load_data((X, Y, X, [0] * 15 + [1] * 5)).chance == 0.75
    assert load_data((X, Y * 1.0, X, Y * 1.0)).chance == 0


def test_an_npz_file_is_read_without_unpickling(tmp_path):
    np.savez(tmp_path / "d.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    np.testing.assert_array_equal(load_data(str(tmp_path / "d.npz")).y_test, Y)
    for name, content in {"empty.npz": b"", "junk.npz": b"hello"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="is not a readable file of plain arrays"):
            load_data(str(tmp_path / name))
    np.save(tmp_path / "array.npy", X)
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(DataError, match="is not a readable file of plain arrays"):
        load_data(str(tmp_path / "array.npz"))
    np.savez(tmp_path / "bad.npz", x_train=np.array([{}]), y_train=Y, x_test=X, y_test=Y)
    with pytest.raises(DataError, match="without Python objects"):
        load_data(str(tmp_path / "bad.npz"))


X3 = np.random.default_rng(3).normal(size=(60, 3))
NAN = X.copy()
NAN[3, 1] = np.nan
NAN[7, 0] = np.inf


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y, X), "Data is (X, y) or (x_train, y_train, x_test, y_test); got 3 arrays."),
        ((X, Y[:-1], X, Y), "x_train has 20 samples and y_train has 19; each sample needs one label."),
        ((X, Y, X, Y[:-1]), "x_test has 20 samples and y_test has 19; each sample needs one label."),
        (
            (NAN, Y, X, Y),
            "x_train has NaN or infinite values: 2 in all, the first at [3, 1]. Drop those samples or fill the gaps "
            "before comparing.",
        ),
        (
            (X, NAN[:, 1], X, Y * 1.0),
            "y_train has NaN or infinite values: 1 in all, the first at [3]. Drop those samples or fill the gaps "
            "before comparing.",
        ),
        (
            (X * 1e200, Y, X, Y),
            "x_train holds numbers that float32 cannot, before or after standardising; rescale it.",
        ),
        (
            (X, np.array([{}] * 20), X, Y),
            "y_train holds Python objects; labels are whole numbers or text, targets are floats.",
        ),
        ((X, X, X, X[:, :2]), "y_train has 3 targets and y_test 2."),
        ((X, Y, X, Y[:, None]), "Class labels have one axis, but y_test has shape (20, 1); y_test.ravel() has one."),
        ((X, Y, X, Y.astype(str)), "y_train holds int64 labels and y_test <U21; both need the same kind."),
        (
            (X, Y, X[:, :2], Y),
            "A sample of x_train has shape (3,) and one of x_test (2,); both need the same features.",
        ),
        ((X, Y, X, Y + 5), "y_test holds 5, a class that y_train never shows; train on some of it."),
        ((X, Y * 0, X, Y * 0), "y_train holds one class only, 0; there is nothing to learn."),
        ((X.astype(str), Y, X, Y), "x_train holds <U32, not numbers."),
        ((X, Y * 1.0, X, Y * 0.0), "A target of y_test never varies, so R^2 is not defined on it."),
        (
            (X, np.stack([Y, Y + 1], 1), X, Y),
            "Class labels have one axis, but y_train has shape (20, 2); y_train.ravel() has one.",
        ),
        ((X[:1], Y[:1], X, Y), "x_train holds 1 of the 2 samples that it needs at least."),
        ("no.npz", "There is no file 'no.npz'."),
    ],
)
def test_data_that_cannot_be_used_says_why(data, message):
    with pytest.raises(DataError) as error:
        load_data(data)
    assert str(error.value) == message


def test_a_set_that_is_not_there_names_the_nearest():
    with pytest.raises(UnknownNameError) as error:
        load_data("digit")
    assert str(error.value) == (
        "No data set is called 'digit'; the closest is 'digits'. A file of your own ends in "
        ".npz, .csv, .parquet or .txt, or is file.py:function."
    )


@pytest.mark.parametrize("spec", ["digits(features=65)", "digits(features=0)", "digits(features='a')", "digits(3)"])
def test_a_set_refuses_arguments_it_does_not_have(spec):
    with pytest.raises(SpecError):
        load_data(spec)


@pytest.mark.parametrize("labels", ["a,,b, ", "1,,2, ", "0.5,,1.5, "])
def test_a_gap_in_the_target_of_a_file_is_no_class(tmp_path, labels):
    lines = [f"{number},{label}" for number, label in enumerate(labels.split(","))]
    (tmp_path / "d.csv").write_text("\n".join(["x,y", *lines * 10]))
    with pytest.raises(DataError) as error:
        load_data(str(tmp_path / "d.csv"))
    assert str(error.value) == (
        f"The target 'y' of '{tmp_path}/d.csv' is missing in 20 lines, the first line 3. Leave those samples out."
    )


@pytest.mark.parametrize("gap", [None, float("nan"), "", "NA", "NaT"])
@pytest.mark.parametrize("labels", [["a", "b"], [0, 1], [0.5, 1.5], [True, False]])
def test_a_gap_in_the_target_of_a_frame_is_no_class(gap, labels):
    pandas = pytest.importorskip("pandas")
    gap = getattr(pandas, gap) if isinstance(gap, str) and gap else gap
    frame = pandas.DataFrame({"x": range(60), "y": pandas.Series([labels[0], gap, labels[1]] * 20)})
    frames = [frame]
    if gap is None or gap is pandas.NA:
        frames += [frame.convert_dtypes(), frame.astype({"y": "category"})]
    for one in frames:
        with pytest.raises(DataError) as error:
            load_data(one)
        assert str(error.value) == (
            "The target 'y' of the table is missing in 20 rows, the first row 1. Leave those samples out."
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5,1.5,yes\n1,2,no\n3,4,yes\n", "names no columns, it holds 0.5, 1.5, yes. Put a line of names above it."),
        ("0,0,7\n1,2,0\n3,4,1\n", "names no columns, it holds 0, 0, 7. Put a line of names above it."),
        (
            "a,b,y\n1,2,0\n,4,1\n1, ,1\n",
            "Column 'a' of '{}' has 1 empty cell, the first in line 3. Drop those lines or ",
        ),
        ("a,b,y\n1,2,0\n", "'{}': X holds 1 of the 2 samples that it needs at least."),
        ("a,b,y\n1,nan,0\n2,3,1\n", "Column 'b' of '{}' is NaN or infinite in 1 line, the first line 2. Drop those"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_the_place(tmp_path, text, message):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        load_data(str(path))
    assert message.format(path) in str(error.value)


@pytest.mark.parametrize("names", ["0,1,2", "1990,1991,y", "0.5,height,y"])
def test_columns_may_be_named_by_numbers(tmp_path, names):
    (tmp_path / "t.csv").write_text(f"{names}\n" + "1,2,0\n3,5,1\n" * 10)
    assert load_data(str(tmp_path / "t.csv")).features == (2,)


def test_of_a_column_of_texts_those_are_told_that_are_no_numbers():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="Column 'a' holds 'many', no numbers"):
        load_data(pandas.DataFrame({"a": ["1", "many", "2.5"], "y": [0, 1, 0]}))


def csv_of(tmp_path, labels, name="t.csv"):
    path = tmp_path / name
    path.write_text("a,y\n" + "".join(f"{number},{label}\n" for number, label in enumerate(labels)))
    return str(path)


@pytest.mark.parametrize("mark", ["NA", "N/A", "NaN", "nan", "null", "none", "None", "?", "-", " "])
@pytest.mark.parametrize("labels", [["0", "1"], ["0.5", "1.5"], ["yes", "no"]])
def test_what_is_written_for_nothing_is_no_class(tmp_path, labels, mark):
    with pytest.raises(DataError, match=r"The target 'y' of .* is missing in 10 lines.*, the first line 4\. Leave"):
        load_data(csv_of(tmp_path, [*labels, mark] * 10))


def test_a_minus_beside_a_plus_is_a_class(tmp_path):
    assert load_data(csv_of(tmp_path, ["+", "-"] * 10)).told_task == "classification of 2 classes"


@pytest.mark.parametrize("labels", [["0", "1"], ["0.5", "1.5"]])
def test_a_text_among_numbers_is_a_slip(tmp_path, labels):
    with pytest.raises(DataError, match=r"holds text among numbers, 'oops', in 2 lines, the first line 22\."):
        load_data(csv_of(tmp_path, [*labels * 10, "oops", "oops"]))
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"holds text among numbers, 'oops', in 1 row, the first row 20\."):
        load_data(pandas.DataFrame({"a": range(21), "y": [*labels * 10, "oops"]}))


def test_numbers_among_texts_are_classes_of_their_name(tmp_path):
    assert load_data(csv_of(tmp_path, ["a", "b", "7"] * 10)).told_task == "classification of 3 classes"


@pytest.mark.parametrize("names", ["a,a,y", "y,b,y", "a,b,b"])
def test_columns_of_one_name_are_refused(tmp_path, names):
    (tmp_path / "t.csv").write_text(f"{names}\n" + "1,2,0\n3,5,1\n" * 10)
    twice = max(names.split(","), key=names.split(",").count)
    with pytest.raises(DataError, match=rf"Several columns of .* are called '{twice}'. Give each a name of its own"):
        load_data(str(tmp_path / "t.csv"))
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 0], [3, 5, 1]] * 10, columns=names.split(","))
    with pytest.raises(DataError, match=f"Several columns of the table are called '{twice}'"):
        load_data(frame)


def test_a_line_may_break_within_quotes_and_is_counted_as_an_editor_does(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,y\n\n1,"x\ny"\n2,xy\n' + '1,"x\ny"\n2,xy\n' * 10)
    assert load_data(str(path)).told_task == "classification of 2 classes"
    path.write_text('a,b,y\n\n1,2,"x\ny"\n1,z,0\n')
    with pytest.raises(DataError, match=r"Column 'b' of .* holds 'z', no numbers, first in line 5"):
        load_data(str(path))
    path.write_text("a,b,y\n\n\n1,2,0\n3,4\n")
    with pytest.raises(DataError, match=r"Line 5 of .* has 2 columns and the first 3"):
        load_data(str(path))
    path.write_text("a,y\r1,x\x0c\r2,y\u2028\r" + "1,x\x0c\r2,y\u2028\r" * 9, newline="")
    assert load_data(str(path)).told_task == "classification of 2 classes"


def test_the_ending_of_a_file_may_be_in_capitals(tmp_path):
    assert load_data(csv_of(tmp_path, "01" * 10, "T.CSV")).told_task == "classification of 2 classes"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["x" * 200_000, "y"], "Line 2 of '{}' cannot be read as a table: field larger than field limit (131072)."),
        ([str(10**20), "1"], "holds 100000000000000000000 in line 2, a whole number beyond 64 bits."),
    ],
)
def test_what_is_too_large_for_a_table_is_told(tmp_path, labels, message):
    path = csv_of(tmp_path, labels * 10)
    with pytest.raises(DataError) as error:
        load_data(path)
    assert message.format(path) in str(error.value)


@pytest.mark.parametrize(
    "labels",
    [
        [Decimal("0.5"), Decimal("1.5")],
        [0.5, 1.5],
        [Fraction(1, 2), 1.5],
        [np.float32(0.5), 1],
        [Decimal(0), Decimal(1)],
    ],
)
def test_numbers_of_any_type_are_numbers(labels):
    y = np.array(labels * 30, object)
    expected = load_data((X3, np.array(y, float)))
    for data in (load_data((X3, y)), load_data(frame_of(y))):
        assert data.task == "regression"
        np.testing.assert_array_equal(data.y_train, expected.y_train)


@pytest.mark.parametrize("labels", [[1, "1"], [True, 1], ["a", b"a"], [1, Decimal("nan"), "x"]])
def test_kinds_that_are_mixed_are_refused(labels):
    y = np.array(labels * (60 // len(labels)), object)
    for data in ((X3, y), frame_of(y), (X3, y, X3, y)):
        with pytest.raises(DataError, match=r"mixes kinds, .*, the first other in (sample|row) 1\.|is missing in"):
            load_data(data)


@pytest.mark.parametrize("labels", [[None], ["a", None], [1, None]])
def test_none_is_no_label(labels):
    y = np.array(labels * (60 // len(labels)), object)
    for data, name in (((X3, y), "y"), ((X3, y, X3, y), "y_train")):
        with pytest.raises(DataError, match=rf"{name} is missing in \d0 samples, the first sample \d\."):
            load_data(data)


def test_bytes_are_texts():
    for y in (np.array([b"a", b"b"] * 30), np.array([b"a", b"b"] * 30, object)):
        assert load_data((X3, y)).told_task == "classification of 2 classes"
    with pytest.raises(DataError, match="y holds bytes that are no text in UTF-8"):
        load_data((X3, np.array([b"\xff", b"b"] * 30)))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.arange(60).astype("datetime64[D]"), "holds dates, no numbers. Write them as numbers, such as days since"),
        (np.arange(60).astype("timedelta64[s]"), "holds lengths of time, no numbers. Write them as numbers"),
        (np.arange(60) + 1j, "holds complex128, not numbers. Give its parts as columns of their own."),
    ],
)
def test_what_would_pass_for_numbers_is_refused(column, message):
    with pytest.raises(DataError, match=re.escape(f"y {message}")):
        load_data((X3, column))
    pandas = pytest.importorskip("pandas")
    for target, what in (("y", "Column 'b'"), ("b", "The target 'b' of the table")):
        with pytest.raises(DataError, match=re.escape(f"{what} {message}")):
            load_data(pandas.DataFrame({"a": range(60), "b": column, "y": [0, 1] * 30}), target=target)


def frame_of(y):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"a": range(len(y)), "b": X3[:, 0], "y": pandas.Series(y, dtype=object)})


class Dicts:
    def __len__(self):
        return 60

    def __getitem__(self, index):
        return {"x": X3[index], "y": index % 2}


def sparse(kind):
    return getattr(pytest.importorskip("scipy.sparse"), kind)(np.eye(60))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ([[1, 2]] * 59 + [[1]], [0, 1] * 30), "X is no array, in which all samples have one shape: "),
        (lambda: (torch.ones(60, 2, dtype=torch.bfloat16), [0, 1] * 30), "X is in bfloat16, which NumPy has not; flo"),
        (lambda: (X3, torch.ones(60, dtype=torch.bfloat16)), "y is in bfloat16, which NumPy has not; float() makes"),
        (lambda: (torch.eye(60).to_sparse(), [0, 1] * 30), "X is sparse, and a dense array is needed: to_dense() mak"),
        (lambda: (sparse("csr_matrix"), [0, 1] * 30), "X is sparse, and a dense array is needed: toarray() makes one"),
        (lambda: (sparse("coo_array"), [0, 1] * 30), "X is sparse, and a dense array is needed: toarray() makes one"),
        (lambda: sparse("csr_matrix"), "Data is sparse, and a dense array is needed: toarray() makes one"),
        (Dicts, "The data set gives dicts of 'x', 'y', and pairs of a sample and its target are needed: "),
        (lambda: pytest.importorskip("pandas").DataFrame(), "The table has 0 rows of 0 columns; nothing can be"),
        (lambda: pytest.importorskip("pandas").DataFrame({"a": [], "y": []}), "The table has 0 rows of 2 columns; not"),
    ],
)
def test_what_is_no_dense_array_is_told_with_the_way_out(make, message):
    with pytest.raises(DataError) as error:
        load_data(make())
    assert str(error.value).startswith(message)


def test_a_matrix_of_zeros_and_ones_is_labels_in_floats_as_well():
    y = np.stack([np.arange(60) % 2, np.arange(60) % 3 == 0], 1)
    whole, floats = load_data((X3, y)), load_data((X3, y.astype(float)))
    assert floats.told_task == "2 labels that hold or do not"
    np.testing.assert_array_equal(whole.y_train, floats.y_train)
    assert load_data((X3, y * 1.0, X3, y * 1.0)).task == "multilabel"
    assert load_data((X3, X3[:, :2])).task == "regression"


def test_numbers_that_look_like_classes_are_said_to_be_numbers(tmp_path):
    told = "the 2 values of the target, 0.0, 1.0, are taken as numbers, not as classes, which are whole: 0, not 0.0; "
    for data in (csv_of(tmp_path, ["0.0", "1.0"] * 30), (X3, np.arange(60) % 2 * 1.0)):
        found = load_data(data)
        assert found.task == "regression"
        assert told in found.preparation
    assert "are taken as numbers" in load_data((X3, np.arange(60) % 3 * 1.0)).preparation
    for y in (np.arange(60) % 2, np.arange(60) * 1.0, np.arange(60) % 2 + 0.5, X3[:, :2]):
        assert "are taken as numbers" not in load_data((X3, y)).preparation
