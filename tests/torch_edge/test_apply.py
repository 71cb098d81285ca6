import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import initium
from initium import ModelError, Plan, PlanError, SettingError, SpecError, _stream, parse
from initium._decisions import decide
from initium._fill import fill
from initium._graph import Graph, Param
from initium._recipes import parse_recipe
from initium._rule import Rule
from initium.torch import apply, read
from initium.torch._shards import Part


def planned(model, spec="he_normal", rules=()):
    return decide(read(model), parse_recipe(spec), rules)


def applied(model, spec="he_normal", seed=3):
    plan = planned(model, spec)
    apply(plan, model, seed=seed)
    return plan


def of_params(*params, start="he_normal"):
    """A plan for parameters that are described by hand."""
    return decide(Graph(params), parse_recipe("framework"), [Rule("*", start)])


def expected(plan: Plan, path="weight", seed=3):
    choice = next(choice for choice in plan.choices if choice.path == path)
    out = np.empty(choice.param.shape, np.float32)
    fill(out, choice.law, choice.param, key=_stream.key(seed, path))
    return torch.from_numpy(out)


def values(model):
    return {path: value.detach().clone() for path, value in model.named_parameters()}


def assert_unchanged(model, before):
    assert all(torch.equal(value, before[path]) for path, value in model.named_parameters())


def refused(error, plan, model, **options):
    before = values(model)
    with pytest.raises(error) as found:
        apply(plan, model, **options)
    assert_unchanged(model, before)
    return str(found.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_every_floating_dtype_is_filled_with_the_same_numbers(dtype):
    layer = nn.Linear(300, 200, dtype=dtype)
    wanted = expected(applied(layer))
    tolerance = 1e-6 if dtype == torch.float64 else 0
    torch.testing.assert_close(layer.weight.detach().float(), wanted.to(dtype).float(), rtol=0, atol=tolerance)
    assert not layer.bias.any()


def test_a_weight_that_is_not_contiguous_gets_the_same_numbers():
    layer = nn.Linear(300, 200)
    layer.weight = nn.Parameter(torch.empty(300, 200).T)
    assert torch.equal(layer.weight, expected(applied(layer)))
    assert layer.weight.stride() == (1, 200)


@pytest.mark.parametrize("start", ["he_normal", "orthogonal", "glorot_uniform"])
def test_a_weight_stored_input_first_is_the_transpose(start):
    linear, other = nn.Linear(30, 20, bias=False), nn.Module()
    other.weight = nn.Parameter(torch.empty(30, 20))
    param = Param(path="weight", shape=(20, 30), axes="oi", role="weight", because="Linear")
    apply(of_params(param, start=start), linear, seed=5)
    apply(of_params(dataclasses.replace(param, shape=(30, 20), axes="io"), start=start), other, seed=5)
    assert torch.equal(linear.weight, other.weight.T)


@pytest.mark.parametrize("stretch", [1, 50, 599, 600])
@pytest.mark.parametrize("start", ["he_normal", "orthogonal"])
def test_stretches_of_what_is_drawn_beside_change_no_bit(monkeypatch, stretch, start):
    param = Param(path="weight", shape=(30, 20), axes="io", role="weight", because="own")
    whole, cut = (with_weight(torch.empty(30, 20)) for _ in range(2))
    apply(of_params(param, start=start), whole)
    monkeypatch.setattr("initium.torch._fill._STRETCH", stretch)
    apply(of_params(param, start=start), cut)
    assert torch.equal(cut.weight, whole.weight)


def test_stretches_are_a_box_in_the_order_of_its_memory():
    whole = torch.arange(20 * 30).view(20, 30)
    for held in (whole[3:12, 5:25].clone(), whole.T.contiguous().T[3:12, 5:25].clone()):
        stretches = list(Part(held, (slice(3, 12), slice(5, 25))).stretches(70))
        assert [stretch.held.numel() for stretch in stretches] in ([80, 80, 20], [72, 72, 36])
        assert all(torch.equal(stretch.held, whole[stretch.box]) for stretch in stretches)
        places = [stretch.held.data_ptr() for stretch in stretches]
        sizes = [stretch.held.nbytes for stretch in stretches]
        assert places[1:] == [place + size for place, size in zip(places[:-1], sizes[:-1], strict=True)]


@pytest.mark.parametrize("contiguous", [True, False])
def test_autograd_notices_that_a_weight_was_written(contiguous):
    layer = nn.Linear(3, 2)
    if not contiguous:
        layer.weight = nn.Parameter(torch.ones(3, 2).T)
    loss = (layer.weight * layer.weight).sum()
    applied(layer)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_memory_that_was_filled_can_be_given_back():
    layer = nn.Linear(3, 2)
    applied(layer)
    layer.weight.untyped_storage().resize_(0)  # as FSDP does with weights that it has gathered


def test_adding_a_layer_leaves_every_other_weight_as_it_was():
    small = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3))
    large = nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 3), nn.Linear(3, 9))
    applied(small)
    applied(large)
    assert torch.equal(small[0].weight, large[0].weight)
    assert torch.equal(small[1].weight, large[1].weight)


