"""The command line as a person meets it: exit codes, streams, files."""

import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

import initium as initium_package
from initium import Plan, _cli, _compare_command
from initium._report._page import MARK

INITIUM = [sys.executable, "-m", "initium"]


def run(*args, cwd=None):
    return subprocess.run([*INITIUM, *args], capture_output=True, text=True, cwd=cwd, check=False)


def compare(tmp_path, *args):
    """The command in this process: quicker than a process of its own."""
    return CliRunner().invoke(_cli.app, ["compare", *args, "--out", str(tmp_path / "out.html")])


def test_a_comparison_ends_with_a_table_and_a_page(tmp_path):
    result = run("compare", "he_normal", "zeros", "--seeds", "3", "--epochs", "1", "--data", "iris", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "mlp on iris: which start trains it better?" in result.stdout
    assert "Too few runs to tell: 3 of each start" in " ".join(result.stdout.split())
    assert result.stdout.endswith("Page with curves: compare.html\n")
    assert max(map(len, result.stdout.splitlines())) <= 80
    page = (tmp_path / "compare.html").read_text()
    assert MARK in page
    assert "initium compare he_normal zeros --seeds 3 --epochs 1 --data iris" in page
    assert [path.name for path in tmp_path.iterdir()] == ["compare.html"]


def test_a_page_that_takes_the_place_of_another_says_so(tmp_path):
    args = ("he_normal", "zeros", "--seeds", "2", "--epochs", "1", "--data", "iris", "--jobs", "1")
    again = [compare(tmp_path, *args).stdout.splitlines()[-1] for _ in range(2)]
    assert again == [f"Page with curves: {tmp_path}/out.html", f"Page with curves: {tmp_path}/out.html (replaced)"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_going_on_is_broken_between_words_for_a_terminal_alone(is_terminal, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    words = "Data: classification of 3 classes; 5 folds, dealt anew for every 5 runs, split seed 0."
    _compare_command._say(words)
    lines = capsys.readouterr().err.splitlines()
    assert " ".join(lines) == words
    assert [len(line) <= 40 for line in lines] == ([True] * 3 if is_terminal else [False])


def test_the_published_examples_are_one_line_each(tmp_path):
    classes = compare(
        tmp_path, "xavier_uniform", "uniform(-0.1, 0.1)", "--model", "mlp(10, 20, 2)", "--seeds", "2", "--epochs", "2",
        "--data", "breast_cancer(features=10)",
    )  # fmt: skip
    numbers = compare(
        tmp_path, "xavier_uniform", "uniform(-0.1, 0.1)", "--model", "mlp(5, 10, 1)", "--seeds", "2", "--epochs", "2",
        "--data", "diabetes(features=5)",
    )  # fmt: skip
    assert (classes.exit_code, numbers.exit_code) == (0, 0)
    assert classes.stdout.startswith("xavier_uniform is glorot_uniform: one method, two names.\n")
    assert "test accuracy, %" in classes.stdout
    assert "test R^2" in numbers.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["he_norml", "zeros"],
            "UnknownNameError: No recipe or initialiser is called 'he_norml'; the closest is 'he_normal'.",
        ),
        (["uniform(-0.1, 0.1", "zeros"], "SpecError: 'uniform(-0.1, 0.1' breaks at character 8"),
        (["he_normal bias=glorot_uniform", "zeros"], "ShapeError: `glorot_uniform` needs an input and an output axis"),
        (["he_normal", "zeros", "--seeds", "1"], "SettingError: seeds=1 gives one run's anecdote: no interval"),
        (["he_normal", "zeros", "--data", "no.npz"], "DataError: There is no file 'no.npz'."),
        (
            ["he_normal"],
            "SettingError: A comparison needs at least 2 initialisers; got 1. Name another, or `framework`.",
        ),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(tmp_path, args, message):
    result = compare(tmp_path, *args)
    assert result.exit_code == 2
    said, rest = told(result.stderr)
    assert rest.startswith(message)
    assert said[0].startswith("Comparing ") if said else "DataError" not in message
    assert result.stdout == ""
    assert not list(tmp_path.iterdir())


def told(stderr):
    """What a command said that it would do, and what it said then."""
    lines = stderr.splitlines(keepends=True)
    said = [line for line in lines if line.startswith(("Comparing ", "Data: ", "Starting "))]
    return said, "".join(lines[len(said) :])


def test_a_place_that_cannot_be_written_is_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(_compare_command, "trained", lambda *_, **__: pytest.fail("trained"))
    result = CliRunner().invoke(_cli.app, ["compare", "he_normal", "zeros", "--out", str(tmp_path / "no" / "a.html")])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"OutputError: '{tmp_path}/no/a.html' cannot be written: No such file")


# Where the tests run in the background, a shell has told them and what they start to ignore Ctrl-C.
HEARING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from initium_command import run
run()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_reports_and_saves_what_has_finished(tmp_path):
    args = ["compare", "he_normal", "zeros", "--seeds", "400", "--epochs", "1", "--data", "iris"]
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, *args], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # What is read before Ctrl-C may end within a character of the bar.
        errors="replace", start_new_session=True, env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80"},
    )  # fmt: skip
    assert process.stderr
    # The bar tells when enough runs have finished; Ctrl-C then reaches the whole group, as from a terminal.
    seen, deadline = "", time.monotonic() + 120
    while int((re.findall(r"(\d+)/800", seen) or "0")[-1]) < 20 and time.monotonic() < deadline:
        seen = seen[-200:] + process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert re.search(r"Interrupted: \d+ of 800 runs had finished; they are saved, ", err)
    assert "(interrupted: 400 were asked for)" in " ".join(out.split())
    assert MARK in (tmp_path / "compare.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["compare.html"]


def test_ctrl_c_counts_the_runs_of_all_places_of_a_grid(tmp_path, monkeypatch):
    def some(study, runs):
        for start, index in [one for one in runs if one[0].study.name == "lr=0.1" or one[0].start.name == "zeros"]:
            yield start.run(index)
        raise KeyboardInterrupt

    real = _compare_command.trained
    monkeypatch.setattr(_compare_command, "trained", lambda study, **how: real(study, **{**how, "engine": some}))
    args = ("he_normal", "zeros", "--data", "iris", "--epochs", "1", "--seeds", "3", "--jobs", "1")
    result = compare(tmp_path, *args, "--lr", "0.1,0.01", "--store", str(tmp_path / "a.db"))
    assert result.exit_code == 130
    assert "Interrupted: 9 of 12 runs had finished; they are saved, " in result.stderr


IMPORTED = """
import sys

class Interrupted:
    def find_spec(name, *_):
        if name == "numpy":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted)
from initium_command import run
run()
"""


def test_ctrl_c_while_the_package_is_imported_is_one_line():
    result = subprocess.run([sys.executable, "-c", IMPORTED, "list"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "Interrupted; nothing was written.\n")


def test_ctrl_c_while_python_imports_the_package_that_it_is_to_run_is_one_line(tmp_path):
    (tmp_path / "numpy.py").write_text("raise KeyboardInterrupt\n")
    path = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "initium", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=path)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "Interrupted; nothing was written.\n")
    (tmp_path / "numpy.py").write_text("raise OSError('of mine')\n")
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=path)
    assert result.stderr.endswith("OSError: of mine\n")


