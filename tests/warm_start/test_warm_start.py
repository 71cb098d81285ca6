"""A checkpoint makes a Plan like any other."""

import hashlib
import os

import numpy as np
import pytest
import torch
import warm_ranks
from torch import nn
from warm import IMAGES, TOKENS, Classifier, Encoder, net, same, saved, trained

import initium
from initium import CheckpointError, Plan, RuleError, SettingError, warm_start
from initium._checkpoint._tensors import tensors_of
from initium._tensor import Tensor


@pytest.fixture
def source():
    return trained(net(), IMAGES)


@pytest.fixture
def file(tmp_path, source):
    return saved(tmp_path / "w.safetensors", source)


def test_all_of_a_file_is_copied_bit_for_bit(file, source):
    model = net()
    ledger = warm_start(model, file).apply(model)
    assert same(model, source)
    assert {entry.how for entry in ledger.entries} == {"loaded"}
    assert ledger.loaded_buffers == ("1.running_mean", "1.running_var", "1.num_batches_tracked")
    assert ledger.buffers == ()


def test_a_model_on_meta_gets_its_memory_and_its_numbers_at_once(file, source):
    with torch.device("meta"):
        model = net()
    warm_start(model, file, example=IMAGES).apply(model)
    assert same(model, source)


@pytest.mark.parametrize("dict_of", [lambda model: model, lambda model: model.state_dict()])
def test_a_live_model_and_its_state_dict_are_checkpoints(source, dict_of):
    model = net()
    warm_start(model, dict_of(source)).apply(model)
    assert same(model, source)


def test_arrays_are_a_state_dict_too(source):
    model = net()
    warm_start(model, {name: value.numpy() for name, value in source.state_dict().items()}).apply(model)
    assert same(model, source)


def test_a_wrapped_source_has_the_names_of_the_bare_one(source):
    model = net()
    warm_start(model, nn.DataParallel(source)).apply(model)
    assert same(model, source)


def test_what_the_checkpoint_lacks_starts_from_the_recipe_as_if_it_were_planned_alone(source):
    model, fresh = net(5), net(5)
    plan = warm_start(model, source, skip="4.*", example=IMAGES)
    plan.apply(model, seed=7)
    initium.initialize(fresh, seed=7, example=IMAGES)
    assert torch.equal(model[4].weight, fresh[4].weight)
    assert torch.equal(model[0].weight, source[0].weight)
    assert plan["4.weight"].by == "recipe"
    assert plan["0.weight"].by == "checkpoint"


def test_a_rule_of_the_user_wins_over_the_checkpoint_and_that_is_told(source):
    model = net()
    plan = warm_start(model, source, rules={"4.weight": "zeros"}, example=IMAGES)
    plan.apply(model)
    assert not model[4].weight.any()
    assert torch.equal(model[4].bias, source[4].bias)
    [left] = plan.origin.left_out
    assert (left.name, left.because) == ("4.weight", "your rule decides that parameter")


def test_a_plan_is_saved_and_does_the_same_when_it_is_read(file, source, tmp_path):
    plan = warm_start(net(), file)
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    assert again == plan
    assert not plan.diff(again)
    model = net()
    again.apply(model)
    assert same(model, source)


def test_a_plan_of_what_is_in_memory_cannot_be_saved(source, tmp_path):
    with pytest.raises(
        initium.PlanError, match=r"No file can hold these starts(.*\n)+Save its numbers, as by `safetensors"
    ):
        warm_start(net(), source).save(tmp_path / "plan.json")


