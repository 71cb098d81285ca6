import json
from dataclasses import replace
from pathlib import Path

import pytest
from graphs import gpt, weight

from initium import OutputError, Plan, PlanError, Rule, parse, plan
from initium._checkpoint import read
from initium._decisions._store import MARK
from initium._graph import Buffer, Graph, Made
from initium._rule import Decision
from initium.init import Initialiser, he_normal, normal

RULES = (
    Rule("*.c_proj.weight", normal(std=0.02 / 6**0.5), because="ends a branch, 1/√6"),
    Rule("ln_f.*", Decision(init=normal(0.1), lr=1 / 3, moment=0.1 + 0.2, draws_as="ln", because="slow")),
)
MADE = plan(gpt(), "he_normal", rules=RULES)


@pytest.fixture
def file(tmp_path):
    MADE.save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


def refused(file):
    with pytest.raises(PlanError) as error:
        Plan.load(file)
    return str(error.value).replace(str(file), "plan.json")


def edited(file, change):
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    return refused(file)


def flaw(file, change):
    """What is told of the fifth parameter, the packed one of the first block, when it was changed."""
    told = edited(file, lambda data: change(data["parameters"][3]))
    first, flaw, last = told.split("\n")
    assert first == "'plan.json' cannot be read as a plan:"
    assert last == "Mend the file, or save the plan again."
    return flaw


def test_a_plan_that_was_saved_loads_equal(file):
    assert Plan.load(file) == MADE
    assert [choice.law for choice in Plan.load(file).choices[:4]] == [choice.law for choice in MADE.choices[:4]]
    assert str(Plan.load(str(file))) == str(MADE)


@pytest.mark.parametrize("blocks", [3, (4, 2)])
def test_every_fact_of_a_weight_survives(tmp_path, blocks):
    shape = (6, 4, 3, 3)
    facts = {
        "axes": "oihw",
        "blocks": blocks,
        "groups": 2,
        "stride": 4,
        "padding": 1,
        "tied": ("a", "b"),
        "packs": ("x", "y", "z")[: 3 if blocks == 3 else 2],
    }
    made = plan(Graph((weight("w", shape, **facts),)), "he_normal")
    made.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == made


def test_buffers_survive_with_how_they_are_made(tmp_path):
    mean = Buffer(path="norm.mean", shape=(4,), dtype="float32", made=Made(init=parse("zeros"), because="zeros"))
    table = Buffer(path="index", shape=(2, 2), dtype="int64", is_saved=False)
    made = Plan((), buffers=(mean, table))
    made.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == made


def test_an_empty_plan_survives(tmp_path):
    Plan(()).save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == Plan(())


def test_the_file_is_one_that_a_person_can_read(file):
    assert file.read_text().splitlines()[:21] == [
        "{",
        '  "initium plan": 2,',
        '  "recipe": "he_normal",',
        '  "notes": ["the input was made up: `ids` int64 (2, 16)"],',
        '  "buffers": [],',
        '  "parameters": [',
        "    {",
        '      "path": "wte.weight",',
        '      "start": "framework",',
        '      "decided": "framework",',
        '      "because": "embedding",',
        '      "rule": "he_normal: role=embedding -> framework",',
        '      "shape": [50, 8],',
        '      "axes": "vo",',
        '      "role": "embedding",',
        '      "tied": ["lm_head.weight"],',
        '      "padding": 0,',
        '      "uses": [{"operation": "embedding", "fed_by": "tokens", "followed_by": ["residual stream"]}, '
        '{"operation": "dense", "fed_by": "normalisation", "moment": 1.0, "followed_by": ["output"]}],',
        '      "known by": "embedding"',
        "    },",
        "    {",
    ]
    assert '"because": "ends a branch, 1/√6"' in file.read_text(encoding="utf-8")


def test_a_start_may_be_edited(file):
    file.write_text(file.read_text().replace('"start": "framework"', '"start": "normal(std=0.5)"'))
    choice = Plan.load(file).choices[0]
    assert (choice.init, choice.because) == (normal(std=0.5), "edited, was framework")
    assert (choice.rule, choice.by) == ("edited in the file", "you")
    assert Plan.load(file).choices[1:] == MADE.choices[1:]


