"""Models that were built without memory: what they get, where, and what happens if it cannot be."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from zoo import library

import initium
from initium import ModelError, PlanError, SettingError
from initium._rule import Rule
from initium.torch import _apply, apply, deferred
from initium.torch._deferred import record_of


class Net(nn.Module):
    """Ties, an input-first weight, a frozen parameter, statistics of a batch."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.mix = nn.Parameter(torch.zeros(8, 6))
        self.norm = nn.BatchNorm1d(6)
        self.out = nn.Linear(6, 8)
        self.head = nn.Linear(8, 30, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens):
        x = self.norm(self.words(tokens).mean(1) @ self.mix)
        return self.head(self.out(torch.relu(x)))


TOKENS = torch.arange(12).view(3, 4)


def built(device="meta", dtype=torch.float32, build=Net):
    with torch.device(device):
        return build().to(dtype)


def planned(**rules):
    return initium.plan(Net(), "he_normal", rules={"words.weight": "normal(std=0.1)"} | rules, example=TOKENS)


def layers(device="meta"):
    return nn.Sequential(nn.Linear(5, 4, device=device), nn.ReLU(), nn.Linear(4, 3, device=device))


def states(model):
    return {path: value.clone() for path, value in model.state_dict().items()}


def assert_equal(model, other):
    found, wanted = model.state_dict(), other.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[path], wanted[path]) for path in wanted)


def refused(error, plan, model, **options):
    """The message, of a refusal that touched nothing."""
    before = {path: value.is_meta for path, value in model.state_dict().items()}
    with pytest.raises(error) as found:
        apply(plan, model, **options)
    assert {path: value.is_meta for path, value in model.state_dict().items()} == before
    return str(found.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_model_from_meta_has_the_numbers_of_one_that_was_built(dtype):
    plan = planned()
    eager, meta = built("cpu", dtype), built("meta", dtype)
    apply(plan, eager, seed=3)
    apply(plan, meta, seed=3)
    assert_equal(meta, eager)
    assert torch.equal(meta.eval()(TOKENS), eager.eval()(TOKENS))


def test_every_parameter_stays_the_object_that_it_was_with_all_that_it_carries():
    model = built()
    model.mix.requires_grad_(False)
    model.mix.remark = "kept"
    before = dict(model.named_parameters(remove_duplicate=False))
    optimiser = torch.optim.SGD(model.out.parameters(), lr=1.0)
    planned(mix="he_normal").apply(model)
    assert all(value is before[path] for path, value in model.named_parameters(remove_duplicate=False))
    assert model.head.weight is model.words.weight
    assert (model.mix.requires_grad, model.mix.remark, model.out.weight.requires_grad) == (False, "kept", True)
    assert all(type(value) is nn.Parameter for value in before.values())
    first = model.out.bias.clone()
    model(TOKENS).sum().backward()
    optimiser.step()
    assert not torch.equal(model.out.bias, first)


def test_strides_are_those_of_the_model():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, device="meta").to(memory_format=torch.channels_last))
    eager = nn.Sequential(nn.Conv2d(3, 4, 3))
    plan = initium.plan(eager, "he_normal", example=torch.randn(1, 3, 8, 8))
    apply(plan, model)
    apply(plan, eager)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model[0].weight, eager[0].weight)


def test_what_has_memory_already_keeps_it():
    model = layers()
    model[0].to_empty(device="cpu")
    place = model[0].weight.data_ptr()
    apply(initium.plan(layers("cpu"), "he_normal"), model)
    eager = layers("cpu")
    apply(initium.plan(eager, "he_normal"), eager)
    assert model[0].weight.data_ptr() == place
    assert_equal(model, eager)


def test_ties_that_a_meta_build_has_stay():
    transformers = library("transformers")
    sizes = {"n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 31, "n_positions": 6}
    config = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    model = built(build=lambda: transformers.GPT2LMHeadModel(config))
    eager = transformers.GPT2LMHeadModel(config)
    plan = initium.plan(eager, "gpt2", example=torch.arange(6)[None])
    ledger = apply(plan, model)
    apply(plan, eager)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert ledger.tied == {"lm_head.weight": "transformer.wte.weight"}
    assert_equal(model, eager)
    assert torch.equal(model.eval()(TOKENS).logits, eager.eval()(TOKENS).logits)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        torch.compile,
        nn.DataParallel,
        lambda model: nn.Sequential(*map(checkpoint_wrapper, model)),
        lambda model: torch.compile(nn.Sequential(*map(checkpoint_wrapper, model))),
    ],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")  # of torch.compile's own imports
