import inspect
import itertools
import math
import threading
import warnings

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from initium.torch import init

NUM = 1_000_000
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
THEIRS = {name: getattr(nn.init, name) for name in nn.init.__all__}
NAN, INF = math.nan, math.inf


class Theirs:
    """PyTorch's own functions."""


for name, function in THEIRS.items():
    setattr(Theirs, name, staticmethod(function))

# What draws: the call on a weight.
DRAWS = {
    "uniform_": lambda module, w, **how: module.uniform_(w, -1.0, 3.0, **how),
    "normal_": lambda module, w, **how: module.normal_(w, 0.5, 2.0, **how),
    "trunc_normal_": lambda module, w, **how: module.trunc_normal_(w, 0.0, 1.0, -2.0, 1.0, **how),
    "xavier_uniform_": lambda module, w, **how: module.xavier_uniform_(w, 2.0, **how),
    "xavier_normal_": lambda module, w, **how: module.xavier_normal_(w, 2.0, **how),
    "kaiming_uniform_": lambda module, w, **how: module.kaiming_uniform_(w, **how),
    "kaiming_normal_": lambda module, w, **how: module.kaiming_normal_(w, **how),
    "orthogonal_": lambda module, w, **how: module.orthogonal_(w, 2.0, **how),
    "sparse_": lambda module, w, **how: module.sparse_(w, 0.25, 1.0, **how),
}
draws = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def empty(*shape, **how):
    """Numbers that no draw leaves."""
    return torch.full(shape, 77.0, **how)


def outcome(module, name, make):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            getattr(module, name)(*make())
            end = None
        except Exception as error:
            end = type(error), str(error)
    return end, [(each.category, str(each.message)) for each in seen]


def advances(generator, call):
    before = generator.get_state()
    call()
    return bool((generator.get_state() != before).any())


def test_every_public_name_of_torch_is_here_with_its_signature():
    assert sorted(init.__all__) == sorted(nn.init.__all__)
    for name in nn.init.__all__:
        assert inspect.signature(getattr(init, name)) == inspect.signature(THEIRS[name]), name
        assert getattr(init, name).__name__ == name


