"""The processes in which runs are trained."""

import os
import select
import subprocess
import sys

import pytest

PARENT = """
import signal, sys
from initium._engine._processes import _workers

def work(path):
    held = open(path, "w")  # until this process ends
    held.write("working")
    held.flush()
    signal.pause()

_workers(1).submit(work, sys.argv[1]).result()
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    pipe = tmp_path / "held"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pipe)])
    assert told(reader) == b"working"
    parent.kill()
    parent.wait()
    assert told(reader) == b""  # the worker, which alone held the other end, is gone
    os.close(reader)


def told(reader):
    ready, _, _ = select.select([reader], [], [], 120)
    assert ready, "nothing was said, and the other end is still open"
    return os.read(reader, 100)
