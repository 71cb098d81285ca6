"""What is compared: recipes, rules, plans, constructors; and at which places of a grid."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium import RuleError, SettingError
from initium._engine import decided
from initium._recipes import parse_recipe
from initium._study._data import load_data
from initium._study._study import Study
from initium.torch import deferred
from initium.torch._optimizer import factor

IRIS = load_data("iris")


class Net(nn.Sequential):
    def __init__(self, width=8):
        super().__init__(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))


class Net2(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 3))


def values(model):
    return {path: value.detach().numpy().copy() for path, value in model.named_parameters()}


def assert_same(model, other):
    mine, theirs = values(model), values(other)
    assert mine.keys() == theirs.keys()
    for path, value in mine.items():
        np.testing.assert_array_equal(value, theirs[path], err_msg=path)


def initialised(recipe, seed, **more):
    model = deferred(Net) if recipe == "author" else Net()
    initium.initialize(model, seed, recipe, example=IRIS.x_train[:256], **more)
    return model


RULES = {"2.*": "zeros"}


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("auto", lambda seed: initialised("auto", seed)),
        (("he_normal", RULES), lambda seed: initialised("he_normal", seed, rules=RULES)),
        ("author", lambda seed: initialised("author", seed)),
        (parse_recipe("lecun_normal"), lambda seed: initialised("lecun_normal", seed)),
        (initium.init.orthogonal(gain=2), lambda seed: initialised("orthogonal(gain=2)", seed)),
        (initium.plan(Net(), "glorot_normal"), lambda seed: initialised("glorot_normal", seed)),
    ],
    ids=lambda one: str(one)[:20],
)
def test_a_start_is_what_initialize_makes_of_it(asked, made):
    study = Study(Net, IRIS, {"mine": asked, "zeros": "zeros"}, seed=5)
    mine = decided(study)[0]
    assert mine.start.name == "mine"
    for index in (0, 2):
        assert_same(mine.model(index), made(5 + index))


def test_rules_for_all_starts_win_over_each():
    study = Study(Net, IRIS, ["he_normal", ("glorot_normal", {"0.bias": "ones"})], rules=RULES)
    models = [one.model(0) for one in decided(study)]
    assert [float(model[2].weight.detach().abs().max()) for model in models] == [0, 0]
    assert float(models[1][0].bias.detach().min()) == 1
    assert [start.name for start in study.inits] == ["he_normal", "glorot_normal with 0.bias -> ones"]


def test_a_saved_plan_is_a_start(tmp_path):
    initium.plan(Net(), "glorot_normal").save(tmp_path / "p.json")
    study = Study(Net, IRIS, [str(tmp_path / "p.json"), "zeros"])
    assert study.inits[0].name == "p"
    assert_same(decided(study)[0].model(0), initialised("glorot_normal", 0))


def test_constructors_are_compared_as_the_framework_starts_them():
    study = Study([Net, Net2], IRIS)
    assert [start.name for start in study.inits] == ["Net", "Net2"]
    models = [one.model(3) for one in decided(study)]
    for built, model in zip((Net, Net2), models, strict=True):
        torch.manual_seed(3)
        assert_same(model, built())


def test_constructors_are_compared_under_each_start_and_in_each_cell():
    study = Study([Net, Net2], IRIS, ["he_normal", "zeros"], lr=[0.1, 1])
    assert [start.name for start in study.inits] == [
        *("Net with he_normal", "Net with zeros", "Net2 with he_normal", "Net2 with zeros"),
    ]
    assert [(one.study.name, one.start.name) for one in decided(study)][4] == ("lr=1", "Net with he_normal")
    assert study.model_name == "Net and Net2"


def test_a_model_is_traced_once_for_each_shape(monkeypatch):
    from initium._engine import _contender

    asked = []
    trace = _contender.graph_of
    monkeypatch.setattr(_contender, "graph_of", lambda *args, **more: asked.append(1) or trace(*args, **more))
    axes = {"lr": [0.1, 0.2, 0.3], "depth": [1, 2], "optimizer": ["sgd", "adam"]}
    decided(Study("mlp", IRIS, ["he_normal", "auto", "zeros"], **axes))
    assert len(asked) == 2


def test_a_plan_that_fits_one_cell_alone_is_told_where_it_does_not():
    with pytest.raises(initium.PlanError, match="At width=9: "):
        decided(Study(Net, IRIS, [initium.plan(Net(), "he_normal"), "zeros"], width=[8, 9]))


@pytest.mark.parametrize(
    ("inits", "error", "message"),
    [
        ([initium.plan(Net()), (initium.plan(Net()), RULES)], SettingError, "is a plan, in which all is decided"),
        ([initium.plan(Net()), initium.plan(Net())], SettingError, "is asked for more than once"),
        ([("he_normal", {"9.*": "zeros"}), "zeros"], RuleError, "9.*"),
    ],
)
def test_a_start_that_is_none_is_told(inits, error, message):
    with pytest.raises(error) as found:
        decided(Study(Net, IRIS, inits))
    assert message in str(found.value)


def test_a_grid_is_the_product_of_its_axes_whatever_lists_them():
    study = Study("mlp", IRIS, ["he_normal", "zeros"], lr=np.array([0.1, 1.0]), depth=range(1, 3), clip=(1, 2))
    assert study.axes == {"depth": (1, 2), "lr": (0.1, 1.0), "clip": (1, 2)}
    assert len(study.cells) == 8
    assert study.cells[-1].name == "depth=2, lr=1, clip=2"
    assert json.loads(study.cells[0].key) == {
        "batch_size": 32,
        "clip": 1,
        "depth": 1,
        "lr": 0.1,
        "momentum": 0,
        "optimizer": "sgd",
        "schedule": "constant",
        "warmup": 0,
        "weight_decay": 0,
    }


@pytest.mark.parametrize(
    ("settings", "factors"),
    [
        ({}, [1, 1, 1, 1, 1, 1, 1, 1]),
        ({"warmup": 3}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
        ({"schedule": "step"}, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
        ({"schedule": "cosine"}, (1 + np.cos(np.pi * np.arange(8) / 8)) / 2),
    ],
)
def test_the_learning_rate_over_the_steps(settings, factors):
    study = Study("mlp", IRIS, ["he_normal", "zeros"], **settings)
    assert [factor(study, step, 8) for step in range(8)] == pytest.approx(list(factors))


def test_momentum_decay_clipping_and_steps_are_what_a_plain_loop_does():
    from initium import _stream

    settings = {"momentum": 0.9, "weight_decay": 0.01, "clip": 0.3, "schedule": "cosine", "warmup": 2, "lr": 0.2}
    study = Study(Net, IRIS, ["he_normal", "zeros"], steps=10, batch_size=16, **settings)
    contender = decided(study)[0]
    model, x, y = contender.model(0), torch.tensor(study.data.x_train), torch.tensor(study.data.y_train)
    step = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=0.01)
    pace = torch.optim.lr_scheduler.LambdaLR(step, lambda at: factor(study, at, 10))
    orders = [_stream.permutation(_stream.key(0, f"order.{epoch}"), len(x)) for epoch in (0, 1)]
    for batch in [torch.tensor(order[at : at + 16]) for order in orders for at in range(0, len(x), 16)][:10]:
        step.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.3)
        step.step()
        pace.step()
    run = contender.run(0)
    assert len(run.train_loss) == 3  # ten steps of eight an epoch
    assert run.train_loss[-1] == pytest.approx(nn.functional.cross_entropy(model(x), y).item(), rel=1e-5)