def test_only_a_file_of_its_own_is_replaced(tmp_path, file):
    Plan(()).save(file)
    assert Plan.load(file) == Plan(())
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(OutputError, match="exists and Initium did not write it; name another file"):
        MADE.save(tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == "{}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json", "plan.json"]
    assert MARK in file.read_text()


def test_a_start_without_a_spec_is_refused_before_a_file_is_written(tmp_path):
    own = Initialiser(he_normal().law_of, spec="my_own")
    choices = tuple(replace(choice, init=own) for choice in MADE.choices[:2])
    with pytest.raises(PlanError) as error:
        Plan(choices).save(tmp_path / "plan.json")
    assert str(error.value) == (
        "No file can hold these starts, since no spec names them:\n  wte.weight  my_own\n  h.0.ln_1.weight  my_own\n"
        "Take starts of the catalogue, which `initium list` shows."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one.pop("start"), 'lacks "start"'),
        (lambda one: one.pop("known by"), 'lacks "known by"'),
        (lambda one: one.update(shpe=[1]), "cannot be read. No key is called 'shpe'; the closest is 'shape'"),
        (
            lambda one: one.update(start="he_norml"),
            "\"start\": No initialiser is called 'he_norml'; the closest is 'he_normal'. "
            "`initium list` shows all of them.",
        ),
        (lambda one: one.update(start=3), '"start" is a text in quotes, not 3'),
        (
            lambda one: one.update(role="wieght"),
            "\"role\": No word is called 'wieght'; the closest is 'weight'.",
        ),
        (lambda one: one.update(shape="8"), '"shape" is a list of whole numbers, not "8"'),
        (lambda one: one.update(shape=[8, 24.0]), '"shape" is a list of whole numbers, not [8, 24.0]'),
        (lambda one: one.update(shape=[8, True]), '"shape" is a list of whole numbers, not [8, true]'),
        (lambda one: one.update(shape=[8, 25]), "3 blocks do not fill the 25 outputs of shape (8, 25)."),
        (
            lambda one: one.update(shape=[2**40, 2**40]),
            "shape (1099511627776, 1099511627776) is that of no array: 1,152,921,504,606,846,975 numbers are the most.",
        ),
        (
            lambda one: one.update(shape=[0, 2**62], axes="io", blocks=1, packs=[]),
            "shape (0, 4611686018427387904) is that of no array: 1,152,921,504,606,846,975 numbers are the most.",
        ),
        (
            lambda one: one.update(shape=[1] * 65, axes="o" * 65),
            "a shape of 65 axes is that of no array: 64 are the most.",
        ),
        (lambda one: one.update(shape=[8, 2**50], blocks=2**50), "a weight packs at most 10,000 blocks."),
        (lambda one: one.update(shape=[8, 0], blocks=2**50), "a weight packs at most 10,000 blocks."),
        (lambda one: one.update(axes="i"), 'shape (8, 24) needs 2 letters of axes, not "i".'),
        (lambda one: one.update(packs=["query"]), '"packs" names 1 blocks, but "blocks" makes 3'),
        (lambda one: one.update(padding=8), '"padding" is a row from 0 to 7, not 8'),
        (lambda one: one.update(padding=-1), '"padding" is a row from 0 to 7, not -1'),
        (lambda one: one.update(lr=-1), "`h.0.c_attn.weight`: lr is a number from 0, not -1.0."),
        (lambda one: one.update(lr=float("nan")), '"lr" is a finite number, not NaN'),
        (lambda one: one.update(lr=10**400), '"lr" is a finite number, not 1' + "0" * 56 + "..."),
        (lambda one: one.update(moment=0), "`h.0.c_attn.weight`: a moment is a number above 0, not 0.0."),
        (lambda one: one["uses"][0].update(moment=-4), '"uses" number 1 "moment" is a number from 0, not -4'),
        (lambda one: one.update(lr="fast"), '"lr" is a number, not "fast"'),
        (lambda one: one.update(transposed=1), '"transposed" is true or false, not 1'),
        (lambda one: one.update(blocks=[8, "x"]), '"blocks" is a list of whole numbers, not [8, "x"]'),
        (lambda one: one.update(blocks=2.5), '"blocks" is a whole number, not 2.5'),
        (lambda one: one.update(axes=["o"] * 99), '"axes" is a text in quotes, not ["' + 'o", "' * 11 + "..."),
        (lambda one: one.update(tied=[3]), '"tied" is a list of texts, not [3]'),
        (lambda one: one.update(uses={}), '"uses" is a list of objects, not {}'),
        (lambda one: one.update(uses=[3]), '"uses" number 1 is an object in braces, not 3'),
        (lambda one: one.update(uses=[{}]), '"uses" number 1 lacks "operation"'),
        (
            lambda one: one["uses"][0]["branch"].update(depth="x"),
            '"uses" number 1 "branch" "depth" is a whole number, not "x"',
        ),
        (lambda one: one["uses"][0].update(moment="x"), '"uses" number 1 "moment" is a number, not "x"'),
    ],
)  # fmt: skip
def test_a_parameter_that_was_edited_wrongly_is_named_with_the_place(file, change, told):
    assert flaw(file, change) == f"  h.0.c_attn.weight: {told}"


