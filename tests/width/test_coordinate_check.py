"""muP passes, what is usual fails, and each by the power of the width that theory says."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import initium
from initium import ModelError, SettingError, UnknownNameError, _cli
from initium._recipes import Recipe
from initium._recipes._recipe import USUAL
from initium._rule import Decision, Rule
from initium.init import lecun_normal, mup_output, zeros

EXAMPLE = Path(__file__).parents[2] / "examples" / "width_mlp.py"
ROWS = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 4


def build(width):
    return nn.Sequential(
        *(nn.Linear(8, width), nn.Tanh()), *(nn.Linear(width, width), nn.Tanh()), nn.Dropout(), nn.Linear(width, 4)
    )


def wide(width):
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))


def slope(found, path, step):
    return next(one.slope for one in found.slopes if (one.path, one.step) == (path, step))


@pytest.mark.parametrize("data", [{}, {"inputs": ROWS, "targets": LABELS}], ids=["made up", "given"])
def test_mup_passes_and_the_output_alone_shrinks_at_the_start(data):
    found = initium.coordinate_check(build, **data)
    assert found.passes, found
    assert slope(found, "5.weight", 0) == pytest.approx(-0.5, abs=0.15)
    hidden = [one for one in found.slopes if one.path != "5.weight"]
    assert len(hidden) == 8
    assert all(abs(one.slope) < 0.1 for one in hidden)


@pytest.mark.parametrize("recipe", ["framework", "lecun_normal", "auto"])
def test_standard_parametrisation_fails_where_a_step_of_adam_adds_up_over_the_width(recipe):
    found = initium.coordinate_check(build, inputs=ROWS, targets=LABELS, recipe=recipe)
    assert not found.passes
    assert {one.path for one in found.failures} == {"2.weight", "5.weight"}
    assert {one.step for one in found.failures} == {1, 2, 3}
    assert 0.5 < slope(found, "2.weight", 1) < 1.2  # a step of one size for each of n inputs, much of it of one sign
    assert 0.9 < slope(found, "5.weight", 1) < 1.6  # the same, and 1 / sqrt(n) times n of what the layer before adds
    assert abs(slope(found, "0.weight", 1)) < 0.1  # whose inputs do not grow


def test_a_step_of_mup_with_sgd_shrinks_with_the_width():
    found = initium.coordinate_check(build, optimizer="sgd", lr=1e-3)
    assert slope(found, "0.weight", 1) == pytest.approx(-1.0, abs=0.15)  # the head's own size: 1 / width
    assert not found.passes


def slower(rate):
    """LeCun's start, the head at zero; behind the first layer the rate is multiplied by what a fan-in says."""

    def rules(graph):
        rates = [Rule(p.path, Decision(init=lecun_normal(), lr=rate(p.size("i")))) for p in graph.weights[1:-1]]
        head = graph.weights[-1]
        return (
            *rates,
            Rule(head.path, Decision(init=zeros(), lr=rate(head.size("i")))),
            Rule("*weight", lecun_normal()),
            *USUAL,
        )

    return Recipe("slower", rules_of=rules)


def test_learning_rates_of_another_recipe_are_tried_the_same_way():
    assert initium.coordinate_check(build, recipe=slower(lambda fan: 64 / fan)).passes
    assert not initium.coordinate_check(build, recipe=slower(lambda fan: 1.0)).passes
    shrinking = initium.coordinate_check(build, recipe=slower(lambda fan: (64 / fan) ** 2))
    assert {one.verdict for one in shrinking.failures} == {"shrinks"}
    assert slope(shrinking, "5.weight", 1) == pytest.approx(-1.0, abs=0.15)


@pytest.mark.parametrize("power", [1.0, 1.5])
def test_a_head_that_learns_the_less_the_wider_fails_though_it_starts_small(power):
    """Behind a body that is kept, what steps add to the output is the head's alone: width^(1 - power)."""

    def kept(width):
        model = build(width)
        for layer in model[:5]:
            layer.requires_grad_(False)
        return model

    def rules(graph):
        head = graph.weights[-1]
        slow = Decision(init=mup_output(64), lr=(64 / head.size("i")) ** power)
        return (Rule(head.path, slow), Rule("*weight", lecun_normal()), *USUAL)

    found = initium.coordinate_check(kept, recipe=Recipe("slow", rules_of=rules))
    assert found.passes == (power == 1)
    assert {(one.path, one.verdict) for one in found.failures} == ({("5.weight", "shrinks")} if power > 1 else set())
    assert slope(found, "5.weight", 1) == pytest.approx(1 - power, abs=0.05)


