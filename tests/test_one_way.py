"""From a start to a model at step zero there is one way, whoever asks."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import start_models
from safetensors.numpy import load_file
from typer.testing import CliRunner

import initium
from initium._cli import app
from initium._engine import decided
from initium._recipes import parse_recipe
from initium._study._data import load_data
from initium._study._study import Study
from initium.torch import deferred

IRIS = load_data("iris")
STARTS = ("he_normal", "glorot_uniform bias=0.1", "orthogonal", "truncated_normal(std=0.02)", "auto", "author")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the models are as a file, and the rows that a comparison starts with."""
    path = tmp_path_factory.mktemp("models")
    shutil.copy(start_models.__file__, path / "models.py")
    np.save(path / "batch.npy", IRIS.x_train[:256])
    return path


def initialised(build, start):
    """What `initialize` puts in a model, and what it decides."""
    model = deferred(build) if start == "author" else build()
    plan = initium.initialize(model, seed=5, recipe=start, example=IRIS.x_train[:256])
    return plan, values(model)


def compared(build, start):
    """What a comparison trains from."""
    study = Study(build, IRIS, (parse_recipe(start), parse_recipe("zeros")), seed=5)
    return values(decided(study)[0].model(0))


def commanded(folder, name, start, monkeypatch):
    """What the command line draws."""
    monkeypatch.chdir(folder)
    args = ("init", f"models.py:{name}", "--recipe", start, "--example", "models.py:batch", "--seed", "5")
    result = CliRunner().invoke(app, [*args, "--out", "w.safetensors"])
    assert result.exit_code == 0, result.output
    found = load_file("w.safetensors")
    for file in ("w.safetensors", "w.json"):
        Path(file).unlink()
    return found


def values(model):
    return {path: value.detach().numpy().copy() for path, value in model.named_parameters()}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", start_models.MODELS)
def test_initialize_compare_and_the_command_line_start_a_model_alike(name, start, folder, monkeypatch):
    build = start_models.MODELS[name]
    plan, mine = initialised(build, start)
    theirs, drawn = compared(build, start), commanded(folder, name, start, monkeypatch)
    decided_here = [choice.path for choice in plan.choices if start == "author" or choice.how != "kept"]
    assert len(decided_here) >= 4
    for path in decided_here:
        np.testing.assert_array_equal(theirs[path], mine[path], err_msg=path)
        np.testing.assert_array_equal(drawn[path], mine[path], err_msg=path)


def test_a_layer_that_multiplies_from_the_left_has_its_own_fans_in_a_comparison():
    weight = compared(start_models.MODELS["own"], "normal(std=1)")["0.weight"]
    scaled = compared(start_models.MODELS["own"], "he_normal")["0.weight"]
    np.testing.assert_allclose(scaled / weight, (2 / 4) ** 0.5, rtol=1e-5)  # four inputs, and not sixteen