def test_a_plan_is_written_and_verified_without_a_model(file, source, tmp_path):
    plan = warm_start(net(), file)
    plan.write(tmp_path / "out.safetensors")
    assert plan.verify(tmp_path / "out.safetensors")
    model = net()
    warm_start(model, tmp_path / "out.safetensors").apply(model)
    assert same(model, source)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_numbers_are_rounded_to_the_models_dtype_as_pytorch_does(source, dtype, tmp_path):
    file = saved(tmp_path / "w.safetensors", trained(net(), IMAGES).to(dtype))
    held, model = net().to(dtype), net()
    plan = warm_start(model, file)
    plan.apply(model)
    assert torch.equal(model[0].weight, source[0].weight.to(dtype).float())
    assert plan["0.weight"].because == f"its own name, {str(dtype).removeprefix('torch.')} there"
    warm_start(held, source, example=IMAGES.to(dtype)).apply(held)
    assert torch.equal(held[0].weight, source[0].weight.to(dtype))


def test_a_tied_weight_is_found_under_any_of_its_names(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens):
            return self.head(self.embed(tokens))

    weight = torch.randn(6, 4)
    for name in ("embed.weight", "head.weight"):
        model = Tied()
        warm_start(model, {name: weight}, example=TOKENS).apply(model)
        assert torch.equal(model.head.weight, weight)
        assert model.head.weight is model.embed.weight
    plan = warm_start(Tied(), {"embed.weight": weight, "head.weight": weight}, example=TOKENS)
    assert [one.because for one in plan.origin.left_out] == ["the model has `embed.weight` from `embed.weight`"]


def test_nothing_that_matches_is_an_error_that_shows_both_sides(source):
    with pytest.raises(CheckpointError) as caught:
        warm_start(net(), {"encoder.a": torch.zeros(3), "encoder.b": torch.zeros(4)}, example=IMAGES)
    assert str(caught.value) == (
        "None of the 2 tensors in a state dict is meant for this model by its name. The first names are\n"
        "  model       0.weight\n"
        "  model       0.bias\n"
        "  model       1.weight\n"
        "  checkpoint  encoder.a\n"
        "  checkpoint  encoder.b\n"
        "Say how they go together, such as rename={'encoder.*': 'bert.*'}; structure=True pairs them by their order "
        "and shapes."
    )


def test_too_little_is_an_error_where_a_share_is_asked_for(source):
    checkpoint = {name: value for name, value in source.state_dict().items() if not name.startswith("4.")}
    plan = warm_start(net(), checkpoint, min_coverage=0.3, example=IMAGES)
    assert plan["4.weight"].how == "drawn"
    with pytest.raises(CheckpointError) as caught:
        warm_start(net(), checkpoint, min_coverage=0.9, example=IMAGES)
    assert str(caught.value) == (
        "a state dict gives 120 of 315 elements, 38.1%, and min_coverage asks for 90.0%. The largest that it lacks "
        "are\n"
        "  4.weight  (3, 64)\n"
        "  4.bias  (3,)\n"
        "Say how names go together by `rename`, or ask for less."
    )


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "0.9", True])
def test_a_share_is_a_number_from_0_to_1(source, share):
    with pytest.raises(SettingError, match=r"min_coverage is a share from 0 to 1, not "):
        warm_start(net(), source, min_coverage=share)


def test_shapes_that_do_not_fit_are_listed_with_the_way_out(source):
    with pytest.raises(CheckpointError) as caught:
        warm_start(net(3, channels=5), source, adapt=False, example=torch.zeros(2, 5, 6, 6))
    assert str(caught.value) == (
        "1 of 9 tensors in a Sequential does not fit this model.\n"
        "  0.weight  checkpoint (4, 3, 3, 3)   model (4, 5, 3, 3)\n"
        "Pass skip=['0.weight'] to start it from the recipe, or rules={'0.weight': 'normal(0, 0.02)'}."
    )


def test_a_skip_that_matches_nothing_is_an_error(source):
    with pytest.raises(RuleError, match=r"`skip` matches nothing of the model by 'fc\.\*'"):
        warm_start(net(), source, skip=["4.*", "fc.*"], example=IMAGES)


