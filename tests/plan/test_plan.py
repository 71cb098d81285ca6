import io
import math
import sys
from dataclasses import replace

import pytest
from graphs import gpt, param, weight
from rich.console import Console

from initium import Plan, PlanError, Rule, UnknownNameError, plan
from initium._graph import Branch, Graph, Use
from initium._rule import Decision
from initium.init import Initialiser, normal, ones
from initium.init._law import Constant

RULES = (
    Rule("*.c_proj.weight", normal(std=0.02 / 6**0.5), because="ends residual branch, 1/sqrt(6)"),
    Rule("wte.weight", "padded('normal(std=0.02)')"),
)
MADE = plan(gpt(), "he_normal", rules=RULES)


def test_a_plan_prints_as_a_table_with_repeated_blocks_folded():
    assert str(MADE) == (
        """\
parameter            start                       because
--------------------------------------------------------------------------------
wte.weight           padded('normal(std=0.02)')  your rule wte.weight
h.0-2.ln_1.weight    ones                        scale of a normalisation
h.0-2.ln_1.bias      zeros                       shift of a normalisation
h.0-2.c_attn.weight  he_normal                   multiplied and summed
h.0-2.c_proj.weight  normal(std=0.00816)         ends residual branch, 1/sqrt(6)
h.0-2.c_proj.bias    zeros                       bias
ln_f.weight          ones                        scale of a normalisation
ln_f.bias            zeros                       shift of a normalisation

18 parameters: 7 drawn, 11 constant (1 tied).
Recipe: he_normal, 4 by you.
* the input was made up: `ids` int64 (2, 16)"""
    )


def test_a_path_is_never_cut_and_every_line_fits_a_terminal():
    path = ".".join(["encoder", "layer", "0", "attention", "output", "dense", "weight"])
    reason = "a reason of many words " * 8
    graph = Graph((weight(path, (4, 4)), weight("head.weight", (4, 4)), weight("x" * 100, (4, 4))))
    rule = Rule("encoder.*", "uniform(-0.08838834764, 0.08838834764)", because=reason)
    printed = str(plan(graph, "he_normal", rules=[rule]))
    lines = printed.splitlines()
    assert [line for line in lines if "x" * 100 in line] == ["x" * 100]
    assert path in lines
    assert max(len(line) for line in lines if line != "x" * 100) <= 80
    assert "uniform(-0.0884, 0.0884)" in printed
    assert " ".join(printed.split()).count("many") == 8


def test_a_plan_is_looked_up_by_path_counted_and_looped_over():
    assert len(MADE) == len(MADE.choices) == 18
    assert list(MADE) == list(MADE.choices)
    assert MADE["ln_f.bias"] is MADE.choices[-1]
    assert "ln_f.bias" in MADE
    assert MADE.choices[0] in MADE
    assert "ln_f.bais" not in MADE
    with pytest.raises(KeyError) as error:
        MADE["ln_f.bais"]
    assert type(error.value) is UnknownNameError
    assert str(error.value) == (
        "No parameter is called 'ln_f.bais'; the closest is 'ln_f.bias'. Print the plan to see them all."
    )
    with pytest.raises(UnknownNameError, match=r"A parameter goes by its dotted name, such as 'fc\.weight', not 0\."):
        MADE[0]  # pyright: ignore[reportArgumentType]


def test_a_tied_parameter_has_each_of_its_names():
    (tied,) = (choice for choice in MADE if choice.param.tied)
    assert all(MADE[name] is tied for name in tied.param.tied)


def test_a_plan_that_was_looked_up_in_can_be_made_of_again():
    assert MADE["ln_f.bias"]
    assert Plan.of(MADE) == MADE


def test_a_choice_prints_as_what_was_decided():
    assert repr(MADE["ln_f.bias"]) == "<Choice: ln_f.bias, zeros because shift of a normalisation>"


def test_a_plan_is_a_table_of_pandas_with_a_row_for_each_parameter():
    frame = MADE.to_pandas()
    assert frame.index.name == "path"
    assert list(frame.index) == [choice.path for choice in MADE]
    assert frame.iloc[-1].to_dict() == {
        "start": "zeros",
        "because": "shift of a normalisation",
        "by": "recipe",
        "how": "constant",
        "role": "shift",
        "shape": (8,),
        "dtype": "float32",
        "lr": 1.0,
        "rule": MADE.choices[-1].rule,
    }
    assert frame["lr"].dtype == float
    assert list(frame.loc[frame["role"] == "shift", "start"].unique()) == ["zeros"]


def test_a_learning_rate_is_told_with_the_reason():
    first, second = MADE.choices[:2]
    slower = Plan((replace(first, lr=0.25), second))
    assert "your rule wte.weight; learning rate times 0.25" in " ".join(str(slower).split())
    assert str(slower).count("learning rate") == 1
    assert slower.explain(first.path).splitlines()[-2] == "rate         learning rate times 0.25"


