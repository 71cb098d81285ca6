import math
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import distributed, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.tensor import DeviceMesh, DTensor, Partial, Shard
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.flop_counter import FlopCounterMode

import initium
import initium.torch

REFUSED = "`he_normal` fills plain tensors of float32, float64, float16 and bfloat16 that have memory; this one"


def test_a_start_fills_a_tensor_in_place_and_returns_it():
    layer = nn.Linear(400, 300)
    assert initium.torch.he_normal()(layer.weight, seed=3, path="0.weight") is layer.weight
    expected = initium.array("he_normal", (300, 400), seed=3, path="0.weight")
    assert torch.equal(layer.weight, torch.from_numpy(expected))
    assert layer.weight.requires_grad


def test_every_name_of_the_catalogue_is_there_with_its_arguments():
    names = {"he_normal", "kaiming_uniform", "chrono", "delta_orthogonal"}
    assert names <= set(dir(initium.torch))
    assert str(initium.torch.kaiming_uniform(0.2)) == "he_uniform(slope=0.2)"
    assert initium.torch.he_normal(mode="out") == initium.torch.he_normal(mode="out")
    with pytest.raises(AttributeError, match=r"No initialiser is called 'he_norml'; the closest is 'he_normal'\."):
        initium.torch.he_norml  # noqa: B018


def test_without_a_seed_torchs_own_governs():
    def weight(generator=None):
        return initium.torch.orthogonal()(torch.empty(30, 20), generator=generator)

    torch.manual_seed(0)
    first, second = weight(), weight()
    torch.manual_seed(0)
    assert torch.equal(weight(), first)
    assert not torch.equal(first, second)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    assert torch.equal(weight(generators[0]), weight(generators[1]))


def test_fans_are_the_true_ones():
    depthwise = initium.torch.he_normal(mode="out")(torch.empty(4096, 1, 5, 5), groups=4096)
    assert depthwise.std().item() == pytest.approx(math.sqrt(2 / 25), rel=5 / math.sqrt(2 * depthwise.numel()))
    up = initium.torch.lecun_normal()(torch.empty(64, 256, 4, 4), transposed=True, stride=4)
    assert up.std().item() == pytest.approx(math.sqrt(4 / 64 / 16), rel=5 / math.sqrt(2 * up.numel()))
    packed = initium.torch.glorot_normal()(torch.empty(1536, 512), blocks=3)
    assert packed.std().item() == pytest.approx(math.sqrt(1 / 512), rel=5 / math.sqrt(2 * packed.numel()))


@pytest.mark.parametrize(
    ("axes", "shape"), [("io", (20, 30)), ("hwio", (3, 2, 8, 12)), ("vo", (20, 30)), ("bio", (2, 8, 9))]
)
@pytest.mark.parametrize("spec", ["he_normal", "sparse(num_incoming=3)", "orthogonal", "s4d_real", "normal"])
def test_a_tensor_of_any_layout_holds_the_numbers_of_the_array(axes, shape, spec):
    if (spec, axes) == ("sparse(num_incoming=3)", "vo"):
        pytest.skip("an embedding is no sum")
    out = initium.torch.Start(initium.parse(spec))(torch.empty(shape), axes=axes, seed=1, path="a")
    assert torch.equal(out, torch.from_numpy(initium.array(spec, shape, seed=1, path="a", axes=axes).copy()))


def test_gates_are_orthogonal_one_by_one():
    weight = initium.torch.orthogonal()(torch.empty(80, 20), blocks=4)
    for gate in weight.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(20), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_strided_tensor_and_every_dtype_hold_the_same_numbers(dtype):
    expected = torch.from_numpy(initium.array("sparse", (60, 50), seed=0, path=""))
    out = initium.torch.sparse()(torch.empty(50, 60, dtype=dtype).T, seed=0, path="")
    torch.testing.assert_close(out, expected.to(dtype), rtol=0, atol=1e-6 if dtype == torch.float64 else 0)
    assert torch.equal(out == 0, expected == 0)


def test_framework_leaves_a_tensor_as_it_is():
    tensor = torch.randn(3, 2)
    assert torch.equal(initium.torch.framework()(tensor.clone()), tensor)


