"""A constructor run without memory: what is left, what is remembered, and what it is read as."""

import copy
import gc
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import initium
from initium.init._tables import values_of
from initium.torch import deferred
from initium.torch._deferred import record_of


class Net(nn.Module):
    """Whatever a function puts in it."""

    def __init__(self, fill):
        super().__init__()
        with torch.no_grad():
            fill(self)


def made_of(fill, name="w"):
    return recorded(fill, name).made


def recorded(fill, name="w"):
    return record_of(deferred(Net, fill))[name]


def parameter(tensor):
    def fill(net):
        net.w = nn.Parameter(tensor())

    return fill


def then(tensor, change):
    """A parameter that is changed in place."""

    def fill(net):
        net.w = nn.Parameter(tensor())
        change(net.w)

    return fill


def drawn(*shape):
    return lambda: torch.randn(shape)


# What is left


def test_parameters_and_buffers_are_plain_tensors_on_meta():
    model = deferred(lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 5)))
    stock = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.LSTM(4, 5))
    assert {type(value) for value in model.parameters()} == {nn.Parameter}
    assert {type(value) for value in model.buffers()} == {torch.Tensor}
    for ours, theirs in zip(model.state_dict().items(), stock.state_dict().items(), strict=True):
        assert ours[0] == theirs[0]
        assert ours[1].is_meta
        assert (ours[1].shape, ours[1].stride(), ours[1].dtype) == (
            theirs[1].shape,
            theirs[1].stride(),
            theirs[1].dtype,
        )


def test_tied_parameters_stay_one_under_every_name_and_in_lists_and_dicts():
    def fill(net):
        net.a, net.b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        net.b.weight = net.a.weight
        net.rnn = nn.LSTM(3, 4)
        net.held = {"deep": [(net.a.weight, 7)]}

    net = deferred(Net, fill)
    assert net.b.weight is net.a.weight is net.held["deep"][0][0]
    assert net.held["deep"][0][1] == 7
    assert all(one is two for one, two in zip(net.rnn._flat_weights, net.rnn.parameters(), strict=True))


def test_what_a_parameter_is_told_beside_its_numbers_stays():
    def fill(net):
        net.w = nn.Parameter(torch.randn(4, 6).t().to(torch.bfloat16), requires_grad=False)
        net.w.no_decay = True
        net.register_buffer("b", torch.zeros(2), persistent=False)
        net.b.kind = "mean"

    net = deferred(Net, fill)
    assert vars(net.w) == {"no_decay": True}
    assert vars(net.b) == {"kind": "mean"}
    assert (net.w.requires_grad, net.w.dtype, net.w.stride()) == (False, torch.bfloat16, (1, 6))
    assert net.state_dict().keys() == {"w"}


def test_copies_and_conversions_work_as_in_any_constructor():
    def fill(net):
        net.first = nn.Linear(2, 3)
        net.second = copy.deepcopy(net.first)
        net.first.half()
        net.third = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2)
        net.fourth = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))
        net.fifth = nn.LazyLinear(3)

    net = deferred(Net, fill)
    assert (net.first.weight.dtype, net.second.weight.dtype) == (torch.float16, torch.float32)
    assert type(net.fifth.weight) is nn.UninitializedParameter
    with pytest.warns(FutureWarning, match="weight_norm"):
        normed = deferred(lambda: nn.utils.weight_norm(nn.Linear(2, 3)))
    assert (normed.weight.is_meta, type(normed.weight_g)) == (True, nn.Parameter)


def test_a_copy_of_a_buffer_is_the_constructors_too():
    norm = deferred(lambda: copy.deepcopy(nn.BatchNorm1d(3)))
    assert norm.num_batches_tracked.is_meta
    assert record_of(norm)["num_batches_tracked"].value(0).item() == 0


def test_what_holds_itself_is_gone_through_once():
    def fill(net):
        net.w = nn.Parameter(torch.randn(2))
        net.held = [(net.w,), {}]
        net.held[1]["again"] = net.held

    net = deferred(Net, fill)
    assert net.held[0][0] is net.held[1]["again"][0][0] is net.w


def test_a_constructor_may_print():
    said = []
    deferred(Net, lambda net: said.append(repr(torch.zeros(2, 3))))
    assert said == ["tensor(..., size=(2, 3), dtype=torch.float32)"]


def test_a_plain_attribute_is_computed_unless_it_depends_on_a_draw():
    def fill(net):
        net.step = torch.ones(3).cumsum(0)
        net.rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
        net.lists = torch.arange(3).tolist()
        net.noise = torch.randn(2)

    net = deferred(Net, fill)
    assert (net.step.tolist(), net.rates, net.lists) == ([1, 2, 3], [0, 0.5, 1], [0, 1, 2])
    assert (net.noise.is_meta, type(net.noise)) == (True, torch.Tensor)


