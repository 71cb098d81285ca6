"""What is left when a write ends too early: an older file as it was, and nothing under the new one's name."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import choice, net

from initium import OutputError, Plan, _files

# A process that writes slowly, and tells when it is in the middle.
WRITER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from checkpoints import choice
from initium import Plan
from initium._checkpoint import _write

def slowly(tensors):
    for number, piece in enumerate(drawn(tensors)):
        if number == 3:
            print("drawing", flush=True)
        time.sleep(0.02)
        yield piece

drawn, _write.pieces = _write.pieces, slowly
plan = Plan(tuple(choice(f"{number}.weight", (1024, 1024)) for number in range(50)))
plan.write(sys.argv[2], seed=1, shards=int(sys.argv[3]))
"""

# A process that may write no file larger than 10 MB.
LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10**7, 10**7))
from checkpoints import choice
from initium import Plan
if sys.argv[3] == "late":
    import os
    del os.posix_fallocate
Plan(tuple(choice(f"{number}.weight", (1024, 1024)) for number in range(5))).write(sys.argv[2], seed=1)
"""


def start(code, file, *args):
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(file), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.fixture(params=[1, 3])
def older(request, tmp_path):
    """A checkpoint that is there already, in one file or in several, and how many files were asked for."""
    net().write(tmp_path / "w.safetensors", seed=0, shards=request.param)
    return {path: path.read_bytes() for path in tmp_path.iterdir()}, request.param


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_write_that_is_stopped_in_the_middle_harms_nothing(tmp_path, older, sent):
    before, shards = older
    process = start(WRITER, tmp_path / "w.safetensors", shards)
    assert process.stdout
    assert process.stdout.readline() == "drawing\n"
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    after = {path: path.read_bytes() for path in tmp_path.iterdir() if path in before}
    assert after == before
    left = [path.name for path in tmp_path.iterdir() if path not in before]
    assert all(name.startswith(".w.safetensors.") for name in left)
    if sent == signal.SIGINT:
        assert not left
        assert told.splitlines()[-1] == "KeyboardInterrupt"
    # What a killed one left is in nobody's way, and the next one takes it away.
    assert net().verify(net().write(tmp_path / "w.safetensors", seed=2, shards=shards).path, seed=2)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="sets a POSIX limit")
@pytest.mark.parametrize("when", ["early", "late"])
def test_a_file_that_grows_too_large_harms_nothing(tmp_path, when):
    file = net().write(tmp_path / "w.safetensors").path
    before = file.read_bytes()
    _, told = start(LIMITED, file, when).communicate(timeout=60)
    line = told.splitlines()[-1]
    assert line.startswith(
        f"initium._errors.OutputError: '{file}' cannot be written: File too large: it takes 21.0 MB, and "
    )
    assert line.endswith(" are free there. Make room, or name a file elsewhere.")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.name != "posix", reason="stops a POSIX process")
def test_what_a_running_write_holds_is_left_alone_by_another(tmp_path):
    process = start(WRITER, tmp_path / "w.safetensors", 1)
    assert process.stdout
    assert process.stdout.readline() == "drawing\n"
    process.send_signal(signal.SIGSTOP)
    held = list(tmp_path.iterdir())
    assert held
    written = net().write(tmp_path / "w.safetensors", seed=2)
    assert set(held) <= set(tmp_path.iterdir())
    process.kill()
    process.communicate(timeout=60)
    assert net().verify(written.path, seed=2)


def test_a_full_disk_is_told_before_a_number_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_free", lambda path: 3_000_000)
    monkeypatch.setattr("initium._checkpoint._write.pieces", lambda tensors: pytest.fail("drawn"))
    plan = Plan((choice("w", (1000, 1000)),))
    with pytest.raises(OutputError) as error:
        plan.write(tmp_path / "w.safetensors")
    assert str(error.value) == (
        f"'{tmp_path}/w.safetensors' cannot be written: No space left on device: it takes 4.0 MB, and 3.0 MB are free "
        "there. Make room, or name a file elsewhere."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_the_last_moment_harms_nothing(tmp_path, monkeypatch, number, shards):
    file = net().write(tmp_path / "w.safetensors", shards=shards).path
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def fails(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError, match=f"cannot be written: {os.strerror(number)}"):
        net().write(tmp_path / "w.safetensors", seed=1, shards=shards)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert net().verify(file)


def test_what_is_sent_on_early_and_fails_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("initium._checkpoint._sync._STRIDE", 1000)

    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("initium._checkpoint._sync._send", fails)
    with pytest.raises(OutputError, match="cannot be written: Input/output error"):
        net().write(tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_what_is_sent_on_early_is_the_same_file(tmp_path, monkeypatch):
    plan = Plan(tuple(choice(f"{number}.weight", (300, 1000)) for number in range(9)))
    before = plan.write(tmp_path / "w.safetensors").digest
    sent = []
    monkeypatch.setattr("initium._checkpoint._sync._STRIDE", 2_000_000)
    monkeypatch.setattr("initium._checkpoint._sync._send", lambda _, start, end: sent.append((start, end)))
    assert plan.write(tmp_path / "w.safetensors").digest == before
    assert plan.verify(tmp_path / "w.safetensors")
    assert len(sent) == 4
    assert all(2_000_000 <= end - start < 3_300_000 for start, end in sent)
    assert [start for start, _ in sent] == [0, *(end for _, end in sent[:-1])]
