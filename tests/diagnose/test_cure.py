"""The cure, and two diagnoses beside each other."""

import dataclasses
import gc
import json
import pickle
import re
import weakref
from html.parser import HTMLParser

import pytest
import torch
from diagnose.sick import SICK
from diagnose.test_command import EXAMPLES, diagnose
from torch import nn

import initium
from initium._diagnosis._spark import Scale

# What no size of the weights removes, by what is told of it: a function that is flat, a missing gradient, a step.
BEYOND = {"sigmoid_12": {"IN201", "IN106"}}


def example(name):
    space = {}
    exec((EXAMPLES / f"{name}.py").read_text(), space)
    torch.manual_seed(0)
    return space["build"]()


def zeros():
    model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 2))
    for value in model.parameters():
        nn.init.zeros_(value)
    return model


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_a_cure_does_what_its_notes_say(name):
    model = example(name)
    sick = initium.diagnose(model)
    before = {path: value.clone() for path, value in model.named_parameters()}
    plan = sick.cure()
    assert all(torch.equal(value, before[path]) for path, value in model.named_parameters())
    plan.apply(model, seed=0)
    well = initium.diagnose(model)
    told = " ".join(plan.notes)
    left = {finding.id for finding in well.findings}
    assert left == BEYOND.get(name, set())
    for finding in sick.findings:
        gone = f"removes [^;]*{finding.id} {finding.name}"
        stays = rf"auto leaves {finding.id} {finding.name} \({finding.severity}\): .+; what mends it: .+"
        assert re.search(stays if finding.id in left else gone, told), told


def test_a_cure_leaves_what_a_rule_keeps():
    sick = initium.diagnose(model := zeros())
    plan = sick.cure(rules={"0.*": "keep"})
    plan.apply(model, seed=0)
    assert not model[0].weight.any()
    assert model[2].weight.any()
    assert "auto, with what your rules ask, leaves IN103 zeros that never move" in " ".join(plan.notes)


def test_a_cure_is_of_the_recipe_that_was_diagnosed_too():
    sick = initium.diagnose(zeros(), recipe="zeros")
    assert sick.start == "zeros"
    assert not sick.is_healthy
    assert sick.beside("auto").after.is_healthy


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_model_with_computed_tensors_on_it_is_cured_and_stays_as_it_was():
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(30, 64)), nn.ReLU(), nn.Linear(64, 2))
    nn.init.zeros_(model[2].weight)
    nn.init.zeros_(model[2].bias)
    nn.init.zeros_(model[0].weight_v)
    held = model[0].weight
    plan = initium.diagnose(model, torch.randn(8, 30)).cure()
    assert model[0].weight is held
    assert [choice.path for choice in plan][:3] == ["0.bias", "0.weight_g", "0.weight_v"]


def test_a_recipe_may_be_an_initialiser():
    found = initium.diagnose(zeros()).beside(initium.init.he_normal())
    assert found.after.start == "he_normal"
    assert json.loads(found.to_json())["after"]["start"] == "he_normal"


def test_a_diagnosis_lets_go_of_the_model():
    model = zeros()
    found, alive = initium.diagnose(model), weakref.ref(model)
    left = dataclasses.replace(found, again=None)
    del model, found
    gc.collect()
    assert alive() is None
    with pytest.raises(initium.SettingError, match="diagnose the model anew"):
        left.cure()


def test_a_diagnosis_that_was_stored_has_no_cure():
    found = pickle.loads(pickle.dumps(initium.diagnose(zeros())))
    with pytest.raises(initium.SettingError, match="diagnose the model anew"):
        found.cure()


def test_beside_tells_what_goes_stays_and_comes():
    sick = initium.diagnose(zeros())
    well = sick.beside("auto")
    assert well.answer == "auto mends zeros that never move; nothing is left"
    assert [finding.id for finding in well.mended] == ["IN103"]
    back = well.after.beside(sick)
    assert back.answer == "as built brings zeros that never move"
    assert sick.beside(sick).answer == "after leaves zeros that never move"  # two of one name
    assert well.after.beside(well.after).answer == "Neither before nor after: no finding"
    assert set(json.loads(well.to_json())) == {"before", "after"}
    with pytest.raises(initium.SettingError, match="other layers"):
        sick.beside(initium.diagnose(nn.Linear(3, 2)))
    for how in ({"quick": True}, {"ignore": ["IN103"]}):
        with pytest.raises(initium.SettingError, match="looked for the same"):
            sick.beside(initium.diagnose(zeros(), **how))


def test_the_command_shows_two_starts_in_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = diagnose(f"{EXAMPLES / 'glorot_relu_30.py'}:build", "--against", "auto")
    assert done.exit_code == 1  # of the model as it stands
    assert done.stdout.startswith("auto mends vanishing signal, vanishing gradient; nothing is left.\n")
    assert max(map(len, done.stdout.splitlines())) <= 80
    bars = re.findall("[▁▂▃▄▅▆▇█]{10}", done.stdout)
    assert len(bars) == 4
    falls, keeps, *_ = bars
    assert list(falls) == sorted(falls, reverse=True)
    assert falls[0] == "█"
    assert falls[-1] == "▁"
    assert min(keeps) >= "▆"


