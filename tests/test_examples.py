"""The tutorial programs run, and run as well with the framework's own import."""

import functools
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

import initium

EXAMPLES = Path(__file__).parent.parent / "examples"
IMPORTS = {
    "torch_initializers.py": ("from initium.torch import init", "from torch.nn import init"),
    "keras_initializers.py": ("from initium.keras import initializers", "from keras import initializers"),
}


def program(name):
    """What an example prints, line by line, run as a file. transformers imports torchvision, which the zoo sees to."""
    command = [sys.executable, str(EXAMPLES / name)]
    if name.startswith("gpt2"):
        shim = f"import runpy, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from torch_edge import zoo"
        start = f"zoo.library('transformers'); runpy.run_path({command[1]!r}, run_name='__main__')"
        command = [sys.executable, "-c", f"{shim}; {start}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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
    large = {"gpt2_on_meta.py", "fsdp2_two_processes.py", "manifest.py", "width_mlp.py"}
    # Minutes each: `make bench-pretrained` runs them, tests/warm_start/test_warm_examples.py what they are made of.
    weights = {"warm_start_digits.py", "warm_start_vocabulary.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*IMPORTS, *large, *weights, "jax_flax_mlp.py"}


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


def test_gpt2_is_filled_on_meta_as_its_author_draws_it():
    lines = program("gpt2_on_meta.py")
    assert lines[0] == "built on meta: 16,287,488 parameters, no memory"
    assert "52 parameters: 18 drawn, 34 constant (1 tied)." in lines
    assert "  lm_head.weight is transformer.wte.weight" in lines
    loss, guessing = lines[-1].removeprefix("loss ").split("; guessing has ")
    assert abs(float(loss) - float(guessing)) < 0.2


SICK = sorted((EXAMPLES / "sick").glob("*.py"))


@pytest.mark.parametrize("path", SICK, ids=lambda path: path.stem)
def test_a_sick_example_has_the_finding_first_that_it_names(path):
    module = runpy.run_path(str(path))
    named = re.search(r"(IN\d{3}) ([a-z ]+)\.$", module["__doc__"])
    torch.manual_seed(0)
    first = initium.diagnose(module["build"]()).findings[0]
    assert (first.id, first.name) == named.groups()


def test_there_are_ten_sick_examples():
    assert len(SICK) == 10


def test_two_processes_have_the_bits_of_one():
    assert program("fsdp2_two_processes.py")[1:] == ["2 processes, 501 of 1001 rows in the first: 19 digests equal"]


def test_a_manifest_is_verified_and_a_flipped_bit_is_found():
    lines = program("manifest.py")
    assert lines[2].endswith("init.safetensors equals what the plan draws.")
    assert lines[-1] == "  2.running_var[255] is 1.0001221, and 1.0 in the plan"


def test_mup_passes_the_coordinate_check_and_a_start_with_one_rate_fails():
    lines = program("width_mlp.py")
    assert lines[0].startswith("Passes: under `mup` no size goes with the width, from width 64 to 512.")
    failed = next(line for line in lines if line.startswith("Fails"))
    assert failed.startswith(
        "Fails: under `framework` sizes go with the width at 3 of 4 weights, from width 64 to 512;"
    )
