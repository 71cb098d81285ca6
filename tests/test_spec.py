import pytest

from initium import SpecError, UnknownNameError, parse
from initium._recipes import parse_recipe
from initium._spec import Call, format_call, parse_call, takes_no


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("he_normal", Call("he_normal")),
        ("uniform(-0.1, 0.1)", Call("uniform", (-0.1, 0.1))),
        ("mlp(10, 20, 2)", Call("mlp", (10, 20, 2))),
        ("orthogonal(gain=1.41)", Call("orthogonal", (), {"gain": 1.41})),
        ("f(1e-3, mode='avg', cut=inf)", Call("f", (0.001,), {"mode": "avg", "cut": float("inf")})),
    ],
)
def test_a_call_reads_and_prints_back(text, call):
    assert parse_call(text) == call
    assert parse_call(format_call(call)) == call


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("uniform(-0.1, 0.1", 8, "this bracket is never closed"),
        ("uniform(-0.1 0.1)", 9, "a comma is missing from here on"),
        ("uniform(-0.1,, 0.1)", 14, "from here on it cannot be read"),
        ("uniform(low)", 9, "an argument is a number or a quoted word"),
        ("uniform(*(1, 2))", 9, "an argument is a number or a quoted word"),
        ("uniform(**{'low': 1})", 9, "an argument is a number or a quoted word"),
        ("f(std=1, mean=0, std=2)", 18, "`std` is there twice"),
        ('f("ä😀", low)', 9, "an argument is a number or a quoted word"),
        ("1 + 1", 1, "this is neither a name nor a call"),
        ("__import__('os').system('true')", 1, "this is neither a name nor a call"),
    ],
)
def test_a_malformed_spec_is_broken_where_it_breaks(text, position, reason):
    with pytest.raises(SpecError) as error:
        parse_call(text)
    assert str(error.value) == (
        f"'{text}' breaks at character {position}: {reason}.\n    {text}\n    {' ' * (position - 1)}^\n"
        "A spec is a name or a call: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."
    )


@pytest.mark.parametrize("text", ["", "  ", "he\0normal", "((((", "f(" * 300])
def test_any_other_text_is_refused_in_one_message(text):
    with pytest.raises(SpecError):
        parse_call(text)


def test_a_place_behind_what_cannot_be_shown_is_marked_where_it_is_shown():
    with pytest.raises(SpecError) as error:
        parse_call("f('\x1b',\n low)")
    _, shown, mark, _ = str(error.value).split("\n")
    assert shown == r"    f('\x1b',\n low)"
    assert mark.index("^") == shown.index("low")


@pytest.mark.parametrize("text", ["x" * 10**8, " " * 10**8, "(" * 10**8], ids=["word", "space", "bracket"])
@pytest.mark.parametrize("read", [parse_call, parse, parse_recipe])
def test_a_text_without_end_is_refused_before_it_is_read(read, text):
    with pytest.raises(SpecError) as error:
        read(text)
    assert str(error.value) == (
        "A spec has at most 100,000 letters, and this has 100,000,000. "
        "A spec is a name or a call: `he_normal`, `uniform(-0.1, 0.1)`, `mlp(10, 20, 2)`."
    )


def test_a_number_that_python_writes_in_no_decimal_digits_is_refused():
    with pytest.raises(SpecError, match=r"breaks at character 8: an argument is a number or a quoted word"):
        parse_call(f"normal(0x{'f' * 9000})")


def test_spaces_without_end_are_read_once():
    with pytest.raises(SpecError):
        parse_recipe(f"he_normal{' ' * 90_000}x")


def test_a_name_without_end_is_compared_by_its_beginning():
    with pytest.raises(UnknownNameError) as error:
        parse("x" * 90_000)
    assert str(error.value).startswith(f"No initialiser is called '{'x' * 500}...'; ")


def test_what_is_refused_is_not_told_as_what_is_meant():
    assert str(takes_no("`net`", "depth", (), "depth")) == "`net` takes no `depth`; it takes no argument."
    assert str(takes_no("`net`", "depht", ["depth"], "depth")).endswith("it takes depth. The closest is `depth`.")