# What PyTorch refuses, warns of, or does without a draw.
EDGES = {
    "uniform_": [
        lambda: (empty(3), 2, 1),
        lambda: (empty(3), NAN, 1),
        lambda: (empty(3), 0, INF),
        lambda: (empty(3), -1e39, 1),
        lambda: (empty(3, dtype=torch.float16), 0, 1e5),
        lambda: (empty(3), 0, 10**400),
        lambda: (empty(3), "a", 1),
        lambda: (empty(3), [0], 1),
        lambda: (empty(3), 0, 1, "generator"),
        lambda: (empty(3, dtype=torch.int64),),
        lambda: (empty(3, 1).expand(3, 4),),
        lambda: (torch.eye(3).to_sparse(),),
        lambda: (torch._efficientzerotensor(4),),
        lambda: ([1.0],),
        lambda: (None,),
        lambda: (),
        lambda: (empty(0),),
    ],
    "normal_": [
        lambda: (empty(3), 0, -1),
        lambda: (empty(3), 0, NAN),
        lambda: (empty(3), NAN, 1),
        lambda: (empty(3), 0, INF),
        lambda: (empty(3), None, 1),
        lambda: (empty(3), 10**400, 1),
        lambda: (empty(3, dtype=torch.int32),),
        lambda: (empty(3).to(torch.float8_e4m3fn),),
        lambda: (empty(3, 1).expand(3, 4),),
        lambda: (inference(),),
    ],
    "trunc_normal_": [
        lambda: (empty(3), 0, 1, 2, 1),
        lambda: (empty(3), 0, 0, -2, 2),
        lambda: (empty(3), 0, -1, -2, 2),
        lambda: (empty(3), 10, 1, -2, 2),
        lambda: (empty(3), -10, 1, -2, 2),
        lambda: (empty(3), 0, 1, 1, INF),
        lambda: (empty(3), 0, 1, -INF, INF),
        lambda: (empty(3), 0, 1, 0.5, 0.5),
        lambda: (empty(3), NAN, 1, -2, 2),
        lambda: (empty(3, dtype=torch.int64),),
    ],
    "xavier_uniform_": [
        lambda: (empty(3),),
        lambda: (empty(3, 4), -1),
        lambda: (empty(3, 4), "x"),
        lambda: (empty(0, 0),),
        lambda: (empty(0, 4),),
    ],
    "xavier_normal_": [lambda: (empty(3),), lambda: (empty(3, 4), -1), lambda: (empty(0, 0),)],
    "kaiming_uniform_": [
        lambda: (empty(3),),
        lambda: (empty(3, 4), 0, "fan"),
        lambda: (empty(3, 4), 0, 3),
        lambda: (empty(3, 4), True),
        lambda: (empty(3, 4), NAN),
        lambda: (empty(3, 4), 0, "fan_in", "gelu"),
        lambda: (empty(0, 4),),
        lambda: (empty(0, 4), 0, "fan"),
    ],
    "kaiming_normal_": [
        lambda: (empty(3),),
        lambda: (empty(3, 4), 0, "fan"),
        lambda: (empty(3, 4), 0, "fan_in", "gelu"),
        lambda: (empty(0, 4),),
    ],
    "orthogonal_": [
        lambda: (empty(3),),
        lambda: (empty(0, 3),),
        lambda: (empty(3, 4), "x"),
        lambda: (empty(3, 4), NAN),
        lambda: (empty(20, 50), 1e39),
        lambda: (empty(3, 4, dtype=torch.int64),),
    ],
    "sparse_": [
        lambda: (empty(3), 0.1),
        lambda: (empty(3, 4), 1.5),
        lambda: (empty(3, 4), -0.5),
        lambda: (empty(3, 4), NAN),
        lambda: (empty(3, 4), 0.1, -1),
        lambda: (empty(0, 4), 0.1),
        lambda: (empty(3, 4),),
    ],
    "calculate_gain": [lambda: ("gelu",), lambda: ("leaky_relu", True), lambda: ("leaky_relu", "x")],
    "eye_": [lambda: (empty(3),)],
    "dirac_": [lambda: (empty(3, 3),), lambda: (empty(3, 3, 3), 2)],
    "uniform": [lambda: (empty(3),)],
    "orthogonal": [lambda: (empty(3, 3),)],
    "sparse": [lambda: (empty(3, 3), 0.5)],
}


def inference():
    with torch.inference_mode():
        return torch.zeros(3)


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, edges in EDGES.items() for make in edges])
def test_what_torch_refuses_or_warns_of_reads_the_same(name, make):
    assert outcome(init, name, make) == outcome(Theirs, name, make)


def test_the_table_of_edges_holds_errors_and_warnings():
    ends = [outcome(Theirs, name, make) for name, edges in EDGES.items() for make in edges]
    assert sum(end is not None for end, _ in ends) > 40
    assert sum(bool(seen) for _, seen in ends) > 6


