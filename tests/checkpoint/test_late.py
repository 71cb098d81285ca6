"""Checkpoints written and verified while Python ends."""

import subprocess
import sys

LATE = """
import atexit, sys, threading
from torch import nn
import initium

plan = initium.plan(nn.Linear(30, 20), "he_normal")
expected = plan.digest()

def tell(when):
    for shards in (1, 2):
        written = plan.write(f"{sys.argv[1]}/{when}{shards}.safetensors", shards=shards)
        print(when, written.digest == plan.digest() == expected, bool(plan.verify(written.path)), flush=True)

def outlive():
    threading.main_thread().join()
    tell("thread")

atexit.register(tell, "atexit")
threading.Thread(target=outlive).start()
"""


def test_a_checkpoint_is_written_while_python_ends(tmp_path):
    command = [sys.executable, "-c", LATE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["thread True True"] * 2 + ["atexit True True"] * 2, done.stderr
