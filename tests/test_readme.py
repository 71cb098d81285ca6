"""What the README and the pages of docs/ show is what happens."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner
from zoo import library

from initium import _cli
from initium._guide import entries
from initium._recipes import by_name

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [page for page in (README, *sorted(ROOT.glob("docs/*.md"))) if page.exists()]
TEXT = README.read_text() if README.exists() else ""


def blocks(language, pages=PAGES):
    """Each block of a language, with the page and the line where it begins."""
    texts = {page: page.read_text() for page in pages}
    return [
        pytest.param(found[1], id=f"{page.name}:{text[: found.start()].count(chr(10)) + 1}")
        for page, text in texts.items()
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    ]


# What an example writes, beside what is printed of it, by what it contains.
WRITES = {
    "plan.save(": ["plan.json"],
    "result.save(": ["breast_cancer.html"],
    "plan.write(": ["init.safetensors"],
    'store="study.db"': ["study.db"],
    "torch.save(": ["weights.pt"],
}


@pytest.mark.parametrize("example", blocks("python"))
def test_an_example_runs_as_it_stands(example, tmp_path, monkeypatch, capsys, alone):
    monkeypatch.chdir(tmp_path)
    if "transformers" in example or "callbacks" in example:
        library("transformers")
    exec(compile(example, "example", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    for said in SAYS.get(next((key for key in SAYS if key in example), ""), []):
        assert said in printed
    expected = next((files for key, files in WRITES.items() if key in example), [])
    assert [path.name for path in tmp_path.iterdir()] == expected


def texts(page=README):
    return [found.values[0].strip() for found in blocks("text", [page])]


# What an example prints, by what it contains.
SAYS = {
    'print(plan.explain("2.weight"))': texts()[1:2] if TEXT else [],
    "result.save(": ["zeros: 20 of 20 runs never left chance"],
    "plan.verify(": ["Filled 72 of 72 parameters", "init.safetensors equals what the plan draws."],
    "initium.cite(": ["Fans(fan_in=9, fan_out=9)", "\n1.5335", " repelling\n@inproceedings{he2015delving,"],
    "coordinate_check(": ["Passes: under `mup` no size goes with the width, from width 64 to 512."],
    "# True": ["True"],
}


@pytest.fixture
def alone():
    """One process that shards a model as many would."""
    dist = pytest.importorskip("torch").distributed
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x

def build():
    return Net()

def wide(width):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))
"""


@pytest.mark.parametrize("block", blocks("sh"))
def test_every_command_line_works(block, monkeypatch, tmp_path):
    """One after the other where build() of model.py is a model; training is cut to two runs of an epoch each."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    for line in block.replace("\\\n", " ").splitlines():
        command, *args = shlex.split(line, comments=True)
        COMMANDS[command](args)
    sys.modules.pop("initium_model_model", None)


def _initium(args):
    cut = ["--seeds", "2", "--epochs", "1"] if args[0] == "compare" and not {"--help", "--show"} & set(args) else []
    result = CliRunner().invoke(_cli.app, [*args, *cut])
    assert result.exit_code == 0, result.stderr


def _make(args):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(args) <= set(targets)


def _pip(args):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"\.\[(\w+)\]", " ".join(args))
    assert args[:2] == ["install", "-e"]
    assert extras
    assert set(extras) <= set(project["optional-dependencies"])


COMMANDS = {"initium": _initium, "make": _make, "pip": _pip}


def test_the_first_commands_are_those_of_the_makefile():
    first = blocks("sh")[0].values[0]
    assert [line.split("  #")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_the_counts_of_starts_and_recipes_are_those_of_the_catalogue():
    in_words = {77: "Seventy-seven", 20: "Twenty"}
    num_starts, num_recipes = len(entries()), len(by_name())
    assert f"## {in_words[num_starts]} starts, in three frameworks" in TEXT
    # Beside `auto`, `author`, `lsuv` and `calibrate`, which repeat nobody's start.
    named = set(by_name()) - {"auto", "author", "lsuv", "calibrate"}
    assert f"[{in_words[len(named)]} named recipes]" in TEXT
    listed = CliRunner().invoke(_cli.app, ["list"]).stdout
    assert f"\n{num_starts} starts and {num_recipes} recipes. " in listed
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"now has (\d+) starts", changes)[-1] == str(num_starts)
    assert "Recipes: `auto`, nineteen named ones" in changes


def test_the_readme_is_read_in_one_sitting():
    assert len(TEXT.splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_linked_exists(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    for link in links:
        assert (page.parent / link).exists(), link


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/devdocs/*.md")):
        name = page.relative_to(ROOT / "docs").as_posix()
        assert name == "README.md" or f"({name})" in index
