"""The page for JAX's users: each of its programs runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "jax.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[0])
def test_a_program_of_the_page_runs(program, capsys):
    exec(compile(program, PAGE.name, "exec"), {"__name__": "__main__"})
    assert "Error" not in capsys.readouterr().out
