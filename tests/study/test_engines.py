"""Somebody's own engine that does not do what an engine does."""

from dataclasses import replace

import numpy as np
import pytest

import initium
from initium import SettingError, TrainingError
from initium._store._store import Store

X = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
Y = (X[:, 0] > 0).astype(int)


def returning(study, runs):
    return None


def taking_one(study):
    yield


def raising(study, runs):
    contender, index = next(iter(runs))
    yield contender.run(index)
    raise KeyError("host7")


def leaving(study, runs):
    raise SystemExit(3)


def yielding(what):
    def engine(study, runs):
        contender, index = next(iter(runs))
        yield what(contender.run(index))

    return engine


def losing(study, runs):
    taken = list(runs)
    yield taken[0][0].run(taken[0][1])


def twice(study, runs):
    for contender, index in runs:
        run = contender.run(index)
        yield run
        yield run


ENGINES = [
    (returning, "The engine `returning` returned None; it has to yield each run as it finishes.", 0),
    (
        taking_one,
        "The engine `taking_one` failed. TypeError: taking_one() takes 1 positional argument but 2 were given.",
        0,
    ),
    (raising, "The engine `raising` failed. KeyError: 'host7'.", 1),
    (leaving, "The engine `leaving` failed. SystemExit: 3.", 0),
    (lambda study, runs: iter(()), "The engine ended and had asked for no run.", 0),
    (yielding(lambda run: 7), "The engine `engine` yielded an int, not a Run, which `contender.run(index)` makes.", 0),
    (yielding(lambda run: None), "The engine `engine` yielded None, not a Run, which", 0),
    (
        yielding(lambda run: replace(run, index=9)),
        "The engine `engine` yielded run 9 of zeros, which it was not given, or had given back already.",
        0,
    ),
    (yielding(lambda run: replace(run, train_loss=())), "The engine `engine` yielded a Run that cannot be kept: ", 0),
    (
        yielding(lambda run: replace(run, train_loss=(1.0,), test_loss=(1.0,), test_score=(1.0,))),
        "The engine `engine` yielded run 0 of zeros with curves of 1 points, not 2, one before training and one after",
        0,
    ),
    (
        yielding(lambda run: replace(run, merits=run.merits[1:])),
        "The engine `engine` yielded run 0 of zeros with merits of shape (7,), not (8,); ",
        0,
    ),
    (yielding(lambda run: replace(run, split=3)), "The engine `engine` yielded run 0 of zeros with split 3, not 0;", 0),
    *(
        (
            yielding(lambda run, it=it: replace(run, seconds=it)),
            f"The engine `engine` yielded run 0 of zeros with {it!r} s",
            0,
        )
        for it in (float("nan"), float("inf"), -1.0, None)
    ),
    (
        losing,
        "The engine `losing` took 3 runs that it never gave back: run 0 of ones, run 1 of zeros, run 1 of ones.",
        1,
    ),
    (twice, "The engine `twice` yielded run 0 of zeros, which it was not given, or had given back already.", 1),
]


@pytest.mark.parametrize(
    ("engine", "message", "kept"), ENGINES, ids=[f"{e.__name__}{n}" for n, (e, *_) in enumerate(ENGINES)]
)
def test_what_an_engine_does_wrong_is_one_message_and_what_had_finished_stays(tmp_path, engine, message, kept):
    with pytest.raises(TrainingError) as error:
        initium.compare(
            "mlp", (X, Y), inits=["zeros", "ones"], seeds=2, epochs=1, progress=False, store=tmp_path / "s.db",
            engine=engine,
        )  # fmt: skip
    text = str(error.value)
    assert text.startswith(message)
    assert f" What had finished is kept, {kept} of 4 runs, in '{tmp_path}/s.db': go on with it by --resume" in text
    with Store.read(tmp_path / "s.db") as store:
        assert len(store.finished()) == kept


@pytest.mark.parametrize("engine", ["Local", 3, dict])
def test_what_is_no_engine_is_refused_before_anything_is_written(tmp_path, engine):
    with pytest.raises(SettingError, match="engine is 'local', 'ray', or a function that is given the study"):
        initium.compare("mlp", (X, Y), inits=["zeros", "ones"], engine=engine, store=tmp_path / "s.db")
    assert not list(tmp_path.iterdir())


def test_an_engine_is_ended_when_what_keeps_its_runs_fails(tmp_path, monkeypatch):
    ended = []

    def engine(study, runs):
        try:
            for contender, index in runs:
                yield contender.run(index)
        finally:
            ended.append(True)

    def full(self, row):
        assert not ended
        raise initium.OutputError("full")

    monkeypatch.setattr(Store, "finish", full)
    with pytest.raises(initium.OutputError, match="full") as error:
        initium.compare(
            "mlp", (X, Y), inits=["zeros", "ones"], seeds=2, progress=False, store=tmp_path / "s.db", engine=engine
        )
    assert ended == [True]  # and not only when nobody looks at the error any more
    assert error.tb
