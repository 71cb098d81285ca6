import sys
import textwrap

import pytest

from initium import ModelError, UnknownNameError
from initium._model_name import model_function

SOURCE = """
from dataclasses import dataclass
from pathlib import PurePath


@dataclass
class Small:
    width: int = 3


def build():
    return "built"


def needs(width, *, depth, height=1):
    return width


def fails():
    return 1 / 0


def leaves():
    raise SystemExit("usage: ...")


class Configured:
    config_class = Small

    def __init__(self, config):
        self.config = config


class Group:
    build = staticmethod(build)


table = {}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = set(sys.modules)
    (tmp_path / "mine.py").write_text(SOURCE)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(text):
    with pytest.raises((ModelError, UnknownNameError)) as error:
        model_function(text)()
    return str(error.value)


@pytest.mark.parametrize("text", ["mine.py:build", "./mine.py:build", "mine:build", "mine.py:Group.build"])
def test_a_function_of_a_file_or_a_module_is_called(folder, text):
    assert model_function(text)() == "built"
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


def test_a_file_may_be_anywhere_and_imports_what_lies_beside_it(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "json.py").write_text("from beside_it import build")
    (folder / "deep" / "beside_it.py").write_text("def build():\n    import json\n    return json.dumps([1])")
    path, writes = list(sys.path), sys.dont_write_bytecode
    assert model_function("deep/json.py:build")() == "[1]"
    assert (sys.path, sys.dont_write_bytecode) == (path, writes)
    assert sorted(path.name for path in (folder / "deep").iterdir()) == ["beside_it.py", "json.py"]


def test_a_class_is_called_and_one_of_transformers_is_given_its_configuration(folder):
    assert model_function("mine.py:Small")().width == 3
    assert model_function("mine.py:Configured")().config.width == 3


def test_what_is_printed_does_not_mix_with_our_output(folder, capsys):
    (folder / "loud.py").write_text("print('hello')\ndef build(): print('there')")
    model_function("loud.py:build")()
    assert capsys.readouterr() == ("", "hello\nthere\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine.py", "'mine.py' names no function. Write the function after a colon, as in 'mine.py:build'."),
        ("(2, 30)", "'(2, 30)' names no function. Write the function after a colon, as in 'model.py:build'."),
        (":build", "':build' names no function. Write the function after a colon, as in 'build:build'."),
        ("no.py:build", "There is no file 'no.py'."),
        (
            "no.such:build",
            "There is no module 'no', neither in this folder nor installed. "
            "A file is named with its ending, as in 'model.py:build'.",
        ),
        ("mine.py:biuld", "'mine.py' has no `biuld`; the closest is `build`."),
        ("mine.py:xyz", "'mine.py' has no `xyz`; it has Configured, Group, Small, build, fails and 2 more."),
        ("mine.py:Group.xyz", "'mine.py' has no `Group.xyz`; the closest is `Group`."),
        ("mine.py:table", "`table` of 'mine.py' is a dict, not a function that builds a model."),
        (
            "mine.py:needs",
            "`needs` of 'mine.py' needs arguments that nobody gives here: width, depth. "
            "Name a function without arguments that calls it.",
        ),
        ("mine.py:fails", "`fails` of 'mine.py' fails: ZeroDivisionError: division by zero (mine.py, line 20)"),
        ("mine.py:leaves", "`leaves` of 'mine.py' fails: SystemExit: usage: ... (mine.py, line 24)"),
    ],
)
def test_what_cannot_be_had_is_one_message(folder, text, message):
    assert refused(text) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nx = y", "'bad.py' cannot be imported: NameError: name 'y' is not defined (bad.py, line 2)"),
        ("x = (", "'bad.py' cannot be imported: SyntaxError: '(' was never closed (bad.py, line 1)"),
        (
            "import no_such",
            "'bad.py' cannot be imported: ModuleNotFoundError: No module named 'no_such' (bad.py, line 1)",
        ),
    ],
)
def test_a_file_that_fails_is_told_with_its_line(folder, source, message):
    (folder / "bad.py").write_text(textwrap.dedent(source))
    assert refused("bad.py:build") == message


def test_a_module_that_lacks_something_is_not_called_missing(folder):
    (folder / "half.py").write_text("import no_such")
    assert refused("half:build") == (
        "'half' cannot be imported: ModuleNotFoundError: No module named 'no_such' (half.py, line 1)"
    )


def test_ctrl_c_stays_ctrl_c(folder):
    (folder / "slow.py").write_text("def build(): raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        model_function("slow.py:build")()


def test_what_went_wrong_first_is_told_too(folder):
    (folder / "late.py").write_text(
        "def build():\n    try:\n        int('x')\n    except ValueError as error:\n"
        "        raise RuntimeError('cannot build') from error\n"
    )
    assert refused("late.py:build") == (
        "`build` of 'late.py' fails: RuntimeError: cannot build (late.py, line 5). "
        "It began with ValueError: invalid literal for int() with base 10: 'x'"
    )


def test_what_a_file_adds_to_the_path_is_there_for_its_function(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "initium_test_beside.py").write_text("NUMBER = 7\n")
    text = f"import sys; sys.path.insert(0, {str(tmp_path / 'lib')!r})\ndef build():\n"
    (tmp_path / "late.py").write_text(text + "    from initium_test_beside import NUMBER\n    return NUMBER\n")
    assert model_function(f"{tmp_path}/late.py:build")() == 7
    assert str(tmp_path) not in sys.path
    del sys.modules["initium_test_beside"]


def test_two_files_have_each_the_helper_that_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "beside.py").write_text(f"VALUE = {value}\n")
        (tmp_path / name / "inner" / "__init__.py").write_text("")
        (tmp_path / name / "inner" / "deep.py").write_text(f"VALUE = {value * 10}\n")
        (tmp_path / name / "net.py").write_text(
            "import beside\nfrom inner import deep\ndef build():\n    return beside.VALUE + deep.VALUE\n"
        )
    try:
        assert [model_function(f"{name}/net.py:build")() for name in ("one", "two", "one")] == [11, 22, 11]
    finally:
        for name in ("beside", "inner", "inner.deep"):
            sys.modules.pop(name, None)