def test_numbers_without_chance_are_known_when_a_constructor_asks():
    def fill(net):
        table = torch.zeros(3)
        table[1] = 5
        net.has = bool(table[1] > 2)
        net.where = table.nonzero().tolist()
        net.register_buffer("b", table[table > 2])

    net = deferred(Net, fill)
    assert (net.has, net.where, tuple(net.b.shape)) == (True, [[1]], (1,))
    assert record_of(net)["b"].value(0).tolist() == [5]


def test_a_module_that_was_there_before_keeps_its_memory_and_its_numbers():
    backbone = nn.Linear(2, 3)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    net = deferred(lambda: nn.Sequential(backbone, nn.Linear(3, 1)))
    assert net[0] is backbone
    assert not record_of(backbone)
    assert all((value == before[name]).all() for name, value in backbone.state_dict().items())
    assert net[1].weight.is_meta


def test_a_module_that_was_there_before_and_is_drawn_anew_is_the_constructors():
    backbone = nn.Linear(2, 3)

    def build():
        nn.init.normal_(backbone.weight, 0, 0.5)
        return nn.Sequential(backbone)

    assert deferred(build)[0].weight.is_meta
    assert str(record_of(backbone)["weight"].made.init) == "normal(std=0.5)"
    assert not backbone.bias.is_meta


def test_numbers_that_are_loaded_within_are_remembered():
    saved = nn.Linear(2, 2).state_dict()

    def build():
        model = nn.Linear(2, 2)
        model.load_state_dict(saved)
        return model

    record = record_of(deferred(build))
    saved_then = saved["weight"].clone()
    saved["weight"].zero_()
    assert torch.equal(record["weight"].value(0), saved_then)
    assert str(record["weight"].made.init).startswith("values((2, 2), 'float32', ")
    assert record["weight"].made.because == "given numbers"


def test_a_model_within_a_model_keeps_its_record():
    net = deferred(lambda: nn.Sequential(deferred(nn.Linear, 2, 3), nn.Linear(3, 1)))
    assert [sorted(record_of(module)) for module in net] == [["bias", "weight"]] * 2


def test_neither_generator_is_touched_and_nothing_slow_is_imported():
    code = (
        "import sys, torch, numpy; from torch import nn; from initium.torch import deferred\n"
        "before = torch.get_rng_state()\n"
        "model = deferred(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), 2))\n"
        "from initium.torch._deferred import record_of\n"
        "record_of(model.layers[0].linear1)['weight'].value(3)\n"
        "assert torch.equal(before, torch.get_rng_state())\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_a_layer_of_a_million_by_a_million_takes_no_memory():
    start = time.perf_counter()
    model = deferred(nn.Linear, 1_000_000, 1_000_000)
    assert str(record_of(model)["weight"].made.init).startswith("uniform(-0.0009999999")
    assert time.perf_counter() - start < 2


def test_a_record_lives_as_long_as_its_module():
    model = deferred(nn.Linear, 3, 4)
    record = record_of(model)["weight"]
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert record.value(1).shape == (4, 3)
    assert record_of(nn.Linear(3, 4)) == {}


def test_a_record_holds_no_large_tensors():
    def fill(net):
        for index in range(3):
            net.register_buffer(f"mask{index}", torch.ones(500, 500).tril().bool(), persistent=False)
        net.register_buffer("w", torch.arange(60000).view(300, 200).float().sin())

    log = recorded(fill)._log
    held = [one for event in log.events for one in event.args if isinstance(one, torch.Tensor)]
    assert held == []
    assert len(log.events) == 3 * 3 + 3


def test_a_truncated_normal_of_another_thread_is_drawn():
    there = torch.zeros(1000)

    def fill(net):
        thread = threading.Thread(target=nn.init.trunc_normal_, args=(there,))
        thread.start()
        thread.join()
        net.w = nn.Parameter(torch.empty(2))

    deferred(Net, fill)
    assert there.std() > 0.5
    assert nn.init._no_grad_trunc_normal_.__module__ == "torch.nn.init"


def test_truncated_normals_of_two_constructors_that_overlap_are_noted_and_then_drawn_again():
    real, first_is_within, second_is_within = nn.init._no_grad_trunc_normal_, threading.Event(), threading.Event()
    found = {}

    def first():
        first_is_within.set()
        assert second_is_within.wait(60)
        return nn.Linear(2, 2)

    def second():
        second_is_within.set()
        left.join(60)
        return truncated()

    def truncated():
        layer = nn.Linear(2, 2)
        nn.init.trunc_normal_(layer.weight, std=0.02)
        return layer

    left = threading.Thread(target=lambda: deferred(first))
    left.start()
    assert first_is_within.wait(60)
    right = threading.Thread(target=lambda: found.update(made=record_of(deferred(second))["weight"].made))
    right.start()
    right.join(60)
    assert found["made"].because == "trunc_normal_(0, 0.02, -2, 2)"
    assert nn.init._no_grad_trunc_normal_ is real


def test_a_seed_within_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.randn(2)
    torch.manual_seed(3)
    deferred(Net, lambda net: torch.manual_seed(7))
    assert torch.equal(torch.randn(2), expected)


def test_what_numpy_wrote_into_a_table_is_kept():
    def fill(net):
        table = torch.arange(5.0)
        table.numpy()[3] = 99
        net.register_buffer("w", table)

    record = recorded(fill)
    assert record.value(0).tolist() == [0, 1, 2, 99, 4]
    assert (str(record.made.init), record.made.because) == (str(values_of(record.value(0).numpy())), "given numbers")


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1])
def test_whole_numbers_that_no_double_holds_are_kept(number):
    net = deferred(Net, lambda net: net.register_buffer("w", torch.full((2,), number)))
    assert str(record_of(net)["w"].made.init) == str(values_of(np.array([number] * 2)))
    initium.plan(net, "author").apply(net)
    assert net.w.tolist() == [number, number]