def test_too_few_seeds_on_too_narrow_a_range_tell_nothing_and_say_so():
    found = initium.coordinate_check(wide, (16, 32), seeds=3, inputs=ROWS, targets=LABELS, recipe="mup(base_width=16)")
    assert not found.failures
    assert not found.passes
    assert found.answer.startswith("Not told: under `mup(base_width=16)` ")


def test_widths_may_be_any_numbers_in_a_row():
    for widths in (np.array([16, 32]), range(16, 33, 16), iter([16, 32])):
        found = initium.coordinate_check(build, widths, seeds=3, steps=1)
        assert found.widths == (16, 32)
        assert json.loads(found.to_json())["widths"] == [16, 32]


def test_it_leaves_the_random_state_and_repeats_itself():
    before = torch.get_rng_state()
    found = [initium.coordinate_check(build, (16, 32), seeds=3, steps=1) for _ in range(2)]
    assert found[0] == found[1]
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_not_every_width_has_are_left_out_and_told():
    def grown(width):
        return nn.Sequential(*build(width), *([nn.Linear(4, 4)] if width > 16 else []))

    found = initium.coordinate_check(grown, (16, 32), seeds=3, recipe="framework")
    assert found.notes[-1] == "left out, since not every model met them at each step: 6.weight"
    assert {one.path for one in found.slopes} == {"0.weight", "2.weight", "5.weight"}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"widths": (64,)}, SettingError, "widths are two or more numbers, each above the one before, not (64,)."),
        (
            {"widths": (64, 32)},
            SettingError,
            "widths are two or more numbers, each above the one before, not (64, 32).",
        ),
        ({"widths": (0, 64)}, SettingError, "a width is a whole number of 1 or more, not 0."),
        ({"widths": 64}, SettingError, "widths are two or more numbers, each above the one before, not (64,)."),
        ({"widths": [64.0, 128.0]}, SettingError, "a width is a whole number of 1 or more, not 64.0."),
        ({"seeds": 2}, SettingError, "seeds is a whole number of 3 or more, not 2."),
        ({"steps": 0}, SettingError, "steps is a whole number of 1 or more, not 0."),
        ({"lr": 0}, SettingError, "lr is a number above 0, not 0."),
        ({"optimizer": "adan"}, UnknownNameError, "No optimiser is called 'adan'; the closest is 'adam'."),
        (
            {"factory": build(16)},
            ModelError,
            "A factory is a function that takes a width and returns a new model, not a Sequential. "
            "Write `lambda width: ...`.",
        ),
        (
            {"factory": lambda _: nn.ReLU},
            ModelError,
            "A model is a torch.nn.Module, built; got the class ReLU. Call it: ReLU().",
        ),
    ],
)
def test_what_is_refused_is_said(given, error, message):
    with pytest.raises(error) as found:
        initium.coordinate_check(**{"factory": build} | given)
    assert str(found.value) == message


def command(*args):
    return CliRunner().invoke(_cli.app, ["coordinate-check", *map(str, args)])


def test_the_command_exits_0_if_it_passes_and_1_if_not(tmp_path):
    fast = ("--widths", "64,128,256", "--seeds", 5)
    done = command(f"{EXAMPLE}:build", "--data", "digits", "--recipe", "mup(base_width=64)", *fast)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("Passes: under `mup(base_width=64)` no size goes with the width, from width 64 to 25")
    page = tmp_path / "page.html"
    done = command(f"{EXAMPLE}:build", "--recipe", "framework", "--json", "--out", page, *fast)
    assert done.exit_code == 1
    assert "Size against width" in page.read_text()
    assert not json.loads(done.stdout)["passes"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([f"{EXAMPLE}:build", "--widths", "64,wide"], "SettingError: `--widths` are whole numbers with commas"),
        ([f"{EXAMPLE}:build", "--out", "nowhere/page.html"], "OutputError: "),
        (["nothere.py:build"], "ModelError: There is no file 'nothere.py'."),
        (
            [f"{EXAMPLE.parent / 'sick' / 'all_equal.py'}:build"],
            f"ModelError: `build` of '{EXAMPLE.parent / 'sick' / 'all_equal.py'}' cannot be called as `build(width)`, "
            "which is to build a new model.",
        ),
    ],
)
def test_what_the_command_refuses_is_one_message_and_exit_code_2(args, message):
    done = command(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message), done.stderr


def test_it_leaves_the_random_state_beside_other_threads_too():
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        before = torch.get_rng_state()
        found = [initium.coordinate_check(build, (16, 32), seeds=3, steps=1) for _ in range(2)]
        assert found[0] == found[1]
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        stop.set()
        other.join()
