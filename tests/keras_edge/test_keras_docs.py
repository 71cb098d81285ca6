"""The page for Keras's users: each of its programs runs as it stands, and prints what the page shows."""

import os
import re
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import pytest
from keras_zoo import TRACES

PAGE = (Path(__file__).parents[2] / "docs" / "keras.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
SHOWN = re.search(r"```\n(parameter .*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_of_the_page_runs(number, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.clear_session()
    exec(compile(PROGRAMS[number], "keras.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert printed
    if number == 0 and TRACES:
        assert printed.startswith(SHOWN.group(1))