def check(x, law, std=None):
    values = x.double().flatten().numpy()
    assert scipy.stats.kstest(values, law.cdf).pvalue > 1e-4
    assert abs(values.std() / law.std() - 1) < 5 / math.sqrt(2 * values.size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_is_uniform_between_its_ends(dtype):
    torch.manual_seed(1)
    x = init.uniform_(torch.empty(NUM, dtype=dtype), -1, 3)
    check(x, scipy.stats.uniform(-1, 4))
    assert x.min() >= -1
    assert x.max() <= 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_is_gaussian(dtype):
    torch.manual_seed(2)
    check(init.normal_(torch.empty(NUM, dtype=dtype), 0.5, 2), scipy.stats.norm(0.5, 2))


CUTS = [
    (0, 1, -2, 2),
    (0, 0.02, -2, 2),
    (0.5, 1, -8.5, 9.5),
    (1, 2, -2, 1.5),
    (0, 1, 1.5, 9),
    (0, 1, 2, 2.02),
    (0, 1, 0, 0.02),
    (3, 1, -5, 1),
    (0, 1, -9, -1),
]


@pytest.mark.parametrize(("mean", "std", "a", "b"), CUTS)
def test_a_truncated_normal_has_its_distribution_and_stays_between_its_ends(mean, std, a, b):
    torch.manual_seed(3)
    x = init.trunc_normal_(torch.empty(NUM), mean, std, a, b)
    check(x, scipy.stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std))
    wide = init.trunc_normal_(torch.empty(NUM // 10, dtype=torch.float64), mean, std, a, b)
    check(wide, scipy.stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std))
    assert min(x.min(), wide.min()) >= a
    assert max(x.max(), wide.max()) <= b


@pytest.mark.parametrize("width", [1 / 1000, 1e-9])
@pytest.mark.parametrize("a", [-2.0, 0.1, 1.99])
def test_a_truncated_normal_between_near_ends_is_uniform(a, width):
    torch.manual_seed(4)
    b = a + width
    x = init.trunc_normal_(torch.empty(100_000, dtype=torch.float64), 0, 1, a, b)
    assert a <= x.min() <= x.max() <= b
    assert scipy.stats.kstest((x - a).numpy() / (b - a), scipy.stats.uniform.cdf).pvalue > 1e-4
    assert x.unique().numel() > 98_000


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300, 400), (64, 16, 5, 5)])
def test_xavier_has_torchs_std_and_bound(shape, dtype):
    fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    std = 1.5 * math.sqrt(2 / (fan_in + fan_out))
    torch.manual_seed(5)
    normal = init.xavier_normal_(torch.empty(shape, dtype=dtype), 1.5).double()
    uniform = init.xavier_uniform_(torch.empty(shape, dtype=dtype), 1.5).double()
    check_std_and_bound(normal, uniform, std, eps=torch.finfo(dtype).eps)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv2d"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "FAN_OUT"])
def test_kaiming_has_torchs_std_and_bound(mode, nonlinearity):
    shape, slope = (64, 48, 3, 3), 0.3
    fan = (48 if mode == "fan_in" else 64) * 9
    std = nn.init.calculate_gain(nonlinearity, slope) / math.sqrt(fan)
    torch.manual_seed(6)
    normal = init.kaiming_normal_(torch.empty(shape), slope, mode, nonlinearity).double()
    uniform = init.kaiming_uniform_(torch.empty(shape), slope, mode, nonlinearity).double()
    check_std_and_bound(normal, uniform, std, eps=torch.finfo(torch.float32).eps)


def check_std_and_bound(normal, uniform, std, eps=0.0):
    near = 5 / math.sqrt(2 * normal.numel())
    assert abs(normal.std(correction=0).item() / std - 1) < near
    assert abs(uniform.std(correction=0).item() / std - 1) < near
    # A bound is approached as far as the number of draws says, and kept up to the dtype's own rounding of it.
    assert 1 - 20 / uniform.numel() - eps < uniform.abs().max().item() / (math.sqrt(3) * std) <= 1 + eps
    assert normal.abs().max().item() > 3 * std


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gain", [1, 2.5, -1.5, 0])
@pytest.mark.parametrize("shape", [(30, 30), (20, 50), (90, 40), (16, 4, 3, 3), (1, 7), (7, 1)])
def test_an_orthogonal_matrix_is_orthonormal_times_its_gain(shape, gain, dtype):
    rows, columns = shape[0], math.prod(shape[1:])
    torch.manual_seed(7)
    matrix = init.orthogonal_(torch.empty(shape, dtype=dtype), gain).double().reshape(rows, columns)
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    near = {torch.float64: 1e-12, torch.float32: 2e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}[dtype]
    torch.testing.assert_close(product, gain**2 * torch.eye(len(product)).double(), atol=near, rtol=0)


def test_an_orthogonal_matrix_is_its_gain_times_that_of_gain_one():
    one, other = (init.orthogonal_(empty(20, 50), gain, torch.Generator().manual_seed(7)) for gain in (1, -1.5))
    torch.testing.assert_close(other, -1.5 * one)


