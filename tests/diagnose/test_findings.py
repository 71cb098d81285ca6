"""The table of findings: each sick net has the right one first, and healthy nets have no serious one."""

from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diagnose.healthy import HEALTHY
from diagnose.sick import SICK
from torch_edge import zoo

import initium
from initium._diagnosis import KINDS

ZOO = zoo.small()


@cache
def diagnosed(name):
    torch.manual_seed(0)
    model = SICK[name].build()
    torch.manual_seed(0)
    return initium.diagnose(model, **SICK[name].how())


@pytest.mark.parametrize("name", SICK)
def test_a_sick_net_has_the_right_finding_first(name):
    found = diagnosed(name)
    assert found.findings, name
    first = found.findings[0]
    assert first.id == SICK[name].first, found
    assert not SICK[name].at or first.path == SICK[name].at, found


@pytest.mark.parametrize("name", SICK)
def test_a_remedy_that_is_a_line_runs_and_mends_what_it_stands_beside(name):
    """The line is the user's, who has a model; one that no inputs can be made up for needs them as `example` too."""
    first = diagnosed(name).findings[0]
    if not first.remedy.startswith("initium."):
        pytest.skip("no start mends it, and the remedy says what does")
    torch.manual_seed(0)
    model = SICK[name].build()
    torch.manual_seed(0)
    how = SICK[name].how()
    example = how.get("inputs")
    mended = SimpleNamespace(initialize=partial(initium.initialize, example=example))
    eval(first.remedy, {"initium": mended, "model": model})
    assert first.id not in [finding.id for finding in initium.diagnose(model, **how).findings]


def test_each_kind_has_a_sick_net():
    assert {kind.id for kind in KINDS} == {one.first for one in SICK.values()}


# Without a normalisation and by PyTorch's default: sick indeed.
UNWELL = {"deep_relu", "deep_tanh", "deep_selu", "deep_gelu", "activations", "swiglu", "packed_swiglu", "separable"}


@pytest.mark.parametrize("recipe", [None, "auto"])
@pytest.mark.parametrize("name", ZOO)
def test_a_model_of_the_zoo_has_no_serious_finding(name, recipe):
    if recipe is None and name in UNWELL:
        pytest.skip("PyTorch's default is no healthy start for it")
    build, batch = ZOO[name]
    torch.manual_seed(0)
    found = initium.diagnose(build(), batch, recipe=recipe)
    assert found.is_healthy, found


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_start_has_no_serious_finding(name):
    torch.manual_seed(0)
    model, how = HEALTHY[name]()
    found = initium.diagnose(model, **how)
    assert found.is_healthy, found


def test_there_are_sixty_healthy_starts():
    assert len(HEALTHY) + len(ZOO.keys() - UNWELL) >= 60


def test_each_kind_has_its_section_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "diagnose.md").read_text()
    for kind in KINDS:
        told = f"## {kind.id} {kind.name}\n\n{kind.claim} *Measured:* {kind.measure}. *Told:* {kind.threshold}"
        assert f"{told} ({kind.severity}). *From:* {kind.source}." in page, kind.id
    assert page.count("\n## IN") == len(KINDS)
    # As GitHub makes them of headings: small letters, and a hyphen for each space.
    anchors = {line[3:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("## IN")}
    assert {f"docs/diagnose.md#{anchor}" for anchor in anchors} == {kind.docs for kind in KINDS}


def test_the_readme_counts_them():
    readme = Path(__file__).parents[2] / "README.md"
    if readme.exists():
        assert f"{len(KINDS)} findings in all" in readme.read_text()