def test_autograd_notices():
    weight = torch.ones(3, 2, requires_grad=True)
    loss = (weight * weight).sum()
    initium.torch.zeros()(weight)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("tensor", "arguments", "message"),
    [
        (
            torch.empty(3),
            {},
            '`he_normal` needs an input and an output axis, but the weight has shape (3,) with axes "o".',
        ),
        (
            torch.empty(3, 2, dtype=torch.int64),
            {},
            f"{REFUSED} has dtype torch.int64. "
            "Fill `torch.empty(tensor.shape)` and convert that: `tensor.copy_(filled)`.",
        ),
        (
            torch.empty(3, 2, device="meta"),
            {},
            f"{REFUSED} is on meta. Let `initium.initialize(model, seed)` give the model memory and fill it, or call "
            "`model.to_empty(device='cpu')`.",
        ),
        (
            torch.empty(3, 2),
            {"seed": 0},
            "A seed alone would start weights of one shape alike. It goes with a path, the weight's dotted name "
            "such as 'fc1.weight'. Inside `model.apply` no path is known; for a whole model: "
            'initium.initialize(model, 0, "he_normal").',
        ),
        (
            torch.empty(3, 2),
            {"path": "a"},
            "A path goes together with a seed: pass seed=0 beside path='a'.",
        ),
        (
            torch.empty(3, 2),
            {"seed": 0, "path": "a", "generator": torch.Generator()},
            "A weight starts from a seed and a path or from a generator, not from both.",
        ),
        (
            nn.Linear(3, 2),
            {},
            "`he_normal` fills a tensor, not a Linear. Pass a layer's weight, `layer.weight`; a whole model is started "
            'by initium.initialize(model, 0, "he_normal").',
        ),
        (torch.empty(3, 2), {"seed": -1, "path": "a"}, "A seed is a whole number from 0 to 2^64 - 1, not -1."),
        (torch.empty(3, 2), {"axes": "oih"}, 'shape (3, 2) needs 2 letters of axes, not "oih".'),
        (torch.empty(3, 2), {"axes": "ox"}, "axes \"ox\": 'x' is no role; the letters are o, i, h, w, d, g, b, v."),
        (torch.empty(3, 2), {"blocks": 2}, "2 blocks do not fill the 3 outputs of shape (3, 2)."),
        (torch.empty(3, 2), {"groups": 2}, "2 groups do not divide the channels of shape (3, 2)."),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_is_refused(tensor, arguments, message):
    with pytest.raises(initium.InitiumError) as error:
        initium.torch.he_normal()(tensor, **arguments)
    assert str(error.value) == message


def filled(tensor):
    return initium.torch.he_normal()(tensor, seed=0, path="w")


def fake():
    with FakeTensorMode():
        return torch.empty(4, 4)


def freed():
    tensor = torch.empty(4, 4)
    tensor.untyped_storage().resize_(0)
    return tensor


def nested(layout):
    return torch.nested.nested_tensor([torch.zeros(2, 3), torch.zeros(4, 3)], layout=layout)


DENSE = "Fill `torch.empty(tensor.shape)` and convert that, as by `.to_sparse()`."
NESTED = "is nested. Fill each of those in it: `tensor.unbind()`."
TRANSFORMED = (
    "stands for others within a transform of torch.func. Fill the weight before the transform, and pass it in."
)
SHARING = "has elements that share memory. Fill `tensor.clone()`, which has memory for each."


@pytest.mark.filterwarnings("ignore:.*(nested tensors|Sparse CSR|MaskedTensor|quantized|TypedStorage)")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: filled(fake()),
            "is a FakeTensor, which has no numbers. Call `initium.plan(model)`, which needs no numbers, and apply it "
            "to a model built outside of FakeTensorMode.",
        ),
        (lambda: torch.func.vmap(filled)(torch.zeros(3, 4, 4)), TRANSFORMED),
        (lambda: torch.func.grad(lambda weight: filled(weight).sum())(torch.zeros(4, 4)), TRANSFORMED),
        (lambda: filled(torch.eye(4).to_sparse()), f"has the layout torch.sparse_coo. {DENSE}"),
        (lambda: filled(torch.eye(4).to_sparse_csr()), f"has the layout torch.sparse_csr. {DENSE}"),
        (lambda: filled(nested(torch.strided)), NESTED),
        (lambda: filled(nested(torch.jagged)), NESTED),
        (
            lambda: filled(torch.quantize_per_tensor(torch.zeros(4, 4), 0.1, 0, torch.qint8)),
            "is quantised. Fill the weight before it is quantised: `torch.quantize_per_tensor(weight, ...)`.",
        ),
        (
            lambda: filled(torch.masked.masked_tensor(torch.zeros(4, 4), torch.ones(4, 4).bool())),
            "is a MaskedTensor, which holds others. Fill the plain tensors that it is made of.",
        ),
        (
            lambda: filled(nn.LazyLinear(3).weight),
            "has no shape yet. Run its layer once, so that it gets one: `layer(batch)`.",
        ),
        (
            lambda: filled(freed()),
            "has no memory now, as under FSDP. Call `module.unshard()` of its module first.",
        ),
        (lambda: filled(torch.empty(1, 4).expand(3, 4)), SHARING),
        (lambda: filled(torch.empty(64).as_strided((8, 8), (1, 1))), SHARING),
        # 16 elements that reach over 16 places, and some at one.
        (lambda: filled(torch.empty(16).as_strided((4, 4), (3, 2))), SHARING),
    ],
)
def test_a_tensor_without_plain_memory_is_refused_with_what_to_call(call, said):
    with pytest.raises(initium.InitiumError) as error:
        call()
    assert type(error.value).__name__ == "ModelError"
    assert str(error.value) == f"{REFUSED} {said}"


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
@pytest.mark.parametrize("trace", [make_fx(filled), lambda tensor: torch.jit.trace(filled, (tensor,))])
def test_a_trace_that_would_not_hold_the_fill_is_refused(trace):
    with pytest.raises(initium.InitiumError) as error:
        trace(torch.zeros(4, 4))
    assert str(error.value) == (
        "`he_normal` fills a tensor now, and what is being traced here would not hold it. Fill it before the trace."
    )


