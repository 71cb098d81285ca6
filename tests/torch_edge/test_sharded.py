"""Each rank writes its own part: real processes, whose weights have the digests of the single process's."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from ranks import BUILDERS, CASES, RULES, SEED, build, digests, loss, tokens

import initium
from initium import Plan

HERE = Path(__file__).parent
SECONDS = 120
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plan of every net."""
    folder = tmp_path_factory.mktemp("ranks")
    for net in BUILDERS:
        planned(net).save(folder / f"{net}.json")
    planned("even", "orthogonal").save(folder / "orthogonal.json")
    return folder


def planned(net, recipe="auto"):
    if net == "recorded":
        return initium.plan(build(net, "deferred"), "author")
    example = torch.randn(2, 8) if net in ("even", "normed", "spectral") else tokens()
    model = BUILDERS[net]()
    paths = {path for path, _ in model.named_parameters()}
    rules = {path: start for path, start in RULES.items() if path in paths or "*" in path}
    return initium.plan(model, recipe, rules=rules if recipe == "auto" else {}, example=example)


@pytest.fixture(scope="module")
def found(folder):
    """What each rank found, by the number of ranks: one launch of each."""
    return {num_ranks: launched(num_ranks, folder) for num_ranks in CASES}


def launched(num_ranks, folder):
    outputs = [folder / f"{num_ranks}-{rank}" for rank in range(num_ranks)]
    launch(num_ranks, folder, outputs)
    return [json.loads(output.with_suffix(".json").read_text()) for output in outputs]


def launch(num_ranks, folder, outputs):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    port = str(free_port())
    running = []
    for rank, output in enumerate(outputs):
        arguments = [sys.executable, str(HERE / "ranks.py"), str(rank), str(num_ranks), port, str(folder)]
        with output.with_suffix(".txt").open("w") as text:
            running.append(subprocess.Popen(arguments, env=environment, stdout=text, stderr=subprocess.STDOUT))
    end = time.monotonic() + SECONDS
    try:
        while (codes := [process.poll() for process in running]).count(0) < num_ranks:
            assert not any(codes), said(outputs)  # one that failed leaves the others waiting
            assert time.monotonic() < end, said(outputs)
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
            process.wait()


def said(outputs):
    return "\n".join(output.with_suffix(".txt").read_text()[-3000:] for output in outputs)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def alone(net, dtype="float32", seed=SEED):
    """The digests of one process that fills a whole model in float32, and rounds."""
    model = build(net, "deferred" if net == "recorded" else "cpu")
    planned(net).apply(model, seed=seed)
    return digests(model.to(getattr(torch, dtype)))


@pytest.mark.parametrize(("num_ranks", "name"), [(num_ranks, name) for num_ranks in CASES for name in CASES[num_ranks]])
def test_every_rank_writes_its_part_of_the_same_numbers_without_a_collective(found, num_ranks, name):
    net, dtype, _, _ = CASES[num_ranks][name]
    wanted = {"digests": alone(net, dtype), "collectives": 0, "is same": True}
    assert [one[name] for one in found[num_ranks]] == [wanted] * num_ranks


@pytest.mark.parametrize(
    ("name", "net", "device", "moved", "tolerance"),
    [
        ("trained", "net", "cpu", "up.weight", 1e-5),
        ("trained from deferred", "recorded", "deferred", "product", 2e-2),  # bfloat16 has 8 bits
    ],
)
def test_a_model_from_meta_learns_and_is_filled_again_as_at_first(found, name, net, device, moved, tolerance):
    model = build(net, device)
    planned(net).apply(model, seed=SEED)
    for rank in found[4]:
        seen = rank[name]
        assert seen["loss"] == pytest.approx(loss(model).item(), rel=tolerance)
        assert seen["moved"].keys() == seen["again"].keys()
        assert seen["moved"][moved] != seen["again"][moved]
        assert seen["was whole"]
        assert seen["again"] == alone(net)
        assert seen["after"] == alone(net, seed=SEED + 1)


def test_a_rank_outside_of_the_mesh_does_nothing(found):
    first, second, third, outside = [rank["outside"] for rank in found[4]]
    assert first["digests"] == second["digests"] == third["digests"] == alone("even")
    assert outside == {"digests": {}, "held": 0}


def test_what_is_computed_as_a_whole_is_nearly_the_same_on_every_rank(found, folder):
    model = build("even")
    Plan.load(folder / "orthogonal.json").apply(model, seed=SEED)
    for path, value in torch.load(folder / "orthogonal.pt").items():
        torch.testing.assert_close(value, model.state_dict()[path], rtol=1e-5, atol=1e-6)


def test_what_no_rank_can_write_alone_is_refused_on_each(found):
    for rank in found[4]:
        assert rank["refused"] == {
            "a sum": "Of these parameters it cannot be said which part a process holds:\n"
            "  0.weight  (16, 8) of (16, 8) by Partial(sum)\n"
            "Shard them by Shard and Replicate alone, or fill the model before it is sharded.",
            "spectral norm": "A spectral norm keeps vectors that depend on all of a weight, and these are sharded:\n"
            "  0.parametrizations.weight.original\n"
            "Fill the model before it is sharded, or leave them as built: Rule('PATH', 'framework').",
        }


def test_flat_weights_are_filled_while_they_are_whole(found):
    model = build("even")
    planned("even").apply(model, seed=SEED)
    for rank in found[2]:
        flat = rank["flat"]
        assert flat["digests"] == digests(model)
        assert flat["loss"] == pytest.approx(model(torch.ones(2, 8)).square().mean().item(), rel=1e-5)
        assert flat["said"].splitlines()[-2:] == [
            "Plan this model itself: initium.plan(model).",
            "Under FullyShardedDataParallel weights are flat: fill the model before it is wrapped, or within "
            "`with FullyShardedDataParallel.summon_full_params(model)`; fully_shard needs neither.",
        ]


def test_another_layer_leaves_every_digest(found):
    before, after = (found[4][0][name]["digests"] for name in ("FSDP2 from meta", "a layer more"))
    assert after.keys() - before.keys() == {"between.weight", "between.bias"}
    same = [path for path in before if after[path] == before[path]]
    assert {"words.weight", "up.weight", "down.weight", "few.weight", "mix", "up.bias", "seven.bias"} <= set(same)
