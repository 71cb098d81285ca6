"""What a store says when not all that was asked for has finished."""

import numpy as np
import pytest

import initium
from initium import SettingError
from initium._compare import show
from initium._store._store import Store

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3)).astype("f4")
Y = (X[:, 0] > 0).astype(int)


def here(study, runs):
    yield from (contender.run(index) for contender, index in runs)


def until(wanted):
    """An engine that Ctrl-C ends after so many runs."""

    def engine(study, runs):
        for number, (contender, index) in enumerate(runs):
            if number == wanted:
                raise KeyboardInterrupt
            yield contender.run(index)

    return engine


def trained(store, *inits, engine=here, **more):
    asked = {"seeds": 4, "epochs": 1, "progress": False, "resume": True, "store": store} | more
    return initium.compare("mlp", (X, Y), inits=list(inits), engine=engine, **asked)


def test_a_start_that_was_only_begun_hides_none_of_the_others(tmp_path):
    trained(tmp_path / "s.db", "he_normal", "zeros")
    cut = trained(tmp_path / "s.db", "he_normal", "zeros", "lecun_normal", engine=until(1))
    for found in (cut, show(tmp_path / "s.db")):
        assert list(found.runs) == ["he_normal", "zeros"]
        assert (found.num_runs, found.lacking, found.interrupted) == (4, {"lecun_normal": 1}, True)
        left = "lecun_normal: left out, for 1 of its 4 runs have finished; --resume trains the others."
        assert left in found.remarks
        assert "interrupted" not in found.report().subtitle
    whole = trained(tmp_path / "s.db", "he_normal", "zeros", "lecun_normal")
    assert (len(whole.runs), whole.num_runs, whole.lacking, whole.interrupted) == (3, 4, {}, False)


def test_starts_of_which_each_has_some_are_compared_over_what_they_share(tmp_path):
    cut = trained(tmp_path / "s.db", "he_normal", "zeros", "lecun_normal", engine=until(10))
    assert (list(cut.runs), cut.num_runs, cut.lacking) == (["he_normal", "zeros", "lecun_normal"], 3, {})
    assert "(interrupted: 4 were asked for)" in cut.report().subtitle


def test_a_place_of_a_grid_leaves_out_what_lacks_runs_there_alone(tmp_path):
    trained(tmp_path / "s.db", "he_normal", "zeros", lr=[0.1, 0.2])
    trained(tmp_path / "s.db", "he_normal", "zeros", "lecun_normal", lr=0.2)
    trained(tmp_path / "s.db", "he_normal", "zeros", "lecun_normal", lr=[0.1, 0.2], engine=until(1))
    found = show(tmp_path / "s.db")
    assert {name: len(one.runs) for name, one in found.cells.items()} == {"lr=0.1": 2, "lr=0.2": 3}
    told = [remark for remark in found.report().remarks if "left out" in remark]
    assert told == ["lecun_normal: left out at lr=0.1, for 1 of its 4 runs have finished; --resume trains the others."]


def test_a_store_in_which_no_two_starts_share_two_runs_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="Interrupted before two runs of two starts had finished; 3 of 8"):
        trained(tmp_path / "s.db", "he_normal", "zeros", engine=until(3))
    with pytest.raises(SettingError, match=r"has no two runs of two starts yet; go on by the command that began it"):
        show(tmp_path / "s.db")


def test_why_a_start_failed_is_kept_and_not_asked_again(tmp_path, monkeypatch):
    deep = {"lr": [0.05, 0.1], "model": "mlp(3, 8, 8, 8, 8, 8, 8, 2)"}

    def compared(*inits):
        asked = {"seeds": 2, "epochs": 2, "progress": False, "resume": True, "engine": here, "lr": deep["lr"]}
        return initium.compare(deep["model"], (X, Y), inits=list(inits), store=tmp_path / "s.db", **asked)

    found = compared("he_normal", "zeros")
    causes = {name: one.causes["zeros"] for name, one in found.cells.items()}
    assert causes["lr=0.1"].what.startswith("zeros that never move at `0.weight`")
    shown = show(tmp_path / "s.db")
    assert {name: one.causes["zeros"] for name, one in shown.cells.items()} == causes
    assert any(str(causes["lr=0.1"]) in remark for remark in shown.report().remarks)
    asked = []
    monkeypatch.setattr("initium._engine.Contender.cause", lambda self: asked.append(self.start.name) or "")
    again = compared("he_normal", "zeros", "ones")
    assert "zeros" not in asked
    assert {name: one.causes["zeros"] for name, one in again.cells.items()} == causes
    with Store.read(tmp_path / "s.db") as store:
        assert len(store.facts()["cells"]) == 2