def test_an_orthogonal_matrix_prefers_no_direction():
    torch.manual_seed(8)
    first = torch.stack([init.orthogonal_(torch.empty(2, 4))[:, 0] for _ in range(1500)]).double()
    # An element of a random unit vector of 4 has the distribution of 2 Beta(3/2, 3/2) - 1.
    assert scipy.stats.kstest(first[:, 0], scipy.stats.beta(1.5, 1.5, -1, 2).cdf).pvalue > 1e-4
    assert scipy.stats.kstest(first[:, 1], scipy.stats.beta(1.5, 1.5, -1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("shape", [(40, 30), (7, 1000), (1, 5)])
def test_a_sparse_matrix_has_its_zeros_in_each_column(shape, sparsity, dtype, monkeypatch):
    monkeypatch.setattr(init, "_AT_ONCE", 3000)
    torch.manual_seed(9)
    found = (init.sparse_(empty(*shape, dtype=dtype), sparsity, 1.0) == 0).sum(dim=0)
    assert found.tolist() == [math.ceil(sparsity * shape[0])] * shape[1]


def test_a_sparse_matrix_is_gaussian_elsewhere_and_zero_anywhere():
    torch.manual_seed(10)
    x = init.sparse_(torch.empty(500, 4000), 0.5, 0.1)
    check(x[x != 0], scipy.stats.norm(0, 0.1))
    per_row = (x == 0).sum(dim=1).double()
    assert (per_row - 2000).abs().max() < 5 * math.sqrt(4000 * 0.25)
    neighbours = ((x[1:] == 0) & (x[:-1] == 0)).double().mean().item()
    assert abs(neighbours - 0.25 * 998 / 999) < 0.003
    columns = ((x[:, 1:] == 0) & (x[:, :-1] == 0)).double().mean().item()
    assert abs(columns - 0.25) < 0.003


def test_where_a_sparse_matrix_is_zero_tells_nothing_of_its_numbers():
    torch.manual_seed(27)
    x = init.sparse_(torch.empty(200_000, 1), 0.5, 1.0)
    check(x[x != 0], scipy.stats.norm())


def test_a_sparse_matrix_has_other_zeros_wherever_it_is_cut(monkeypatch):
    def zeros():
        torch.manual_seed(28)
        return init.sparse_(torch.empty(50, 400), 0.5) == 0

    whole = zeros()
    monkeypatch.setattr(init, "_AT_ONCE", 50 * 7)
    assert torch.equal(zeros(), whole)


@draws
def test_a_seed_settles_the_numbers_and_each_call_takes_new_ones(draw):
    torch.manual_seed(11)
    first, second = draw(init, empty(20, 30)), draw(init, empty(20, 30))
    torch.manual_seed(11)
    again = draw(init, empty(20, 30))
    torch.manual_seed(12)
    other = draw(init, empty(20, 30))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not (first == 77).any()


@draws
def test_a_generator_is_used_and_the_global_one_left_alone(draw):
    generator = torch.Generator().manual_seed(13)
    assert not advances(torch.default_generator, lambda: draw(init, empty(20, 50), generator=generator))
    assert advances(generator, lambda: draw(init, empty(20, 50), generator=generator))
    assert advances(torch.default_generator, lambda: draw(init, empty(20, 50)))
    first = draw(init, empty(20, 50), generator=generator.manual_seed(14))
    assert torch.equal(first, draw(init, empty(20, 50), generator=generator.manual_seed(14)))
    assert not torch.equal(first, draw(init, empty(20, 50), generator=generator))


def test_a_key_has_63_even_bits():
    keys = [init._key(empty(1), None) for _ in range(500)]
    assert len(set(keys)) == 500
    assert all(0 <= key < 2**63 for key in keys)
    ones = [sum(key >> bit & 1 for key in keys) for bit in range(63)]
    assert all(abs(each - 250) < 70 for each in ones)


def test_threads_draw_from_one_generator_without_sharing_a_key():
    found, start = [], threading.Barrier(4)

    def work():
        start.wait(timeout=30)
        found.extend(init._key(empty(1), None) for _ in range(500))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2000


@draws
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_drawn_here(draw, dtype, monkeypatch):
    monkeypatch.setattr(init, "_torch", None)
    w = empty(500, 20, dtype=dtype)
    assert draw(init, w) is w
    assert w.dtype == dtype
    assert not (w == 77).any()


@draws
def test_the_narrow_dtypes_are_the_wide_one_rounded(draw):
    def drawn(dtype):
        torch.manual_seed(15)
        return draw(init, empty(500, 20, dtype=dtype))

    for dtype in (torch.float16, torch.bfloat16):
        torch.testing.assert_close(drawn(dtype), drawn(torch.float32).to(dtype), atol=0, rtol=0)


LAYOUTS = {
    "transposed": lambda base: base[:60, :40].T,
    "every other": lambda base: base[::2, ::3],
    "a corner": lambda base: base[3:33, 5:65],
    "contiguous rows": lambda base: base[10:70],
    "a permuted kernel": lambda base: base.reshape(10, 9, 8, 10).permute(3, 0, 2, 1),
    "a strided kernel": lambda base: base.reshape(10, 9, 8, 10)[:, ::2],
}


@draws
@pytest.mark.parametrize("view", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_the_elements_of_a_view_are_written_and_they_are_those_of_a_whole(draw, view, dtype, monkeypatch):
    base, mark = empty(90, 80, dtype=dtype), torch.zeros(90, 80, dtype=torch.bool)
    w = view(base)
    if w.ndim > 2 and draw is DRAWS["sparse_"]:
        pytest.skip("only matrices")
    view(mark)[...] = True
    torch.manual_seed(16)
    assert draw(init, w) is w
    assert (base[~mark] == 77).all()
    torch.manual_seed(16)
    assert torch.equal(w, draw(init, empty(*w.shape, dtype=dtype)))
    assert not (w == 77).any()


def test_memory_that_holds_the_negative_is_written_as_it_reads():
    base = empty(50)
    w = torch._neg_view(base)
    assert w.is_neg()
    assert w.is_contiguous()
    init.uniform_(w, 1, 2)
    assert ((w >= 1) & (w <= 2)).all()
    assert ((base <= -1) & (base >= -2)).all()


@draws
@pytest.mark.parametrize("how", ["plain", "parameter", "requires grad", "view of a leaf"])
@pytest.mark.parametrize("strided", [False, True])
def test_autograd_notices_a_draw_and_keeps_what_it_knew(draw, how, strided):
    leaf = empty(100, 20)
    leaf = nn.Parameter(leaf) if how == "parameter" else leaf.requires_grad_(how != "plain")
    w = leaf.view(50, 40) if how.startswith("view") else leaf
    w = w.T if strided else w
    before, is_leaf = w._version, w.is_leaf
    assert draw(init, w) is w
    assert w._version > before
    assert leaf._version > before
    assert leaf.requires_grad == (how != "plain")
    assert w.is_leaf == is_leaf
    assert not (leaf == 77).any()


@draws
def test_a_backward_pass_over_a_weight_drawn_since_is_refused(draw):
    w = nn.Parameter(empty(100, 20))
    loss = (w * w).sum()
    draw(init, w)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_thread_that_begins_in_inference_mode_goes_on_outside_of_it():
    ends = []

    def work():
        with torch.inference_mode():
            init.normal_(empty(9))
        ends.append(init.normal_(empty(9)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(ends) == 1


@draws
def test_inference_mode_draws_the_same_numbers(draw):
    torch.manual_seed(17)
    expected = draw(init, empty(100, 20))
    ordinary = nn.Parameter(empty(100, 20))
    with torch.inference_mode():
        torch.manual_seed(17)
        assert torch.equal(draw(init, empty(100, 20)), expected)
        torch.manual_seed(17)
        assert torch.equal(draw(init, ordinary), expected)


@draws
def test_a_meta_tensor_stays_what_it_is(draw):
    meta = torch.empty(100, 20, device="meta")
    assert draw(init, meta) is meta


@draws
def test_a_fake_tensor_is_torchs_own(draw):
    def end(module):
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            fake = mode.from_tensor(empty(100, 20))
            try:
                return draw(module, fake) is fake, type(fake)
            except DataDependentOutputException as error:  # PyTorch's trunc_normal_ looks at what it drew
                return str(error)

    assert end(init) == end(Theirs)


def test_a_real_tensor_under_a_fake_mode_keeps_its_numbers():
    w = empty(100, 20)
    with FakeTensorMode(allow_non_fake_inputs=True):
        init.normal_(w)
    assert (w == 77).all()


@pytest.mark.parametrize(
    ("make", "std"),
    [
        (lambda: torch.zeros(400, dtype=torch.complex64), 2),
        (lambda: empty(0), 2),
        (lambda: empty(400, dtype=torch.float16), 1e5),  # beyond the dtype
        (lambda: empty(400), 1e38),
    ],
)
def test_what_no_fill_writes_is_torchs_own_bit_for_bit(make, std):
    torch.manual_seed(18)
    ours = init.normal_(make(), 0, std)
    torch.manual_seed(18)
    assert torch.equal(ours, THEIRS["normal_"](make(), 0, std))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_a_nested_tensor_is_torchs_own():
    drawn = []
    for normal_ in (init.normal_, THEIRS["normal_"]):
        nested = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)])
        torch.manual_seed(18)
        drawn.append(torch.cat([part.flatten() for part in normal_(nested).unbind()]))
    assert torch.equal(*drawn)


def test_numbers_that_are_tensors_are_torchs_own():
    torch.manual_seed(19)
    ours = init.normal_(empty(50), torch.tensor(3.0), np.float32(0.5))
    torch.manual_seed(19)
    assert torch.equal(ours, THEIRS["normal_"](empty(50), torch.tensor(3.0), np.float32(0.5)))
    changing = torch.tensor(0.0)
    for mean in (100.0, -100.0):
        changing.fill_(mean)
        assert abs(init.normal_(empty(50), changing).mean() - mean) < 3


class Seen(torch.Tensor):
    calls = []  # noqa: RUF012

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


@draws
def test_a_subclass_sees_what_it_sees_of_torch(draw):
    def calls(module):
        Seen.calls.clear()
        torch.manual_seed(20)
        draw(module, empty(40, 30).as_subclass(Seen))
        return [getattr(call, "__name__", str(call)) for call in Seen.calls]

    assert calls(init) == calls(Theirs) != []


class Dispatched(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append(str(func))
        return func(*args, **kwargs or {})


class Functions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls.append(getattr(func, "__name__", str(func)))
        return func(*args, **kwargs or {})


@draws
@pytest.mark.parametrize("mode", [Dispatched, Functions])
def test_a_mode_sees_what_it_sees_of_torch(draw, mode):
    seen = []
    for module in (init, Theirs):
        torch.manual_seed(20)
        with mode() as active:
            w = draw(module, torch.zeros(30, 20))
        seen.append((active.calls, w.tolist()))
    assert seen[0] == seen[1]
    assert seen[0][0]


@draws
def test_a_default_device_changes_nothing(draw):
    torch.manual_seed(21)
    expected = draw(init, empty(100, 20))
    for device in ("cpu", "meta"):
        for strided in (False, True):
            w = empty(20, 100).T if strided else empty(100, 20)
            torch.manual_seed(21)
            with torch.device(device):
                draw(init, w)
            assert torch.equal(w, expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
def test_transforms_and_tangents_are_torchs_own():
    with pytest.raises(RuntimeError, match="vmap"):
        torch.vmap(init.normal_)(empty(3, 4))
    drawn = torch.vmap(init.normal_, randomness="different")(empty(3, 4))
    assert not (drawn == 77).any()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(empty(3), torch.ones(3))
        assert (forward_ad.unpack_dual(init.normal_(dual)).tangent == 0).all()


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
def test_a_traced_draw_draws_again_when_it_runs():
    traced = torch.jit.trace(lambda x: init.normal_(x.clone()), empty(30), check_trace=False)
    assert not torch.equal(traced(empty(30)), traced(empty(30)))


def test_a_compiled_draw_is_torchs_own_without_a_break_in_the_graph():
    compiled = torch.compile(lambda x: init.kaiming_normal_(x), backend="eager", fullgraph=True)
    torch.manual_seed(22)
    ours = compiled(empty(30, 20))
    torch.manual_seed(22)
    assert torch.equal(ours, THEIRS["kaiming_normal_"](empty(30, 20)))


def test_memory_that_was_freed_is_torchs_own(monkeypatch):
    freed = empty(4)
    freed.untyped_storage().resize_(0)
    seen = []
    monkeypatch.setattr(init._torch, "normal_", lambda *given: seen.append(given))
    init.normal_(freed)
    assert seen[0][0] is freed


@draws
def test_another_device_gets_what_this_machine_drew(draw, monkeypatch):
    # A tensor that is not contiguous takes the same way as one on another device, which a test may not have.
    torch.manual_seed(23)
    key = init._key(empty(1), None)
    whole = empty(100, 20)
    monkeypatch.setattr(init, "_key", lambda tensor, generator: key)
    elsewhere = draw(init, empty(20, 100).T)
    assert torch.equal(elsewhere, draw(init, whole))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_number(threads):
    before = torch.get_num_threads()

    def drawn():
        torch.manual_seed(24)
        return init.normal_(torch.empty(300_001))

    try:
        expected = drawn()
        torch.set_num_threads(threads)
        assert torch.equal(drawn(), expected)
    finally:
        torch.set_num_threads(before)


MODULES = [
    lambda: nn.Linear(20, 30),
    lambda: nn.Conv2d(4, 8, 3),
    lambda: nn.ConvTranspose1d(4, 8, 3),
    lambda: nn.Bilinear(4, 5, 6),
    lambda: nn.Embedding(10, 4, padding_idx=2),
    lambda: nn.LSTM(4, 5),
    lambda: nn.MultiheadAttention(8, 2),
    lambda: nn.BatchNorm1d(5),
    lambda: nn.TransformerEncoderLayer(8, 2, 16),
]


@pytest.mark.parametrize("make", MODULES)
def test_torchs_own_layers_start_from_it(make, monkeypatch):
    for name in nn.init.__all__:
        monkeypatch.setattr(nn.init, name, getattr(init, name))
    drawn = []
    write = init._write
    monkeypatch.setattr(init, "_write", lambda tensor, *rest: drawn.append(tensor) or write(tensor, *rest))
    state = make().state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    assert drawn or make is MODULES[7]
    with torch.device("meta"):
        make()


def test_a_model_started_from_it_trains(monkeypatch):
    for name in nn.init.__all__:
        monkeypatch.setattr(nn.init, name, getattr(init, name))
    torch.manual_seed(25)
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(32, 1, 8), torch.randint(2, (32,))
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_old_names_warn_and_draw():
    for old, arguments in {"uniform": (), "xavier_normal": (), "orthogonal": (), "sparse": (0.5,)}.items():
        torch.manual_seed(26)
        with pytest.warns(FutureWarning, match=rf"`nn.init.{old}` is now deprecated in favor of `nn.init.{old}_`."):
            w = getattr(init, old)(empty(40, 5), *arguments)
        torch.manual_seed(26)
        assert torch.equal(w, getattr(init, old + "_")(empty(40, 5), *arguments))


def test_extreme_but_finite_arguments_are_as_torchs():
    for dtype, (mean, std) in itertools.product(DTYPES, [(0, 0), (3, 0), (1e4, 1e-3), (0, 1e-30)]):
        x = init.normal_(torch.empty(1000, dtype=dtype), mean, std)
        assert torch.isfinite(x).all()
        torch.testing.assert_close(x.double().mean().item(), float(mean), rtol=5e-3, atol=1e-5)
    for dtype in DTYPES:
        assert (init.uniform_(torch.empty(10, dtype=dtype), 0.1, 0.1) == torch.tensor(0.1, dtype=dtype)).all()
