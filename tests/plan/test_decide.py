import pytest
from graphs import gpt, param, weight

from initium import ModelError, RuleError, ShapeError, parse, plan
from initium._decisions import decide
from initium._graph import Graph, Made
from initium._recipes import Recipe
from initium._rule import Decision, Rule
from initium.init import framework, normal, ones, zeros
from initium.init._law import Constant, Keep, Uniform

GRAPH = Graph(
    (
        param("0.weight", (30, 20), "oi", "weight"),
        param("0.bias", (30,), "o", "bias"),
        param("1.weight", (30,), "o", "kept"),
    )
)


def refused(rules, graph=None, recipe="he_normal", error=RuleError):
    with pytest.raises(error) as told:
        plan(graph or gpt(), recipe, rules=rules)
    return str(told.value)


def test_every_parameter_is_decided_by_its_role():
    choices = plan(GRAPH, "glorot_uniform bias=0.5").choices
    assert [choice.path for choice in choices] == ["0.weight", "0.bias", "1.weight"]
    assert [choice.law for choice in choices] == [Uniform(-(0.12**0.5), 0.12**0.5), Constant(0.5), Keep()]


def test_a_users_rule_wins_over_the_recipe_and_is_named():
    choice = plan(GRAPH, "glorot_uniform", rules={"0.*": "ones"}).choices[0]
    assert (choice.init, choice.rule) == (ones(), "your rule 0.* -> ones")
    assert plan(GRAPH, "glorot_uniform").choices[0].rule == "glorot_uniform: role=weight -> glorot_uniform"


def test_a_rule_may_name_a_tied_parameter_by_its_other_name():
    assert plan(gpt(), "he_normal", rules={"lm_head.*": "zeros"}).choices[0].init == zeros()


def test_misfits_are_told_all_at_once_and_cut_at_five():
    graph = Graph(tuple(param(f"{i}.gain", (i + 1,), "o", "weight") for i in range(7)))
    lines = refused((), graph, error=ShapeError).splitlines()
    assert lines[0] == '`he_normal` needs an input and an output axis, but `0.gain` has shape (1,) with axes "o".'
    assert lines[4].count("`4.gain`") == 1
    assert lines[5:] == [
        "... and 2 more",
        "Give it an initialiser that looks at no fan, such as `zeros` or `uniform(-0.1, 0.1)`.",
    ]


def test_a_misfit_of_a_users_rule_names_the_rule():
    assert refused([("ln_f.*", "orthogonal")], error=ShapeError).splitlines()[0] == (
        '`orthogonal` needs an input and an output axis, but `ln_f.weight` has shape (8,) with axes "o". '
        "Your rule `ln_f.* -> orthogonal` matched it."
    )


def test_undecided_parameters_are_all_named_repeats_folded():
    recipe = Recipe("none", lambda graph: (Rule(role="weight", start=zeros()),))
    with pytest.raises(RuleError) as error:
        decide(gpt(), recipe)
    assert str(error.value) == (
        """\
No rule decides 12 parameters:
  wte.weight  (embedding: embedding)
  h.0-2.ln_1.weight  (scale: scale)
  h.0-2.ln_1.bias  (shift: shift)
  h.0-2.c_proj.bias  (bias: bias)
  ln_f.weight  (scale: scale)
... and 1 more
Add one: Rule('wte.weight', 'framework') leaves it as it was built."""
    )


def test_rules_of_one_user_that_disagree_are_named_with_what_they_disagree_about():
    rules = [Rule("h.*", "zeros"), Rule("*.c_proj.*", "ones"), Rule("h.*", "zeros")]
    assert refused(rules) == (
        """\
Your rules disagree about 6 parameters:
  h.0-2.c_proj.weight
    h.* -> zeros
    *.c_proj.* -> ones
    h.* -> zeros
  h.0-2.c_proj.bias
    h.* -> zeros
    *.c_proj.* -> ones
    h.* -> zeros
Narrow one of them, for instance with but='h.0.c_proj.weight'."""
    )
    slower = Rule("ln_f.*", Decision(init=ones(), lr=0.5))
    assert refused([slower, Rule("ln_f.*", "ones")]).startswith("Your rules disagree about 2 parameters:")