def test_bars_share_a_scale_of_at_least_two_decades():
    scale = Scale([1.0, 1e-8])
    assert scale.line([1.0, 1e-4, 1e-8], 10) == "█▅▁"
    assert Scale([1.0, 1.2]).line([1.0, 1.2], 10) == "▄▅"
    assert scale.line([None, 0.0, float("nan"), float("inf")], 10) == "·0!!"
    assert scale.line([10.0**-n for n in range(9)] * 9, 5)[0] == "█"
    assert len(scale.line([1.0] * 99, 10)) == 10
    assert scale.line([1.0, *[1e-4] * 50, 1e-8], 3) == "█▅▁"


class Page(HTMLParser):
    """The ids and links of a page, and its charts."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.plots, self._is_plot = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if tag == "a" else []
        self._is_plot = tag == "script" and attrs.get("type") == "application/json"

    def handle_data(self, data):
        if self._is_plot:
            self.plots.append(json.loads(data))
            self._is_plot = False


def test_a_page_draws_what_was_measured_and_leads_to_the_layers(tmp_path):
    target = tmp_path / "page.html"
    done = diagnose(f"{EXAMPLES / 'glorot_relu_30.py'}:build", "--out", target)
    assert done.exit_code == 1
    assert done.stdout.endswith(f"\nPage with charts: {target}\n")
    page = Page(target.read_text())
    assert page.links == ["#at-2.weight", "#at-58.weight"]
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    found = initium.diagnose(example("glorot_relu_30"))
    signal, gradient = page.plots[:2]
    course = signal["data"][2]
    assert course["text"] == [layer.path for layer in found.layers]
    assert course["y"] == pytest.approx([layer.fed for layer in found.layers], rel=1e-4)
    low, high = signal["data"][0]["y"], signal["data"][1]["y"]
    assert low[0] == high[0] == pytest.approx(found.layers[0].fed, rel=1e-4)
    assert all(below < above for below, above in zip(low[1:], high[1:], strict=True))
    assert course["y"][-1] < low[-1]  # the signal leaves the band
    assert gradient["data"][2]["y"] == pytest.approx([layer.energy for layer in found.layers], rel=1e-4)
    cross = signal["data"][3]
    assert (cross["text"], cross["x"]) == (["IN101", "IN201"], [1, 29])


def test_a_page_of_two_starts_draws_both(tmp_path):
    initium.diagnose(zeros()).beside("auto").save(tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text())
    names = [trace["name"] for trace in page.plots[0]["data"] if trace.get("mode") == "lines+markers"]
    assert names == ["as built", "auto"]


def test_a_page_that_somebody_else_wrote_is_kept(tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    done = diagnose("mlp(4, 8, 2)", "--out", mine)
    assert done.exit_code == 2
    assert mine.read_text() == "<p>mine</p>"


def test_histograms_are_shares_of_what_layers_give():
    torch.manual_seed(0)
    found = initium.diagnose(nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 4)), torch.randn(512, 64))
    shares = found.layers[0].histogram
    assert sum(shares) == pytest.approx(1)
    inner = sum(shares[12:20])  # within one root mean square
    assert inner == pytest.approx(0.683, abs=0.03)  # of a Gaussian
    assert sum(shares[:16]) == pytest.approx(0.5, abs=0.05)
    assert sum(found.layers[0].gradient_histogram) == pytest.approx(1)


# What a start cannot remove: an activation whose slope is small or none, 16 bits, a step, a batch.
LEFT = {
    "sigmoids": {"IN201", "IN106"},
    "sigmoids_by_default": {"IN201", "IN106"},
    "softplus": {"IN201", "IN106"},
    "float16_underflow": {"IN602", "IN204"},
    "detached": {"IN203"},
    "unused": {"IN203"},
    "step_too_large": {"IN205"},
    "step_too_small": {"IN205"},
    "signs": {"IN204"},
    "recurrence_that_forgets": {"IN206"},
    "lstm_that_forgets": {"IN206"},
    "cells_that_forget": {"IN206"},
    "recurrence_that_explodes": {"IN206"},
    "recurrence_whose_gradient_explodes": {"IN206"},
    "gru_that_forgets": {"IN206"},
    "unscaled_inputs": {"IN108"},
    "inputs_of_another_size": {"IN108"},
    "bytes_for_numbers": {"IN108"},
    "one_sample_many_times": {"IN109"},
    "nothing_for_inputs": {"IN109"},
    "layers_in_a_list": {"IN208"},
    "a_plain_tensor": {"IN208"},
    "softmax_before_cross_entropy": {"IN404"},
    "sigmoid_before_the_logistic_loss": {"IN404"},
}


@pytest.mark.parametrize("name", SICK)
def test_a_start_cures_a_sick_net_or_says_that_it_does_not(name):
    torch.manual_seed(0)
    model = SICK[name].build()
    torch.manual_seed(0)
    sick = initium.diagnose(model, **SICK[name].how())
    assert {finding.id for finding in sick.beside("auto").after.findings} == LEFT.get(name, set())
