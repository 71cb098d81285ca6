"""`initium diagnose`: what it prints, what it refuses, and its exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initium import _cli

EXAMPLES = Path(__file__).parents[2] / "examples" / "sick"


def diagnose(*args):
    return CliRunner().invoke(_cli.app, ["diagnose", *map(str, args)])


def test_a_serious_finding_is_exit_code_1_and_the_first_line():
    done = diagnose(f"{EXAMPLES / 'glorot_relu_30.py'}:build")
    assert done.exit_code == 1, done.stderr
    assert done.stdout.startswith("2 serious findings; first: vanishing signal at `2.weight`.\n")
    assert "\n  remedy: initium.initialize(model, seed=0)\n" in done.stdout
    assert "\n  more: docs/diagnose.md#in101-vanishing-signal\n" in done.stdout
    assert "the inputs were made up" in done.stdout


def test_a_healthy_net_is_exit_code_0():
    done = diagnose(f"{EXAMPLES / 'glorot_relu_30.py'}:build", "--recipe", "auto")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.startswith("Healthy at step zero: no finding.\n")
    done = diagnose("mlp(64, 32, 10)", "--data", "digits", "--optimizer", "sgd", "--lr", "0.1", "--micro-batch", 8)
    assert done.exit_code == 0, done.stdout
    assert "knowing nothing costs log 10 = 2.303" in done.stdout


def test_findings_can_be_left_out_and_learners_have_their_activation():
    net = "mlp(16, 16, 16, 16, 16, 16, 16, 16, 16, 3)"
    sigmoids = diagnose(net, "--activation", "sigmoid", "--quick")
    assert sigmoids.exit_code == 1
    assert "a layer of sigmoid multiplies it by 0.153: no size of the weights keeps both" in " ".join(
        sigmoids.stdout.split()
    )
    assert diagnose(net, "--activation", "sigmoid", "--quick", "--ignore", "IN201").exit_code == 0


def test_json_holds_all_of_it():
    told = json.loads(diagnose(f"{EXAMPLES / 'all_equal.py'}:build", "--json").stdout)
    assert not told["healthy"]
    assert told["findings"][0]["id"] == "IN301"
    assert told["findings"][0]["docs"] == "docs/diagnose.md#in301-identical-units"
    assert [layer["path"] for layer in told["layers"]] == ["0.weight", "2.weight", "4.weight"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_names_its_columns_in_any_language(tmp_path, encoding):
    rows = [f"{n}.5,{n % 3},{'是否'[n % 2]}" for n in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["长度,宽度,类", *rows]), encoding=encoding)
    done = diagnose("mlp(2, 4, 2)", "--data", tmp_path / "t.csv")
    assert done.exit_code == 0, done.stderr
    assert "knowing nothing costs log 2 = 0.6931" in done.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothere.py:build"], "ModelError: There is no file 'nothere.py'."),
        (["mlp(64, 10)", "--ignore", "IN9"], "UnknownNameError: No finding is called 'IN9'"),
        (["mlp(64, 10)", "--optimizer", "sgd"], "SettingError: The first step is judged for an optimiser"),
        (
            ["mlp(64, 10)", "--micro-batch", "0"],
            "SettingError: `micro_batch` is a number of samples, 1 or more, not 0.",
        ),
        (["mlp(64, 10)", "--activation", "rely"], "UnknownNameError: No activation is called 'rely'"),
        (["mlp(64, 10)", "--loss", "mse"], "DataError: Loss `mse` needs targets"),
        (
            [f"{Path(__file__).parent / 'strange.py'}:build"],
            "ModelError: Initium cannot make up the input `other` of Strange.forward(weird, other). Pass inputs=..., a "
            "tensor, a tuple of arguments or a dict of keyword arguments. Here that is --data FILE.py:FUNCTION, which "
            "returns it.",
        ),
        (["mlp(3, 10)", "--data", "digits"], "ModelError: Sequential raises RuntimeError in `0`"),
    ],
)
def test_what_is_refused_is_one_message_and_exit_code_2(args, message):
    done = diagnose(*args)
    assert done.exit_code == 2
    assert done.stderr.startswith(message), done.stderr
    assert done.stdout == ""


def test_what_was_done_to_a_table_is_a_line_of_the_report(tmp_path):
    rows = [f"{n}.5,{n % 3},{n % 2}" for n in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *rows]))
    note = json.loads(diagnose("mlp(2, 4, 2)", "--data", tmp_path / "t.csv", "--json").stdout)["notes"][0]
    assert note == (
        f"data {tmp_path / 't.csv'}: target 'c' from 'a', 'b'; a fifth for testing, split seed 0; standardised on the "
        "training split; 16 of 16 training samples were run"
    )
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *(f"{n},{n},1" for n in range(20))]))
    refused = diagnose("mlp(2, 4, 2)", "--data", tmp_path / "t.csv").stderr
    assert (
        refused == f"DataError: '{tmp_path / 't.csv'}': y_train holds one class only, 1; there is nothing to learn.\n"
    )


def test_the_answer_stands_below_a_report_that_leaves_the_screen(monkeypatch):
    answer = "Healthy at step zero: no finding.\n"
    assert diagnose("mlp(8, 3)").stdout.count(answer) == 1
    monkeypatch.setattr(_cli, "_SCREEN", 5)
    told = diagnose("mlp(8, 3)").stdout
    assert told.startswith(answer)
    assert told.endswith(f"\n\n{answer}")
    assert json.loads(diagnose("mlp(8, 3)", "--json").stdout)["healthy"]