def test_wrappers_do_not_change_a_weight():
    bare, wrapped = nn.Linear(7, 5), nn.DataParallel(nn.Linear(7, 5))
    applied(bare)
    apply(planned(nn.Linear(7, 5)), wrapped, seed=3)
    assert torch.equal(bare.weight, wrapped.module.weight)


def test_ties_stay_tied_and_are_filled_once():
    model = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    model[1].weight = model[0].weight
    param = Param(path="0.weight", shape=(5, 5), axes="oi", role="weight", because="Linear", tied=("1.weight",))
    ledger = apply(of_params(param), model, seed=3)
    assert model[1].weight is model[0].weight
    assert torch.equal(model[0].weight, expected(of_params(param), "0.weight"))
    assert ledger.tied == {"1.weight": "0.weight"}


def test_a_default_device_of_the_caller_does_not_matter():
    layer = nn.Linear(300, 200)
    plan = planned(layer)
    with torch.device("meta"):
        apply(plan, layer, seed=3)
    assert torch.equal(layer.weight, expected(plan))


def test_a_choice_that_draws_as_another_gets_its_numbers():
    model = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    plan = planned(model)
    first, second = plan.choices
    apply(dataclasses.replace(plan, choices=(first, dataclasses.replace(second, draws_as="0.weight"))), model)
    assert torch.equal(model[0].weight, model[1].weight)


def test_parametrised_weights_go_by_their_path():
    model = nn.utils.parametrizations.weight_norm(nn.Linear(6, 4, bias=False))
    scale = Param(
        path="parametrizations.weight.original0", shape=(4, 1), axes="oi", role="scale", because="weight_norm"
    )
    weight = Param(
        path="parametrizations.weight.original1", shape=(4, 6), axes="oi", role="weight", because="weight_norm"
    )
    plan = decide(Graph((scale, weight)), parse_recipe("framework"), [Rule(role="weight", start="he_normal")])
    apply(plan, model, seed=3)
    assert torch.equal(model.parametrizations.weight.original1, expected(plan, weight.path))
    torch.testing.assert_close(model.weight.detach(), expected(plan, weight.path))


def test_what_is_kept_is_left_as_it_was_built():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 2))
    before = values(model)
    ledger = apply(planned(model, rules=[Rule("1.*", "framework")]), model)
    assert torch.equal(model[1].weight, before["1.weight"])
    assert not torch.equal(model[0].weight, before["0.weight"])
    assert [entry.path for entry in ledger.left] == ["1.weight", "1.bias"]