def test_rules_that_agree_may_overlap():
    choices = plan(gpt(), "he_normal", rules=[Rule("h.*", "zeros"), Rule("*.c_proj.*", "zeros")]).choices
    assert {choice.init for choice in choices if choice.path.startswith("h.")} == {zeros()}


def test_rules_that_match_nothing_are_all_named():
    assert refused([("h.*.c_atn.*", "ones"), ("ln_f", "ones"), ("h.*", "zeros")]) == (
        """\
These rules match no parameter:
  h.*.c_atn.* -> ones
    no parameter has such a name; the closest is 'h.*.c_attn.*'
  ln_f -> ones
    no parameter has such a name; the closest is 'ln_f.*'
A rule's name is a glob of dotted paths, as in 'h.*.attn.*'. Print the plan to see them all."""
    )


@pytest.mark.parametrize(
    ("rule", "hint"),
    [
        (Rule("h.0.ln_1.weigth", "ones"), "no parameter has such a name; the closest is 'h.0.ln_1.weight'"),
        (Rule("c_proj.weight", "ones"), "no parameter has such a name; the closest is '*.c_proj.weight'"),
        (Rule("c_proj", "ones"), "no parameter has such a name; the closest is '*.c_proj.*'"),
        (Rule("h.7.c_proj.bias", "ones"), "no parameter has such a name; the closest is 'h.2.c_proj.bias'"),
        (Rule("qqq", "ones"), "no parameter has such a name"),
        (
            Rule("ln_f.*", "ones", layer="LayerNrom"),
            "none of the 2 that it names has layer='LayerNrom'; they have 'LayerNorm'",
        ),
        (
            Rule("h.*", "ones", role="token"),
            "none of the 15 that it names has role='token'; they have 'bias', 'scale', 'shift', 'weight'",
        ),
        (
            Rule("*.bias", "ones", operation="dense"),
            "none of the 7 that it names has operation='dense'; they have 'normalisation', 'other'",
        ),
        (Rule("*.bias", "ones", but="*"), "but='*' leaves out all 7 that it names"),
        (Rule("*", "ones", when=lambda param: False), "its conditions hold together for none of the 18 that it names"),
    ],
)  # fmt: skip
def test_a_rule_that_matches_nothing_is_told_why(rule, hint):
    assert refused([rule]).splitlines()[2] == f"    {hint}"


def test_a_graph_without_parameters_has_an_empty_plan():
    assert plan(Graph(()), "he_normal").choices == ()


def test_a_plan_names_its_recipe_with_its_version_and_keeps_the_graphs_notes():
    made = plan(gpt(), "torch")
    assert made.decided_by == "torch (version 2)"
    assert made.notes == gpt().notes


def test_a_bias_belongs_to_the_weight_of_its_layer():
    assert GRAPH.bias_of(GRAPH.weights[0]) is GRAPH.params[1]
    assert Graph(GRAPH.params[:1]).bias_of(GRAPH.params[0]) is None


def test_a_lone_weight_needs_no_rule_of_a_user():
    assert len(plan(Graph((weight("w", (2, 3)),)), "he_normal", rules=()).choices) == 1


def test_a_users_plain_start_keeps_the_learning_rate_and_the_moment_of_the_recipe():
    for recipe, fact in (("mup(64)", "lr"), ("lsuv", "moment")):
        usual, own = plan(gpt(), recipe), plan(gpt(), recipe, rules={"*": "normal(std=0.5)"})
        assert [getattr(choice, fact) for choice in own.choices] == [getattr(choice, fact) for choice in usual.choices]
        assert len({getattr(choice, fact) for choice in own.choices}) > 1


def test_a_users_rule_is_the_remedy_where_the_recipe_cannot_decide():
    def fails(param):
        raise ShapeError("no fan")

    recipe = Recipe("fails", lambda graph: (Rule(start=fails),))
    assert decide(GRAPH, recipe, {"*": "zeros"}).choices[0].init == zeros()


