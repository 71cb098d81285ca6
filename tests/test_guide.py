import re

import pytest

import initium
from initium import Plan, UnknownNameError, cite, plan
from initium._graph import Graph, Param
from initium._guide import _bibliography, entries, entry, explain
from initium._recipes import by_name, parse_recipe


def test_a_start_is_explained_whole():
    assert explain("siren_first") == (
        """siren_first

The first layer of a sinusoidal network, which sees coordinates in [-1, 1].

Formula
    W ~ U[-1 / fan_in, 1 / fan_in]; the layer computes sin(w0 (W x + b))

When to use it
    the first layer of a SIREN. `siren` starts the others.

Reference
    Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural
    Representations with Periodic Activation Functions", NeurIPS 2020,
    section 3.2 and the authors' code. https://arxiv.org/abs/2006.09661

Example
    >>> str(siren_first())
    'siren_first'"""
    )


def test_an_alias_and_a_spec_are_explained_as_what_they_are():
    assert entry("kaiming_normal(0.2)") is entry("he_normal")
    assert "the same method. Also called xavier_uniform." in " ".join(explain("xavier_uniform").split())
    with pytest.raises(UnknownNameError) as error:
        explain("glorot_unifrom")
    assert str(error.value) == (
        "No initialiser is called 'glorot_unifrom'; the closest is 'glorot_uniform'. `initium list` shows all of them."
    )


def test_the_first_word_of_several_names_shows_them():
    assert (
        explain("xavier")
        == """Starts whose names begin with xavier

  xavier_normal            is glorot_normal
  xavier_uniform           is glorot_uniform

`initium explain xavier_normal` tells the rest."""
    )
    assert explain("Xavier") == explain("xavier")
    assert "\n  kaiming_uniform          is he_uniform\n" in explain("kaiming")
    recipe, starts = explain("he").split("\n\n\n")
    assert recipe.startswith("he(slope=0.0), a recipe\n\n")
    assert "\n  he_truncated_normal      as `he_normal`, without tails\n" in starts


@pytest.mark.parametrize("found", entries(), ids=lambda found: found.name)
def test_every_explanation_fits_a_terminal(found):
    lines = explain(found.name).splitlines()
    end = lines.index("Example")  # which stands as its author wrote it
    assert max(len(line) for line in lines[:end]) < 80
    assert all(key in _bibliography() for key in found.cited)
    assert not re.search(r"\[[a-z]+\d{4}", explain(found.name))


@pytest.mark.parametrize("name", by_name())
def test_every_recipe_tells_when_to_use_it(name):
    assert "\nWhen to use it\n" in explain(name)


def keys(bibtex):
    return re.findall(r"@\w+\{(\w+),", bibtex)


def test_citations_are_those_of_what_was_used_each_once():
    assert keys(cite("zeros")) == []
    assert keys(cite(initium.init.he_normal())) == ["he2015delving"]
    assert keys(cite(["he_normal", "kaiming_uniform", "glorot_normal bias=log_prior((1, 2))"])) == [
        "glorot2010understanding",
        "he2015delving",
        "karpathy2019recipe",
    ]
    assert keys(cite("icnr(start='he_normal')")) == ["aitken2017checkerboard", "he2015delving"]
    assert keys(cite("pissa")) == ["meng2024pissa"]
    assert keys(cite("looks_linear(start='lecun_normal')")) == [
        "balduzzi2017shattered",
        "burkholz2019initialization",
        "lecun1998efficient",
    ]


WEIGHT = Param(path="0.weight", shape=(3, 2), axes="oi", role="weight", because="weight")


def test_a_plan_is_cited_by_its_recipe_and_by_what_it_chose():
    made = plan(Graph((WEIGHT,)), "orthogonal(gain=2)")
    assert keys(cite(made)) == ["saxe2014exact", "stewart1980efficient"]
    assert keys(cite(Plan(made.choices, recipe="gpt2(std=0.1)", version=1))) == [
        "radford2019language",
        "saxe2014exact",
        "stewart1980efficient",
    ]
    assert keys(cite(Plan((), recipe="a recipe of my own"))) == []


def test_a_recipe_is_cited_by_its_papers():
    assert keys(cite("gpt2")) == keys(cite(parse_recipe("gpt2(std=0.1)"))) == ["radford2019language"]
    assert keys(cite(parse_recipe("he_normal bias=0.1"))) == ["he2015delving"]


def test_starts_within_starts_are_cited():
    packed = initium.parse("packed(('he_normal', 'orthogonal'))")
    assert keys(cite(packed)) == ["he2015delving", "saxe2014exact", "stewart1980efficient"]


def test_a_recipe_is_explained_and_a_name_of_both_kinds_as_both():
    told = explain("gpt2(std=0.1)")
    assert told.startswith("gpt2(std=0.02), a recipe\n\n")
    assert "graph" not in told
    both = explain("orthogonal")
    assert both.startswith("orthogonal(gain=1.0")
    assert "\n\n\northogonal" in both
    assert both.count("Formula\n") == 2


@pytest.mark.parametrize("name", by_name())
def test_every_recipe_is_explained_in_lines_of_a_terminal(name):
    assert max(map(len, explain(name).partition("\nExample\n")[0].splitlines())) < 80


def test_the_bibliography_holds_what_is_cited_and_nothing_else():
    cited = {key for found in entries() for key in found.cited} | {
        key for made in by_name().values() for key in made().cites
    }
    assert set(_bibliography()) == cited
    for text in _bibliography().values():
        assert text.count("{") == text.count("}")
        assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) = ", text, re.MULTILINE))


def test_what_is_unknown_cannot_be_cited():
    with pytest.raises(UnknownNameError):
        cite("he_norml")


def test_the_source_of_sparse_weights_is_named_for_what_it_says():
    told = " ".join(explain("sparse").split())
    assert "For tanh Sutskever et al. take std 0.25 and biases of 0.5." in told
    assert '"On the importance of initialization and momentum in deep learning", ICML 2013' in told
