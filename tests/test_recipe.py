import pytest

from initium import SpecError, UnknownNameError
from initium._recipe import Recipe
from initium.init import constant, framework, he_normal, uniform, zeros


@pytest.mark.parametrize(
    ("spec", "weight", "bias", "printed"),
    [
        ("he_normal", he_normal(), zeros(), "he_normal"),
        ("framework", framework(), framework(), "framework"),
        ("constant(0.1) bias=0.1", constant(0.1), constant(0.1), "constant(0.1) bias=0.1"),
        ("xavier_uniform  bias = uniform(0, 1)", None, uniform(0, 1), "glorot_uniform bias=uniform(0, 1)"),
        ("framework bias=0", framework(), constant(0), "framework bias=0"),
        ("he_normal bias=zeros", he_normal(), zeros(), "he_normal"),
    ],
)
def test_a_recipe_reads_and_prints_back(spec, weight, bias, printed):
    recipe = Recipe.parse(spec)
    assert recipe.weight == (weight or recipe.weight)
    assert recipe.bias == bias
    assert str(recipe) == printed
    assert Recipe.parse(printed) == recipe


def test_an_initialiser_and_a_recipe_are_recipes():
    assert Recipe.parse(he_normal()) == Recipe.parse("he_normal")
    assert Recipe.parse(Recipe.parse("zeros")) == Recipe.parse("zeros")


def test_what_is_kept_stays_the_frameworks():
    assert Recipe.parse("he_normal bias=1").of("kept") == framework()


def test_a_word_that_may_not_follow_is_named():
    with pytest.raises(SpecError, match=r"'he_normal bais=1': only `bias=` may follow an initialiser, not `bais=`\."):
        Recipe.parse("he_normal bais=1")
    with pytest.raises(SpecError, match=r"A start is a spec such as 'he_normal', or made by initium\.init; got 3"):
        Recipe.parse(3)


@pytest.mark.parametrize("spec", ["he_normal bias=", "he_normal bias=1 bias=2", "bias=1"])
def test_a_malformed_recipe_is_refused(spec):
    with pytest.raises((SpecError, UnknownNameError)):
        Recipe.parse(spec)