def test_no_function_of_a_recipe_is_shown_by_its_name():
    rules = {choice.rule for recipe in ("auto", "lsuv", "gpt2", "mup(64)") for choice in plan(gpt(), recipe).choices}
    assert "auto: role=weight" in rules
    assert not {rule.partition("-> ")[2] for rule in rules} & {"weight", "embedding", "calibrated_orthogonal"}


RECORDED = Graph(
    (
        param(
            "0.weight", (30, 20), "oi", "weight", made=Made(init=parse("normal(std=0.02)"), because="normal_(0, 0.02)")
        ),
        param("0.step", (30,), "o", "kept", made=Made(init=None, because="a product of two draws")),
    )
)


def test_the_author_of_a_recorded_model_decides_as_its_constructor_did():
    choices = plan(RECORDED, "author").choices
    assert [(choice.init, choice.because, choice.rule) for choice in choices] == [
        (normal(std=0.02), "normal_(0, 0.02)", "author: *"),
        (framework(), "a product of two draws", "author: *"),
    ]


def test_framework_stands_for_what_the_constructor_made_if_that_is_known():
    assert [choice.init for choice in plan(RECORDED, "he_normal", rules={"0.weight": "framework"}).choices] == [
        normal(std=0.02),
        framework(),
    ]
    assert plan(gpt(), "he_normal", rules={"wte.*": "framework"}).choices[0].init == framework()


def test_a_plan_holds_no_second_account_of_how_a_parameter_was_made():
    assert all(choice.param.made is None for choice in plan(RECORDED, "author").choices)


def test_the_author_of_a_model_that_nobody_recorded_is_refused():
    assert refused((), recipe="author", error=ModelError) == (
        "Recipe `author` repeats what a constructor draws, and nobody recorded that of this model. "
        "Build it with `model = initium.torch.deferred(build)`, where build() returns it; a copy of such a model, "
        "or one that was pickled, has lost the record."
    )


def test_a_parameter_that_was_copied_keeps_the_numbers_of_the_first():
    made = Made(init=normal(), because="normal_(0, 1)", origin=7)
    graph = Graph(tuple(param(f"{i}.weight", (3, 2), "oi", "weight", made=made) for i in range(3)))
    choices = plan(graph, "author", rules={"2.*": "normal(std=0.5)"}).choices
    assert [(choice.draws_as, choice.because) for choice in choices] == [
        ("", "normal_(0, 1)"),
        ("0.weight", "normal_(0, 1), a copy of 0.weight"),
        ("", "your rule 2.*"),
    ]


def test_what_no_start_says_is_computed_from_the_same_draws_in_each_copy():
    made = Made(init=None, because="two draws", origin=7)
    graph = Graph(tuple(param(f"{i}.weight", (3, 2), "oi", "weight", made=made) for i in range(2)))
    assert [choice.draws_as for choice in plan(graph, "author").choices] == ["", "0.weight"]


def test_a_choice_of_another_plan_gives_its_initialiser():
    first = plan(GRAPH, "he_normal").choices[0]
    for start in (first, lambda param: first):
        found = plan(GRAPH, "zeros", rules={first.path: start}).choices[0]
        assert (found.init, found.by, found.param) == (first.init, "you", first.param)


def test_what_cannot_be_drawn_is_told_whatever_its_reason_says():
    kept = Rule("0.*", "framework", because="of a table which no fill writes")
    copied = Made(init=None, because="randn", origin=1)
    graph = Graph(
        (
            param("0.table", (4,), "o", "kept", dtype="int64"),
            *(param(f"{i}.weight", (4, 4), "oi", "weight", dtype="complex64", made=copied) for i in (1, 2)),
        )
    )
    decided = decide(graph, Recipe("own", lambda graph: (kept, Rule(start="he_normal"))))
    assert decided.notes == (
        "left as built, since a fill writes float32, float64, float16, bfloat16 alone: `1-2.weight` (complex64)",
    )
    assert [choice.because for choice in decided.choices] == [
        "of a table which no fill writes",
        "randn; complex64, which no fill writes",
        "randn; complex64, which no fill writes, a copy of 1.weight",
    ]
