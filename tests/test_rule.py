import numpy as np
import pytest

from initium import Rule, RuleError, SpecError, UnknownNameError
from initium._graph import Param, Use
from initium._rule import Decision, read_rules
from initium.init import he_normal, ones, zeros

HEAD = Param(
    path="head.weight",
    shape=(2, 3),
    axes="oi",
    role="weight",
    because="multiplied and summed",
    layer="Linear",
    tied=("embedding.weight",),
    uses=(Use(operation="dense"),),
)


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"paths": "head.*"}, True),
        ({"paths": "embedding.*"}, True),
        ({"paths": "tail.*"}, False),
        ({"paths": "*", "but": "embedding.*"}, False),
        ({"paths": "*", "but": "tail.*"}, True),
        ({"role": "weight"}, True),
        ({"role": "bias"}, False),
        ({"operation": "dense"}, True),
        ({"operation": "convolution"}, False),
        ({"layer": "Linear"}, True),
        ({"layer": "Conv2d"}, False),
        ({"when": lambda param: param.shape == (2, 3)}, True),
        ({"when": lambda param: param.shape == (3, 2)}, False),
        ({"role": "weight", "layer": "Conv2d"}, False),
    ],
)
def test_every_condition_that_is_given_must_hold(conditions, holds):
    assert Rule(start="zeros", **conditions).matches(HEAD) is holds


def test_a_start_is_a_spec_an_initialiser_a_decision_or_a_function_of_the_parameter():
    assert Rule("*", "kaiming_normal").decide(HEAD) == Decision(init=he_normal())
    assert Rule("*", ones()).decide(HEAD).init == ones()
    assert (
        Rule("*", lambda param: f"constant({param.shape[1]})", because="three").decide(HEAD).init.spec == "constant(3)"
    )
    decision = Decision(init=zeros(), because="why", lr=0.5)
    assert Rule("*", decision, because="other").decide(HEAD) is decision
    assert Rule("*", lambda param: decision).decide(HEAD) is decision


def test_a_reason_may_be_a_function_of_the_parameter():
    assert Rule("*", "zeros", because=lambda param: f"of {param.layer}").decide(HEAD).because == "of Linear"


def test_a_rule_prints_as_what_it_says():
    assert str(Rule("head.*", "xavier_uniform")) == "head.* -> xavier_uniform"
    assert str(Rule(start="zeros", role="bias", layer="Linear")) == "role=bias layer=Linear -> zeros"
    assert str(Rule("*.weight", zeros(), but="head.*")) == "*.weight but=head.* -> zeros"


@pytest.mark.parametrize(
    ("rule", "error", "text"),
    [
        (
            {"start": "zeros", "role": "wieght"},
            RuleError,
            "Rule for '*': No role is called 'wieght'; the closest is 'weight'. "
            "There are: weight, bias, scale, shift, embedding, position, token, kept.",
        ),
        (
            {"paths": "a.*", "start": "zeros", "operation": "convolutoin"},
            RuleError,
            "Rule for 'a.*': No operation is called 'convolutoin'; the closest is 'convolution'. There are: dense, "
            "convolution, transposed convolution, bilinear, recurrent, embedding, normalisation, addition, "
            "multiplication, concatenation, activation, other.",
        ),
        ({"paths": "head.*"}, SpecError, "A rule needs a start: Rule('head.*', 'zeros')."),
        (
            {"start": "he_norml"},
            UnknownNameError,
            "Rule for '*': No initialiser is called 'he_norml'; the closest is 'he_normal'. "
            "`initium list` shows all of them. A recipe is for a whole model.",
        ),
    ],
)
def test_a_typo_is_told_where_the_rule_is_written(rule, error, text):
    with pytest.raises(error) as told:
        Rule(**rule)
    assert str(told.value) == text


def test_a_function_that_gives_no_start_is_named():
    def nothing(param):
        return None

    with pytest.raises(RuleError) as error:
        Rule("head.*", nothing).decide(HEAD)
    assert str(error.value) == (
        "Rule `head.* -> nothing` gave None for `head.weight`; a start is a spec, an initialiser or a Decision."
    )


def test_rules_may_be_written_short():
    rule = Rule("head.*", "zeros")
    assert read_rules(rule) == read_rules([rule]) == (rule,)
    assert read_rules([("head.*", "zeros")]) == read_rules({"head.*": zeros()}) == (rule,)
    assert read_rules(()) == ()


@pytest.mark.parametrize("given", ["head.*=zeros", ["head.*"], [("head.*",)], 3, [None]])
def test_what_is_no_rule_is_refused_with_how_to_write_one(given):
    with pytest.raises(RuleError) as error:
        read_rules(given)
    one = given[0] if isinstance(given, list) else given
    assert str(error.value) == f"A rule is Rule('head.*', 'zeros'), or short ('head.*', 'zeros'); got {one!r}."


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"paths": 3}, "Rule for 3: paths is a text, not 3."),
        ({"but": ["head.*"]}, "Rule for 'a': but is a text, not ['head.*']."),
        ({"layer": Param}, "Rule for 'a': layer is a text, not <class 'initium._graph.Param'>."),
        ({"when": True}, "Rule for 'a': when is a function of the parameter, not True."),
        ({"because": 3}, "Rule for 'a': because is a text or a function of the parameter, not 3."),
        *(
            (
                {"start": start},
                "Rule for 'a': start is a spec such as 'zeros', an initialiser or a function of the parameter, "
                f"not {told}.",
            )
            for start, told in ((None, "None"), (3, "3"), (np.zeros((3, 3)), "a ndarray"), (Param, repr(Param)))
        ),
        ({"start": he_normal}, "Rule for 'a': he_normal is a function; write `he_normal()`, or the text 'he_normal'."),
    ],
)
def test_what_a_rule_cannot_hold_is_told_where_it_is_written(rule, text):
    with pytest.raises(RuleError) as told:
        Rule(**{"paths": "a", "start": "zeros", **rule})
    assert str(told.value) == text


@pytest.mark.parametrize("part", ["start", "when", "because"])
def test_a_function_that_fails_is_told_with_the_rule_and_the_parameter(part):
    def broken(param):
        return param.shape[7]

    rule = Rule(**{"paths": "head.*", "start": "zeros", part: broken})
    with pytest.raises(RuleError) as told:
        _ = rule.matches(HEAD) and rule.decide(HEAD)
    assert str(told.value) == (
        f"Rule `{rule}` fails for `head.weight`: IndexError: tuple index out of range\n"
        "Its function is given a Param, which has a path, a shape and a role, and no numbers."
    )


def test_a_text_that_a_function_gives_is_read_with_the_rules_name():
    with pytest.raises(RuleError) as told:
        Rule("head.*", lambda param: "he_norml").decide(HEAD)
    assert str(told.value).startswith(
        "Rule `head.* -> a function` gave 'he_norml' for `head.weight`. No initialiser is called 'he_norml';"
    )


def test_a_plain_start_replaces_no_learning_rate_and_no_moment():
    usual = Decision(init=ones(), because="usual", lr=0.5, moment=2.0, draws_as="other")
    assert Rule("*", "zeros", because="own").decide(HEAD, usual) == Decision(
        init=zeros(), because="own", lr=0.5, moment=2.0
    )
    own = Decision(init=zeros())
    assert Rule("*", own).decide(HEAD, usual) is own


def test_a_start_of_an_edge_is_the_initialiser_that_it_holds():
    class Start:
        init = zeros()

        def __call__(self, tensor):
            raise AssertionError

    assert Rule("*", Start()).decide(HEAD).init == zeros()
