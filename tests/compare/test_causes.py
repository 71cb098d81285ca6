"""Why a start never trained, as a diagnosis at step zero says."""

from dataclasses import replace

import numpy as np
import torch

import initium
from initium._compare import Grid
from initium._compare._grid_report import remarks

DEEP = "mlp(8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 2)"


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 8)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    return x[:80], y[:80], x[80:], y[80:]


def compared(**how):
    given = {"inits": ["he_normal", "zeros"], "seeds": 2, "epochs": 8, "lr": 0.05, "progress": False, "jobs": 1}
    return initium.compare(DEEP, data(), **given | how)


def test_a_start_that_never_trained_is_told_why_and_one_that_did_is_not():
    state = torch.get_rng_state()
    found = compared()
    assert torch.equal(torch.get_rng_state(), state)
    assert found.failed == ("zeros",)
    assert [*found.causes] == ["zeros"]
    assert str(found.causes["zeros"]).startswith("zeros that never move at `0.weight`")
    (told,) = [remark for remark in found.remarks if remark.startswith("zeros:")]
    assert f"; a diagnosis at step zero finds: {found.causes['zeros']}." in told


def test_at_each_place_of_a_grid_by_its_own_settings():
    found = compared(lr=[0.05, 1e4])
    assert [*found["lr=0.05"].causes] == ["zeros"]
    fast = found["lr=10000"]
    assert set(fast.failed) == {"he_normal", "zeros"}
    assert str(fast.causes["he_normal"]).startswith("step out of proportion")
    assert fast.causes["zeros"] == found["lr=0.05"].causes["zeros"]
    assert found.report().remarks == (
        f"he_normal: no run trained at lr=10000; a diagnosis at step zero finds: {fast.causes['he_normal']}.",
        f"zeros: no run trained anywhere; a diagnosis at step zero finds: {fast.causes['zeros']}.",
    )
    two = Grid(
        {name: cell if name == "lr=10000" else replace(cell, causes={}) for name, cell in found.cells.items()}, ("lr",)
    )
    assert (
        f"zeros: no run trained anywhere; at 1 of them a diagnosis at step zero finds: {fast.causes['zeros']}."
        in remarks(two)
    )


def test_what_cannot_be_diagnosed_has_no_cause(monkeypatch):
    def refuse(*_, **__):
        raise initium.ModelError("no")

    monkeypatch.setattr("initium._engine._contender.diagnose", refuse)
    found = compared()
    assert found.failed == ("zeros",)
    assert not found.causes
