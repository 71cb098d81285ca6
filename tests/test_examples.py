"""The tutorial programs run, and run as well with the framework's own import."""

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
IMPORTS = {
    "torch_initializers.py": ("from initium.torch import init", "from torch.nn import init"),
    "keras_initializers.py": ("from initium.keras import initializers", "from keras import initializers"),
}


@functools.cache
def run(name, imports="ours", backend="torch"):
    """What an example prints; it runs once, however many tests look at it."""
    code = (EXAMPLES / name).read_text()
    if imports == "theirs":
        assert code.count("initium.") == 1
        code = code.replace(*IMPORTS[name])
    environment = {**os.environ, "KERAS_BACKEND": backend}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert not os.listdir(folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*IMPORTS, "jax_flax_mlp.py"}


@pytest.mark.parametrize("name", IMPORTS)
def test_only_the_import_differs_from_the_tutorial(name):
    ours, theirs = run(name), run(name, "theirs")
    assert ours.count("\n") == theirs.count("\n")
    assert ours != theirs  # other numbers: the replaced import really is another


def test_the_cnn_reads_digits():
    last = run("torch_initializers.py").splitlines()[-1]
    assert float(last.removeprefix("test accuracy ").removesuffix(" %")) > 85


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_keras_program_prints_its_summary_and_learns_from_every_start(backend):
    out = run("keras_initializers.py", backend=backend)
    assert "Total params: 2,817" in out
    lines = [line.split() for line in out.splitlines() if "first epoch" in line]
    assert [line[0] for line in lines] == [
        "random_uniform",
        "glorot_uniform",
        "he_normal",
        "lecun_uniform",
        "orthogonal",
    ]
    assert all(float(line[-1]) < float(line[4]) for line in lines)


def test_the_flax_program_reads_digits():
    out = run("jax_flax_mlp.py").splitlines()
    assert out[0].startswith("before training: loss 2.303; guessing has 2.303")
    assert float(out[-1].split()[-5].removesuffix("%")) > 85
