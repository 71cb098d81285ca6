"""Signal and gradient at step zero beside a grid's starts, measured once for a place and kept."""

import numpy as np
import pytest
from test_causes import data

import initium
from initium import OutputError
from initium._compare import show
from initium._store._store import Store
from initium._study._signal import LayerSignal

INITS = ["he_normal", "uniform(-0.1, 0.1)", "zeros"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("grid") / "study.db"


@pytest.fixture(scope="module")
def trained(path):
    given = {"inits": INITS, "seeds": 2, "epochs": 1, "lr": [0.1, 0.01], "depth": [2, 6], "width": 8}
    return initium.compare("mlp", data(), **given, store=path, progress=False, jobs=1)


def test_they_are_measured_once_for_each_depth_and_kept(trained, path):
    assert [*trained.signals] == ["depth=2, lr=0.1", "depth=6, lr=0.1"]
    deep = trained.signals["depth=6, lr=0.1"]
    assert [*deep] == INITS
    assert [len(layers) for layers in deep.values()] == [7, 7, 7]
    assert show(path).signals == trained.signals


def test_a_start_that_keeps_the_signal_is_told_from_one_that_loses_it(trained):
    deep = trained.signals["depth=6, lr=0.1"]
    he, narrow = (np.array([layer.signal for layer in deep[start]]) for start in INITS[:2])
    assert he[5] / he[0] > 0.02
    # With weights of variance 0.01 / 3 and ReLU a layer of 8 keeps 8 / 2 * 0.01 / 3 of the second moment.
    assert narrow[5] / narrow[0] == pytest.approx((8 / 2 * 0.01 / 3) ** 5, rel=0.99)
    assert all(layer.gradient == 0 for layer in deep["zeros"][:-1])


def test_a_page_draws_them_at_each_depth_and_a_logarithm_of_zero_not_at_all(trained):
    (figure,) = (one for one in trained.report().sections if one.title == "Signal and gradient at step zero")
    titles = [plot["layout"]["title"]["text"] for plot in figure.plots]
    assert titles == ["signal, depth 2", "gradient, depth 2", "signal, depth 6", "gradient, depth 6"]
    assert [trace["name"] for trace in figure.plots[0]["data"]] == INITS
    zeros = figure.plots[1]["data"][2]
    assert zeros["y"][:-1] == [None, None]


def test_what_is_not_finite_is_kept_as_nothing():
    assert LayerSignal.measured("a", float("inf"), float("nan")) == LayerSignal("a", None, None)
    assert LayerSignal.of(LayerSignal.measured("a", 2.0, None).stored) == LayerSignal("a", 2.0, None)


def test_a_grid_prints_its_answer_before_its_tables_and_says_the_same_when_shown(trained, path):
    printed = str(trained)
    assert printed.index("Nothing trained at any place") < printed.index("Test accuracy, %")
    assert str(show(path)) == printed
    assert len(trained.to_pandas()) == 24


@pytest.mark.parametrize("told", [[1], {"x": 1}, {"x": [["a", "b", 1]]}, {"x": [[1, 2, 3]]}, {"x": [["a", 1]]}])
def test_damaged_ones_are_refused(trained, path, tmp_path, told):
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    with Store.read(path) as store:
        identity = store.facts(identity=True)
    with Store.resume(copy, identity) as store:
        key = next(iter(store.facts()["cells"]))
        store.say(lambda _: {"signals": {key: told}})
    with pytest.raises(OutputError, match="is damaged: what it says of its runs cannot be read"):
        show(copy)
