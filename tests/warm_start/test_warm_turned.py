"""Which matrices are stored (input, output) in a checkpoint, where their shapes do not tell it."""

import numpy as np
import pytest
import torch
from torch import nn
from warm import same, trained

from initium import CheckpointError, warm_start


def mlp():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))


def stored(model, turn):
    """What a model holds, where the matrices of some names are stored (input, output)."""
    return {
        name: value.T.contiguous() if value.ndim == 2 and turn(name) else value
        for name, value in model.state_dict().items()
    }


@pytest.mark.parametrize("is_file", [False, True])
def test_a_square_matrix_among_transposed_ones_is_transposed_wherever_they_stand(tmp_path, is_file):
    source, model = trained(mlp()), mlp()
    held = stored(source, lambda _: True)
    np.savez(tmp_path / "w.npz", **{name: value.numpy() for name, value in held.items()})
    plan = warm_start(model, tmp_path / "w.npz" if is_file else held)
    plan.apply(model)
    assert same(model, source)
    assert plan["2.weight"].because == "its own name, square, and transposed as the others of the model"


def test_where_others_are_stored_both_ways_a_note_names_the_square_one_and_adapt_turns_it():
    source, model = trained(mlp()), mlp()
    held = stored(source, lambda name: name != "0.weight")
    assert any("`2.weight` is square" in note for note in warm_start(model, held).notes)
    plan = warm_start(model, held, adapt={"2.weight": "transposed"})
    plan.apply(model)
    assert same(model, source)
    assert not any("square" in note for note in plan.notes)


def test_no_note_where_all_others_are_stored_as_here():
    for model in (mlp(), nn.Linear(4, 4)):
        assert not any("square" in note for note in warm_start(model, model.state_dict()).notes)


class Attention(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.q, self.k, self.v, self.c_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        return self.c_proj(torch.softmax(self.q(x) @ self.k(x).transpose(-1, -2), -1) @ self.v(x))


def test_packed_parts_tell_their_square_neighbour():
    source, model = trained(Attention()), Attention()
    held = stored(source, lambda _: True)
    for kind in ("weight", "bias"):
        held[f"c_attn.{kind}"] = torch.cat([held.pop(f"{name}.{kind}") for name in "qkv"], -1)
    warm_start(model, held).apply(model)
    assert same(model, source)


class Packed(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.qkv, self.up = nn.Linear(width, 3 * width), nn.Linear(width, 2 * width)

    def forward(self, x):
        return self.up(sum(self.qkv(x).chunk(3, -1)))


def test_square_parts_that_are_transposed_are_not_laid_one_after_another_as_they_are():
    held = stored(trained(Packed()), lambda _: True)
    weights, biases = held.pop("qkv.weight").chunk(3, -1), held.pop("qkv.bias").chunk(3)
    for name, weight, bias in zip("qkv", weights, biases, strict=True):
        held |= {f"{name}.weight": weight, f"{name}.bias": bias}
    with pytest.raises(CheckpointError, match=r"qkv\.weight"):
        warm_start(Packed(), held)


class Recurrent(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.rnn, self.head = nn.LSTMCell(inputs, hidden), nn.Linear(hidden, 3)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def gates(inputs, hidden, *, turn):
    """A recurrence whose gates lie apart."""
    held = trained(Recurrent(inputs, hidden)).state_dict()
    for kind in ("ih", "hh"):
        for part, gate in zip(held.pop(f"rnn.weight_{kind}").chunk(4), "ifgo", strict=True):
            held[f"rnn.W_{kind[0]}{gate}"] = part.T.contiguous() if turn else part
    return held


def test_of_square_gates_alone_a_note_says_how_they_were_taken():
    notes = warm_start(Recurrent(4, 4), gates(4, 4, turn=True), example=torch.zeros(2, 4)).notes
    assert sum("nothing tells whether the square `rnn.W_" in note for note in notes) == 2
    notes = warm_start(Recurrent(6, 4), gates(6, 4, turn=False), example=torch.zeros(2, 6)).notes
    assert not any("nothing tells" in note for note in notes)
    with pytest.raises(CheckpointError, match=r"rnn\.weight_ih"):
        warm_start(Recurrent(6, 4), gates(6, 4, turn=True), example=torch.zeros(2, 6))


@pytest.mark.parametrize("outputs", [16, 5])
def test_kernels_of_one_pixel_that_are_stored_space_first_are_transposed(outputs):
    def net():
        return nn.Sequential(nn.Conv2d(16, outputs, 1), nn.ReLU(), nn.Conv2d(outputs, 16, 1))

    source, model = trained(net()), net()
    held = {
        name: value.permute(2, 3, 1, 0) if value.ndim == 4 else value for name, value in source.state_dict().items()
    }
    plan = warm_start(model, held)
    plan.apply(model)
    assert same(model, source)
    assert plan["0.weight"].law.views == ("transposed",)


def test_a_square_kernel_of_one_pixel_is_not_taken_for_a_dense_matrix():
    with pytest.raises(CheckpointError, match=r"checkpoint \(1, 1, 4, 4\)"):
        warm_start(nn.Linear(4, 4), {"weight": torch.ones(1, 1, 4, 4), "bias": torch.ones(4)})
