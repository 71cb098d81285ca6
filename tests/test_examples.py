"""The tutorial programs run, and run as well with the framework's own import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
OURS = {
    "torch_initializers.py": ("from initium.torch import init", "from torch.nn import init"),
    "keras_initializers.py": ("from initium.keras import initializers", "from keras import initializers"),
}


def run(code, tmp_path, backend="torch"):
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    return done.stdout


def test_every_example_is_tested():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*OURS, "jax_flax_mlp.py"}


@pytest.mark.parametrize(("name", "imports"), OURS.items(), ids=OURS.keys())
def test_only_the_import_differs_from_the_tutorial(name, imports, tmp_path):
    code = (EXAMPLES / name).read_text()
    assert code.count("initium.") == 1
    ours, theirs = run(code, tmp_path), run(code.replace(*imports), tmp_path)
    assert ours.count("\n") == theirs.count("\n")
    assert ours != theirs  # other numbers: the replaced import really is another


def test_the_cnn_reads_digits(tmp_path):
    last = run((EXAMPLES / "torch_initializers.py").read_text(), tmp_path).splitlines()[-1]
    assert float(last.removeprefix("test accuracy ").removesuffix(" %")) > 85


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_keras_program_prints_its_summary_and_learns_from_every_start(backend, tmp_path):
    out = run((EXAMPLES / "keras_initializers.py").read_text(), tmp_path, backend)
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


def test_the_flax_program_reads_digits(tmp_path):
    out = run((EXAMPLES / "jax_flax_mlp.py").read_text(), tmp_path).splitlines()
    assert out[0].startswith("before training: loss 2.303; guessing has 2.303")
    assert float(out[-1].split()[-5].removesuffix("%")) > 85
