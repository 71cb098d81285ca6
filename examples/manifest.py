"""A checkpoint from a line of text: written without a model, and verified bit by bit.

A plan and a seed say every number. The file is written piece by piece; whoever has the manifest makes the same file, or
finds the one bit in which theirs differs.
"""

import tempfile
from pathlib import Path

from torch import nn

from initium import Plan, plan
from initium.torch import deferred


def build():
    """A small net."""
    return nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.BatchNorm1d(256), nn.Linear(256, 10))


def main():
    """Write, verify, flip one bit, verify again."""
    with tempfile.TemporaryDirectory() as folder:
        file, text = Path(folder, "init.safetensors"), Path(folder, "init.json")
        text.write_text(plan(deferred(build), "author").manifest(seed=0), encoding="utf-8")

        decided = Plan.load(text)  # from here on nothing knows the model
        decided.write(file, seed=0)
        print(f"{text.stat().st_size:,} bytes of text, {file.stat().st_size:,} of weights")
        print(f"digest {decided.digest(seed=0)[:16]}")
        print(decided.verify(file, seed=0, manifest=text))

        data = bytearray(file.read_bytes())
        data[-3] ^= 0b00000100
        file.write_bytes(data)
        print(decided.verify(file, seed=0, manifest=text))


if __name__ == "__main__":
    main()
