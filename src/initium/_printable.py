"""printable: text from anywhere, as it can be shown."""

# A line of a message that is longer is shown by its ends.
_LONGEST = 2000
_END = 200


def printable(text: str) -> str:
    r"""What a terminal would obey, or cannot show, as Python writes it.

    Example:
        >>> print(printable("\x1b]0;title\x07, \ud800 and\n"))
        \x1b]0;title\x07, \ud800 and\n
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def printable_lines(text: str) -> str:
    """The same of text in several lines, none of them without end."""
    is_short = len(text) <= _LONGEST
    if is_short and text.isprintable():
        return text
    return "\n".join(printable(line if is_short else _cut(line)) for line in text.split("\n"))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else repr(letter)[1:-1]


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - _END]} ... {line[-_END:]}"