def test_ctrl_c_before_a_command_has_begun_is_one_line(monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli, "versions", interrupted)
    result = CliRunner().invoke(_cli.app, ["--version"])
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Interrupted; nothing was written.\n")


def test_a_missing_extra_is_named_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    result = compare(tmp_path, "he_normal", "zeros")
    assert result.exit_code == 2
    assert told(result.stderr)[1] == (
        "MissingExtraError: The data set 'digits' needs packages that are not installed, such as "
        "'sklearn.datasets'. Install them all with: pip install 'initium[compare]'\n"
    )


def test_the_catalogue_is_listed_by_family_in_lines_of_a_terminal():
    result = CliRunner().invoke(_cli.app, ["list"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) < 80
    assert lines[1:3] == ["Constants and plain random numbers", "  zeros                    biases and last layers"]
    assert "  he_normal                weights fed by ReLU, leaky ReLU or PReLU" in lines
    assert "Recipes: a start for a whole model" in lines
    assert "  gpt2                     GPT-like language models" in lines
    assert lines[-1] == "77 starts and 24 recipes. `initium explain NAME` tells the rest."


def test_the_catalogue_is_searched_by_words():
    result = CliRunner().invoke(_cli.app, ["list", "Xavier"])
    assert result.exit_code == 0
    assert (
        result.stdout
        == """
Variance scaling
  glorot_normal            tanh, softsign and linear layers
                           also called xavier_normal
  glorot_uniform           as `glorot_normal`
                           also called xavier_uniform

2 starts. `initium explain NAME` tells the rest.
"""
    )
    both = CliRunner().invoke(_cli.app, ["list", "residual", "normalisation"]).stdout
    assert "  fixup                    residual nets without normalisation\n" in both
    assert "gpt2_residual" not in both
    refused = CliRunner().invoke(_cli.app, ["list", "residual", "xavjer_normal"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "UnknownNameError: No start or recipe is called 'xavjer_normal'; the closest is 'xavier_normal'. "
        "`initium list` shows all of them.\n"
    )
    apart = CliRunner().invoke(_cli.app, ["list", "residual", "xavier"])
    assert (apart.exit_code, apart.stdout) == (2, "")
    assert apart.stderr == (
        "UnknownNameError: No start or recipe has 'residual' and 'xavier' together; fewer words find more. "
        "`initium list` shows all of them.\n"
    )


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_asked_for_in_two_ways(option):
    for command in ([], ["list"], ["diff"]):
        result = CliRunner().invoke(_cli.app, [*command, option])
        assert result.exit_code == 0
        assert "Usage: " in result.stdout


def test_the_version_is_that_of_the_package():
    result = CliRunner().invoke(_cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"initium {initium_package.__version__}\n")
    assert initium_package.__version__ == metadata.version("initium")


def test_a_start_is_explained_or_its_neighbour_named():
    result = CliRunner().invoke(_cli.app, ["explain", "kaiming_normal"])
    assert result.exit_code == 0
    assert result.stdout.startswith("he_normal(slope=0.0, mode='in')\n\nGaussian that keeps")
    assert "std = sqrt(2 / ((1 + slope^2) fan))" in result.stdout
    result = CliRunner().invoke(_cli.app, ["explain", "he_norml"])
    assert result.exit_code == 2
    assert result.stderr == (
        "UnknownNameError: No initialiser is called 'he_norml'; the closest is 'he_normal'. "
        "`initium list` shows all of them.\n"
    )


NET = """
from dataclasses import dataclass

import torch
from beside import WIDTH
from torch import nn


@dataclass
class Config:
    width: int = WIDTH


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        print("building")
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x, y):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x + y)


def build():
    return Net()


def batch():
    return torch.ones(5, WIDTH), torch.ones(5, WIDTH)
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "beside.py").write_text("WIDTH = 8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("beside", "net", "initium_model_net"):
        sys.modules.pop(name, None)


def initium(*args):
    return CliRunner().invoke(_cli.app, list(args))


def test_a_model_in_a_file_is_planned_and_nothing_is_left_behind(net):
    result = run("plan", "net.py:build", "--recipe", "he_normal", "--example", "net.py:batch", "--rule", "head.*=zeros")
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        """\
parameter          start      because
--------------------------------------------------------------------------------
layers.0-2.weight  he_normal  dense
layers.0-2.bias    zeros      bias
head.weight        zeros      your rule head.*
head.bias          zeros      your rule head.*

8 parameters: 3 drawn, 5 constant.
Recipe: he_normal, 2 by you.
"""
    )
    assert result.stderr == "building\n"
    assert sorted(path.name for path in net.iterdir()) == ["beside.py", "net.py"]


def test_a_plan_is_written_where_it_is_asked_for(net):
    result = initium("plan", "net:build", "--recipe", "he", "--example", "net:batch", "--out", "plan.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("Recipe: he (version 2).\n\nPlan: plan.json\n")
    assert Plan.load("plan.json").decided_by == "he (version 2)"
    assert sorted(path.name for path in net.iterdir()) == ["beside.py", "net.py", "plan.json"]


def test_a_place_for_the_plan_that_cannot_be_written_is_found_before_the_model_is_built(net):
    (net / "mine.json").write_text("{}")
    result = initium("plan", "net.py:build", "--out", "mine.json")
    assert result.exit_code == 2
    assert result.stderr == "OutputError: 'mine.json' exists and Initium did not write it; name another file.\n"


def test_one_parameter_of_a_model_is_explained():
    result = initium("explain", "mlp(64, 128, 10)", "2.weight", "--recipe", "he")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("2.weight\n\nwhat         weight (Linear)")
    assert "fed by       relu, second moment 0.5: gain 1.41421 keeps it\n" in result.stdout


def test_a_recipe_is_explained():
    result = initium("explain", "gpt2")
    assert result.exit_code == 0
    assert result.stdout.startswith("gpt2(std=0.02), a recipe\n\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["plan", "net.py:biuld"], "UnknownNameError: 'net.py' has no `biuld`; the closest is `build`."),
        (
            ["plan", "net.py:build", "--rule", "head.*"],
            "RuleError: A rule is written GLOB=SPEC, as in 'head.*=zeros'; got 'head.*'.",
        ),
        (
            ["plan", "net.py:build", "--recipe", "gpt3"],
            "UnknownNameError: No recipe or initialiser is called 'gpt3'; the closest is 'gpt2'. "
            "`initium list` shows all of them.",
        ),
        (
            ["explain", "net.py:build"],
            "ModelError: Name a parameter of the model too: initium explain net.py:build PATH. "
            "`initium plan` shows them all.",
        ),
        (
            ["explain", "mlp(64, 128, 10)", "0.wieght", "--recipe", "he"],
            "UnknownNameError: No parameter is called '0.wieght'; the closest is '0.weight'. "
            "Print the plan to see them all.",
        ),
        (
            ["plan", "mlp(64, 10)", "--recipe", "he", "--rule", "1.*=zeros"],
            "RuleError: These rules match no parameter:\n  1.* -> zeros\n    no parameter has such a name\n"
            "A rule's name is a glob of dotted paths, as in 'h.*.attn.*'. Print the plan to see them all.",
        ),
    ],
)
def test_a_wrong_word_about_a_model_is_one_message_and_exit_code_2(net, args, message):
    result = initium(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{message}\n"


def test_inputs_that_cannot_be_made_up_are_asked_for_in_the_words_of_the_command_line(net):
    result = initium("plan", "net.py:build", "--recipe", "he")
    assert result.exit_code == 2
    first, last = result.stderr.removeprefix("building\n").split(" Here ")
    assert first.startswith("ModelError: ")
    assert "example=" in first
    assert last == "that is --example FILE.py:FUNCTION, which returns it.\n"


SAVED = ["mlp(6, 5, 4)", "--recipe", "he_normal", "--rule", "2.weight=zeros"]


@pytest.fixture
def saved(net):
    result = initium("plan", *SAVED, "--out", "plan.json")
    assert result.exit_code == 0, result.stderr
    return net


def test_a_saved_plan_is_taken_wherever_a_model_is(saved):
    planned, shown = initium("plan", *SAVED), initium("plan", "plan.json")
    assert (shown.exit_code, shown.stdout) == (0, planned.stdout)
    told = initium("explain", "plan.json", "2.weight")
    assert (told.exit_code, told.stdout) == (0, initium("explain", SAVED[0], "2.weight", *SAVED[1:]).stdout)
    for model, out in ((SAVED, "a.safetensors"), (["plan.json"], "b.safetensors")):
        assert initium("init", *model, "--seed", "3", "--out", out).exit_code == 0
    assert (saved / "a.safetensors").read_bytes() == (saved / "b.safetensors").read_bytes()


def test_plans_are_compared_with_an_exit_code(saved):
    same = initium("diff", "plan.json", "plan.json")
    assert (same.exit_code, same.stdout) == (0, "The plans are the same.\n")
    other = initium("diff", "plan.json", SAVED[0])
    assert other.exit_code == 1
    assert other.stdout.startswith("Recipe: he_normal -> auto (version 2)\nAnother start: 2\n  0.weight\n")
    refused = initium("diff", "plan.json", "no.json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == "PlanError: There is no file 'no.json'.\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["plan", "plan.json", "--recipe", "he", "--rule", "2.*=zeros"],
            "SettingError: 'plan.json' is a saved plan, in which all is decided. Leave out --recipe and --rule, or "
            "name the model.",
        ),
        (
            ["explain", "plan.json"],
            "ModelError: Name a parameter of the model too: initium explain plan.json PATH. "
            "`initium plan` shows them all.",
        ),
        (
            ["explain", "plan.json", "2.wieght"],
            "UnknownNameError: No parameter is called '2.wieght'; the closest is '2.weight'. "
            "Print the plan to see them all.",
        ),
        (
            ["explain", "head.weight"],
            "ModelError: A parameter belongs to a model, which is named before it: initium explain MODEL head.weight.",
        ),
        (
            ["plan", "net.py:build", "--recipe", "gpt-2"],
            "UnknownNameError: No recipe or initialiser is called 'gpt-2'; the closest is 'gpt2'. "
            "`initium list` shows all of them.",
        ),
        (
            ["plan", "net.models.build"],
            "ModelError: 'net.models.build' names no model. A model is file.py:function, package.module:function, "
            "'mlp(64, 128, 10)', or a saved plan, whose name ends in .json. Perhaps 'net.models:build' was meant.",
        ),
        (
            ["plan", "net.build"],
            "ModelError: 'net.build' names no model. A model is file.py:function, package.module:function, "
            "'mlp(64, 128, 10)', or a saved plan, whose name ends in .json.",
        ),
    ],
)
def test_a_wrong_word_about_a_saved_plan_is_one_message(saved, args, message):
    result = initium(*args)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{message}\n")


def test_weights_are_drawn_to_disk_and_verified(net):
    result = run("init", "net.py:build", "--recipe", "author", "--seed", "7", "--out", "w.safetensors")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:2] == ["Wrote w.safetensors", "8 tensors, 936 bytes, seed 7"]
    assert re.fullmatch("digest [0-9a-f]{64}", lines[2])
    assert lines[3] == "Manifest: w.json"
    assert re.fullmatch(r"Took \d+\.\d s\.", lines[4])
    assert sorted(path.name for path in net.iterdir()) == ["beside.py", "net.py", "w.json", "w.safetensors"]
    result = initium("verify", "w.safetensors", "w.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "w.safetensors equals what the plan draws.\n8 tensors, 936 bytes, seed 7\n"
    assert initium("verify", "w.safetensors").stdout == result.stdout  # the manifest is beside it


@pytest.fixture
def drawn(net):
    result = initium("init", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "w.safetensors", "--seed", "2")
    assert result.exit_code == 0, result.stderr
    return net


def test_a_flipped_bit_is_named_with_exit_code_1(drawn):
    data = bytearray((drawn / "w.safetensors").read_bytes())
    data[-1] ^= 1  # a word of 2.bias
    (drawn / "w.safetensors").write_bytes(data)
    result = initium("verify", "w.safetensors", "w.json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "w.safetensors differs from what the plan draws.\n4 tensors, 236 bytes, seed 2\n"
        "Different:\n  2.bias[3] is 2.3509887e-38, and 0.0 in the plan\n"
    )


def test_the_seed_is_that_of_the_manifest_unless_it_is_given(drawn):
    Plan.load("w.json").save("plan.json")
    assert initium("verify", "w.safetensors", "w.json").exit_code == 0
    assert initium("verify", "w.safetensors", "w.json", "--seed", "2").exit_code == 0
    assert initium("verify", "w.safetensors", "plan.json", "--seed", "2").exit_code == 0
    other = initium("verify", "w.safetensors", "w.json", "--seed", "3")
    assert other.exit_code == 1
    assert "seed 3\nDifferent:\n  0.weight[0, 0] is " in other.stdout
    unsaid = initium("verify", "w.safetensors", "plan.json")
    assert unsaid.exit_code == 1
    assert "4 tensors, 236 bytes, seed 0\n" in unsaid.stdout


def test_a_manifest_that_was_changed_is_told(drawn):
    text = (drawn / "w.json").read_text()
    (drawn / "w.json").write_text(re.sub('"digest": "[0-9a-f]{64}"', f'"digest": "{"0" * 64}"', text))
    result = initium("verify", "w.safetensors", "w.json")
    assert result.exit_code == 1
    assert result.stdout.endswith("Different:\n  the manifest's digest is not that of its own tensors\n")


def test_weights_are_drawn_in_shards_and_in_another_dtype(net):
    args = ("--recipe", "author", "--out", "w.safetensors", "--shards", "2", "--dtype", "bfloat16")
    result = initium("init", "net.py:build", *args)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Wrote w.safetensors.index.json\n8 tensors, 468 bytes in 2 files, seed 0\n")
    assert initium("verify", "w.safetensors.index.json", "w.json").exit_code == 0
    assert initium("verify", "w.safetensors.index.json").exit_code == 0
    assert {choice.param.dtype for choice in Plan.load("w.json").choices} == {"bfloat16"}


@pytest.mark.parametrize("needs_numbers", [False, True])
def test_a_model_that_changes_the_folder_moves_no_path(tmp_path, monkeypatch, needs_numbers):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").mkdir()
    body = "os.chdir('away')\n    net = nn.Sequential(nn.Linear(6, 4))\n    return net"
    look = "\n    float(torch.ones(1))" if needs_numbers else ""
    Path("net.py").write_text(f"import os, torch\nfrom torch import nn\ndef build():{look}\n    {body}\n")
    Path("shape.py").write_text("import os, torch\ndef example():\n    os.chdir('away')\n    return torch.ones(2, 6)\n")
    args = ("--example", "shape.py:example", "--recipe", "auto", "--out")
    result = initium("init", "net.py:build", *args, "w.safetensors")
    assert result.exit_code == 0, result.stderr
    assert initium("plan", "net.py:build", *args, "plan.json").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("away", "net.py", "plan.json", "shape.py", "w.json", "w.safetensors")
    ]
    assert not list((tmp_path / "away").iterdir())
    assert Path.cwd() == tmp_path


def test_a_link_as_out_is_followed_and_that_is_said(net):
    (net / "there").mkdir()
    (net / "w.safetensors").symlink_to("there/v.safetensors")
    result = initium("init", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "w.safetensors")
    assert result.stdout.startswith(f"Wrote {net}/there/v.safetensors\n")
    assert (net / "w.safetensors").is_symlink()
    assert sorted(file.name for file in (net / "there").iterdir()) == ["v.json", "v.safetensors"]
    assert not (net / "w.json").exists()
    for name in ("w.safetensors", "there/v.safetensors"):
        assert initium("verify", name).exit_code == 0


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_what_is_no_file_is_not_verified(net, name):
    result = initium("verify", name)
    assert (result.exit_code, result.stderr) == (2, f"DataError: '{name or '.'}' cannot be read: Is a directory.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_name_that_is_no_utf8_is_written_to_and_shown(net):
    result = initium("plan", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "raw\udcff.json")
    assert result.exit_code == 0
    assert result.stdout.endswith("\nPlan: raw\\udcff.json\n")
    assert Plan.load("raw\udcff.json").choices


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_hostile_file_is_one_message_and_exit_code_2(drawn):
    os.mkfifo("pipe")
    Path("plan.json").write_text(
        Path("w.json").read_text().replace('"path": "0.bias"', '"path": "\\u001b]0;x", "odd": 1')
    )
    Path("half.json").write_text(Path("w.json").read_text().replace('"0.bias"', '"\\ud800"'))
    Path("model.py").symlink_to("/dev/zero")
    refused = {
        ("verify", "pipe", "w.json"): "DataError: 'pipe' is a named pipe, and only regular files are read.\n",
        ("verify", "w.safetensors", "pipe"): "PlanError: 'pipe' is a named pipe, and only regular files are read.\n",
        (
            "verify",
            "w.safetensors",
            "half.json",
        ): "PlanError: 'half.json' cannot be read: it has \\ud800, which is half a "
        "letter and none by itself. Mend the file, or save the plan again.\n",
        ("plan", "model.py:build"): "ModelError: 'model.py' is a device, and only regular files are read.\n",
    }
    for args, message in refused.items():
        result = initium(*args)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    result = initium("verify", "w.safetensors", "plan.json")
    assert result.exit_code == 2
    assert "\n  \\x1b]0;x: cannot be read. No key is called 'odd'" in result.stderr


def test_a_plan_that_was_edited_by_hand_is_not_replaced_by_a_manifest(drawn):
    Plan.load("w.json").save("v.json")
    result = initium("init", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "v.safetensors")
    assert result.exit_code == 2
    assert result.stderr == (
        "OutputError: 'v.json' is a saved plan, and a manifest would take its place. Name another --out.\n"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["init", "net.py:build", "--out", "w.bin"],
            "OutputError: A checkpoint is a file that ends in .safetensors, not 'w.bin'.",
        ),
        (
            ["init", "net.py:build", "--out", "w.safetensors", "--shards", "0"],
            "SettingError: `shards` is a whole number, 1 or more, not 0.",
        ),
        (
            ["init", "mlp(3, 2)", "--recipe", "he", "--out", "w.safetensors", "--dtype", "int8"],
            "SettingError: `--dtype` is one of float32, float64, float16, bfloat16, not 'int8'.",
        ),
        (
            ["init", "mlp(3, 2)", "--recipe", "he", "--out", "w.safetensors", "--seed", "-1"],
            "SettingError: A seed is a whole number from 0 to 2^64 - 1, not -1.",
        ),
        (["verify", "w.safetensors", "no.json"], "PlanError: There is no file 'no.json'."),
    ],
)
def test_a_wrong_word_about_a_checkpoint_is_one_message_and_exit_code_2(net, args, message):
    result = initium(*args)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{message}\n")
    assert sorted(path.name for path in net.iterdir()) == ["beside.py", "net.py"]


def test_a_checkpoint_that_is_not_there_is_refused(drawn):
    result = initium("verify", "no.safetensors", "w.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "DataError: There is no file 'no.safetensors'.\n"


def test_ctrl_c_while_weights_are_drawn_says_that_nothing_was_written(net, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("initium._checkpoint._write.pieces", interrupted)
    result = initium("init", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "w.safetensors")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "Interrupted; nothing was written.\n")
    assert sorted(path.name for path in net.iterdir()) == ["beside.py", "net.py"]


def test_ctrl_c_after_weights_are_written_says_which(net, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("initium._written.Written.__str__", interrupted)
    result = initium("init", "mlp(6, 5, 4)", "--recipe", "he_normal", "--out", "w.safetensors")
    assert (result.exit_code, result.stderr) == (130, "Interrupted, but 'w.safetensors' and 'w.json' are written.\n")
    assert initium("verify", "w.safetensors", "w.json").exit_code == 0


def test_a_constructor_that_looks_at_numbers_is_told(net):
    (net / "hard.py").write_text(
        "from torch import nn\ndef build():\n"
        "    model = nn.Linear(2, 3)\n    model.weight.sum().item()\n    return model\n"
    )
    reason = (
        "he constructor asks for a number that is not drawn yet, and a deferred model has none "
        "(`_local_scalar_dense`, hard.py, line 4)."
    )
    refused = initium("init", "hard.py:build", "--recipe", "author", "--out", "w.safetensors")
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"ModelError: T{reason}")
    built = initium("init", "hard.py:build", "--recipe", "he_normal", "--out", "w.safetensors")
    assert (built.exit_code, built.stderr) == (0, f"The model is built for real, because t{reason}\n")
    sys.modules.pop("initium_model_hard")
