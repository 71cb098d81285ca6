import pytest

from initium import OutputError
from initium._files import check_writable, write_text

MARK = "made by us"


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path):
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    write_text(tmp_path / "a.html", f"{MARK}, again", mark=MARK)
    assert (tmp_path / "a.html").read_text() == f"{MARK}, again"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.html"]


def test_a_check_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a.html", mark=MARK)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("act", [check_writable, lambda path, mark: write_text(path, "new", mark=mark)])
def test_somebody_elses_file_is_never_replaced(tmp_path, act):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as error:
        act(tmp_path / "notes.txt", mark=MARK)
    assert str(error.value) == f"'{tmp_path}/notes.txt' exists and Initium did not write it; name another file."
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        check_writable(tmp_path, mark=MARK)


@pytest.mark.parametrize("path", ["", "/", "."])
def test_a_path_without_a_file_name_is_a_folder(path):
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(path, mark=MARK)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OutputError) as error:
        check_writable(tmp_path / "no" / "a.html", mark=MARK)
    assert str(error.value) == (
        f"'{tmp_path}/no/a.html' cannot be written: No such file or directory. "
        "Name a file in a folder that you can write to."
    )


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.html", "\ud800", mark=MARK)  # a lone surrogate has no UTF-8
    assert (tmp_path / "a.html").read_text() == MARK
    assert len(list(tmp_path.iterdir())) == 1
