"""The figures of docs/warm_start.md: both examples, and pretrained against He by `initium compare`."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIGITS, VOCABULARY = (str(ROOT / "examples" / f"warm_start_{name}.py") for name in ("digits", "vocabulary"))
# transformers imports torchvision, which fails where it was built for CUDA and torch was not: the zoo sees to it.
SHIM = (
    f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); from torch_edge import zoo; "
    f"zoo.library('transformers'); runpy.run_path({VOCABULARY!r}, run_name='__main__')"
)
WEIGHTS = f"import runpy; print(runpy.run_path({DIGITS!r})['weights']())"
COMPARE = "--data digits --lr 0.01,0.1 --epochs 1 --seeds 12 --yes --store runs.db"


def run(*words, **more):
    """A program of this Python's; what it prints goes where ours does."""
    return subprocess.run([sys.executable, *words], check=True, text=True, **more)


def main():
    """Minutes each."""
    run(DIGITS)
    run("-c", SHIM)
    weights = run("-c", WEIGHTS, stdout=subprocess.PIPE).stdout.strip()
    build = f"{DIGITS}:build"
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"cwd": folder, "stdout": subprocess.DEVNULL}
        run("-m", "initium", "warm-start", build, weights, "--plan", "pretrained.json", **quiet)
        run(
            *("-m", "initium", "compare", "he_normal", "pretrained.json", "--model", build),
            *shlex.split(COMPARE),
            cwd=folder,
        )


if __name__ == "__main__":
    main()
