"""Inputs that nobody means well with: texts, edits of JSON, bytes that were changed."""

import copy
import json

from hypothesis import strategies as st

from initium.init._initialiser import ALIASES, CATALOGUE

# What has no sign, obeys no reader or fits no number.
WORDS = [
    "",
    " ",
    ".",
    "..",
    "../up",
    "/etc/passwd",
    "a\0b",
    "\x1b]0;owned\x07",
    "\x1b[2J",
    "\ud800",
    "\u202etxet",
    "\ufeff",
    "two\nlines",
    "tab\there",
    "__metadata__",
    "initium",
    "9" * 5000,
    "0.weight",
    "ä" * 300,
    "x" * 3000,
    "{{7*7}}",
    "<script>",
    "%s%n",
    "w.safetensors",
    "other.safetensors",
    "w.safetensors.index.json",
]
NUMBERS = [
    *(0, 1, -1, 2, 3, 64, 65, 255, 10**4, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64 - 1, 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.5, 1.0, 1e-320, 5e-324, 1e-45, 1e38, 1e308, float("inf"), float("-inf"), float("nan")),
]
SHAPES = [[10**6, 10**6], [2**40, 2**40], [10**30, 1], [1] * 65, [0, 2**62, 2**62], [-1, 3], [2**62], [], [0], [7, 0]]
AXES = ["", "o", "oi", "io", "vo", "oihw", "hwio", "boi", "iohw", "oidhw", "zz", "o" * 65]

words = st.one_of(
    st.sampled_from(WORDS), st.text(st.characters(categories=["L", "N", "P", "Z", "C", "Cs"]), max_size=12)
)
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats())
_quoted = st.sampled_from(
    ["he_normal", "normal", "orthogonal", "in", "out", "avg", "relu", "framework", "uniform(1, 2)", "(", "values"]
)


def _hex(value):
    return hex(value) if isinstance(value, int) and value > 0 else repr(value)


literals = st.recursive(
    st.one_of(
        numbers.map(repr),
        numbers.map(_hex),
        words.map(repr),
        _quoted.map(repr),
        st.sampled_from(
            ["None", "True", "inf", "nan", "1e999", "-inf", "1j", "b'x'", "...", "0x" + "f" * 9000, "-" * 99]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"({', '.join(parts)},)" if parts else "()"),
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.tuples(inner, inner).map(lambda parts: f"{{{parts[0]}: {parts[1]}}}"),
    ),
    max_leaves=4,
)
_names = st.sampled_from([*sorted(CATALOGUE), *sorted(ALIASES), "mlp", "auto", "mup", "he", "digits", "nobody"])
_keys = st.sampled_from(["gain", "std", "mean", "cut", "mode", "slope", "low", "high", "start", "features", "x"])


@st.composite
def calls(draw):
    """Calls by names of the catalogue, with arguments of any kind."""
    words = draw(st.lists(literals, max_size=3))
    words += [f"{draw(_keys)}={draw(literals)}" for _ in range(draw(st.integers(0, 2)))]
    text = f"{draw(_names)}({', '.join(words)})"
    return text + draw(
        st.sampled_from(["", "", "", " bias=0.1", " bias=zeros", " bias=", " lr=3", ")", "\0", " " * 3000])
    )


specs = st.one_of(
    calls(),
    words,
    st.text(max_size=30),
    st.tuples(
        st.sampled_from(["(", "[", "{", "-", "~", "f(", "a.", "'", '"', "\\", "\n", "9", ",", "=", "bias="]),
        st.integers(1, 4000),
    ).map(lambda pair: pair[0] * pair[1]),
)

_leaves = st.one_of(
    words,
    numbers,
    calls(),
    st.sampled_from([None, True, False, {}, []]),
    st.sampled_from(SHAPES),
    st.sampled_from(AXES),
    st.lists(st.integers(0, 9), max_size=5),
)
values = st.one_of(_leaves, st.lists(_leaves, max_size=3), st.dictionaries(words, _leaves, max_size=3))


def _places(tree, place=()):
    yield place
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _places(value, (*place, key))


@st.composite
def edited(draw, base):
    """A JSON text of which one to three things were replaced, removed, renamed or added."""
    tree = [copy.deepcopy(base)]
    for _ in range(draw(st.integers(1, 3))):
        if places := [*_places(tree)][1:]:
            _edit(draw, tree, draw(st.sampled_from(places)))
    return json.dumps(tree[0] if tree else None).encode()


def _edit(draw, tree, place):
    *way, key = place
    for step in way:
        tree = tree[step]
    match draw(st.sampled_from(["replace"] * 5 + ["remove", "rename", "add"])):
        case "replace":
            tree[key] = copy.deepcopy(draw(values))
        case "remove":
            del tree[key]
        case "rename" if isinstance(tree, dict):
            tree[draw(words)] = tree.pop(key)
        case "add" if isinstance(tree, dict):
            tree[draw(words)] = copy.deepcopy(draw(values))
        case _:
            tree += copy.deepcopy(tree[-1:]) if isinstance(tree, list) else []


@st.composite
def changed(draw, base):
    """Bytes of which some were flipped, cut out, repeated or put in."""
    data = bytearray(base)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(["flip", "cut", "repeat", "put", "end"])):
            case "flip" if start < len(data):
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[start:end]
            case "repeat":
                data[start:start] = data[start:end] * draw(st.integers(1, 50))
            case "put":
                data[start:start] = draw(
                    st.one_of(st.binary(max_size=9), st.sampled_from([b"\\ud800", b'"a":1,', b"[" * 9]))
                )
            case "end":
                del data[start:]
    return bytes(data)
