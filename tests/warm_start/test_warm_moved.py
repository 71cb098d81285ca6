"""A saved plan and its checkpoint, in other places than they were."""

import os

import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from warm import IMAGES, net, same, saved, trained

from initium import CheckpointError, Plan, PlanError, _cli, plan, warm_start


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / "weights").mkdir(parents=True)
    return tmp_path / "home"


def applied(made):
    model = net()
    made.apply(model)
    return model


@pytest.mark.parametrize("place", ["w.safetensors", "weights/w.safetensors"])
def test_a_plan_that_is_moved_with_its_checkpoint_finds_it(home, tmp_path, monkeypatch, place):
    source = trained(net(), IMAGES)
    made = warm_start(net(), saved(home / place, source))
    monkeypatch.chdir(home)
    made.save("plan.json")
    assert Plan.load("plan.json") == made
    assert Plan.load(home / "plan.json") == made
    home.rename(tmp_path / "away")
    monkeypatch.chdir(tmp_path)
    moved = Plan.load("away/plan.json")
    assert same(applied(moved), source)
    moved.save("here.json")  # and from another folder above it
    assert same(applied(Plan.load("here.json")), source)


def test_a_plan_finds_a_checkpoint_that_lies_elsewhere_from_anywhere(home, tmp_path, monkeypatch):
    source = trained(net(), IMAGES)
    made = warm_start(net(), saved(home / "weights" / "w.safetensors", source))
    (tmp_path / "plans").mkdir()
    made.save(tmp_path / "plans" / "plan.json")
    (tmp_path / "plans").rename(tmp_path / "others")
    monkeypatch.chdir(tmp_path / "others")
    assert Plan.load("plan.json") == made
    assert same(applied(Plan.load("plan.json")), source)


def test_links_lead_where_they_led(home, tmp_path):
    source = trained(net(), IMAGES)
    saved(tmp_path / "blob", source)
    os.symlink("../blob", home / "w.safetensors")  # as the cache of a hub lays its files
    os.symlink(home, tmp_path / "alias")
    made = warm_start(net(), tmp_path / "alias" / "w.safetensors")
    made.save(home / "plan.json")
    os.symlink(home / "plan.json", tmp_path / "plan.json")
    for path in (home / "plan.json", tmp_path / "plan.json", tmp_path / "alias" / "plan.json"):
        assert same(applied(Plan.load(path)), source)


def test_a_checkpoint_that_is_gone_says_how_its_new_place_is_named(home, tmp_path):
    source = trained(net(), IMAGES)
    file = saved(home / "w.safetensors", source)
    warm_start(net(), file).save(tmp_path / "plan.json")
    (home / "w.safetensors").rename(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError) as caught:
        applied(Plan.load(tmp_path / "plan.json"))
    assert f"  0.bias  There is no file '{file}'." in str(caught.value)
    assert str(caught.value).endswith("If it lies elsewhere by now, say where: `Plan.load(plan, source=file)`.")
    found = Plan.load(tmp_path / "plan.json", source=tmp_path / "other.safetensors")
    assert same(applied(found), source)
    assert found.origin.source == f"'{tmp_path / 'other.safetensors'}'"
    with pytest.raises(CheckpointError, match=r"There is no file '.*nowhere.safetensors'"):
        Plan.load(tmp_path / "plan.json", source=tmp_path / "nowhere.safetensors")


def test_another_place_is_of_the_checkpoint_alone(home, tmp_path):
    own = saved(home / "own.safetensors", nn.Linear(64, 3))
    file = saved(home / "w.safetensors", trained(net(), IMAGES))
    made = warm_start(net(), file, rules={"4.bias": f"copied('{own}', 'bias')"})
    made.save(home / "plan.json")
    os.replace(file, tmp_path / "other.safetensors")
    moved = Plan.load(home / "plan.json", source=tmp_path / "other.safetensors")
    assert str(moved["4.bias"].init) == f"copied('{own}', 'bias')"
    assert str(moved["4.weight"].init) == f"copied('{tmp_path / 'other.safetensors'}', '4.weight')"
    plan(net(), "he_normal", example=IMAGES).save(home / "cold.json")
    with pytest.raises(PlanError, match="begins from no checkpoint"):
        Plan.load(home / "cold.json", source=file)


def test_what_a_rule_takes_from_a_file_by_a_relative_path_is_found_again(home, monkeypatch):
    saved(home / "own.safetensors", held := nn.Linear(64, 3))
    monkeypatch.chdir(home)
    model = nn.Linear(64, 3)
    plan(model, rules={"weight": "copied('own.safetensors', 'weight')"}).save("plan.json")
    monkeypatch.chdir("/")
    Plan.load(home / "plan.json").apply(model)
    assert torch.equal(model.weight, held.weight)


def run(*args):
    return CliRunner().invoke(_cli.app, [*map(str, args)])


def test_commands_are_told_the_new_place(home, tmp_path):
    source = trained(net(), IMAGES)
    file = saved(home / "w.safetensors", source)
    warm_start(net(), file).save(tmp_path / "plan.json")
    new = tmp_path / "other.safetensors"
    os.replace(file, new)
    refused = run("init", tmp_path / "plan.json", "--out", tmp_path / "out.safetensors")
    assert refused.exit_code == 2
    assert "--source FILE" in refused.stderr
    assert run("init", tmp_path / "plan.json", "--out", tmp_path / "out.safetensors", "--source", new).exit_code == 0
    assert run("verify", tmp_path / "out.safetensors").exit_code == 0  # by its manifest
    assert run("verify", tmp_path / "out.safetensors", tmp_path / "plan.json", "--source", new).exit_code == 0
    assert run("plan", tmp_path / "plan.json", "--source", new, "--out", tmp_path / "new.json").exit_code == 0
    assert same(applied(Plan.load(tmp_path / "new.json")), source)
    refused = run("plan", "mlp(3, 2)", "--source", new)
    assert "`--source` goes with a saved plan, and 'mlp(3, 2)' is none." in refused.stderr


def test_a_manifest_that_is_moved_with_its_checkpoint_finds_it(home, tmp_path):
    warm_start(net(), saved(home / "w.safetensors", trained(net(), IMAGES))).save(home / "plan.json")
    assert run("init", home / "plan.json", "--out", home / "out.safetensors").exit_code == 0
    home.rename(tmp_path / "away")
    found = run("verify", tmp_path / "away" / "out.safetensors")
    assert found.exit_code == 0, found.output