def test_a_buffer_of_a_shape_that_no_array_has_is_refused(file):
    def spoil(data):
        data["buffers"] = [{"path": "mean", "shape": [1] * 65, "dtype": "float32"}]

    assert edited(file, spoil) == (
        "'plan.json': \"buffers\" number 1: a shape of 65 axes is that of no array: 64 are the most. "
        "Mend the file, or save the plan again."
    )


def test_half_a_letter_is_refused(file):
    assert edited(file, lambda data: data["parameters"][0].update(path="\ud800")) == (
        "'plan.json' cannot be read: it has \\ud800, which is half a letter and none by itself. "
        "Mend the file, or save the plan again."
    )


def test_a_name_of_thousands_of_digits_is_shown(file):
    file.write_text(file.read_text().replace("ln_f.bias", f"{'7' * 5000}.bias"))
    assert "7" * 5000 in str(Plan.load(file))


@pytest.mark.parametrize("start", ["sinusoidal", "hippo_legs", "orthogonal", "identity"])
def test_a_plan_of_a_weight_that_fits_no_memory_is_read_without_its_numbers(file, start):
    def enlarge(data):
        facts = {"path": "w", "start": start, "decided": start, "because": "said", "known by": "weight"}
        data["parameters"] = [facts | {"shape": [10**7, 10**7], "axes": "oi", "role": "weight"}]

    data = json.loads(file.read_text())
    enlarge(data)
    file.write_text(json.dumps(data))
    assert "10000000" in Plan.load(file).explain("w")


def test_a_start_that_cannot_use_the_axes_is_refused(file):
    assert edited(file, lambda data: data["parameters"][1].update(start="he_normal")).splitlines()[1] == (
        "  h.0.ln_1.weight: `he_normal` needs an input and an output axis, "
        'but `h.0.ln_1.weight` has shape (8,) with axes "o".'
    )


def test_all_flaws_are_told_at_once_and_cut_at_five(file):
    def spoil(data):
        for one in data["parameters"]:
            one["role"] = 3

    lines = edited(file, spoil).splitlines()
    assert lines[1] == '  wte.weight: "role" is a text in quotes, not 3'
    assert lines[6:] == ["... and 13 more", "Mend the file, or save the plan again."]


def test_a_parameter_that_is_there_twice_is_named(file):
    told = edited(file, lambda data: data["parameters"].append(data["parameters"][2]))
    assert told.splitlines()[1] == "  h.0.ln_1.bias: is there 2 times"


def test_a_parameter_without_a_name_is_told_by_its_number(file):
    def spoil(data):
        del data["parameters"][1]["path"]
        data["parameters"][2] = 7

    assert edited(file, spoil).splitlines()[1:3] == [
        '  parameter 2: lacks "path"',
        "  parameter 3: is an object in braces, not 7",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda data: data.pop("recipe"),
            "'plan.json' lacks \"recipe\"; a plan holds recipe, notes, buffers, parameters.",
        ),
        (
            lambda data: data.update(extra=1),
            "'plan.json' has \"extra\"; a plan holds recipe, notes, buffers, parameters.",
        ),
        (lambda data: data.update(parameters={}), "'plan.json': \"parameters\" is a list of objects, not {}."),
        (lambda data: data.update(notes="x"), '\'plan.json\': "notes" is a list of texts, not "x".'),
        (lambda data: data.update(recipe=None), "'plan.json': \"recipe\" is a text in quotes, not null."),
    ],
)
def test_a_wrong_frame_is_told(file, change, told):
    assert edited(file, change) == f"{told} Mend the file, or save the plan again."