def test_wrappers_change_no_bit(wrap, device):
    plan, eager = initium.plan(layers("cpu"), "he_normal"), layers("cpu")
    apply(plan, eager, seed=3)
    model = wrap(layers(device))
    apply(plan, model, seed=3)
    for found, wanted in zip(model.parameters(), eager.parameters(), strict=True):
        assert torch.equal(found, wanted)


# Where


def test_memory_lies_where_the_caller_says_or_where_torch_makes_tensors():
    model = layers()
    with torch.device("cpu"):
        apply(initium.plan(layers("cpu"), "he_normal"), model)
    assert {value.device.type for value in model.parameters()} == {"cpu"}
    model = layers()
    with torch.device("meta"):
        apply(initium.plan(layers("cpu"), "he_normal"), model, device="cpu")
    assert {value.device.type for value in model.parameters()} == {"cpu"}


def test_meta_is_no_place_for_memory():
    plan, message = (
        initium.plan(layers("cpu"), "he_normal"),
        ("On meta nothing has memory. Say where the weights are to lie, such as device='cpu'."),
    )
    assert refused(SettingError, plan, layers(), device="meta") == message
    with torch.device("meta"):
        assert refused(SettingError, plan, layers()) == message


# What the plan leaves as it was built


def test_what_the_plan_keeps_and_nobody_recorded_would_stay_uninitialised():
    plan = initium.plan(layers("cpu"), "he_normal", rules=[Rule("2.*", "framework")])
    assert refused(ModelError, plan, layers()) == (
        "These parameters would stay uninitialised; they are on meta, and the plan leaves them as they were built:\n"
        "  2.bias\n"
        "  2.weight\n"
        "Build the model by `initium.torch.deferred(build)`, which remembers how, or decide: Rule('PATH', 'zeros')."
    )


KEPT = [Rule("2.*", "framework")]


def recorded():
    """Layers of which the second is a product of two draws, and a table."""

    def build():
        model = layers("cpu")
        model[2].weight = nn.Parameter(torch.randn(3, 4) * torch.randn(3, 4))
        model[2].bias = nn.Parameter(torch.arange(3.0))
        model.register_buffer("noise", torch.randn(3))
        return model

    return deferred(build)


def test_what_the_plan_keeps_is_made_as_the_constructor_would_have():
    model = recorded().to(torch.bfloat16)
    wanted = record_of(model[2])["weight"].value(initium._stream.key(4, "2.weight"))
    ledger = apply(initium.plan(layers("cpu"), "he_normal", rules=KEPT), model, seed=4)
    assert torch.equal(model[2].weight, wanted.bfloat16())
    assert torch.equal(model[2].bias, torch.arange(3, dtype=torch.bfloat16))
    assert [entry.start for entry in ledger.entries[2:]] == ["randn, then mul() (two draws)", "computed by arange"]
    assert not ledger.left


def test_what_the_constructor_computes_is_a_function_of_the_seed_of_the_last_apply():
    model, other = recorded(), recorded()
    plan = initium.plan(model, "author")
    apply(plan, model, seed=0)
    apply(plan, model, seed=1)
    apply(plan, other, seed=1)
    assert_equal(model, other)


def loaded(model):
    model[2].load_state_dict(layers("cpu")[2].state_dict(), assign=True)


def replaced(model):
    model[2].weight, model[2].bias = (
        nn.Parameter(torch.zeros_like(value, device="cpu")) for value in model[2].parameters()
    )


@pytest.mark.parametrize("change", [loaded, replaced])
def test_what_got_numbers_of_its_own_has_no_record_and_keeps_them(change):
    model = recorded()
    change(model)
    before = model[2].weight.detach().clone()
    assert not record_of(model[2])
    assert [entry.path for entry in apply(initium.plan(model, "he_normal", rules=KEPT), model).left] == [
        "2.weight",
        "2.bias",
    ]
    assert torch.equal(model[2].weight, before)


def test_a_weight_that_changed_its_shape_on_meta_has_no_record():
    model = recorded()
    model[2].weight = nn.Parameter(torch.empty(6, 4, device="meta"))
    assert list(record_of(model[2])) == ["bias"]


