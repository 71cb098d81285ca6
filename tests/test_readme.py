"""What the README shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initium import _cli

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text() if README.exists() else ""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def run(example, tmp_path):
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_python_example_runs_as_it_stands(tmp_path):
    assert "zeros: 20 of 20 runs never left chance" in run(blocks("python")[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["breast_cancer.html"]


def test_the_example_of_a_whole_model_prints_the_table_that_is_shown(tmp_path):
    printed = run(blocks("python")[1], tmp_path)
    assert blocks("text")[0].strip() in printed
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_the_example_of_a_large_model_fills_writes_and_verifies(tmp_path):
    printed = run(blocks("python")[2], tmp_path)
    assert "Filled 72 of 72 parameters" in printed
    assert "init.safetensors equals what the plan draws." in printed
    assert [path.name for path in tmp_path.iterdir()] == ["init.safetensors"]


def test_the_example_of_the_catalogue_prints_what_it_says(tmp_path):
    fans, gain, cited = run(blocks("python")[3], tmp_path).split("\n", 2)
    assert fans == "Fans(fan_in=9, fan_out=9)"
    assert re.fullmatch(r"1\.5335\d+ repelling", gain)
    assert cited.startswith("@inproceedings{he2015delving,")


def test_the_last_python_example_fills_within_its_cuts(tmp_path):
    *_, example = blocks("python")
    assert float(run(example + "\nprint(weight.abs().max().item())", tmp_path)) == pytest.approx(0.04, rel=1e-3)


@pytest.mark.parametrize("line", [line for line in "\n".join(blocks("sh")).splitlines() if "compare " in line])
def test_every_command_line_is_understood(line, monkeypatch, tmp_path):
    """Everything but the training, which is cut to two runs of an epoch each."""
    monkeypatch.chdir(tmp_path)
    args = shlex.split(line)[1:]
    cut = [] if "--help" in args else ["--seeds", "2", "--epochs", "1"]
    result = CliRunner().invoke(_cli.app, [*args, *cut])
    assert result.exit_code == 0, result.stderr


def test_every_file_that_is_linked_exists():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (README.parent / link).exists(), link