def test_the_ledger_says_what_became_of_every_parameter():
    model = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    ledger = apply(planned(model, rules=[Rule("2.bias", "framework")]), model, seed=7)
    assert ledger.seed == 7
    assert [entry.path for entry in ledger.entries] == [path for path, _ in model.named_parameters()]
    assert [entry.num_elements for entry in ledger.entries] == [20, 4, 4, 4, 8, 2]
    assert {"2.bias"} <= {entry.path for entry in ledger.left}
    assert (ledger.entries[0].start, ledger.entries[0].rule) == ("he_normal", "he_normal: role=weight -> he_normal")


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_a_bit(threads):
    before, layer = torch.get_num_threads(), nn.Linear(600, 500)
    torch.set_num_threads(threads)
    try:
        assert torch.equal(layer.weight, expected(applied(layer)))
    finally:
        torch.set_num_threads(before)


def test_a_plan_for_another_model_lists_every_difference_and_changes_nothing():
    plan = planned(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)))
    model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    assert refused(PlanError, plan, model) == (
        "This plan was made for another model, which differs in 4 parameters:\n"
        "  0.weight  plan (2, 3), model (2, 4)\n"
        "  2.bias  only in the plan\n"
        "  3.bias  only in the model\n"
        "  3.weight  only in the model\n"
        "Plan this model itself: initium.plan(model)."
    )


def test_a_plan_with_other_ties_does_not_fit():
    separate = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    tied = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    tied[1].weight = tied[0].weight
    param = Param(path="0.weight", shape=(5, 5), axes="oi", role="weight", because="Linear", tied=("1.weight",))
    frame = (
        "This plan was made for another model, which differs in one parameter:\n  {}\n"
        "Plan this model itself: initium.plan(model)."
    )
    assert refused(PlanError, planned(separate), tied) == frame.format(
        "1.weight  its own in the plan, tied to 0.weight in the model"
    )
    assert refused(PlanError, of_params(param), separate) == frame.format(
        "1.weight  tied to 0.weight in the plan, its own in the model"
    )


def test_more_than_five_differences_are_counted():
    message = refused(PlanError, planned(nn.Linear(3, 2)), nn.Sequential(*[nn.Linear(3, 2) for _ in range(4)]))
    assert message.splitlines()[0].endswith("differs in 10 parameters:")
    assert message.splitlines()[-2] == "... and 5 more"


def fake():
    with FakeTensorMode():
        return nn.Linear(3, 2, bias=False)


def freed():
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.untyped_storage().resize_(0)
    return layer


PARAM = Param(path="weight", shape=(2, 3), axes="oi", role="weight", because="Linear")
LEAVE = "or leave them as built: Rule('PATH', 'framework')."


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: nn.Linear(3, 2, bias=False, dtype=torch.complex64),
            "A fill writes float32, float64, float16 and bfloat16, and these parameters are something else:\n"
            f"  weight  Parameter, torch.complex64 on cpu\nBuild the model in one of these, {LEAVE}",
        ),
        (
            fake,
            "These parameters are no plain tensors, and only those are filled:\n"
            "  weight  FakeTensor, torch.float32 on cpu\n"
            f"Fill the model before it is sharded or quantised, {LEAVE}",
        ),
        (
            lambda: with_weight(torch.zeros(1, 3).expand(2, 3)),
            "Elements of these parameters share memory:\n  weight  Parameter, torch.float32 on cpu\n"
            "Make them whole: nn.Parameter(value.clone()).",
        ),
        (
            lambda: with_weight(torch.zeros(9).as_strided((2, 3), (4, 2))),  # six in nine places, two in one
            "Elements of these parameters share memory:\n  weight  Parameter, torch.float32 on cpu\n"
            "Make them whole: nn.Parameter(value.clone()).",
        ),
        (
            freed,
            "These parameters have no memory now:\n  weight  Parameter, torch.float32 on cpu\n"
            "Let the model have it again first, as FSDP does by `module.unshard()`.",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(build, message):
    with pytest.raises(ModelError) as found:
        apply(of_params(PARAM), build())
    assert str(found.value) == message


def with_weight(value):
    layer = nn.Linear(3, 2, bias=False)
    layer.weight = nn.Parameter(value)
    return layer


def test_what_is_left_as_built_may_be_anything_with_memory():
    layer = nn.Linear(3, 2, bias=False, dtype=torch.complex64)
    before = values(layer)
    assert len(apply(of_params(PARAM, start="framework"), layer).left) == 1
    assert_unchanged(layer, before)


def test_what_is_rescaled_needs_memory():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(ModelError) as found:
        initium.plan(model, "he_normal").calibrate(model, torch.ones(4, 3))
    assert str(found.value) == (
        "These parameters have no memory yet:\n  0.weight  Parameter, torch.float32 on meta\n"
        "Apply the plan first: plan.apply(model)."
    )


def test_two_parameters_in_one_memory_are_refused():
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False))
    model[1].weight = nn.Parameter(model[0].weight.data)
    assert refused(ModelError, planned(model), model) == (
        "These parameters are two and share memory:\n  1.weight  lies in the memory of 0.weight\n"
        "Tie them as one parameter, `b.weight = a.weight`, or copy one."
    )


