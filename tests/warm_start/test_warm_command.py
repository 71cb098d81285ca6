"""`initium warm-start` as a person meets it."""

import resource
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from warm import IMAGES, net, same, saved, trained

from initium import Plan, _cli, _files, warm_start
from initium._setting import to_a_command

MODULE = """
import torch
from torch import nn

def build(classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, classes))

def five():
    return build(5)

def places():
    model = nn.Module()
    model.words, model.places = nn.Embedding(20, 4), nn.Embedding(9, 4)
    return model

def images():
    return torch.zeros(2, 3, 6, 6)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODULE)
    saved(tmp_path / "w.safetensors", trained(net(), IMAGES), lambda name: f"net.{name}")
    return tmp_path


def run(*args):
    return CliRunner().invoke(_cli.app, ["warm-start", *args])


def test_the_ledger_is_shown_and_the_numbers_are_written(folder):
    found = run("model.py:build", "w.safetensors", "--out", "out.safetensors", "--plan", "plan.json")
    assert found.exit_code == 0, found.output
    assert "From 'w.safetensors', which holds 9 tensors" in found.stdout
    assert "its name with `net.` before it" in found.stdout
    model = net()
    warm_start(model, folder / "out.safetensors").apply(model)
    assert same(model, trained(net(), IMAGES))
    assert Plan.load(folder / "plan.json").verify(folder / "out.safetensors")
    again = CliRunner().invoke(_cli.app, ["verify", "out.safetensors", "plan.json"])
    assert again.exit_code == 0, again.output


def test_a_head_of_other_classes_needs_inputs_to_be_known(folder):
    refused = run("model.py:five", "w.safetensors")
    assert refused.exit_code == 2
    assert "Pass --example FILE.py:FUNCTION first" in refused.stderr
    found = run("model.py:five", "w.safetensors", "--example", "model.py:images")
    assert found.exit_code == 0, found.output
    assert "a new head: 3 outputs there, 5 here" in " ".join(found.stdout.split())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--rename", "a"], "SettingError: `--rename` is written OLD=NEW, as in 'encoder.*=bert.*'; got 'a'."),
        (["--min-coverage", "2"], "SettingError: --min-coverage is a share from 0 to 1, not 2.0."),
        (["--rename", "a=b=c"], "SettingError: `--rename` is written OLD=NEW, as in 'encoder.*=bert.*'; got 'a=b=c'."),
        (["--min-coverage", "x%"], "SettingError: `--min-coverage` is a share, as in 0.9 or 90%; got 'x%'."),
        (["--rename", "0.*=1.*"], "RuleError: --rename: the checkpoint has no tensor by the name '0.*'."),
        (["--rename", "net.0.*=5.*"], "RuleError: --rename 'net.0.*=5.*' calls `net.0.bias` `5.bias`, which the model"),
        (["--skip", "fc.*"], "RuleError: `--skip` matches nothing of the model by 'fc.*'."),
        (
            ["--no-adapt", "--rename", "net.4.*=4.*", "--skip", "4.*", "--min-coverage", "90%"],
            "--min-coverage asks for 90.0%",
        ),
        (
            ["--adapt", "4.*=new", "--no-adapt"],
            "SettingError: `--no-adapt` refuses what has another shape, and `--adapt`",
        ),
        (
            ["--rename", "net.0.*=0.*", "--rename", "net.0.*=1.*"],
            "SettingError: `--rename` says of 'net.0.*' both '0.*' and '1.*'. Leave one of them out.",
        ),
        (
            ["--out", "a.safetensors", "--plan", "./a.safetensors"],
            "SettingError: `--out` and `--plan` are both 'a.safe",
        ),
        (["--adapt", "new"], "SettingError: `--adapt` is written GLOB=HOW, as in 'embed.*=grown'; got 'new'."),
        (["--adapt", "7.*=new"], "RuleError: `--adapt` matches nothing of the model by '7.*'."),
        (["--dtype", "int8"], "SettingError: `--dtype` is one of float32, float64, float16, bfloat16, not 'int8'."),
        (["--out", "w.bin"], "OutputError: A checkpoint is a file that ends in .safetensors, not 'w.bin'."),
    ],
)
def test_what_is_refused_is_one_message_and_exit_code_2(folder, args, message):
    found = run("model.py:build", "w.safetensors", "--example", "model.py:images", *args)
    assert found.exit_code == 2
    assert message in found.stderr
    assert "Traceback" not in found.output
    assert sorted(one.name for one in folder.iterdir() if one.is_file()) == ["model.py", "w.safetensors"]


def test_ways_out_are_said_as_options(folder):
    both = {f"{side}.{name}": value for side in "ab" for name, value in net().state_dict().items()}
    torch.save(both, folder / "two.pt")
    assert "Say which: --rename 'a.*=*', or --rename 'b.*=*'." in run("model.py:build", "two.pt").stderr
    torch.save({f"fc.{name}": torch.ones(7) for name in "abc"}, folder / "other.pt")
    assert "--structure pairs them by" in run("model.py:build", "other.pt").stderr
    assert "--structure found no order and shapes that fit" in run("model.py:build", "other.pt", "--structure").stderr
    torch.save(net(), folder / "whole.pt")
    assert "pass --trust; or load it yourself" in run("model.py:build", "whole.pt").stderr
    saved(folder / "small.safetensors", nn.Sequential(nn.Conv2d(3, 4, 5)))
    assert (
        "Pass --skip '0.weight' to start it"
        in run("model.py:build", "small.safetensors", "--no-adapt", "--example", "model.py:images").stderr
    )


def test_a_plan_names_its_settings_as_they_are_typed(folder):
    found = run("model.py:build", "w.safetensors", "--skip", "4.bias", "--example", "model.py:images")
    assert "left out by `--skip`" in " ".join(found.stdout.split())
    made = trained(net(), IMAGES)
    with to_a_command():
        told = str(warm_start(made, made, skip="4.*", example=IMAGES))
    assert "--rule 'PATH=keep' leaves one, or all that a glob means" in told
    assert "only_new" not in told
    assert "only_new=['PATHS'] starts those alone" in str(warm_start(made, made, skip="4.*", example=IMAGES))


def test_what_has_another_shape_is_fitted_as_it_is_typed(folder):
    class Places(nn.Module):
        def __init__(self, num):
            super().__init__()
            self.words, self.places = nn.Embedding(20, 4), nn.Embedding(num, 4)

    saved(folder / "p.safetensors", source := Places(6))
    refused = run("model.py:places", "p.safetensors")
    assert refused.exit_code == 2
    assert "say by --adapt 'places.weight=HOW': `grown` if its rows are words" in refused.stderr
    args = ("--adapt", "places.*=resampled((6,), (9,), prefix=1)", "--out", "out.safetensors")
    refused = run("model.py:places", "p.safetensors", *args)
    assert refused.exit_code == 2  # 1 before, and 6 of 5
    found = run("model.py:places", "p.safetensors", "--adapt", "places.*=resampled((5,), (8,), prefix=1)", *args[2:])
    assert found.exit_code == 0, found.output
    model = Places(9)
    warm_start(model, folder / "out.safetensors").apply(model)
    assert torch.equal(model.places.weight[0], source.places.weight[0])


def test_digests_dtype_and_renames(folder):
    found = run(
        "model.py:build",
        "w.safetensors",
        "--rename",
        "net.*=*",
        "--digests",
        "--dtype",
        "bfloat16",
        "--out",
        "b.safetensors",
    )
    assert found.exit_code == 0, found.output
    assert "your rename net.*=*" in found.stdout
    lines = [line for line in found.stdout.splitlines() if line.endswith("  net.0.weight")]
    assert len(lines) == 1
    assert len(lines[0].split()[0]) == 64
    model = net().bfloat16()
    warm_start(model, folder / "b.safetensors").apply(model)
    assert torch.equal(model[0].weight, trained(net(), IMAGES)[0].weight.bfloat16())


@contextmanager
def full(size):
    """A disk that has no room for a file of more bytes, as the system tells it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("is_known_soon", [True, False])
