"""A model's parameters as they are stored, without a run."""

import pytest
import torch
from torch import nn

from initium import ModelError, plan
from initium.init import he_normal, normal
from initium.torch import deferred, survey


class Odd(nn.Module):
    """A layer that nobody knows: its weight is stored as (input, output), and it never runs."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(3, 4))
        self.six = nn.Parameter(torch.zeros(1, 1, 1, 1, 1, 2, dtype=torch.bfloat16))

    def forward(self, x):
        return x @ self.weight


def test_every_layer_is_known_and_nothing_runs():
    graph = survey(Odd())
    assert [(param.path, param.shape, param.dtype, param.role) for param in graph.params] == [
        ("weight", (3, 4), "float32", "weight"),
        ("six", (1, 1, 1, 1, 1, 2), "bfloat16", "kept"),
    ]
    assert not graph.is_traced


def test_a_tied_parameter_counts_once():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
    model[1].weight = model[0].weight
    assert [(param.path, param.tied) for param in survey(model).params] == [("0.weight", ("1.weight",))]


def test_what_has_no_shape_yet_is_refused():
    with pytest.raises(ModelError, match=r"^`0\.bias`, `0\.weight` have no shape yet"):
        survey(nn.Sequential(nn.LazyLinear(3)))


def test_a_rule_beside_the_author_changes_nothing_else():
    """A trace knows that the weight is stored as (input, output) and numbers it otherwise than it is stored."""
    model = deferred(lambda: nn.Sequential(Odd(), nn.Linear(4, 2)))
    alone = plan(model, "author")
    ruled = plan(model, "author", rules={"1.weight": "he_normal"}, example=torch.ones(2, 3))
    assert ruled.choices[0] == alone.choices[0]
    assert ruled.choices[0].init == normal(std=0.02)
    assert (
        plan(model, "author", rules={"0.weight": "he_normal"}, example=torch.ones(2, 3)).choices[0].param.axes == "io"
    )
    assert alone.choices[0].param.axes == "oi"


class Picky(nn.Module):
    """A net whose input nobody can guess."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        if x.shape != (7, 4):
            raise ValueError("only seven")
        return self.layer(x)


def test_a_rule_beside_the_author_needs_no_forward_pass():
    made = plan(deferred(Picky), "author", rules={"layer.weight": "he_normal"})
    assert made.choices[0].init == he_normal()
    assert made.notes[0].startswith("for your rules the layers' types speak alone, since it was not traced: ")
    with pytest.raises(ModelError, match="only seven"):
        plan(deferred(Picky), "author", rules={"layer.weight": "he_normal"}, example=torch.ones(2, 4))
