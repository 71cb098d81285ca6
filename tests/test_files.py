import errno
import os

import pytest

from initium import OutputError
from initium._files import bears, check_room, check_writable, in_bytes, temporary, write_text

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


def test_a_file_that_a_killed_process_left_is_in_nobodys_way(tmp_path, monkeypatch):
    names = iter(["one", "two"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(names))
    (tmp_path / ".a.html.two").write_text("left")
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    assert (tmp_path / "a.html").read_text() == MARK
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", ".a.html.two"}


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("os.fsync", lambda number: seen.append((tmp_path / "a.html").exists()))
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    assert seen == [False]


def test_a_mark_is_found_in_a_file_of_bytes(tmp_path):
    (tmp_path / "w").write_bytes(b"\xff\xfe\0\0{" + MARK.encode() + b"\xff" * 5000)
    assert bears(tmp_path / "w", MARK)
    (tmp_path / "w").write_bytes(b"\xff" * 5000 + MARK.encode())
    assert not bears(tmp_path / "w", MARK)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system sets no room aside")
def test_room_is_set_aside_where_it_can_be(tmp_path, monkeypatch):
    with temporary(tmp_path / "w", mark=MARK, size=12_345) as hidden:
        assert hidden.stat().st_size == 12_345

    def cannot(*_):
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr("os.posix_fallocate", cannot)
    with temporary(tmp_path / "w", mark=MARK, size=12_345) as hidden:
        assert hidden.stat().st_size == 0


def test_a_disk_without_room_says_how_much_it_takes_and_how_much_is_free(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("initium._files._free", lambda path: 2_345_678)
    monkeypatch.setattr("initium._files._reserve", full)
    with pytest.raises(OutputError) as error, temporary(tmp_path / "w", mark=MARK, size=14_500_000_000):
        pytest.fail("there is no room")
    assert str(error.value) == (
        f"'{tmp_path}/w' cannot be written: No space left on device: it takes 14.5 GB, and 2.3 MB are free there. "
        "Make room, or name a file elsewhere."
    )
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match=r"it takes 3\.0 MB, and 2\.3 MB are free there"):
        check_room(tmp_path / "w", 3_000_000)
    check_room(tmp_path / "w", 2_000_000)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (14_484_000_000, "14.5 GB"),
        (1.2e15, "1,200,000.0 GB"),
    ],
)
def test_sizes_are_told_in_words(number, text):
    assert in_bytes(number) == text
