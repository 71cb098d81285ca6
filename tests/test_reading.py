import os
import socket
from pathlib import Path

import pytest

from initium import DataError, ModelError, Plan, PlanError, SettingError
from initium._model_name import model_function
from initium._reading import contents, opened, path_of
from initium._study._data import load_data

READERS = {
    "a plan": (PlanError, Plan.load),
    "a manifest": (PlanError, lambda file: Plan(()).verify(file, manifest=file)),
    "a checkpoint": (DataError, Plan(()).verify),
    "an index": (DataError, Plan(()).verify),
    "arrays": (DataError, lambda file: load_data(str(file))),
    "a model": (ModelError, lambda file: model_function(f"{file}:build")),
}
ENDINGS = {"an index": ".safetensors.index.json", "arrays": ".npz", "a model": ".py"}


def refusal(error, action):
    with pytest.raises(error) as refused:
        action()
    return str(refused.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("what", READERS)
def test_no_reader_waits_for_a_pipe_or_reads_a_device(tmp_path, what):
    error, read = READERS[what]
    pipe, device = (tmp_path / f"{name}{ENDINGS.get(what, '')}" for name in ("pipe", "device"))
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    assert refusal(error, lambda: read(pipe)) == f"'{pipe}' is a named pipe, and only regular files are read."
    assert refusal(error, lambda: read(device)) == f"'{device}' is a device, and only regular files are read."


@pytest.mark.parametrize("what", READERS)
def test_every_reader_tells_a_file_that_is_not_there_and_a_folder(tmp_path, what):
    error, read = READERS[what]
    file = tmp_path / f"no{ENDINGS.get(what, '')}"
    assert refusal(error, lambda: read(file)) == f"There is no file '{file}'."
    file.mkdir()
    assert refusal(error, lambda: read(file)) == f"'{file}' cannot be read: Is a directory."


def test_a_socket_and_a_name_that_is_too_long_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as held:
        held.bind("socket")
        assert refusal(DataError, lambda: opened(Path("socket"), refuse=DataError)) == (
            "'socket' is a socket, and only regular files are read."
        )
    assert refusal(DataError, lambda: opened(Path("n" * 300), refuse=DataError)).endswith("File name too long.")


def test_a_link_to_a_file_is_read_and_one_to_itself_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"held")
    (tmp_path / "link").symlink_to("file")
    assert contents(tmp_path / "link", refuse=DataError, most=4) == b"held"
    (tmp_path / "loop").symlink_to("loop")
    assert "Too many levels of symbolic links" in refusal(
        DataError, lambda: opened(tmp_path / "loop", refuse=DataError)
    )


def test_a_file_that_is_larger_than_its_kind_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    assert refusal(PlanError, lambda: Plan.load(tmp_path / "sparse")) == (
        f"'{tmp_path}/sparse' has 1,000.0 GB, and 250.0 MB at most are read of its kind."
    )


@pytest.mark.parametrize("told", [3, 5])
def test_a_file_that_is_not_as_long_as_it_says_is_refused(tmp_path, monkeypatch, told):
    (tmp_path / "file").write_bytes(b"held")
    monkeypatch.setattr("initium._reading.os.fstat", lambda _: os.stat_result((0o100644, 0, 0, 0, 0, 0, told, 0, 0, 0)))
    assert refusal(DataError, lambda: contents(tmp_path / "file", refuse=DataError, most=10)) == (
        f"'{tmp_path}/file' cannot be read: it is not the {told} bytes long that its folder tells."
    )


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("initium._reading.check_regular", lambda *_, **__: None)
    with pytest.raises(DataError, match="is a named pipe"):
        opened(tmp_path / "pipe", refuse=DataError)


@pytest.mark.parametrize("path", [None, 3, "a\0b", b"x", "half \ud800"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(SettingError) as error:
        path_of(path)
    assert str(error.value) == f"A file is named by its path, not by {path!r}."


def test_a_name_that_is_no_utf8_is_a_path():
    assert path_of("raw \udcff") == Path("raw \udcff")