def test_a_pass_through_a_batch_norm_changes_its_statistics():
    def build():
        norm = nn.BatchNorm1d(2)
        norm(torch.zeros(3, 2))
        return norm

    record, expected = record_of(deferred(build)), build()
    for name, value in expected.named_buffers():
        assert torch.equal(record[name].value(0), value)
    assert str(record["running_var"].made.init) == "constant(0.9)"


def test_many_rows_written_one_by_one_are_read_in_proportion_to_their_number():
    def fill(net):
        net.w = nn.Parameter(torch.empty(2000, 4))
        for row in range(2000):
            net.w[row].normal_(0, 1 + row)

    record, start = recorded(fill), time.process_time()
    assert record.made.because == (
        "row 0 normal_(0, 1), then row 1 normal_(0, 2), row 2 normal_(0, 3), row 3 normal_(0, 4), "
        "row 4 normal_(0, 5), many more"
    )
    assert record.made.init is None
    assert time.process_time() - start < 3


# Errors


def raised(build):
    with pytest.raises(initium.ModelError) as error:
        deferred(build)
    return str(error.value)


def test_what_returns_no_model_is_told():
    assert raised(lambda: 3) == "`deferred` takes what returns a torch.nn.Module; this returned int."
    assert raised(nn.Linear(2, 3)) == (
        "`deferred` takes what builds a model, and this one is built: write `deferred(lambda: Net())`."
    )


def test_a_number_that_is_not_drawn_yet_cannot_be_asked_for():
    ask = (
        "The constructor asks for a number that is not drawn yet, and a deferred model has none (`{}`, "
        "test_deferred.py, line {}). "
        "Build the model for real, or on meta, and take another recipe."
    )
    line = test_a_number_that_is_not_drawn_yet_cannot_be_asked_for.__code__.co_firstlineno + 7
    assert raised(lambda: torch.randn(3).max().item()) == ask.format("_local_scalar_dense", line)
    assert raised(lambda: torch.tensor([0.5]).uniform_().item()) == ask.format("_local_scalar_dense", line + 1)
    assert raised(lambda: torch.randn(3)[torch.randn(3) > 0]) == ask.format("index", line + 2)


def test_a_constructor_that_fails_is_told_with_its_place():
    line = test_a_constructor_that_fails_is_told_with_its_place.__code__.co_firstlineno + 3
    assert raised(lambda: nn.Linear("a", 3)) == (
        "The constructor fails without memory: TypeError: " + torch_says(lambda: nn.Linear("a", 3)) +
        f" (test_deferred.py, line {line - 1}). If it works with memory, build the model for real."
    )  # fmt: skip
    with pytest.raises(initium.RuleError, match=r"^mine$"):
        deferred(lambda: (_ for _ in ()).throw(initium.RuleError("mine")))


def torch_says(action):
    with pytest.raises(TypeError) as error:
        action()
    return str(error.value)


def test_numpy_cannot_see_what_has_no_memory():
    assert raised(lambda: torch.zeros(3).numpy()).startswith(
        "The constructor fails without memory: RuntimeError: .numpy() is not supported for tensor subclasses. ("
    )


def test_a_tensor_that_is_left_over_says_so():
    left = []

    def fill(net):
        left.append(torch.zeros(2))

    deferred(Net, fill)
    with pytest.raises(initium.ModelError) as error:
        left[0] + 1
    assert str(error.value) == (
        "`aten.add.Tensor` asks for numbers of a tensor that a deferred constructor made, and it has none. "
        "Build the model for real."
    )


