"""Digests of what is somebody's own: another one for other code or other values, the same in every process."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from torch import nn

from initium._study._own_code import own_code
from initium._study._sources import own_digest, source_digest
from initium._study._study import Study

BEGIN = """
import functools
import numpy as np
import torch
from torch import nn
"""
END = """
from initium._study._sources import source_digest
for _ in range(9):
    try:
        MADE()  # code that has run often is rewritten in place, and is the same code
    except Exception:
        pass
print(source_digest(MADE))
"""
# By what may change: what is written before, and what after. `MADE` is the model.
CHANGES = {
    "a function within": (
        "def build():\n    def inner(): return {}\n    return inner()\nMADE = build",
        ("1", "2"),
    ),
    "a lambda": ("MADE = lambda: {}", ("1", "2")),
    "a lambda within a lambda": ("MADE = lambda: (lambda: (lambda: {})())()", ("1", "2")),
    "a comprehension": ("MADE = lambda: [x + {} for x in range(3)]", ("1", "2")),
    "a set of words": ("MADE = lambda x='a': x in {{'a', 'b', 'c', {}}}", ("'d'", "'e'")),
    "a default": ("def build(hidden={}): return hidden\nMADE = build", ("8", "9")),
    "a default by name alone": ("def build(*, hidden={}): return hidden\nMADE = build", ("8", "9")),
    "a global number": ("WIDTH = {}\nMADE = lambda: WIDTH", ("8", "9")),
    "a global list": ("WIDTHS = [8, {}]\nMADE = lambda: WIDTHS", ("8", "9")),
    "a global dict": ("WIDTHS = dict(a=dict(b={}))\nMADE = lambda: WIDTHS['a']", ("8", "9")),
    "a global set": ("NAMES = {{'a', 'b', 'c', {}}}\nMADE = lambda: NAMES", ("'d'", "'e'")),
    "a global array": ("W = np.array([1.0, {}])\nMADE = lambda: W", ("8", "9")),
    "a global tensor": ("W = torch.tensor([1.0, {}])\nMADE = lambda: W", ("8", "9")),
    "a global of a function within": ("W = {}\nMADE = lambda: (lambda: W)()", ("8", "9")),
    "a function that a function names": ("def one(): return {}\ndef two(): return one()\nMADE = two", ("8", "9")),
    "what is enclosed": (
        "def outer():\n    widths = [8, {}]\n    return lambda: widths\nMADE = outer()",
        ("8", "9"),
    ),
    "the state of an object": (
        "class Build:\n    def __init__(self, n): self.n = n\n    def __call__(self): return self.n\nMADE = Build({})",
        ("8", "9"),
    ),
    "the code of an object": ("class Build:\n    def __call__(self): return {}\nMADE = Build()", ("8", "9")),
    "a partial of an object": (
        "class Build:\n    def __init__(self, n): self.n = n\n    def __call__(self, k): return self.n\n"
        "MADE = functools.partial(Build({}), k=1)",
        ("8", "9"),
    ),
    "a bound method": (
        "class Build:\n    def __init__(self, n): self.n = n\n    def make(self): return self.n\nMADE = Build({}).make",
        ("8", "9"),
    ),
    "a method": ("class Net(nn.Module):\n    def forward(self, x): return x * {}\nMADE = Net", ("8", "9")),
    "an attribute of a class": ("class Net(nn.Module):\n    widths = [{}]\nMADE = Net", ("8", "9")),
    "a base": (
        "class Base(nn.Module):\n    def forward(self, x): return x * {}\nclass Net(Base): pass\nMADE = Net",
        ("8", "9"),
    ),
    "a property": (
        "class Net(nn.Module):\n    @property\n    def width(self): return {}\nMADE = Net",
        ("8", "9"),
    ),
    "behind a decorator": (
        "def named(f):\n    @functools.wraps(f)\n    def g(*a): return f(*a)\n    return g\n"
        "@named\ndef build(): return {}\nMADE = build",
        ("8", "9"),
    ),
    "behind a cache": ("@functools.cache\ndef build(): return {}\nMADE = build", ("8", "9")),
    "a layer of the package": ("MADE = lambda: nn.{}()", ("ReLU", "Tanh")),
    "a class of the package": ("MADE = nn.{}", ("ReLU", "Tanh")),
    "a pattern": ("import re\nP = re.compile({})\nMADE = lambda: P", ("'a+'", "'a*'")),
    "a data class": (
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    n: int = 1\n    m: tuple = (1, 2)\n"
        "c = C({})\nMADE = lambda: c",
        ("8", "9"),
    ),
    "an enum": ("import enum\nclass E(enum.Enum):\n    a = 1\n    b = 2\ne = E.{}\nMADE = lambda: e", ("a", "b")),
    "slots": (
        "class S:\n    __slots__ = ('n',)\n    def __init__(self, n): self.n = n\ns = S({})\nMADE = lambda: s",
        ("8", "9"),
    ),
    "an object that holds itself": (
        "class C: pass\nc = C()\nc.me, c.all, c.n = c, [c], {}\nMADE = lambda: c",
        ("8", "9"),
    ),
    "a generator of numbers": ("R = np.random.default_rng({})\nMADE = lambda: R", ("8", "9")),
    "one that names itself": ("def build(n=1): return build(n - 1) if n else {}\nMADE = build", ("8", "9")),
    "two that name each other": (
        "def one(n=1): return two(n - 1) if n else {}\ndef two(n): return one(n)\nMADE = one",
        ("8", "9"),
    ),
}


def in_a_process(code, tmp_path, *, seed="0", typed=False):
    """What a new process says; of a script, or of what is typed at a prompt."""
    args, given = ([], code) if typed else ([str(tmp_path / "script.py")], None)
    if not typed:
        (tmp_path / "script.py").write_text(code)
    found = subprocess.run(
        [sys.executable, *(args or ["-"])], input=given, capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout.split()[-1]


def here(code):
    """The digest of what some code makes, as a prompt or a notebook would run it."""
    space = {"__name__": "__main__"}
    exec(compile(code, "<stdin>", "exec"), space)
    found = source_digest(space["MADE"])
    assert source_digest(space["MADE"]) == found  # to ask changes nothing
    return found


@pytest.mark.parametrize("what", CHANGES)
def test_what_may_change_is_seen(what):
    template, values = CHANGES[what]
    before, after = (here(BEGIN + template.format(value)) for value in values)
    assert before == here(BEGIN + template.format(values[0]))
    assert before != after


def test_what_does_nothing_changes_nothing():
    plain = here(f"{BEGIN}WIDTH = 8\nOTHER = 1\ndef build(): return WIDTH\nMADE = build")
    text = "# By hand.\n\n\nOTHER = 2\nWIDTH = 8\n\ndef build():\n    # wide\n    return (WIDTH)\n\nMADE = build"
    assert here(BEGIN + text) == plain


def test_every_process_says_the_same(tmp_path):
    """All of them at once, in a script and at a prompt, whatever seed Python shuffles its sets by."""
    parts = [f"{template.format(values[0])}\nALL.append(MADE)" for template, values in CHANGES.values()]
    code = "\n".join([BEGIN, "ALL = []", *parts, "MADE = lambda: [f() for f in ALL]", END])
    said = {in_a_process(code, tmp_path, seed=seed) for seed in ("0", "1", "77")}
    assert said == {in_a_process(code, tmp_path, seed="5", typed=True)}
    assert len(said) == 1


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of somebody's own that imports another beside it, and one that nobody here asked for."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    package = tmp_path / "ownpack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sub").mkdir()
    (package / "sub" / "__init__.py").write_text("")
    (package / "layers.py").write_text("WIDTH = 8\n")
    (package / "deep.py").write_text("DEPTH = 1\n")
    (package / "other.py").write_text("SIZE = 1\n")
    (package / "sub" / "net.py").write_text(
        "from torch import nn\nfrom ownpack.layers import WIDTH\n\nfrom .. import deep\n\n"
        "class Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(nn.Linear(4, WIDTH))\n"
    )
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ownpack", "initium_model_net")]:
        del sys.modules[name]


WAYS = {
    "a class of a module": "from ownpack.sub.net import Net\nMADE = Net",
    "a function that names it": "from ownpack.sub.net import Net\nMADE = lambda: Net()",
    "a function that names its module": "import ownpack.sub.net as net\nMADE = lambda: net.Net()",
    "a function that imports it": "def build():\n    from ownpack.sub.net import Net\n    return Net()\nMADE = build",
    "an object of it": "from ownpack.sub.net import Net\nmade = Net()\nMADE = lambda: type(made)()",
    "a module and a function": "MADE = 'ownpack.sub.net:Net'",
    "a file and a function": "MADE = 'ownpack/sub/net.py:Net'",
}


def test_a_change_of_what_a_module_imports_is_seen_and_of_nothing_else(module):
    each = [f"{code}\nALL.append(source_digest(MADE))" for code in WAYS.values()]
    head = "import torch\ntorch.manual_seed(0)\nfrom initium._study._sources import source_digest\nALL = []"
    code = "\n".join([head, *each, "print(*ALL, sep=',')"])
    before = in_a_process(code, module).split(",")
    (module / "ownpack" / "other.py").write_text("SIZE = 2\n")
    assert in_a_process(code, module).split(",") == before
    for name, text in (("layers", "WIDTH = 4 + 4\n"), ("deep", "DEPTH = 1 + 0\n")):
        (module / "ownpack" / f"{name}.py").write_text(text)
        after = in_a_process(code, module).split(",")
        assert [way for way, one, other in zip(WAYS, before, after, strict=True) if one == other] == []
        before = after


def test_a_file_is_the_same_by_whatever_path(module):
    names = (
        "ownpack/sub/net.py",
        "./ownpack/sub/net.py",
        str(module / "ownpack/sub/net.py"),
        "ownpack/../ownpack/sub/net.py",
    )
    assert len({source_digest(f"{name}:Net") for name in names}) == 1
    assert source_digest("no.py:Net") == source_digest("gone.py:Net")


def test_a_built_in_has_none_and_a_package_goes_by_its_names():
    assert source_digest("mlp(4, 3)") == ""
    assert own_digest(["mlp", None, nn.ReLU, np.tanh, nn.functional.relu, "cross_entropy"]) == ""
    assert own_digest(["mlp", lambda: None]) != ""


def own(*args, **settings):
    return own_code(Study(*args, **{"inits": ["he_normal", "zeros"], **settings}))


def test_the_code_of_a_study_is_that_of_all_its_functions():
    assert own("mlp", "iris", lr=[0.1, 0.2], loss="mse", inits=["auto", "orthogonal(gain=2)"]) == ""
    found = [
        own(lambda: nn.Linear(4, 3), "iris"),
        own(lambda: nn.Linear(3, 4), "iris"),
        own("mlp", "iris", loss=lambda outputs, targets: outputs.mean()),
        own("mlp", "iris", metric=lambda outputs, targets: outputs.mean()),
        own("mlp", "iris", arguments={"make": [lambda: 1, lambda: 2]}),
        own("mlp", "iris", activation=lambda: 1),
    ]
    assert len(set(found)) == len(found)
    assert "" not in found


def test_an_object_that_counts_is_what_it_was_when_the_study_began():
    class Build:
        calls = 0

        def __call__(self):
            self.calls += 1
            return nn.Linear(4, 3)

    study = Study(build := Build(), "iris", ["he_normal", "zeros"])
    before = dict(study.sources)
    build()
    assert study.sources == before
    assert source_digest(build) != before["model"]


def test_what_cannot_be_pickled_goes_by_its_class():
    def build(lock):
        return lambda: lock

    assert source_digest(build(threading.Lock())) == source_digest(build(threading.Lock()))
    assert source_digest(build(threading.Lock())) != source_digest(build(None))