def test_what_was_loaded_is_not_overwritten_in_silence(source):
    model = net()
    warm_start(model, source, example=IMAGES).apply(model)
    notes = initium.plan(model, example=IMAGES).notes
    assert any("trained or loaded before" in note and "started anew: `0-1,4.weight`" in note for note in notes)
    kept = initium.plan(model, example=IMAGES, only_new="4.*")
    assert kept["0.weight"].how == "kept"


def test_a_model_on_meta_that_was_loaded_says_so_too(source):
    model = initium.torch.deferred(lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    warm_start(model, trained(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))).apply(model)
    assert (
        "trained or loaded before (copied from a checkpoint: `0-1.weight`, `0-1.bias`), and started anew"
        in "\n".join(initium.plan(model).notes)
    )
    initium.initialize(model)
    assert not [note for note in initium.plan(model).notes if "copied from a checkpoint" in note]


def test_a_recipe_that_rescales_is_refused(source):
    with pytest.raises(SettingError, match="rescales every weight, the loaded ones too"):
        warm_start(net(), source, recipe="lsuv", example=IMAGES)


def test_a_model_that_nobody_can_run_needs_an_example_only_for_what_is_new(source):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, batch):
            return self.head(self.first(batch["x"].sum(1)))

    held = trained(Odd())
    model = Odd()
    warm_start(model, held).apply(model)
    assert same(model, held)
    with pytest.raises(initium.ModelError, match="Pass example="):
        warm_start(Odd(), held, skip="head.*")


def test_an_encoder_is_found_within_a_classifier_and_the_other_way_round():
    whole = trained(Classifier())
    model = Encoder()
    plan = warm_start(model, whole, example=TOKENS)
    plan.apply(model)
    assert same(model, whole.bert)
    assert plan["embed.weight"].because == "its name with `bert.` before it"
    assert [one.name for one in plan.origin.left_out] == ["classifier.weight", "classifier.bias"]
    other = Classifier()
    plan = warm_start(other, model, example=TOKENS)
    plan.apply(other)
    assert same(other.bert, model)
    assert plan["bert.embed.weight"].because == "its name without `bert.`"
    assert plan["classifier.weight"].how == "drawn"


def test_calibrating_rescales_what_is_new_and_nothing_that_was_loaded(source):
    model = net(5)
    plan = warm_start(model, source, example=IMAGES, rules={"4.weight": "normal(0, 3)"})
    plan.apply(model)
    found = plan.calibrate(model, torch.randn(32, 3, 6, 6))
    assert torch.equal(model[0].weight, source[0].weight)
    assert ("0.weight", "its numbers come from a checkpoint") in found.left


def test_a_model_that_began_warm_is_diagnosed_and_stands_beside_its_source(source):
    model, generator = net(5), torch.Generator().manual_seed(3)
    warm_start(model, source, example=IMAGES).apply(model)
    images, classes = torch.randn(16, 3, 6, 6, generator=generator), torch.arange(16) % 3
    here, there = (initium.diagnose(one.eval(), images, classes) for one in (model, source))
    first, same = (next(layer for layer in one.layers if layer.path == "0.weight") for one in (here, there))
    assert first.moment == same.moment
    assert "Signal" in str(here.beside(there))


def test_several_ranks_read_only_what_they_hold(tmp_path):
    """Of Shard(0) each rank reads its own rows: what a mesh of one process says of them is what is read."""
    from initium._stored import _in_safetensors

    held = nn.Linear(50, 40, bias=False)
    file = saved(tmp_path / "w.safetensors", held)
    plan = warm_start(nn.Linear(50, 40, bias=False), file)
    [tensor] = tensors_of(plan, 0)[0]
    seen = []
    read = _in_safetensors.InFile._read

    def noted(self, handle, out, box):
        seen.append(out.nbytes)
        read(self, handle, out, box)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_in_safetensors.InFile, "_read", noted)
        parts = [tensor.part((slice(10 * rank, 10 * rank + 10), slice(None))) for rank in range(4)]
    assert seen == [10 * 50 * 4] * 4
    assert (np.concatenate(parts) == held.weight.detach().numpy()).all()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="the system does not count what is read")
