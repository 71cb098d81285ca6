"""What a trace takes grows with the model and not with its square, counted in calls and bytes rather than timed."""

import sys

import pytest
import torch
from torch import nn

from initium import plan
from initium._trace._members import Members


class Each(nn.Module):
    """A list of parameters or layers, and what is done with the signal by each."""

    def __init__(self, make, step, count):
        super().__init__()
        made = [make() for _ in range(count)]
        self.parts = (nn.ParameterList if isinstance(made[0], nn.Parameter) else nn.ModuleList)(made)
        self.step = step

    def forward(self, x):
        for part in self.parts:
            x = self.step(x, part)
        return x


def ones():
    return nn.Parameter(torch.ones(4))


def dense():
    return nn.Linear(4, 4)


IN_A_ROW = {
    "layers": (dense, lambda x, layer: layer(x)),
    "layers and activations": (dense, lambda x, layer: layer(x).relu()),
    "residual branches": (dense, lambda x, layer: x + layer(x).relu()),
    "scales": (ones, lambda x, scale: x * scale),
    "scales in front": (ones, lambda x, scale: scale * x),
    "shifts": (ones, lambda x, shift: x + shift),
}


def calls(model):
    """How many functions are called to plan it."""
    count = 0

    def heard(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(heard)
    try:
        plan(model, example=torch.ones(2, 4))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", IN_A_ROW)
def test_twice_as_many_parameters_take_twice_as_many_steps(kind):
    make, step = IN_A_ROW[kind]
    calls(Each(make, step, 4))  # what is found once for all models
    few, more, most = (calls(Each(make, step, count)) for count in (60, 120, 240))
    assert most - more < 2.2 * (more - few)


def size(members, seen):
    """The bytes of a set's parts that no other had."""
    found, queue = 0, [members._node]
    while queue:
        part = queue.pop()
        if part is not None and id(part) not in seen:
            seen.add(id(part))
            found += sys.getsizeof(part)
            queue += part if isinstance(part, tuple) else ()
    return found


def in_a_row(count):
    """Of each of many values what it is made of: of the one before, and of the one before that."""
    sets = [Members(), Members()]
    for index in range(count):
        sets.append(sets[-2] | sets[-1] | Members.of(index))
    return sets


def test_sets_of_what_came_before_take_memory_for_what_is_new_alone():
    few, more = (sum(size(one, seen) for one in in_a_row(count)) for count in (20_000, 40_000) for seen in [set()])
    assert more < 2.2 * few


def test_sets_hold_what_they_were_made_of():
    kept = list(range(0, 300_000, 7919))
    one, other = Members(), Members()
    for index in kept:
        one, other = one | Members.of(index), Members.of(index + 1) | other
    both = one | other
    for index in [0, 1, 255, 256, 4095, 4096, 65_536, 10**7, *kept, *(index + 1 for index in kept)]:
        assert (index in one) == (index in kept)
        assert (index in both) == (index in kept or index - 1 in kept)
    assert (both | one)._node is both._node
    assert one
    assert not Members()