def test_memory_that_the_constructor_never_wrote_is_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v = nn.Parameter(torch.empty(3, 3)), nn.Parameter(torch.empty(3, 3))
            self.register_buffer("cache", torch.empty(2, 2), persistent=False)
            with torch.no_grad():
                self.v[0].normal_()

    model = deferred(Net)
    assert refused(ModelError, initium.plan(model, "author"), model) == (
        "These parameters would stay uninitialised; they are on meta, and the plan leaves them as they were built:\n"
        "  v  (memory that its constructor never wrote)\n"
        "  w  (memory that its constructor never wrote)\n"
        "Build the model by `initium.torch.deferred(build)`, which remembers how, or decide: Rule('PATH', 'zeros')."
    )
    plan = initium.plan(model, "author", rules={"w": "zeros", "v": "ones"})
    assert refused(ModelError, plan, model) == (
        "These buffers would stay uninitialised; their constructor never wrote them:\n  cache\n"
        "Give them their values first: `module.name = torch.zeros(...)`."
    )
    model.cache = torch.zeros(2, 2)
    apply(plan, model)
    assert model.w.sum() == 0


def test_parameters_that_shared_memory_are_not_torn_apart():
    def build():
        model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
        model[1].weight.data = model[0].weight.data.t()
        return model

    model = deferred(build)
    message = refused(ModelError, initium.plan(model, "author"), model)
    assert message.startswith(
        "These parameters are two and share memory:\n  1.weight  lies in the memory of 0.weight\n"
    )


def test_whole_numbers_are_those_of_the_constructor():
    def build():
        model = layers("cpu")
        model.places = nn.Parameter(torch.arange(5), requires_grad=False)
        return model

    model = deferred(build)
    apply(initium.plan(model, "author"), model)
    assert model.places.tolist() == [0, 1, 2, 3, 4]


def test_the_ledger_tells_what_is_computed_apart_and_which_attributes_stay_on_meta():
    def build():
        model = nn.Linear(3, 2, bias=False)
        model.size = nn.Parameter(model.weight.detach().norm(dim=0))
        model.doubled = model.weight * 2
        return model

    model = deferred(build)
    told = str(apply(initium.plan(model, "author"), model)).splitlines()
    assert told[told.index("Computed by the constructor's own operations:") :] == [
        "Computed by the constructor's own operations:",
        "  size: uniform_(-0.577, 0.577), then linalg_vector_norm(2), drawn apart from",
        "    weight",
        "Still on meta, attributes that the constructor drew:",
        "  doubled",
    ]


def test_whatever_a_constructor_puts_parameters_in_holds_those_of_the_model():
    calls = []

    class Held(NamedTuple):
        weight: nn.Parameter

    @dataclass(frozen=True)
    class Kept:
        weight: nn.Parameter

    class Net(nn.Linear):
        def __init__(self):
            super().__init__(3, 2, bias=False)
            self.weight.register_hook(lambda grad: calls.append("grad"))
            self.weight.register_post_accumulate_grad_hook(lambda value: calls.append("accumulated"))
            self.optimiser = torch.optim.SGD([self.weight], lr=1.0)
            self.held, self.row, self.kept = Held(self.weight), deque([self.weight]), Kept(self.weight)

    model = deferred(Net)
    initium.plan(model, "author").apply(model)
    holders = model.held, model.row, model.kept
    assert [type(one) for one in holders] == [Held, deque, Kept]
    assert model.held.weight is model.row[0] is model.kept.weight is model.weight
    before = model.weight.detach().clone()
    model(torch.ones(1, 3)).sum().backward()
    model.optimiser.step()
    assert calls == ["grad", "accumulated"]
    assert torch.equal(model.weight, before - 1)


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
def test_the_length_of_a_weight_norm_follows_its_direction_on_meta_too(norm):
    eager, model = norm(nn.Linear(40, 30)), norm(nn.Linear(40, 30, device="meta"))
    plan = initium.plan(eager, "he_normal", example=torch.randn(2, 40))
    apply(plan, eager, seed=1)
    apply(plan, model, seed=1)
    assert_equal(model, eager)
    assert torch.equal(model(torch.ones(1, 40)), eager(torch.ones(1, 40)))