# Doing it again


def test_a_draw_is_the_one_of_a_generator_with_the_key():
    value = recorded(parameter(drawn(3, 4))).value(7)
    assert torch.equal(value, torch.randn(3, 4, generator=torch.Generator().manual_seed(7)))


PROGRAMS = {
    "views and parts": lambda a: [a[1:].mul_(2), a.t()[0].fill_(3), a.view(-1)[5:7].copy_(a.view(-1)[:2])][0]._base,
    "itself shifted": lambda a: a.copy_(a.roll(1, 0)),
    "another type": lambda a: (a * 100).to(torch.int32).float() / 3,
    "its bits": lambda a: a.view(torch.int32).bitwise_and(-(2**16)).view(torch.float32),
    "complex": lambda a: torch.view_as_real(torch.complex(a, a).mul_(2j)),
    "joined": lambda a: torch.cat([a, a * 2, torch.stack([a[0], a[1]])]),
    "out": lambda a: torch.add(a, 1, out=torch.empty(4, 4)),
    "many at once": lambda a: (torch._foreach_mul_([a, a[0]], 2), a)[1],
    "written across": lambda a: a.index_put_((torch.tensor([0, 2]),), torch.zeros(())),
    "turned in place": lambda a: a.t_().mul_(torch.arange(4)),
    "other data": lambda a: (setattr(a, "data", torch.arange(16.0).view(4, 4) * 2), a.add_(1))[1],
    "grown": lambda a: a.resize_(2, 2).mul_(3),
    "conjugate": lambda a: torch.complex(a, a).conj().resolve_conj().imag,
    "negative": lambda a: torch.complex(a, a).conj().imag,
    "singular values": lambda a: torch.linalg.svd(a)[1],
}


@pytest.mark.parametrize(
    "start", [torch.arange, lambda num: torch.zeros(int(num)).add_(torch.arange(num))], ids=["real", "blank"]
)
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_operations_are_done_again_exactly(program, start):
    """On a table with memory and on one without, which the record must repeat to the bit."""

    def table():
        return program((start(16.0) * 0.7).view(4, 4).sin())

    def fill(net):
        net.register_buffer("w", table())

    with torch.no_grad():
        expected = table()
    value = recorded(fill).value(0)
    assert value.dtype == expected.dtype
    assert torch.equal(value, expected)
    assert value.stride() == expected.stride()


def test_only_what_matters_is_done_again():
    def fill(net):
        net.layer = nn.Linear(3, 4)  # draws once
        nn.init.normal_(net.layer.weight)
        net.layer.weight.mul_(2)

    record = record_of(deferred(Net, fill).layer)["weight"]
    assert record._log.needed(record._view.storage) == [4, 5]
    assert torch.equal(record.value(1), 2 * torch.empty(4, 3).normal_(generator=torch.Generator().manual_seed(1)))


# Reading it


def column(net):
    net.w = nn.Parameter(torch.randn(4, 6))
    net.w[:, 0] = 0


def blocks(net):
    net.w = nn.Parameter(torch.empty(6, 4))
    for index in range(3):
        net.w[2 * index : 2 * index + 2].uniform_(-index - 1, index + 1)


def gates(net):
    net.w = nn.Parameter(torch.empty(8).uniform_(-0.5, 0.5))
    net.w[2:4].fill_(1)


def lm_head(net):
    net.w = nn.Parameter(torch.empty(5, 3))
    nn.init.xavier_uniform_(net.w)
    nn.init.trunc_normal_(net.w, std=0.02)
    net.w.div_((2 * 8) ** 0.5)


def erf_normal(net):
    net.w = nn.Parameter(torch.empty(5, 3).uniform_(-0.9544997361036416, 0.9544997361036416))
    net.w.erfinv_().mul_(0.02 * 2**0.5).add_(0.5).clamp_(0.46, 0.54)


def mamba(net):
    step = torch.exp(torch.rand(64) * (np.log(0.2) - np.log(0.001)) + np.log(0.001)).clamp(min=0.01)
    net.w = nn.Parameter(step + torch.log(-torch.expm1(-step)))


def mamba_otherwise(net):
    step = torch.empty(64).uniform_(0, 1).mul_(np.log(100)).add_(np.log(0.001)).exp_()
    net.w = nn.Parameter(torch.expm1(step).log_())


def waves(interleaved, divisor):
    def fill(net):
        speeds = torch.exp(torch.arange(4) * (-np.log(10000) / divisor))
        angles = torch.arange(7)[:, None] * speeds
        parts = [angles.sin(), angles.cos()]
        net.w = nn.Parameter(torch.stack(parts, 2).view(7, 8) if interleaved else torch.cat(parts, 1))

    return fill


