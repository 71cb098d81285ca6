"""What the pages refer to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("docs/**/*.md"))
MAKEFILE = ROOT / "Makefile"


def prose(page):
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchors(page):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_and_script_that_figures_come_from_exists(page):
    text = page.read_text()
    for line in re.findall(r"`make ([\w -]+)`", text):
        for target in line.split():
            assert re.search(rf"^{target}:", MAKEFILE.read_text(), flags=re.MULTILINE), target
    for script in re.findall(r"python (bench/\w+\.py)", text):
        assert script in MAKEFILE.read_text(), script


def test_every_snippet_is_python():
    for page in PAGES:
        for snippet in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
            compile(snippet, page.name, "exec")