def test_the_length_of_a_direction_that_is_made_as_recorded_follows_it():
    def build():
        model = nn.utils.parametrizations.weight_norm(nn.Linear(40, 2, bias=False))
        with torch.no_grad():
            model.parametrizations.weight.original1.mul_(torch.randn(2, 40))
        return model

    model = deferred(build)
    held = model.parametrizations.weight
    for seed in (0, 1):  # the second time nothing is on meta
        apply(initium.plan(model, "author"), model, seed=seed)
        assert torch.equal(held.original0.flatten(), held.original1.norm(dim=1))


# Buffers


def test_statistics_of_a_batch_are_reset_and_the_ledger_says_so():
    model = built()
    ledger = apply(planned(), model)
    assert ledger.buffers == ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked")
    assert model.norm.running_mean.tolist() == [0] * 6
    assert model.norm.running_var.tolist() == [1] * 6
    assert (model.norm.num_batches_tracked.item(), model.norm.num_batches_tracked.dtype) == (0, torch.int64)
    assert str(ledger).splitlines()[-4:] == [
        "Computed 3 buffers:",
        "  norm.running_mean",
        "  norm.running_var",
        "  norm.num_batches_tracked",
    ]


class Tables(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(5, 4)
        self.register_buffer("angles", torch.arange(4).float(), persistent=False)
        self.register_buffer("mask", torch.ones(4, 4, dtype=torch.bool).tril())
        self.register_buffer("again", self.angles)
        self.held = [self.angles]

    def forward(self, x):
        return self.fc(x) * self.angles


def test_buffers_of_which_nobody_knows_are_refused_together():
    assert refused(ModelError, initium.plan(Tables(), "he_normal"), built(build=Tables)) == (
        "These buffers would stay uninitialised; they are on meta, and nothing says how they are computed:\n"
        "  angles  of Tables\n"
        "  mask  of Tables\n"
        "Build the model by `initium.torch.deferred(build)`, which remembers it, or give them their values first."
    )


def test_recorded_buffers_are_computed_in_place_and_one_with_two_names_stays_one():
    model = deferred(Tables)
    ledger = apply(initium.plan(Tables(), "he_normal"), model)
    assert ledger.buffers == ("angles", "mask")
    assert torch.equal(model.angles, torch.arange(4).float())
    assert torch.equal(model.mask, torch.ones(4, 4, dtype=torch.bool).tril())
    assert model.again is model.angles is model.held[0]
    assert "angles" not in model.state_dict()


def test_recorded_buffers_take_the_dtype_that_the_model_has():
    model = deferred(Tables).to(torch.bfloat16)
    apply(initium.plan(Tables(), "he_normal"), model)
    assert torch.equal(model.angles, torch.arange(4, dtype=torch.bfloat16))


def test_a_buffer_that_has_its_values_is_left():
    model = built(build=Tables)
    model.angles, model.mask = torch.full((4,), 2.0), torch.zeros(4, 4, dtype=torch.bool)
    model.again = model.angles
    assert apply(initium.plan(Tables(), "he_normal"), model).buffers == ()
    assert model.angles.tolist() == [2] * 4


# What cannot be, and what fails in the middle


def test_two_parameters_in_one_storage_are_refused_on_meta_too():
    model = nn.Sequential(nn.Linear(3, 3, bias=False, device="meta"), nn.Linear(3, 3, bias=False, device="meta"))
    model[1].weight = nn.Parameter(model[0].weight.data)
    plan = initium.plan(nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)), "he_normal")
    assert refused(ModelError, plan, model) == (
        "These parameters are two and share memory:\n  1.weight  lies in the memory of 0.weight\n"
        "Tie them as one parameter, `b.weight = a.weight`, or copy one."
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_fill_that_breaks_off_leaves_on_meta_what_was_there(monkeypatch, error):
    model, eager, plan = built(), built("cpu"), planned()
    before = dict(model.named_parameters(remove_duplicate=False))

    def fails(jobs, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(_apply, "fill", fails)
        with pytest.raises(error):
            apply(plan, model, seed=3)
    assert all(value.is_meta for value in model.state_dict().values())
    apply(plan, model, seed=3)
    apply(plan, eager, seed=3)
    assert_equal(model, eager)
    assert all(value is before[path] for path, value in model.named_parameters(remove_duplicate=False))


def test_more_than_there_is_memory_is_refused_by_torch_and_changes_nothing():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 1 << 10), nn.Linear(1 << 10, 1 << 22), nn.Linear(1 << 22, 1 << 30))
    with pytest.raises(RuntimeError, match="you tried to allocate"):
        apply(initium.plan(model, "he_normal"), model)
    assert all(value.is_meta for value in model.parameters())