@pytest.mark.parametrize(
    "mode",
    [
        FakeTensorMode,
        partial(FlopCounterMode, display=False),
        partial(torch.device, "meta"),
        torch.inference_mode,
        torch.autograd.forward_ad.dual_level,
    ],
)
def test_in_every_mode_a_plain_tensor_gets_its_numbers(mode):
    rows, columns, by_torchs_seed = torch.empty(4, 6), torch.empty(6, 4).T, torch.zeros(4, 6)
    expected = filled(torch.empty(4, 6))
    with mode():
        filled(rows)
        filled(columns)
        initium.torch.normal()(by_torchs_seed)
    assert torch.equal(rows, expected)
    assert by_torchs_seed.any()
    assert torch.equal(columns, expected)


def test_a_plain_tensor_beside_those_of_a_transform_gets_its_numbers():
    weight = torch.empty(4, 6)
    torch.func.vmap(lambda x: x * filled(weight).sum())(torch.ones(3))
    assert torch.equal(weight, filled(torch.empty(4, 6)))


def test_strides_that_interleave_without_meeting_are_filled():
    tensor = torch.zeros(8).as_strided((3, 2), (2, 3))
    assert torch.equal(filled(tensor), filled(torch.empty(3, 2)))


def test_what_is_compiled_calls_a_start_as_it_is():
    compiled = torch.compile(lambda tensor: filled(tensor + 1) * 2, backend="eager")
    assert torch.equal(compiled(torch.zeros(4, 6)), filled(torch.empty(4, 6)) * 2)


@pytest.fixture
def mesh():
    """Of two ranks, of which this process is the second and the first is not there."""
    distributed.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    yield DeviceMesh("cpu", [0, 1])
    distributed.destroy_process_group()


def test_of_a_dtensor_a_process_fills_its_part(mesh):
    held = torch.empty(2, 6)
    assert filled(DTensor.from_local(held, mesh, [Shard(0)])).shape == (4, 6)
    assert torch.equal(held, filled(torch.empty(4, 6))[2:])


def test_a_dtensor_needs_a_seed_that_all_processes_share(mesh):
    sharded = DTensor.from_local(torch.empty(2, 6), mesh, [Shard(0)])
    with pytest.raises(initium.InitiumError) as error:
        initium.torch.he_normal()(sharded)
    assert str(error.value) == (
        "`he_normal` fills a DTensor under a seed and a path that all its processes share: "
        "pass seed=0, path='fc1.weight'."
    )
    with pytest.raises(initium.InitiumError, match="it cannot be said which part a process holds"):
        filled(DTensor.from_local(torch.empty(4, 6), mesh, [Partial()]))


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.GELU(), "gelu"),
        (functional.silu, "silu"),
        (torch.tanh, "tanh"),
        (nn.PReLU(init=0.5), "prelu(0.5)"),
        (nn.ReLU(inplace=True), "relu"),
        (lambda x: x * torch.sigmoid(x), "silu"),
    ],
)
def test_a_gain_can_be_that_of_a_function_of_tensors(activation, name):
    assert initium.gain(activation) == pytest.approx(initium.gain(name), rel=1e-8)
    assert initium.gain(activation, backward=True) == pytest.approx(initium.gain(name, backward=True), rel=1e-8)


def test_a_name_of_the_drop_in_is_pointed_to():
    with pytest.raises(AttributeError) as error:
        initium.torch.xavier_uniform_  # noqa: B018
    assert str(error.value) == (
        "`xavier_uniform_` is `initium.torch.init.xavier_uniform_`; `initium.torch` has the names of `initium list`."
    )


def test_inside_apply_what_starts_a_whole_model_is_named():
    model = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(initium.ModelError, match=r'initium\.initialize\(model, 0, "he_normal"\)'):
        model.apply(initium.torch.he_normal())


LATE = """
import atexit, threading, torch
import initium.torch

weight, start = torch.empty(300, 900), initium.torch.normal()
expected = start(torch.empty(300, 900), seed=0, path="a").sum().item()

def tell(when):
    print(when, start(weight.zero_(), seed=0, path="a").sum().item() == expected, flush=True)

class Last:
    def __del__(self):
        tell("__del__")

def outlive():
    threading.main_thread().join()
    tell("thread")

atexit.register(tell, "atexit")
threading.Thread(target=outlive).start()
last = Last()
"""


def test_a_tensor_is_filled_while_python_ends():
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "thread True\natexit True\n__del__ True\n", done.stderr
