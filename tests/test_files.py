import errno
import os

import pytest

from initium import OutputError, _files
from initium._errors import in_bytes
from initium._files import bears, check_room, check_writable, temporaries, temporary, write_text

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


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    left = [".a.html.0123abcd", ".a.html.ffffffff"]
    others = [".a.html.two", ".a.html.0123abcde", ".b.html.0123abcd", "a.html.0123abcd", ".a.html.0123ABCD"]
    for name in [*left, *others]:
        (tmp_path / name).write_text("left")
    (tmp_path / ".a.html.00000000").mkdir()
    (tmp_path / ".a.html.11111111").symlink_to(tmp_path / ".b.html.0123abcd")
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    kept = [*others, "a.html", ".a.html.00000000", ".a.html.11111111"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_what_somebody_still_writes_is_not_removed(tmp_path):
    with temporary(tmp_path / "a.html", mark=MARK) as hidden:
        hidden.write_text("half of it")
        write_text(tmp_path / "a.html", MARK, mark=MARK)
        assert hidden.read_text() == "half of it"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_a_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    lock, taken = _files._lock, []

    def late(number, *, wait):
        if not taken:
            (one,) = tmp_path.iterdir()
            one.unlink()
            taken.append(one)
        lock(number, wait=wait)

    monkeypatch.setattr(_files, "_lock", late)
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    assert (tmp_path / "a.html").read_text() == MARK
    assert taken


def test_several_files_are_held_at_once_and_nobody_looks_for_leftovers_more_than_once(tmp_path, monkeypatch):
    sweep, swept = _files._sweep, []
    monkeypatch.setattr(_files, "_sweep", lambda path: (swept.append(path), sweep(path)))
    with temporaries(tmp_path / "w", mark=MARK, sizes=[0] * 9) as hidden:
        assert {*tmp_path.iterdir()} == {*hidden}
        assert len(hidden) == 9
        assert swept == [tmp_path / "w"]
        write_text(tmp_path / "w", MARK, mark=MARK)
        assert {*tmp_path.iterdir()} == {tmp_path / "w", *hidden}
    assert [*tmp_path.iterdir()] == [tmp_path / "w"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system sets no such limit")
def test_more_files_than_a_process_may_hold_are_refused_with_what_to_do(tmp_path):
    import resource

    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, most))
    try:
        with pytest.raises(OutputError) as error, temporaries(tmp_path / "w", mark=MARK, sizes=[0] * 99):
            pytest.fail("there are too many")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    assert str(error.value) == (
        f"'{tmp_path}/w' cannot be written: Too many open files. Write fewer shards; each is held open."
    )
    assert not list(tmp_path.iterdir())


def test_where_the_system_locks_nothing_files_are_written_and_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "fcntl", None)
    (tmp_path / ".a.html.0123abcd").write_text("left")
    write_text(tmp_path / "a.html", MARK, mark=MARK)
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", ".a.html.0123abcd"}


def test_a_link_is_followed_and_stays_one(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a.html").symlink_to("there/b.html")  # which is not there yet
    for text in (MARK, f"{MARK}, again"):
        check_writable(tmp_path / "a.html", mark=MARK)
        write_text(tmp_path / "a.html", text, mark=MARK)
        assert (tmp_path / "there" / "b.html").read_text() == text
    assert (tmp_path / "a.html").is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["b.html"]


def test_a_link_to_somebody_elses_file_or_to_itself_is_refused(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.html").symlink_to("mine")
    with pytest.raises(OutputError, match="mine' exists and Initium did not write it; name another file"):
        write_text(tmp_path / "a.html", MARK, mark=MARK)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError) as error:
        write_text(tmp_path / "loop", MARK, mark=MARK)
    assert str(error.value) == f"'{tmp_path}/loop' is a link that leads to itself; name another file."
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_regular_file_is_refused_at_once_and_never_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with pytest.raises(OutputError) as error:
        write_text(tmp_path / "pipe", MARK, mark=MARK)
    assert str(error.value) == f"'{tmp_path}/pipe' is a named pipe, and only regular files are read."
    with pytest.raises(OutputError, match="'/dev/null' is a device"):
        write_text(tmp_path / "null", MARK, mark=MARK)


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
    with temporaries(tmp_path / "w", mark=MARK, sizes=[12_345, 0, 7]) as hidden:
        assert [one.stat().st_size for one in hidden] == [12_345, 0, 7]

    def cannot(*_):
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr("os.posix_fallocate", cannot)
    with temporaries(tmp_path / "w", mark=MARK, sizes=[12_345]) as [hidden]:
        assert hidden.stat().st_size == 0


def test_a_disk_without_room_says_how_much_it_takes_and_how_much_is_free(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("initium._files._free", lambda path: 2_345_678)
    monkeypatch.setattr("initium._files._reserve", full)
    with pytest.raises(OutputError) as error, temporaries(tmp_path / "w", mark=MARK, sizes=[14_000_000_000, 5 * 10**8]):
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