def test_a_full_disk_leaves_what_was_there(folder, monkeypatch, is_known_soon):
    if not is_known_soon:  # as of a file system that sets no room aside
        monkeypatch.setattr(_files, "_reserve", lambda path, size: None)
    args = ("model.py:wide", "wide.safetensors", "--out", "out.safetensors", "--plan", "plan.json")
    (folder / "model.py").write_text(f"{MODULE}\ndef wide():\n    return nn.Linear(300, 300)\n")
    saved(folder / "wide.safetensors", nn.Linear(300, 300))
    before = {*folder.iterdir(), folder / "__pycache__"}
    with full(100_000):
        found = run(*args[:4])
    assert found.exit_code == 2
    assert found.stderr.startswith("OutputError: 'out.safetensors' cannot be written: File too large: it takes 361")
    assert {*folder.iterdir()} <= before
    assert run(*args).exit_code == 0
    there = {name: (folder / name).read_bytes() for name in ("out.safetensors", "plan.json")}
    saved(folder / "wide.safetensors", nn.Linear(300, 300))
    with full(500):
        assert "'plan.json' cannot be written" in run(*args).stderr
    assert {name: (folder / name).read_bytes() for name in there} == there
    with full(100_000):
        assert "'out.safetensors' cannot be written" in run(*args).stderr
    assert (folder / "out.safetensors").read_bytes() == there["out.safetensors"]
    assert not [one.name for one in folder.iterdir() if one.name.startswith(".")]