# How zlib packs it is its own affair.
ONE_TWO_THREE = str(values_of(np.array([1, 2, 3], np.float32)))


def orthogonal_by_hand(net):
    q, r = torch.linalg.qr(torch.randn(4, 4))
    net.w = nn.Parameter(q * torch.diag(r).sign() * 2)


STARTS = {
    "a constant rounded on its way": (
        parameter(lambda: torch.full((3,), 0.1, dtype=torch.bfloat16).float()),
        "constant(0.100097656)",
        "fill_(0.1)",
    ),
    "a constant with no more digits than its type tells": (
        parameter(lambda: torch.full((3,), 0.1).bfloat16()),
        "constant(0.1)",
        "fill_(0.1)",
    ),
    "a constant made whole": (parameter(lambda: torch.full((3,), 2.7).long().float()), "constant(2)", "fill_(2.7)"),
    "a constant of a truth": (parameter(lambda: torch.full((3,), 2.7, dtype=torch.bool).float()), "ones", "fill_(2.7)"),
    "a number that keeps a type": (
        parameter(lambda: torch.ones(3, dtype=torch.bfloat16) * torch.tensor(0.1)),
        "constant(0.1)",
        "ones, then mul()",
    ),
    "into another": (
        parameter(lambda: torch.mul(torch.ones(4), 2, out=torch.empty(4))),
        "constant(2)",
        "ones, then mul(2)",
    ),
    "a draw into another": (
        parameter(lambda: torch.mul(torch.rand(4), 2, out=torch.empty(4))),
        "uniform(0, 2)",
        "rand, then mul(2)",
    ),
    "a table of one number": (
        parameter(lambda: torch.arange(3) * 0.0 + 2),
        "constant(2)",
        "computed by arange, mul, add",
    ),
    "stacked": (
        parameter(lambda: torch.stack([torch.randn(2), torch.zeros(2)])),
        "rows(('normal', 'zeros'), (1, 1))",
        "randn, then stack()",
    ),
    "like a draw": (parameter(lambda: torch.rand_like(torch.randn(4))), "uniform(0, 1)", "rand_like"),
    "zeros like a draw": (parameter(lambda: torch.zeros_like(torch.randn(4))), "zeros", "zeros"),
    "kaiming": (
        lambda net: setattr(net, "w", nn.Linear(3, 4).weight),
        "uniform(-0.5773502691896257, 0.5773502691896257)",
        "uniform_(-0.577, 0.577)",
    ),
    "scaled": (parameter(lambda: torch.randn(4) * 0.02), "normal(std=0.02)", "randn, then mul(0.02)"),
    "affine": (
        parameter(lambda: 3 - (torch.rand(4) * 2 - 1) / 4),
        "uniform(2.75, 3.25)",
        "rand, then mul(2), sub(1), div(4), rsub(3)",
    ),
    "negative": (parameter(lambda: -torch.rand(4) - 1), "uniform(-2, -1)", "rand, then neg(), sub(1)"),
    "factor in a tensor": (
        parameter(lambda: torch.randn(4) * torch.tensor(0.5)),
        "normal(std=0.5)",
        "randn, then mul()",
    ),
    "weights twice": (
        parameter(lambda: torch.add(torch.ones(4), torch.randn(4), alpha=0.5)),
        "normal(mean=1, std=0.5)",
        "randn, then add(0.5)",
    ),
    "normal of numbers": (parameter(lambda: torch.normal(1.0, 2.0, (3,))), "normal(mean=1, std=2)", "normal(1, 2)"),
    "no spread": (parameter(lambda: torch.empty(4).normal_(2, 0)), "constant(2)", "normal_(2, 0)"),
    "like": (parameter(lambda: torch.randn_like(torch.zeros(4))), "normal", "randn_like"),
    "turned": (parameter(lambda: torch.randn(4, 6).t()), "normal", "randn"),
    "copied": (then(lambda: torch.empty(4, 6), lambda w: w.copy_(torch.randn(6, 4).t())), "normal", "randn"),
    "another type": (parameter(lambda: torch.randn(4).double().bfloat16()), "normal", "randn"),
    "clamped far": (
        parameter(lambda: (torch.randn(4) * 0.02).clamp_(-1, 1)),
        "normal(std=0.02)",
        "randn, then mul(0.02), clamp_(-1, 1)",
    ),
    "clamped near": (
        parameter(lambda: torch.randn(4).clamp_(-1, 1)),
        "through('normal', ('maximum(-1)', 'minimum(1)'))",
        "randn, then clamp_(-1, 1)",
    ),
    "log": (
        parameter(lambda: torch.empty(4).uniform_(1, 16).log_()),
        "through('uniform(1, 16)', ('log',))",
        "uniform_(1, 16), then log_()",
    ),
    "truncated": (lm_head, "normal(std=0.005)", "trunc_normal_(0, 0.02, -2, 2), then div_(4)"),
    "by erfinv": (
        erf_normal,
        "truncated_normal(mean=0.5, std=0.0175925132207)",
        "uniform_(-0.954, 0.954), then erfinv_(), mul_(0.0283), add_(0.5), clamp_(0.46, 0.54)",
    ),
    "zeros": (parameter(lambda: torch.zeros(3)), "zeros", "zeros"),
    "ones by hand": (parameter(lambda: torch.full((3,), 1.0)), "ones", "ones"),
    "constant": (parameter(lambda: 0.5 * torch.ones(3)), "constant(0.5)", "ones, then mul(0.5)"),
    "list": (parameter(lambda: torch.tensor([2.0, 2.0])), "constant(2)", "given numbers"),
    "expanded": (parameter(lambda: torch.full((1,), 2.0).expand(3).clone()), "constant(2)", "fill_(2)"),
    "padding": (
        lambda net: setattr(net, "w", nn.Embedding(10, 3, padding_idx=2).weight),
        "rows(('normal', 'zeros', 'normal'), (2, 1, 7))",
        "normal_(0, 1), then row 2 zero_()",
    ),
    "blocks": (
        blocks,
        "rows(('uniform(-1, 1)', 'uniform(-2, 2)', 'uniform(-3, 3)'), (2, 2, 2))",
        "rows 0-1 uniform_(-1, 1), then rows 2-3 uniform_(-2, 2), rows 4-5 uniform_(-3, 3)",
    ),
    "gates": (
        gates,
        "rows(('uniform(-0.5, 0.5)', 'ones', 'uniform(-0.5, 0.5)'), (2, 2, 4))",
        "uniform_(-0.5, 0.5), then rows 2-3 fill_(1)",
    ),
    "joined": (
        parameter(lambda: torch.cat([torch.randn(3, 2), torch.zeros(1, 2)])),
        "rows(('normal', 'zeros'), (3, 1))",
        "randn, then cat()",
    ),
    "joined alike": (
        parameter(lambda: torch.cat([torch.randn(3, 2), torch.randn(1, 2)])),
        "normal",
        "randn, then cat()",
    ),
    "rows scaled": (
        then(drawn(4, 2), lambda w: w[2:].mul_(3)),
        "rows(('normal', 'normal(std=3)'), (2, 2))",
        "randn, then rows 2-3 mul_(3)",
    ),
    "row of a bigger one": (
        parameter(lambda: torch.cat([torch.zeros(2, 3), torch.randn(2, 3)])[2:]),
        "normal",
        "randn, then cat()",
    ),
    "orthogonal": (
        then(lambda: torch.empty(3, 8), lambda w: nn.init.orthogonal_(w, 0.5)),
        "flattened('orthogonal(gain=0.5)')",
        "normal_(0, 1), then linalg_qr(), mul_(), mul_(0.5)",
    ),
    "tall kernel": (
        then(lambda: torch.empty(8, 3, 2), nn.init.orthogonal_),
        "flattened('orthogonal')",
        "normal_(0, 1), then linalg_qr(), mul_(), mul_(1)",
    ),
    "orthogonal by hand": (
        orthogonal_by_hand,
        "flattened('orthogonal(gain=2)')",
        "randn, then linalg_qr(), mul(), mul(2)",
    ),
    "mamba": (mamba, "mamba_dt(high=0.2, floor=0.01)", "rand, then mul(5.3), add(-6.91), exp(), clamp(0.01), 1 more"),
    "mamba otherwise": (
        mamba_otherwise,
        "mamba_dt",
        "uniform_(0, 1), then mul_(4.61), add_(-6.91), exp_(), expm1(), 1 more",
    ),
    "a table": (
        parameter(lambda: torch.arange(1, 4).float()),
        ONE_TWO_THREE,
        "computed by arange",
    ),
    "rows of a table": (
        parameter(lambda: torch.arange(1, 4).float().repeat(5, 1)),
        ONE_TWO_THREE,
        "computed by arange, repeat",
    ),
    "interleaved": (waves(True, 4), "sinusoidal", "computed by arange, mul, exp, sin, cos, 1 more"),
    "halves": (waves(False, 4), "sinusoidal(layout='halves')", "computed by arange, mul, exp, sin, cos, 1 more"),
    "halves to the end": (
        waves(False, 3),
        "sinusoidal(layout='halves', slowest='reached')",
        "computed by arange, mul, exp, sin, cos, 1 more",
    ),
}