def test_a_plan_of_nothing_prints():
    assert str(Plan(())).splitlines()[-2:] == ["0 parameters.", "Recipe: none."]


def test_a_terminal_shows_the_same_table_and_a_notebook_escapes_it():
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(MADE)
    assert out.getvalue() == f"{MADE}\n"
    made = plan(Graph((param("a", (1,), "o", "bias"),)), "zeros", rules=[Rule(start=ones(), because="<b>")])
    assert "&lt;b&gt;" in made._repr_html_()


@pytest.mark.parametrize("columns", [60, 100, 300])
def test_a_terminal_of_another_width_is_filled_and_nothing_is_lost(columns):
    out = io.StringIO()
    made = plan(Graph((*gpt().params, weight("x" * 100, (4, 4)))), "he_normal", rules=RULES)
    Console(file=out, width=columns, color_system=None).print(made)
    assert max(map(len, out.getvalue().splitlines())) == min(columns, 120)
    assert "".join(out.getvalue().split()).replace("-", "") == "".join(str(made).split()).replace("-", "")


def test_a_table_needs_no_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    assert str(MADE).startswith("parameter")


def test_the_whole_story_of_a_packed_weight_is_told():
    assert MADE.explain("h.1.c_attn.weight") == (
        """\
h.1.c_attn.weight

what         weight: multiplied and summed
shape        (8, 24)
axes         io: 8 input, summed over; 24 output
packs        query, key, value; of 8 outputs each
fans         in 8, out 8 for each block
used in      dense
fed by       normalisation, second moment 1: gain 1 would keep it
followed by  query, key, value
residual     branch 2 of 3, weight 1 of 2
start        he_normal
that is      Gaussian, mean 0, std 0.5
size         1.41 times larger than what keeps the signal
because      multiplied and summed
rule         he_normal: role=weight -> he_normal
words        docs/glossary.md tells what they mean"""
    )


def test_the_whole_story_of_a_tied_weight_is_told_under_both_names():
    story = MADE.explain("lm_head.weight")
    assert story == MADE.explain("wte.weight")
    assert story == (
        """\
wte.weight

what         embedding
shape        (50, 8)
axes         vo: 50 vocabulary, one is picked, not summed over; 8 output
fans         in 1, out 8
tied to      lm_head.weight
padding      row 0
used in      embedding
fed by       tokens
followed by  residual stream
and in       dense
fed by       normalisation, second moment 1: gain 1 would keep it
followed by  output
start        padded('normal(std=0.02)')
that is      row 0: every element is 0; rows 1 to 49: Gaussian, mean 0, std 0.02
because      your rule wte.weight
rule         your rule wte.weight -> padded('normal(std=0.02)')
words        docs/glossary.md tells what they mean"""
    )


def test_the_end_of_a_branch_and_the_gain_of_its_activation_are_told():
    story = MADE.explain("h.2.c_proj.weight").splitlines()
    assert "what         weight (Linear): multiplied and summed" in story
    assert "fed by       gelu, second moment 0.425: gain 1.53393 would keep it" in story
    assert "residual     branch 3 of 3, last weight of 2" in story
    assert "that is      Gaussian, mean 0, std 0.00816497" in story


@pytest.mark.parametrize(
    ("start", "keeps", "size"),
    [
        ("normal(std=0.5)", "keeps", []),
        ("normal(std=0.015)", "would keep", ["size         33.3 times smaller than what keeps the signal"]),
        ("uniform(-30, 30)", "would keep", ["size         34.6 times larger than what keeps the signal"]),
        ("orthogonal", "keeps", []),
        ("zeros", "would keep", []),
        ("framework", "would keep", []),
    ],
)
def test_a_start_is_compared_with_the_one_that_keeps_the_signal(start, keeps, size):
    use = Use(operation="dense", fed_by="data", moment=1.0, followed_by=("dense",))
    graph = Graph((param("fc.weight", (4, 4), "oi", "weight", uses=(use,)),))
    lines = plan(graph, "auto", rules={"fc.weight": start}).explain("fc.weight").splitlines()
    assert f"fed by       data, second moment 1: gain 1 {keeps} it" in lines
    assert [line for line in lines if line.startswith("size")] == size


def test_uses_that_are_alike_are_told_once():
    use = Use(operation="dense", fed_by="data", moment=1.0, followed_by=("dense",))
    other = Use(operation="dense", fed_by="relu", moment=0.5, followed_by=("output",))
    graph = Graph((param("fc.weight", (4, 4), "oi", "weight", uses=(*[use] * 23, other)),))
    assert [line[13:] for line in plan(graph, "he_normal").explain("fc.weight").splitlines()[6:12]] == [
        "dense, 23 times",
        "data, second moment 1: gain 1 would keep it",
        "dense",
        "dense",
        "relu, second moment 0.5: gain 1.41421 keeps it",
        "output",
    ]


