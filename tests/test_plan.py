import pytest

from initium import ShapeError
from initium._graph import Graph, Param
from initium._plan import plan
from initium._recipe import Recipe
from initium.init._law import Constant, Keep, Uniform


def param(path, shape, axes, role):
    return Param(path=path, shape=shape, axes=axes, role=role, because=role)


GRAPH = Graph(
    (
        param("0.weight", (30, 20), "oi", "weight"),
        param("0.bias", (30,), "o", "bias"),
        param("1.weight", (30,), "o", "kept"),
    )
)


def test_every_parameter_is_decided_by_its_role():
    choices = plan(GRAPH, Recipe.parse("glorot_uniform bias=0.5")).choices
    assert [choice.path for choice in choices] == ["0.weight", "0.bias", "1.weight"]
    assert [choice.law for choice in choices] == [Uniform(-(0.12**0.5), 0.12**0.5), Constant(0.5), Keep()]


def test_a_plan_prints_a_line_a_parameter():
    assert str(plan(GRAPH, Recipe.parse("zeros"))) == (
        "0.weight  zeros  weight\n0.bias    zeros  bias\n1.weight  framework  kept"
    )


def test_misfits_are_told_all_at_once_and_cut_at_five():
    graph = Graph(tuple(param(f"{i}.gain", (i + 1,), "o", "weight") for i in range(7)))
    with pytest.raises(ShapeError) as error:
        plan(graph, Recipe.parse("he_normal"))
    lines = str(error.value).splitlines()
    assert lines[0] == '`he_normal` needs an input and an output axis, but `0.gain` has shape (1,) with axes "o".'
    assert lines[4].count("`4.gain`") == 1
    assert lines[5:] == [
        "... and 2 more",
        "Give it an initialiser that looks at no fan, such as `zeros` or `uniform(-0.1, 0.1)`.",
    ]


def test_a_bias_belongs_to_the_weight_of_its_layer():
    assert GRAPH.bias_of(GRAPH.weights[0]) is GRAPH.params[1]
    assert Graph(GRAPH.params[:1]).bias_of(GRAPH.params[0]) is None
