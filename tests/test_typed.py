"""What people type, and read back: their own words, and the way out of what was meant otherwise."""

import keras
import pytest
import torch
from torch import nn

import initium


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))


def refused(*args, error=initium.RuleError, **kwargs):
    with pytest.raises(error) as told:
        initium.plan(net(), *args, **kwargs)
    return str(told.value)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("keep", ("framework", "your rule 0.* -> keep", "your rule 0.* -> keep")),
        (" xavier_normal ", ("glorot_normal", "your rule 0.* -> xavier_normal", "your rule 0.* -> xavier_normal")),
        ("framework", ("framework", "your rule 0.*", "your rule 0.* -> framework")),
        ("normal(0.0, 0.10)", ("normal(std=0.1)", "your rule 0.*", "your rule 0.* -> normal(std=0.1)")),
    ],
)
def test_a_start_by_another_of_its_names_is_read_as_it_was_typed(typed, read):
    choice = initium.plan(net(), rules={"0.*": typed})["0.weight"] if "xavier" not in typed else None
    choice = choice or initium.plan(net(), rules=initium.Rule("0.*", typed, role="weight"))["0.weight"]
    told = (str(choice.init), choice.because.replace(" role=weight", ""), choice.rule.replace(" role=weight", ""))
    assert told == read


@pytest.mark.parametrize(("only_new", "typed"), [("2.*", "'2.*'"), (["2.weight", "2.bias"], "['2.weight', '2.bias']")])
def test_what_only_new_keeps_says_so_and_so_does_who_disagrees(only_new, typed):
    choice = initium.plan(net(), only_new=only_new)["0.weight"]
    assert (choice.because, choice.rule) == (
        "kept, since only_new names others",
        f"your rule only_new={typed} -> keep",
    )
    assert refused(rules={"0.*": "zeros"}, only_new=only_new) == (
        "Your rules disagree about 2 parameters:\n"
        f"  0.weight\n    0.* -> zeros\n    only_new={typed} -> keep\n"
        f"  0.bias\n    0.* -> zeros\n    only_new={typed} -> keep\n"
        "Narrow one of them, for instance with but='0.weight'."
    )


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (nn.init.xavier_uniform_, "`xavier_uniform_` is of torch.nn.init and makes numbers of its own; {xavier}"),
        (nn.init.zeros_, "`zeros_` is of torch.nn.init and makes numbers of its own; write the text 'zeros'."),
        (nn.init.calculate_gain, "`calculate_gain` is of torch.nn.init and makes numbers of its own; {listed}"),
        (
            keras.initializers.HeNormal(),
            "`HeNormal` is of keras.src.initializers.random_initializers and makes numbers of its own; {he}",
        ),
    ],
)
def test_an_initialiser_of_another_library_is_told_what_to_write(start, told):
    listed, he = "take one of `initium list`.", "write the text 'he_normal'."
    told = told.format(xavier="write the text 'xavier_uniform'.", listed=listed, he=he)
    assert refused(rules={"0.*": start}) == f"Rule for '0.*': {told}"
    assert refused(start, error=initium.SpecError) == told


def test_a_function_that_fills_its_parameter_is_told_what_it_is_given():
    assert refused(rules={"0.*": lambda weight: nn.init.zeros_(weight)}).endswith(
        "\nIts function is given a Param, which has a path, a shape and a role, and no numbers."
    )


@pytest.mark.parametrize("shape", [[2, 30], torch.Size([2, 30])])
def test_a_shape_is_no_example(shape):
    told = refused(example=shape, error=initium.ModelError)
    assert told == "An example is a tensor, not the shape of one: pass torch.randn(2, 30)."


@pytest.mark.parametrize("example", [(2, 30), {"input": (2, 30)}, ((2, 30),)])
def test_a_shape_among_the_arguments_of_a_model_that_fails_is_told(example):
    told = refused(example=example, error=initium.ModelError)
    assert told.endswith("For a shape pass a tensor of it: torch.randn(2, 30).")
    with pytest.raises(initium.ModelError, match=r"For a shape pass a tensor of it: torch\.randn\(2, 30\)\.$"):
        initium.plan(net()).calibrate(net(), example)


def test_a_model_that_takes_whole_numbers_is_given_them():
    class Counting(nn.Linear):
        def forward(self, rows, columns):
            return super().forward(torch.ones(rows, columns))

    assert initium.plan(Counting(30, 4), example=(2, 30)).choices


@pytest.mark.parametrize(
    ("how", "because"),
    [
        ({"rules": {"0.*": "keep"}}, "your rule 0.* -> keep: uniform_(-0.183, 0.183)"),
        ({"only_new": "2.*"}, "kept, since only_new names others: uniform_(-0.183, 0.183)"),
    ],
)
def test_what_is_kept_of_a_deferred_model_is_made_as_recorded_and_says_who_asked(how, because):
    assert initium.plan(initium.torch.deferred(net), **how)["0.weight"].because == because
