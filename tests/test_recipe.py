import pytest

from initium import SpecError, UnknownNameError
from initium._recipe import Recipe
from initium.init import constant, framework, he_normal, uniform, zeros


@pytest.mark.parametrize(
    ("spec", "weight", "bias", "printed"),
    [
        ("he_normal", he_normal(), zeros(), "he_normal"),
        ("framework", framework(), framework(), "framework"),
        ("constant(0.1) bias=0.1", constant(0.1), constant(0.1), "constant(0.1) bias=constant(0.1)"),
        ("xavier_uniform  bias = uniform(0, 1)", None, uniform(0, 1), "glorot_uniform bias=uniform(0, 1)"),
        ("framework bias=0", framework(), constant(0), "framework bias=constant(0)"),
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


@pytest.mark.parametrize("spec", ["he_normal bias=", "he_normal bia=1", "he_normal bias=1 bias=2", "bias=1"])
def test_a_malformed_recipe_is_refused(spec):
    with pytest.raises((SpecError, UnknownNameError)):
        Recipe.parse(spec)