def test_under_fsdp2_each_rank_reads_what_it_holds(tmp_path):
    source = trained(warm_ranks.build())
    saved(tmp_path / "w.safetensors", source)
    torch.multiprocessing.spawn(warm_ranks.rank, args=(str(tmp_path),), nprocs=2)
    for number in (0, 1):
        found = torch.load(tmp_path / f"{number}.pt")
        assert all(torch.equal(value, source.state_dict()[name]) for name, value in found["whole"].items())
        assert found["held"] == sum(value.nbytes for value in source.parameters()) / 2
        assert found["held"] <= found["read"] < found["held"] + 100_000  # the header, and what Python reads besides


def test_ctrl_c_leaves_a_model_on_meta_as_it_was(file, monkeypatch):
    with torch.device("meta"):
        model = net()
    plan = warm_start(model, file, example=IMAGES)
    write, calls = Tensor.write, []

    def interrupted(self, out, box):
        calls.append(self.path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        write(self, out, box)

    monkeypatch.setattr(Tensor, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plan.apply(model)
    assert all(value.is_meta for value in model.parameters())


def test_a_buffer_of_another_shape_is_not_passed_over(source):
    plan = warm_start(net(), source)
    model = net()
    model[1].running_mean = torch.zeros(5)
    with pytest.raises(initium.PlanError, match=r"buffer 1.running_mean has shape \(5,\), and the plan loads \(4,\)"):
        plan.apply(model)


def test_loading_over_a_trained_model_is_what_was_asked_and_no_loss(source):
    model = trained(net(), IMAGES, seed=4)
    notes = warm_start(model, source, skip="4.*", example=IMAGES).notes
    assert any("started anew: `4.weight`" in note for note in notes)
    assert not any("0-1,4.weight" in note or "`0" in note for note in notes)


def test_a_saved_plan_knows_its_checkpoint_and_says_which_tensor_is_another(file, source, tmp_path):
    plan = warm_start(net(), file)
    plan.save(tmp_path / "plan.json")
    plan.write(tmp_path / "out.safetensors")
    again = Plan.load(tmp_path / "plan.json")
    held = source.state_dict()["4.bias"].numpy().tobytes()
    assert {one.name: one.sha256 for one in again.origin.sums}["4.bias"] == hashlib.sha256(held).hexdigest()
    assert again.verify(tmp_path / "out.safetensors")
    with torch.no_grad():
        source[4].bias[1] += 1
    saved(file, source)
    assert [str(one) for one in again.verify(tmp_path / "out.safetensors").differences][1:] == [
        "4.bias has another SHA-256 in the checkpoint than when the plan was saved"
    ]
    model = net()
    again.apply(model)  # which reads no more than it writes
    assert same(model, source)


@pytest.mark.parametrize(("lacks", "is_told"), [("running_mean", True), ("running_var", True), ("num_batches", False)])
def test_statistics_of_which_some_are_loaded_are_told_to_start_anew(lacks, is_told):
    held = {name: value for name, value in net().state_dict().items() if lacks not in name}
    notes = initium.warm_start(trained(net(), IMAGES), held, example=IMAGES).notes
    assert any("running statistics start anew: `1`" in note for note in notes) == is_told


def test_a_buffer_that_leaves_its_dtype_is_refused_and_one_that_was_infinite_is_not():
    source, model = trained(net(), IMAGES), net().half()
    held = source.state_dict()
    held["1.running_var"][2] = 7e4
    before = model[0].weight.clone()
    with pytest.raises(
        initium.CheckpointError, match=r"`1.running_var` would hold inf at \(2,\): 70000.0 of the check"
    ):
        initium.warm_start(model, held).apply(model)
    assert torch.equal(model[0].weight, before)
    held["1.running_var"][2] = torch.inf
    initium.warm_start(model, held).apply(model)
    assert model[1].running_var[2] == torch.inf


def test_a_plan_finds_its_file_from_any_folder(tmp_path, monkeypatch, source):
    for name, model in (("here", source), ("there", trained(net(), IMAGES, seed=1))):
        (tmp_path / name).mkdir()
        saved(tmp_path / name / "w.safetensors", model)
    monkeypatch.chdir(tmp_path / "here")
    plan = warm_start(net(), "w.safetensors")
    plan.save("plan.json")
    monkeypatch.chdir(tmp_path / "there")  # where a file of that name has other numbers
    for one in (plan, Plan.load("../here/plan.json")):
        model = net()
        one.apply(model)
        assert same(model, source)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_plan_is_not_written_over_what_it_begins_from(tmp_path, file, source, shards):
    first, link = tmp_path / "a.safetensors", tmp_path / "link.safetensors"
    written = warm_start(net(), file).write(first, shards=shards)
    plan = warm_start(net(), written.path)
    before = [one.read_bytes() for one in written.files]
    with pytest.raises(initium.OutputError, match="is what this plan begins from"):
        plan.write(first, shards=shards)
    if shards == 1:
        link.symlink_to(first)
        with pytest.raises(initium.OutputError, match="is what this plan begins from"):
            plan.write(link)
    assert [one.read_bytes() for one in written.files] == before
    assert plan.write(tmp_path / "b.safetensors").digest == written.digest


def test_a_share_that_is_reached_is_reached():
    held = {"weight": torch.ones(7, 1)}
    model = nn.Sequential()
    model.weight, model.other = nn.Parameter(torch.zeros(7, 1)), nn.Parameter(torch.zeros(93, 1))
    made = warm_start(model, held, min_coverage=0.07, rules={"other": "zeros"})  # 0.07 * 100 > 7, as computers count
    assert made["weight"].how == "loaded"
    with pytest.raises(CheckpointError, match=r"gives 7 of 100 elements, 7.0%, and min_coverage asks for 7.1%"):
        warm_start(model, held, min_coverage=0.0701 + 0.0005, rules={"other": "zeros"})


def test_to_leave_everything_out_is_refused_as_that():
    for left in ({"skip": "*"}, {"rules": {"*": "zeros"}}, {"skip": "*.weight", "rules": {"*.bias": "zeros"}}):
        with pytest.raises(CheckpointError) as caught:
            warm_start(net(), trained(net()), example=IMAGES, **left)
        assert str(caught.value) == (
            "By `skip` and `rules` no parameter of the model begins from a Sequential. To start it from a recipe "
            "alone: `initium.plan(model)`."
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"skip": [3]}, "skip is a glob of names in the model such as 'head.*', or several, not [3]."),
        ({"skip": None}, "skip is a glob of names in the model such as 'head.*', or several, not None."),
        ({"structure": "no"}, "structure is True or False, not 'no'."),
        ({"trust": 1}, "trust is True or False, not 1."),
    ],
)
def test_settings_of_another_kind_are_refused(wrong, message):
    with pytest.raises((RuleError, SettingError)) as caught:
        warm_start(net(), trained(net()), **wrong)
    assert str(caught.value) == message


def test_what_holds_nothing_by_name_says_what_it_holds():
    def refused(source):
        with pytest.raises(CheckpointError) as caught:
            warm_start(net(), source)
        return str(caught.value)

    assert refused({}) == "The dict holds no tensors by name, but nothing."
    assert refused({"weight": [1.0], 3: None}).endswith("by name, but 'weight' of a list, 3 of a NoneType.")
    assert refused(nn.Sequential(nn.LazyLinear(3))) == (
        "A checkpoint holds plain tensors with numbers, and `0.weight` is without a shape yet, `0.bias` is without a "
        "shape yet. Leave those out."
    )