def upcycled():
    experts = torch.empty(3, 2, 4)
    experts[0].normal_()
    for index in (1, 2):
        experts[index].copy_(experts[0])
    return experts


def shifted():
    w = torch.randn(4, 2)
    w[1:] = w[:-1].clone()
    return w


def matrices():
    w = torch.empty(4, 4, 4)
    for matrix in w:
        nn.init.orthogonal_(matrix)
    return w


OTHERS = {
    "twice": (lambda: torch.cat([torch.randn(2)] * 2), "randn, then cat() (one draw repeated)"),
    "stacked twice": (lambda: torch.stack([torch.randn(2)] * 2), "randn, then stack() (one draw repeated)"),
    "opposite": (lambda: (lambda a: torch.cat([a, -a]))(torch.randn(2)), "randn, then cat() (one draw repeated)"),
    "turned beside": (
        lambda: (lambda a: torch.cat([a, a.t()]))(torch.randn(2, 2)),
        "randn, then cat() (one draw repeated)",
    ),
    "upcycled": (
        upcycled,
        "row 0 normal_(0, 1), then row 1 normal_(0, 1), row 2 normal_(0, 1), row 2 normal_(0, 1) (one draw repeated)",
    ),
    "shifted": (shifted, "randn, then rows 1-3 randn (one draw repeated)"),
    "matrices": (
        matrices,
        "row 0 normal_(0, 1), then row 0 linalg_qr(), row 0 mul_(), row 0 mul_(1), row 1 normal_(0, 1), 11 more",
    ),
    "overlapping": (lambda: torch.randn(10).unfold(0, 3, 1).clone(), "randn (one draw repeated)"),
    "complex": (lambda: torch.randn(3, dtype=torch.cfloat), "randn"),
    "clamped by a tensor": (lambda: torch.randn(3).clamp(torch.zeros(3)), "randn, then clamp()"),
    "half of it": (
        lambda: torch.cat([torch.randn(2), torch.empty(2)]),
        "randn, then cat() (a part is memory that nothing wrote)",
    ),
    "columns": (lambda: torch.cat([torch.randn(2, 2), torch.zeros(2, 2)], 1), "randn, then cat(1)"),
    "two draws": (lambda: torch.randn(4) * torch.randn(4), "randn, then mul() (two draws)"),
    "a sum": (lambda: torch.randn(4) + torch.rand(4), "randn, then add() (two draws)"),
    "itself turned": (lambda: (lambda a: a + a.t())(torch.randn(4, 4)), "randn, then add() (two draws)"),
    "repeated": (lambda: torch.randn(1, 4).expand(3, 4).clone(), "randn (one draw repeated)"),
    "a table": (lambda: torch.randn(4) * torch.arange(4), "randn, then mul() (a draw and a table)"),
    "a mask": (lambda: torch.randn(4) * (torch.rand(4) > 0.5), "randn, then mul() (two draws)"),
    "whole numbers": (lambda: torch.randint(0, 4, (4,)).float(), "randint(0, 4)"),
    "made whole": (lambda: torch.randn(4).int().float(), "randn (draws made whole)"),
    "other draws": (lambda: torch.empty(4).exponential_(), "exponential_(1)"),
    "a factor": (lambda: torch.linalg.qr(torch.randn(4, 4))[0], "randn, then linalg_qr()"),
    "a sine": (lambda: torch.randn(4).sin(), "randn, then sin()"),
    "nothing": (lambda: torch.empty(4), "memory that nothing wrote"),
    "lopsided": (lambda: nn.init.trunc_normal_(torch.empty(4), 0, 1, -1, 2), "trunc_normal_(0, 1, -1, 2)"),
    "long table": (lambda: (torch.arange(3000.0) * 1.1).sin(), "computed by arange, mul, sin"),
    "sorted": (lambda: torch.randn(4).sort()[0], "randn, then sort()"),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_start_says_what_a_constructor_did(name):
    fill, spec, because = STARTS[name]
    made = made_of(fill)
    assert str(made.init) == spec
    assert made.because == because
    assert initium.parse(spec) == made.init


@pytest.mark.parametrize("name", OTHERS)
def test_what_no_start_says_is_left_to_its_operations(name):
    tensor, because = OTHERS[name]
    record = recorded(parameter(tensor))
    assert (record.made.init, record.made.because) == (None, because)
    assert record.value(1).shape == tensor().shape


@pytest.mark.parametrize("name", [name for name in STARTS if name not in ("expanded", "list")])
def test_the_operations_done_again_agree_with_the_start(name):
    """Moments of many replays beside those of many draws; to the bit where there is no chance."""
    record = recorded(STARTS[name][0])
    again = np.stack([record.value(key).double().numpy() for key in range(400)])
    axes, dtype = "b" * (again.ndim - 1), record.value(0).dtype
    ours = np.stack([
        initium.array(record.made.init, again.shape[1:], seed=key, path="w", dtype=np.float64, axes=axes)
        for key in range(400)
    ])  # fmt: skip
    ours = torch.from_numpy(ours).to(dtype).double().numpy()
    spread = ours.std(0).mean()
    np.testing.assert_allclose(again.mean(0), ours.mean(0), rtol=1e-5, atol=5 * spread * (2 / 400) ** 0.5 + 2e-6)
    np.testing.assert_allclose(again.std(0), ours.std(0), rtol=5 * (2 / 800) ** 0.5, atol=2e-6)
    np.testing.assert_allclose(correlations(again), correlations(ours), atol=5 * (2 / 400) ** 0.5)


def correlations(samples):
    """Of each element with each, where they vary."""
    flat = samples.reshape(len(samples), -1)
    flat = flat[:, flat.std(0) > 1e-4]
    return np.corrcoef(flat.T) if flat.shape[1] > 1 else np.zeros(0)


def padded(net):
    net.w = nn.Embedding(6, 4, padding_idx=0).weight


def product(net):
    net.w = nn.Parameter(torch.randn(4, 3) * torch.randn(4, 3))


# What is made of `w`, and how often it is it.
JOINT = {
    "a copy": (parameter(drawn(4, 3)), lambda w: w.clone(), 1),
    "a part of it": (parameter(lambda: torch.rand(4, 3)), lambda w: w / 2, 0.5),
    "opposite": (parameter(drawn(4, 3)), lambda w: -w, None),
    "the rest": (parameter(lambda: torch.rand(4, 3)), lambda w: 1 - w, None),
    "opposite twice": (parameter(drawn(4, 3)), lambda w: -(w * -2), 2),
    "an orthogonal matrix": (then(lambda: torch.empty(4, 3), nn.init.orthogonal_), copy.deepcopy, 1),
    "an orthogonal matrix, opposite": (then(lambda: torch.empty(4, 3), nn.init.orthogonal_), lambda w: w * -1, None),
    "a row of zeros": (padded, copy.deepcopy, 1),
    "another law": (
        parameter(lambda: torch.empty(9).uniform_(-0.9, 0.9)), lambda w: w.erfinv(), None),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINT)
def test_what_is_made_of_another_draw_is_drawn_with_it_where_one_start_says_both(name):
    fill, change, factor = JOINT[name]

    def both(net):
        fill(net)
        net.v = nn.Parameter(change(net.w))

    net = deferred(Net, both)
    record = record_of(net)
    assert (record["v"].origin == record["w"].origin) == (factor is not None)
    initium.plan(net, "author").apply(net, seed=0)
    assert torch.allclose(net.v, net.w * (factor or 1)) == (factor is not None)


def test_copies_of_what_no_start_says_have_one_origin():
    def fill(net):
        product(net)
        net.same, net.other = copy.deepcopy(net.w), nn.Parameter(net.w * 2)

    record = record_of(deferred(Net, fill))
    assert record["w"].origin == record["same"].origin != record["other"].origin
    assert torch.equal(record["w"].value(5), record["same"].value(5))


def test_parameters_that_share_memory_are_not_said():
    def fill(net):
        whole = torch.randn(4, 3)
        net.w, net.v = nn.Parameter(whole[:2]), nn.Parameter(whole[2:])

    net = deferred(Net, fill)
    assert record_of(net)["w"].made == initium._graph.Made(init=None, because="randn (shares its memory)")
    assert net.w.untyped_storage()._cdata == net.v.untyped_storage()._cdata


def test_buffers_that_share_a_table_are_said():
    def fill(net):
        table = torch.arange(6.0)
        net.register_buffer("w", table[:3])
        net.register_buffer("v", table)

    assert str(made_of(fill).init).startswith("values((3,), 'float32', ")


def test_copies_of_one_draw_are_known_by_their_origin():
    def fill(net):
        net.w, net.same = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.empty(3, 4))
        net.same.copy_(net.w)
        net.scaled, net.turned = nn.Parameter(net.w * 0.5), nn.Parameter(net.w.t().clone())
        net.other = nn.Parameter(torch.randn(3, 4))
        net.ones = nn.Parameter(torch.ones(3, 4))

    record = record_of(deferred(Net, fill))
    origin = record["w"].origin
    assert [record[name].origin == origin for name in ("same", "scaled", "turned", "other")] == [
        True,
        True,
        False,
        False,
    ]
    assert record["ones"].origin is None
