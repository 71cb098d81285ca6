import pytest

from initium._json import parsed


def test_json_is_read_behind_a_mark_of_byte_order_and_in_pairs_of_halves():
    text = b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}'
    assert parsed(text, encoding="utf-8-sig") == parsed(text[3:]) == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', 'one object has "a" 2 times'),
        (b'[{"x": "\\ud800"}]', "it has \\ud800, which is half a letter and none by itself"),
        (b'{"\\uDFFF": 1}', "it has \\udfff, which is half a letter and none by itself"),
        (b"[" + b"9" * 5000 + b"]", "Exceeds the limit (4300 digits)"),
        (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM"),
        (b"{}\xff", "'utf-8' codec can't decode byte 0xff"),
        ("{}".encode("utf-16"), "'utf-8' codec can't decode byte 0xff"),
        (b"{", "Expecting property name"),
    ],
)
def test_what_no_reader_agrees_on_is_refused(text, flaw):
    with pytest.raises(ValueError) as error:  # noqa: PT011  the text is compared
        parsed(text)
    assert str(error.value).startswith(flaw)


def test_what_is_nested_without_end_is_refused():
    with pytest.raises(RecursionError):
        parsed(b"[" * 100_000)