def test_another_format_is_refused(file):
    assert edited(file, lambda data: data.update({"initium plan": 3})) == (
        "'plan.json' is written in format 3, but this Initium reads formats 1 to 2. "
        "Make the plan again, or read it with the Initium that wrote it."
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", """'plan.json' is no plan: it has no "initium plan", which `plan.save` writes."""),
        ("{}", """'plan.json' is no plan: it has no "initium plan", which `plan.save` writes."""),
        (
            '{\n  "recipe" 3}',
            "'plan.json' breaks at line 2, column 12: Expecting ':' delimiter. Mend the file, or save the plan again.",
        ),
        (
            '{"initium plan": 1, "notes": [], "notes": []}',
            "'plan.json' cannot be read: one object has \"notes\" 2 times. Mend the file, or save the plan again.",
        ),
        ("[" * 100_000, "'plan.json' is no plan: it holds no JSON text."),
    ],
)
def test_a_file_of_another_kind_is_told(file, text, told):
    file.write_text(text)
    assert refused(file) == told


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\x00")
    assert refused(tmp_path / "plan.json") == "'plan.json' is no plan: it holds no JSON text."
    with pytest.raises(PlanError, match=r"There is no file 'no\.json'\."):
        Plan.load("no.json")
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        Plan.load(tmp_path)


def test_a_number_of_thousands_of_digits_is_told(file):
    file.write_text(file.read_text().replace("[50, 8]", f"[{'5' * 5000}, 8]"))
    assert refused(file).startswith("'plan.json' cannot be read: Exceeds the limit (4300 digits)")


def test_two_parameters_of_one_name_are_told(file):
    told = edited(file, lambda data: data["parameters"][1].update(tied=["lm_head.weight"]))
    assert told.splitlines()[1] == "  lm_head.weight: is there 2 times"


def test_a_mark_of_byte_order_is_read_over(file):
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert Plan.load(file) == MADE


@pytest.mark.parametrize("path", [None, 3.5])
def test_what_is_no_path_is_told(path):
    with pytest.raises(PlanError) as error:
        Plan.load(path)
    assert str(error.value) == f"A plan is loaded from the path of a file, not from {path}."


SAVED = Path(__file__).parent / "saved"


def test_a_plan_of_format_1_is_read_with_what_its_texts_told():
    plan = Plan.load(SAVED / "format1_rules.json")
    told = {choice.path: (choice.by, choice.how, choice.param.length_of) for choice in plan.choices}
    assert (plan.recipe, plan.version, plan.remakes) == ("he_normal", None, False)
    assert {path: facts for path, facts in told.items() if facts != ("recipe", "drawn", None)} == {
        "0.bias": ("recipe", "constant", None),
        "0.parametrizations.weight.original0": ("recipe", "length", "0.parametrizations.weight.original1"),
        "2.bias": ("recipe", "constant", None),
        "2.weight_g": ("recipe", "length", "2.weight_v"),
        "4.bias": ("you", "constant", None),
    }


def test_a_manifest_of_format_1_tells_its_numbers(tmp_path):
    plan, manifest = read(SAVED / "format1_author.json")
    assert (plan.recipe, plan.version, plan.remakes) == ("author", 1, True)
    by = [(choice.path, choice.by) for choice in plan.choices]
    assert by == [("0.weight", "author"), ("0.bias", "you"), ("1.weight", "author"), ("1.bias", "author")]
    assert Plan.of(plan).digest(seed=3) == manifest.digest
    Plan.of(plan).save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == Plan.of(plan)


def test_a_plan_of_format_1_that_is_none_is_refused_as_such(file):
    data = json.loads((SAVED / "format1_rules.json").read_text())
    for change, flaw in (
        ({"recipe": 3}, """'plan.json': "recipe" is a text in quotes, not 3. Mend the file, or save the plan again."""),
        ({"parameters": {}}, """'plan.json': "parameters" is a list of objects, not {}. Mend the file, or save the """
         "plan again."),
        ({"parameters": [3]}, "'plan.json' cannot be read as a plan:\n  parameter 1: is an object in braces, not 3\n"
         "Mend the file, or save the plan again."),
    ):  # fmt: skip
        file.write_text(json.dumps(data | change))
        assert refused(file) == flaw
