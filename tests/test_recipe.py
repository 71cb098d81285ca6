import pytest

import initium.torch
from initium import SpecError, UnknownNameError
from initium._decisions import decide
from initium._graph import Graph, Param, Use
from initium._recipes import by_name, parse_recipe
from initium._recipes._recipe import recipe
from initium._rule import Rule
from initium.init import constant, framework, glorot_uniform, he_normal, normal, ones, uniform, zeros

PARAMS = (
    Param(path="a.weight", shape=(3, 2), axes="oi", role="weight", because="weight"),
    Param(path="a.bias", shape=(3,), axes="o", role="bias", because="bias"),
    Param(path="n.weight", shape=(3,), axes="o", role="scale", because="scale", uses=(Use(operation="normalisation"),)),
    Param(path="n.bias", shape=(3,), axes="o", role="shift", because="shift"),
    Param(path="e.weight", shape=(5, 3), axes="vo", role="embedding", because="embedding"),
    Param(path="decay", shape=(3,), axes="o", role="kept", because="exponentiated"),
)


def starts(spec):
    return {choice.path: choice.init for choice in decide(Graph(PARAMS), parse_recipe(spec)).choices}


@pytest.mark.parametrize(
    ("spec", "weight", "bias", "printed"),
    [
        ("he_normal", he_normal(), zeros(), "he_normal"),
        ("framework", framework(), framework(), "framework"),
        ("constant(0.1) bias=0.1", constant(0.1), constant(0.1), "constant(0.1) bias=0.1"),
        ("xavier_uniform  bias = uniform(0, 1)", glorot_uniform(), uniform(0, 1), "glorot_uniform bias=uniform(0, 1)"),
        ("framework bias=0", framework(), constant(0), "framework bias=0"),
        ("he_normal bias=zeros", he_normal(), zeros(), "he_normal"),
    ],
)
def test_a_recipe_of_one_initialiser_reads_and_prints_back(spec, weight, bias, printed):
    found = starts(spec)
    assert found["a.weight"] == weight
    assert found["a.bias"] == bias
    assert str(parse_recipe(spec)) == printed
    assert parse_recipe(printed) == parse_recipe(spec)
    assert starts(printed) == found


def test_an_initialiser_and_a_recipe_are_recipes():
    assert parse_recipe(he_normal()) == parse_recipe("he_normal")
    assert parse_recipe(parse_recipe("zeros")) == parse_recipe("zeros")


@pytest.mark.parametrize("spec", ["he_normal bias=1", "zeros", "framework", "framework bias=1"])
def test_what_is_kept_stays_the_frameworks(spec):
    assert starts(spec)["decay"] == framework()


def test_normalisation_starts_as_nothing_whatever_the_weights():
    assert starts("normal bias=2")["n.weight"] == ones()
    assert starts("normal bias=2")["n.bias"] == zeros()


def test_a_word_that_may_not_follow_is_named():
    with pytest.raises(SpecError, match=r"'he_normal bais=1': only `bias=` may follow an initialiser, not `bais=`\."):
        parse_recipe("he_normal bais=1")
    with pytest.raises(SpecError, match=r"A start is a spec such as 'he_normal', or made by initium\.init; got 3"):
        parse_recipe(3)


@pytest.mark.parametrize("spec", ["he_normal bias=", "he_normal bias=1 bias=2", "bias=1"])
def test_a_malformed_recipe_is_refused(spec):
    with pytest.raises((SpecError, UnknownNameError)):
        parse_recipe(spec)


def test_a_named_recipe_prints_with_what_differs_from_its_defaults():
    assert str(parse_recipe("gpt2(0.02)")) == "gpt2"
    assert str(parse_recipe("gpt2(std=0.04)")) == "gpt2(std=0.04)"
    assert parse_recipe("gpt2(std=0.04)") != parse_recipe("gpt2")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gpt3", "No recipe or initialiser is called 'gpt3'; the closest is 'gpt2'. `initium list` shows all of them."),
        ("gpt2('a')", "`gpt2`: std is a finite number that float32 can hold, not 'a'."),
        (he_normal, "he_normal is a function; write `he_normal()`, or the text 'he_normal'."),
        (initium.torch.he_normal, "he_normal is a function; write `he_normal()`, or the text 'he_normal'."),
        ("mup(0)", "`mup`: base_width is a whole number, 1 or more, not 0."),
    ],
)
def test_a_recipe_that_cannot_be_read_is_told_how(spec, message):
    with pytest.raises((SpecError, UnknownNameError)) as error:
        parse_recipe(spec)
    assert str(error.value) == message


def test_a_recipe_of_ones_own_is_entered_under_its_name():
    try:

        @recipe(version=3, cites=("he2015delving",))
        def half(graph: Graph, std: float = 0.5) -> tuple[Rule, ...]:
            return (Rule(start=normal(std=std), because=f"one of {len(graph.params)}"),)

        found = parse_recipe("half(std=0.25)")
        assert (found.version, found.cites, found.calibrates) == (3, ("he2015delving",), False)
        plan = decide(Graph(PARAMS), found)
        assert (plan.recipe, plan.version) == ("half(std=0.25)", 3)
        assert {(choice.init, choice.because) for choice in plan.choices} == {(normal(std=0.25), "one of 6")}
    finally:
        by_name().pop("half", None)


def test_a_recipe_that_decides_biases_itself_takes_none():
    with pytest.raises(SpecError) as told:
        parse_recipe("he bias=.1")
    assert str(told.value) == (
        "Recipe `he` decides biases itself. For others take a rule: "
        "plan(model, 'he', rules={'*bias*': 'constant(0.1)'})."
    )