def test_what_a_forward_pass_on_meta_left_behind_is_named():
    model = layers()
    result = model(torch.ones(1, 5, device="meta"))
    plan = initium.plan(layers("cpu"), "he_normal")
    assert refused(ModelError, plan, model) == (
        "`2.weight` cannot get memory in place, since something else holds it, such as a result of a forward pass on "
        "meta, a weak reference, or an optimiser in backward. Delete that, and set it up after apply; or build the "
        "model anew."
    )
    del result
    apply(plan, model)


# A part of a model


class Stage(nn.Module):
    """Some layers of the whole, under its names."""

    def __init__(self, whole, names):
        super().__init__()
        for name in names:
            self.add_module(name, whole.get_submodule(name))


def test_a_stage_of_a_pipeline_takes_its_part_of_the_plan():
    plan, whole = planned(), built("cpu")
    apply(plan, whole, seed=3)
    first, last = Stage(built(), ["words", "norm"]), Stage(built(), ["out", "head"])
    ledgers = [apply(plan, stage, seed=3, partial=True) for stage in (first, last)]
    assert torch.equal(first.words.weight, whole.words.weight)
    assert torch.equal(last.out.weight, whole.out.weight)
    assert torch.equal(last.head.weight, whole.words.weight)  # tied in the whole, so drawn alike
    assert [[entry.path for entry in ledger.entries] for ledger in ledgers] == [
        ["words.weight", "norm.weight", "norm.bias"],
        ["words.weight", "out.weight", "out.bias"],
    ]


def test_a_stage_without_the_word_for_it_is_told_of():
    assert refused(PlanError, planned(), Stage(built(), ["out", "head"])) == (
        "This plan was made for another model, which differs in 4 parameters:\n"
        "  mix  only in the plan\n"
        "  norm.bias  only in the plan\n"
        "  norm.weight  only in the plan\n"
        "  words.weight  only in the plan\n"
        "Plan this model itself: initium.plan(model).\n"
        "A stage of a pipeline takes its part of the plan: plan.apply(model, partial=True)."
    )


def test_a_stage_may_lack_but_not_differ():
    stage = Stage(built(), ["out"])
    stage.out = nn.Linear(6, 9, device="meta")
    stage.more = nn.Linear(2, 2, device="meta")
    assert refused(PlanError, planned(), stage, partial=True) == (
        "This plan was made for another model, which differs in 4 parameters:\n"
        "  more.bias  only in the model\n"
        "  more.weight  only in the model\n"
        "  out.bias  plan (8,), model (9,)\n"
        "  out.weight  plan (8, 6), model (9, 6)\n"
        "Plan this model itself: initium.plan(model)."
    )


class Trained(nn.Module):
    """A body that no start can say, a buffer of chance, and a head."""

    def __init__(self):
        super().__init__()
        self.odd = nn.Parameter(torch.randn(3, 4) * torch.randn(3, 4))
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)
        self.register_buffer("queue", torch.randn(5))

    def forward(self, x):
        return self.head(self.body(x + self.odd.sum(0)) + self.queue.sum())


def test_what_was_trained_since_is_left_by_framework_and_made_anew_by_author():
    model = deferred(Trained)
    apply(initium.plan(model, "author"), model, seed=0)
    first = {path: value.clone() for path, value in model.state_dict().items()}
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)
    trained = {path: value.clone() for path, value in model.state_dict().items()}
    ledger = apply(initium.plan(model, "framework", rules={"head.weight": "zeros"}, example=torch.ones(1, 4)), model)
    assert [entry.path for entry in ledger.filled] == ["head.weight"]
    kept = {path: value for path, value in model.state_dict().items() if path != "head.weight"}
    assert all(torch.equal(value, trained[path]) for path, value in kept.items())
    apply(initium.plan(model, "author"), model, seed=0)
    assert all(torch.equal(value, first[path]) for path, value in model.state_dict().items())
