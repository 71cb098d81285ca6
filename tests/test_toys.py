"""What somebody adds: a law of their own, numbers from a file, and an engine, each by one class or one function."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import initium
import initium.jax
from initium import Plan
from initium._decisions import Choice
from initium._graph import Param
from initium._tensor import of_choice
from initium.init import Initialiser
from initium.init._initialiser import CATALOGUE, initialiser
from initium.init._law import Given, Law
from initium.torch._train import Course, batches


@dataclass(frozen=True)
class Signs(Law):
    """Plus or minus `size`, each by a bit of its own."""

    size: float
    how = "drawn"

    def make(self, draw, weight):
        words = draw.words(int(np.prod(weight.shape)), "signs").reshape(weight.shape)
        return np.where(words & 1, self.size, -self.size)

    def words(self, weight):
        return f"plus or minus {self.size:g}"


@dataclass(frozen=True, eq=False)
class Loaded(Given):
    """Numbers that lie in a file."""

    how = "loaded"

    def words(self, weight):
        return "numbers of a file"


@pytest.fixture(autouse=True)
def entered():
    """Two starts of somebody's own in the catalogue."""

    @initialiser
    def signs(size: float) -> Initialiser:
        """Plus or minus `size`."""
        return Initialiser(lambda weight: Signs(size))

    @initialiser
    def loaded(path: str) -> Initialiser:
        """The numbers of a file."""
        return Initialiser(lambda weight: Loaded(np.load(path, mmap_mode="r")), has_roles=False)

    yield
    for name in ("signs", "loaded"):
        CATALOGUE.pop(name)


def net():
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))


def test_a_new_law_is_drawn_told_written_and_verified(tmp_path):
    model, plan = net(), initium.plan(net(), "signs(0.5)")
    ledger = plan.apply(model, seed=3)
    weight = model[0].weight.detach().numpy()
    assert sorted(set(weight.ravel())) == [-0.5, 0.5]
    np.testing.assert_array_equal(weight, initium.array("signs(0.5)", (4, 6), seed=3, path="0.weight"))
    assert [entry.how for entry in ledger.entries] == ["drawn", "constant", "drawn"]
    assert "3 parameters: 2 drawn, 1 constant." in str(plan)
    assert "\nthat is      plus or minus 0.5\n" in plan.explain("0.weight")

    file = plan.write(tmp_path / "w.safetensors", seed=3).path
    np.testing.assert_array_equal(load_file(file)["0.weight"], weight)
    assert plan.verify(file, seed=3)
    assert not plan.verify(file, seed=4)

    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan
    jax = initium.jax.parse("signs(0.5)")(initium.jax.key(3, "0.weight"), (6, 4))
    np.testing.assert_array_equal(np.asarray(jax).T, weight)


def test_a_law_whose_numbers_lie_in_a_file_is_one_choice_among_others(tmp_path):
    table = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.save(tmp_path / "table.npy", table)
    start = f"loaded({str(tmp_path / 'table.npy')!r})"
    drawn = initium.plan(net(), "he_normal")
    param = drawn.choices[0].param
    choice = Choice(param=param, init=initium.parse(start), because="as in table.npy", by="checkpoint")
    plan = Plan((choice, *drawn.choices[1:]))

    model = net()
    ledger = plan.apply(model, seed=0)
    np.testing.assert_array_equal(model[0].weight.detach().numpy(), table)
    assert [entry.how for entry in ledger.entries] == ["loaded", "constant", "drawn"]
    assert "3 parameters: 1 drawn, 1 constant, 1 loaded." in str(plan)

    file = plan.write(tmp_path / "w.safetensors").path
    np.testing.assert_array_equal(load_file(file)["0.weight"], table)
    assert plan.verify(file)
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json").choices[0].by == "checkpoint"


def test_a_part_of_a_law_in_a_file_reads_no_more_than_it_holds():
    asked = []

    class Table(np.ndarray):
        def __getitem__(self, box):
            asked.append(box)
            return np.asarray(super().__getitem__(box))

    table = np.arange(24.0).reshape(4, 6).view(Table)
    init = Initialiser(lambda weight: Loaded(table), spec="table", has_roles=False)
    param = Param(path="w", shape=(4, 6), axes="oi", role="weight", because="dense")
    tensor = of_choice(Choice(param=param, init=init, because="given"), seed=0)
    assert tensor.comes_in_parts
    np.testing.assert_array_equal(tensor.part((slice(1, 3), slice(2, 4))), [[8, 9], [14, 15]])
    assert asked == [(slice(1, 3), slice(2, 4), ...)]


def at_once(study, runs):
    """All starts of one index under one optimiser: of plain SGD the gradient of a sum is each run's own."""
    for index, group in groupby(runs, key=lambda run: run[1]):
        starts = [start for start, _ in group]
        models = [start.model(index) for start in starts]
        pairs = list(zip(starts, models, strict=True))
        courses = [Course(study, model, start.graph, start.start.name, index) for start, model in pairs]
        optimizer = torch.optim.SGD([value for model in models for value in model.parameters()], lr=study.lr)
        for epoch in range(study.epochs):
            for inputs, wanted in batches(study, index, epoch):
                optimizer.zero_grad()
                both = zip(courses, models, strict=True)
                sum(course.judge.function(model(inputs), wanted) for course, model in both).backward()
                optimizer.step()
            for course in courses:
                course.note()
        yield from (course.run() for course in courses)


def test_an_engine_that_trains_several_runs_at_once_gives_what_the_engine_of_processes_gives():
    asked = {"inits": ["he_normal", "glorot_uniform", "framework"], "seeds": 3, "epochs": 3, "progress": False}
    ours = initium.compare("mlp(4, 8, 3)", "iris", engine=at_once, **asked)
    theirs = initium.compare("mlp(4, 8, 3)", "iris", **asked)
    assert not ours.interrupted
    for recipe, runs in theirs.runs.items():
        assert [run.index for run in ours.runs[recipe]] == [0, 1, 2]
        for one, other in zip(ours.runs[recipe], runs, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=1e-5)
            assert one.units_start == other.units_start
            assert other.train_loss[3] < other.train_loss[0]
