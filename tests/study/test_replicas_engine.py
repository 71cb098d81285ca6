"""Which runs of a study train together, and that it shows in nothing but the time."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium import SettingError
from initium._engine import Processes, decided
from initium._engine._replicas import _sizes, chunks, in_order, trained
from initium._store._store import Store
from initium._study._study import Study
from initium._study._way import Way
from initium.torch._together import train_together

GB = 2**30
IRIS = {"model": "mlp(4, 8, 3)", "data": "iris", "inits": ["he_normal", "zeros"]}


def said(path):
    with Store.read(Path(path)) as store:
        return store.facts()["replicas"]


def sizes(contenders, jobs=2, chunk=None, memory=GB):
    return [size for _, size in _sizes(contenders, jobs, chunk, memory)]


def test_a_chunk_is_an_equal_part_of_what_is_alike_and_keeps_all_processes_busy():
    study = Study(**IRIS, seeds=20, splits=1)
    contenders = [replace(one, way=Way(23, bytes=1000)) for one in decided(study)]
    assert sizes(contenders) == [20, 20]  # 40 runs in 2 parts
    assert sizes(contenders, jobs=1) == [20, 20]  # as one of 23 is not enough
    assert sizes(contenders, jobs=3) == [14, 14]
    assert sizes(contenders, jobs=40) == [4, 4]
    assert sizes(contenders, chunk=7) == [7, 7]
    assert sizes(contenders, memory=10_000) == [10, 10]
    assert sizes(contenders, memory=7_000) == [1, 1]  # so few are no faster
    many = [replace(one, study=replace(study, seeds=100)) for one in contenders]
    assert sizes(many) == [20, 20]  # 10 parts of 200 runs
    for steps, size in ((10**7, 20), (25 * 10**6, 12), (10**9, 8)):  # 32, 12 and none would take five minutes
        long = Study(**IRIS, seeds=100, splits=1, steps=steps)
        assert sizes([replace(one, study=long) for one in contenders]) == [size, size]
    alone = [replace(one, way=Way(why="because")) for one in contenders]
    assert sizes(alone) == sizes(alone, chunk=7) == [1, 1]


def test_runs_that_train_together_are_beside_each_other_and_of_one_shape():
    study = Study("mlp", "iris", ["he_normal", "zeros"], depth=[1, 2], lr=[0.1, 0.2], width=4, seeds=6, splits=4)
    contenders = [replace(one, way=replace(one.way, size=5)) for one in decided(study)]
    runs = in_order(contenders, study.seeds)
    assert len({(id(one), index) for one, index in runs}) == len(runs) == 2 * 4 * 6
    found = list(chunks(runs))
    assert [run for chunk in found for run in chunk] == runs
    for chunk in found:
        assert len({(one.study.depth, study.num_rows(index)) for one, index in chunk}) == 1
    rows = {index: study.num_rows(index) for index in range(6)}
    assert set(rows.values()) == {112, 113}  # 150 samples in 4 folds
    assert rows == {index: len(study.data_of(index).x_train) for index in range(6)}
    of_a_kind = {size: 8 * list(rows.values()).count(size) // 2 for size in set(rows.values())}
    assert len(found) == 2 * sum(math.ceil(number / 5) for number in of_a_kind.values())


def test_no_more_is_taken_than_is_given():
    contenders = [replace(one, way=Way(4, bytes=1)) for one in decided(Study(**IRIS, seeds=4))]
    taken = []
    runs = (taken.append(run) or run for run in in_order(contenders, 4))
    next(chunks(runs))
    assert len(taken) == 4


def odd(depth=1):
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 130), nn.Tanh(), nn.Linear(130, 5), nn.Linear(5, 3))


ASKED = {
    "inits": ["he_normal", "framework"],
    "lr": [0.02, 0.1],
    "momentum": 0.9,
    "clip": 1.0,
    "splits": 4,
    "seeds": 4,
    "epochs": 3,
    "batch_size": 15,
    "progress": False,
}


def curves(grid):
    return {
        (name, start, run.index): (run.train_loss, run.test_score, run.units_end, run.merits.tolist())
        for name in grid
        for start, runs in grid[name].runs.items()
        for run in runs
    }


def test_a_study_is_the_same_bits_in_chunks_of_any_size_and_near_the_plain_loop():
    whole, *others = (initium.compare(odd, "iris", chunk=chunk, jobs=1, **ASKED) for chunk in (16, 2, 5))
    for other in others:
        assert curves(other) == curves(whole)
    alone = initium.compare(odd, "iris", chunk=1, jobs=1, **ASKED)
    assert curves(alone).keys() == curves(whole).keys()
    for key, (losses, *_) in curves(alone).items():
        np.testing.assert_allclose(curves(whole)[key][0], losses, rtol=1e-4)
    assert [one["he_normal"] for one in said(whole.store).values()] == [16, 16]
    assert [one["he_normal"] for one in said(alone.store).values()] == [1, 1]


def test_a_study_that_goes_on_keeps_its_way(tmp_path):
    store = tmp_path / "s.db"
    asked = {**IRIS, "epochs": 1, "progress": False, "store": store}
    initium.compare(**asked, seeds=4)
    (begun,) = said(store).values()
    assert begun == {"he_normal": 4, "zeros": 4}
    initium.compare(**asked, seeds=40, resume=True)
    assert list(said(store).values()) == [begun]
    initium.compare(**asked, seeds=41, resume=True, chunk=9)
    assert list(said(store).values()) == [{"he_normal": 9, "zeros": 9}]
    assert len(json.dumps(said(store))) < 1000


class Branching(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)

    def forward(self, x):
        return super().forward(x) * (2 if x.sum().item() > 0 else 1)


def test_what_replicas_fail_at_trains_in_the_plain_loop():
    study = Study(Branching, "iris", ["he_normal", "zeros"], seeds=2, epochs=1)
    contenders = [replace(one, way=Way(4, bytes=1)) for one in decided(study)]
    runs = trained([(one, index) for one in contenders for index in range(2)])
    assert [(run.recipe, run.index) for run in runs] == [(s, i) for s in ("he_normal", "zeros") for i in (0, 1)]
    assert runs[1].train_loss == contenders[0].run(1).train_loss


@pytest.mark.parametrize(("name", "value"), [("chunk", 0), ("memory", 0)])
def test_how_much_at_once_is_above_0(name, value):
    with pytest.raises(SettingError, match=f"{name} is a "):
        Processes(1, **{name: value})


def scores(momentum, first):
    """Losses of 100 runs after 40 steps, trained as replicas from PyTorch's own start."""
    study = Study("mlp(4, 8, 3)", "iris", ["framework", "zeros"], momentum=momentum, lr=0.02, epochs=10, seed=first)
    contender = decided(replace(study, order_seed=first))[0]
    asked = [(contender.study, contender.model(index), contender.graph, "a", index) for index in range(100)]
    return np.array([run.train_loss[-1] for run in train_together(asked, Way())])


def plain_scores():
    data, found = Study("mlp(4, 8, 3)", "iris", ["framework", "zeros"]).data, []
    x, y = torch.tensor(data.x_train), torch.tensor(data.y_train)
    for seed in range(100):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(net.parameters(), 0.02, momentum=0.9)
        for _ in range(10):
            for rows in torch.randperm(len(x)).split(32):
                optimizer.zero_grad()
                nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
                optimizer.step()
        found.append(nn.functional.cross_entropy(net(x), y).item())
    return np.array(found)


def test_scores_of_many_runs_are_distributed_as_in_a_plain_loop():
    plain = plain_scores()

    def distance(found):
        """Between the means, in standard errors."""
        return abs(found.mean() - plain.mean()) / math.hypot(found.std(), plain.std()) * 10

    right = scores(0.9, first=1000)
    assert distance(right) < 3.5
    assert 0.5 < right.std() / plain.std() < 2
    assert distance(scores(0.8, first=1000)) > 7