def in_memory(*views):
    model = nn.Sequential(*[nn.Linear(3, 3, bias=False) for _ in views])
    for layer, view in zip(model, views, strict=True):
        layer.weight = nn.Parameter(view)
    return model


@pytest.mark.parametrize(
    "views",
    [
        lambda x: (x[0].view(3, 6)[:, :3], x[0].view(3, 6)[:, :3].t()),
        lambda x: (x[0, :9].view(3, 3), x[0, :9].view(3, 3).t()),
        lambda x: (x[0].view(3, 6)[:, ::2], x[0].view(3, 6)[:, :3]),
    ],
)
def test_two_parameters_in_one_memory_are_refused_however_they_lie_there(views):
    model = in_memory(*views(torch.zeros(1, 18)))
    assert " lies in the memory of " in refused(ModelError, planned(model), model)


def test_a_long_parameter_is_compared_with_all_that_start_before_its_end():
    x = torch.zeros(27)
    model = in_memory(x[:9].view(3, 3), x[9:18].view(3, 3), x[18:].view(3, 3))
    applied(model)
    model.append(nn.Linear(27, 1, bias=False))
    model[3].weight = nn.Parameter(x.view(1, 27))
    assert refused(ModelError, planned(model), model).splitlines()[1:4] == [
        "  1.weight  lies in the memory of 3.weight",
        "  2.weight  lies in the memory of 3.weight",
        "  3.weight  lies in the memory of 0.weight",
    ]


def test_a_module_that_has_not_seen_data_has_no_shape():
    with pytest.raises(ModelError) as found:
        apply(of_params(PARAM), nn.LazyLinear(3, bias=False))
    assert str(found.value) == (
        "`weight` has no shape yet. Run the model once on a batch, `model(batch)`, so that its lazy layers get one; "
        "`plan` and `initialize` do so with example=batch, `diagnose` with inputs=batch."
    )


def test_numbers_that_leave_a_dtype_are_found_before_the_first_weight_is_touched():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).half()
    plan = planned(model, "he_normal", [Rule("1.weight", "normal(std=2e4)")])
    assert refused(SpecError, plan, model) == (
        "These starts leave the numbers of their dtype:\n"
        "  1.weight  normal(std=20000): it reaches 1.28e+05, but float16 ends at 65504.\n"
        "Choose a smaller std or limit, or float32."
    )


def test_computed_numbers_that_leave_half_precision_are_found_before_the_first_weight_is_touched():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).half()
    plan = planned(model, "he_normal", [Rule("1.weight", "identity(gain=1e6)")])
    assert refused(SpecError, plan, model).splitlines()[1] == (
        "  1.weight  identity(gain=1000000): What it computes reaches 1e+06, but float16 ends at 65504."
    )


def test_a_seed_out_of_range_changes_nothing():
    layer = nn.Linear(3, 2)
    message = refused(SettingError, planned(layer), layer, seed=-1)
    assert message == "A seed is a whole number from 0 to 2^64 - 1, not -1."