def test_uses_that_differ_in_their_branch_alone_are_told_once_and_the_size_says_in_how_many():
    branches = [Branch(stream=at, number=1, depth=1, layer=2, layers=2, is_last=True) for at in range(12)]
    first = Branch(stream=12, number=1, depth=1, layer=1, layers=2, is_last=False)
    use = Use(operation="dense", fed_by="relu", moment=0.5, followed_by=("dense",))
    uses = (Use(operation="dense", fed_by="data", moment=1.0), *(replace(use, branch=at) for at in (*branches, first)))
    graph = Graph((param("fc.weight", (4, 4), "oi", "weight", uses=uses),))
    lines = plan(graph, "he_normal").explain("fc.weight").splitlines()
    assert [line for line in lines if line.startswith(("used in", "and in", "residual", "size"))] == [
        "used in      dense",
        "and in       dense, 12 times",
        "residual     branch 1 of 1, last weight of 2; and 11 more",
        "and in       dense",
        "residual     branch 1 of 1 of stream 13, weight 1 of 2",
        "size         1.41 times larger than what keeps the signal, in 1 of 14 uses",
    ]


@pytest.mark.parametrize("start", ["zeros", "framework", "constant(0)", "he_normal"])
def test_what_is_not_sized_aims_at_nothing(start):
    made = plan(gpt(), "auto", rules={"h.0.c_attn.weight": start})
    aims = [line for line in made.explain("h.0.c_attn.weight").splitlines() if line.startswith("aims at")]
    assert aims == (["aims at      second moment 1 of what it gives"] if start == "he_normal" else [])


def test_a_rule_that_gives_no_reason_is_the_reason():
    half = Decision(init=ones(), because="by halves")
    rules = [
        Rule("h.0.*", "zeros", role="bias"),
        Rule("h.1.*", "zeros", role="bias", because="flat"),
        Rule("h.2.*", lambda param: "zeros", but="*.weight", role="bias"),
        Rule(role="embedding", start=half),
        Rule("ln_f.*", Decision(init=ones())),
    ]
    made = {choice.path: choice.because for choice in plan(gpt(), "he_normal", rules=rules).choices}
    assert [made[f"h.{i}.c_proj.bias"] for i in range(3)] == [
        "your rule h.0.* role=bias",
        "flat",
        "your rule h.2.* but=*.weight role=bias",
    ]
    assert (made["wte.weight"], made["ln_f.weight"]) == ("by halves", "your rule ln_f.*")


def test_an_unknown_path_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError) as error:
        MADE.explain("h.1.c_atn.weight")
    assert str(error.value) == (
        "No parameter is called 'h.1.c_atn.weight'; the closest is 'h.1.c_attn.weight'. Print the plan to see them all."
    )


def test_what_is_no_path_and_no_plan_is_told():
    with pytest.raises(UnknownNameError) as error:
        MADE.explain(3)
    assert str(error.value) == "A parameter goes by its dotted name, such as 'fc.weight', not 3."
    with pytest.raises(PlanError) as error:
        MADE.diff(3)
    assert str(error.value) == "A plan is compared with another Plan, not with 3."


@pytest.mark.parametrize("said", [{"lr": -1.0}, {"lr": math.nan}, {"moment": 0.0}, {"moment": math.inf}])
def test_a_decision_that_nobody_can_follow_is_refused(said):
    with pytest.raises(PlanError, match=r"^`wte.weight`: (lr is a number from 0|a moment is a number above 0), not "):
        plan(gpt(), "he_normal", rules=[Rule("wte.*", Decision(init=ones(), **said))])


def test_the_length_of_a_weight_norm_is_told_as_what_it_is():
    made = plan(Graph((param("g", (4, 1), "oi", "kept", length_of="v"),)), "he_normal")
    assert "1 parameter: 1 set to the length of a direction" in str(made)
    assert "that is      the length of its direction, set when that is filled" in made.explain("g")
    assert "1 left as built" in str(plan(Graph((made.choices[0].param,)), "he_normal", rules={"g": "framework"}))


def test_a_table_of_numbers_is_not_spelled_out():
    held = Initialiser(lambda weight: Constant(0.0), spec=f"values('{'eNpj' * 40}', (4,))")
    made = plan(Graph((weight("decay", (4, 2)),)), "zeros", rules={"decay": held})
    assert "values('eNpjeNpj...'," in str(made)
    assert len(str(made)) < 400
