"""Buffers: what `write` draws of a deferred model is what `apply` puts there."""

import numpy as np
import pytest
import torch
from checkpoints import choice, contents
from torch import nn

from initium import Plan, SpecError, plan
from initium._graph import Buffer, Made
from initium.init._tables import values_of
from initium.torch import deferred


class Kept(nn.Module):
    """Buffers of every kind, one under two names."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.turned = nn.ConvTranspose2d(2, 3, 2)
        self.target = nn.Linear(3, 3)
        self.target.load_state_dict(self.lin.state_dict())
        self.register_buffer("drawn", torch.randn(4, 3) * 16)
        self.register_buffer("copy", self.drawn.clone())
        self.register_buffer("shadow", self.lin.weight.detach().clone())
        self.register_buffer("turned_shadow", self.turned.weight.detach().clone())
        self.register_buffer("unsaved", self.lin.weight.detach().clone(), persistent=False)
        self.register_buffer("mask", torch.full((4, 4), float("-inf")).triu(1))
        self.register_buffer("least", torch.full((2,), torch.finfo(torch.float32).min))
        self.register_buffer("far", torch.tensor(float("inf")))
        self.register_buffer("large", torch.tensor([2**53 + 1, torch.iinfo(torch.int64).max, 5]))
        self.register_buffer("largest", torch.full((3,), torch.iinfo(torch.int64).max))
        self.register_buffer("signed", torch.tensor([-0.0, 0.0, -0.0]))
        self.register_buffer("negative", torch.full((2,), -0.0))
        self.register_buffer("halves", torch.full((2,), 0.1, dtype=torch.bfloat16))
        self.register_buffer("truths", torch.ones(2, 2, dtype=torch.bool).triu())
        self.register_buffer("waves", torch.outer(torch.arange(40.0), 10000 ** -(torch.arange(4.0) / 4)).sin())
        self.zz = nn.Module()
        self.zz.register_buffer("table", torch.arange(4.0))
        self.aa = nn.Module()
        self.aa.register_buffer("table", self.zz.table)


def written(tmp_path, seed=3):
    model = deferred(Kept)
    made = plan(model, "author")
    return model, made, made.write(tmp_path / "w.safetensors", seed=seed)


def bits(value):
    plain = value.detach().contiguous()
    return (plain.view(torch.int16) if value.dtype == torch.bfloat16 else plain).numpy().tobytes()


def test_every_bit_that_apply_puts_there_is_the_files(tmp_path):
    model, made, file = written(tmp_path)
    found, metadata = contents(file.path)
    made.apply(model, seed=3)
    state = model.state_dict()
    assert {name for name in state if name not in found} == {"aa.table"}
    assert metadata["aa.table"] == "zz.table"
    assert [name for name in found if found[name].tobytes() != bits(state[name])] == []
    assert made.verify(file.path, seed=3)
    assert file.left_out == ()


def test_copies_are_equal_and_differ_with_the_seed(tmp_path):
    _, made, file = written(tmp_path)
    found, _ = contents(file.path)
    assert np.array_equal(found["drawn"], found["copy"])
    assert np.array_equal(found["shadow"], found["lin.weight"])
    assert np.array_equal(found["turned_shadow"], found["turned.weight"])
    assert {buffer.path: buffer.draws_as for buffer in made.buffers if buffer.draws_as} == {
        "copy": "drawn",
        "shadow": "lin.weight",
        "turned_shadow": "turned.weight",
    }
    other = deferred(Kept)
    made.apply(other, seed=4)
    assert torch.equal(other.unsaved, other.lin.weight)
    assert not torch.equal(other.drawn, torch.from_numpy(found["drawn"].copy()))


def test_constants_are_the_constructors_own():
    model = deferred(Kept)
    plan(model, "author").apply(model)
    real = Kept()
    for name in ("mask", "least", "far", "large", "largest", "signed", "negative", "halves", "truths"):
        assert bits(getattr(model, name)) == bits(getattr(real, name)), name


class Traced(nn.Module):
    """Two copies of one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(3, 3) for _ in range(3))
        for copy in (self.second, self.third):
            copy.load_state_dict(self.first.state_dict())

    def forward(self, x):
        return self.third(self.second(self.first(x)))


def test_a_copy_is_one_only_of_what_starts_as_recorded():
    rules = {"first.weight": "zeros"}
    found = {one.path: one for one in plan(deferred(Traced), "author", rules=rules).choices}
    assert [found[f"{name}.weight"].draws_as for name in ("first", "second", "third")] == ["", "", "second.weight"]
    assert "copy" not in found["second.weight"].because
    assert found["third.weight"].because.endswith(", a copy of second.weight")
    assert found["third.bias"].draws_as == "first.bias"


def test_whole_numbers_that_leave_their_dtype_are_named_before_a_byte_is_written(tmp_path):
    table = values_of(np.array([3, 300]))
    small = Buffer(path="small", shape=(2,), dtype="int8", made=Made(init=table, because="given"))
    with pytest.raises(SpecError) as error:
        Plan((choice("w", (2, 2)),), buffers=(small,)).write(tmp_path / "w.safetensors")
    assert "  small  buffer: it reaches from 3 to 300, but int8 goes from -128 to 127.\n" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_plan_of_buffers_is_read_back(tmp_path):
    _, made, _ = written(tmp_path)
    made.save(tmp_path / "plan.json")
    loaded = Plan.load(tmp_path / "plan.json")
    assert loaded == made
    assert loaded.digest(3) == made.digest(3)