def test_the_numbers_are_those_of_the_catalogue():
    layer = nn.Linear(300, 200)
    applied(layer, "glorot_uniform")
    weight = Param(path="weight", shape=(200, 300), axes="oi", role="weight", because="Linear")
    out = np.empty(weight.shape, np.float32)
    fill(out, parse("glorot_uniform").law(weight), weight, key=_stream.key(3, "weight"))
    assert torch.equal(layer.weight, torch.from_numpy(out))


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.parametrize("dim", [0, 1, None])
def test_the_length_of_a_weight_norm_follows_its_direction(norm, dim):
    layer = norm(nn.Linear(400, 300), dim=dim)
    made = initium.plan(layer, "he_normal", example=torch.randn(2, 400))
    ledger = made.apply(layer, seed=0)
    direction = next(choice.path for choice in made.choices if choice.param.shape == (300, 400))
    wanted = initium.array("he_normal", (300, 400), seed=0, path=direction)
    layer.eval()
    layer(torch.zeros(1, 400))  # the old one makes its weight as it runs
    torch.testing.assert_close(layer.weight.detach(), torch.from_numpy(wanted), rtol=1e-5, atol=1e-7)
    assert "length of its direction" in {entry.start for entry in ledger.filled}


@pytest.mark.parametrize(
    "layer", [nn.Conv1d(4, 6, 3), nn.Conv2d(4, 6, 3), nn.Conv3d(4, 6, 3), nn.ConvTranspose2d(4, 6, 3)]
)
def test_the_length_of_a_kernel_is_over_all_its_axes_but_one(layer):
    layer = nn.utils.parametrizations.weight_norm(layer)
    initium.plan(layer, "he_normal", example=torch.randn(1, 4, *[8] * (layer.weight.ndim - 2))).apply(layer)
    torch.testing.assert_close(layer.weight, layer.parametrizations.weight.original1, rtol=1e-6, atol=1e-7)


def with_length(model, dtype=torch.float32):
    return nn.utils.parametrizations.weight_norm(model.to(dtype))


def test_a_length_that_is_frozen_or_that_the_user_decides_stays():
    for freeze, rules in ((True, ()), (False, {"*original0": "framework"})):
        layer = with_length(nn.Linear(40, 30))
        size = layer.parametrizations.weight.original0.requires_grad_(not freeze)
        before = size.detach().clone()
        ledger = initium.plan(layer, "he_normal", rules=rules, example=torch.randn(2, 40)).apply(layer)
        assert torch.equal(size, before)
        assert [entry.path for entry in ledger.left] == ["parametrizations.weight.original0"]


def test_the_length_of_a_weight_norm_is_exact_in_double_precision():
    layer = with_length(nn.Linear(40, 30), torch.float64)
    initium.plan(layer, "he_normal", example=torch.randn(2, 40, dtype=torch.float64)).apply(layer)
    direction = layer.parametrizations.weight.original1
    torch.testing.assert_close(layer.weight, direction, rtol=1e-14, atol=0)


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm])
@pytest.mark.filterwarnings("ignore:.*spectral_norm. is deprecated")
@pytest.mark.parametrize("start", ["he_normal", "orthogonal"])
def test_a_weight_under_a_spectral_norm_has_norm_one_after_it_was_filled(norm, start):
    torch.manual_seed(0)
    layer = norm(nn.Linear(400, 300))
    initium.plan(layer, start, example=torch.randn(2, 400)).apply(layer)
    layer.eval()
    layer(torch.zeros(1, 400))  # the old one makes its weight as it runs
    assert torch.linalg.matrix_norm(layer.weight.detach(), 2).item() == pytest.approx(1, rel=0.02)


def test_zeros_leave_a_spectral_norm_its_vectors():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4))
    initium.plan(layer, "zeros", example=torch.randn(2, 5)).apply(layer)
    assert layer.parametrizations.weight[0]._u.norm().item() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(32, 64), (64, 32), (16, 16)])
def test_an_orthogonal_parametrisation_stays_orthogonal(shape):
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(*shape))
    initium.initialize(layer, seed=0, example=torch.randn(2, shape[0]))
    sizes = torch.linalg.svdvals(layer.weight.detach())
    torch.testing.assert_close(sizes, torch.ones_like(sizes), rtol=0, atol=1e-5)
