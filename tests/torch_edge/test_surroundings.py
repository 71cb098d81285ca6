"""The same plan and the same bits wherever, and by whichever thread, a model is planned and filled."""

import contextlib
import copy
import functools
import itertools
import random
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import initium
from initium import ModelError
from initium.torch import deferred


class Net(nn.Module):
    """Makes tensors of the default dtype and device on its way, and draws."""

    def __init__(self):
        super().__init__()
        self.embed, self.layer = nn.Embedding(20, 16), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 20, bias=False)

    def forward(self, input_ids):
        here = torch.zeros(input_ids.shape[0], 1, 16) + torch.arange(16) / 16 * torch.rand(1)
        return self.head(self.norm(self.layer(self.embed(input_ids) + here)))


class Doubling(TorchFunctionMode):
    """Changes whatever it sees."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        return out * 2 if isinstance(out, torch.Tensor) and out.is_floating_point() else out


class Refusing(TorchDispatchMode):
    """Lets nothing pass."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} is seen")


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def inside(context):
    def run(function):
        with context():
            return function()

    return run


def under(transform):
    """Within a function that is transformed, or called in another way."""

    def run(function):
        found = []
        transform(lambda x: found.append(function()) or x)(torch.ones(2))
        return found[0]

    return run


def functional(function):
    model = nn.Identity()
    model.forward = function
    return lambda x: torch.func.functional_call(model, {}, (x,))


SURROUNDINGS = {
    "no_grad": inside(torch.no_grad),
    "inference mode": inside(torch.inference_mode),
    "autocast": inside(lambda: torch.autocast("cpu", torch.bfloat16)),
    "float64": inside(lambda: default_dtype(torch.float64)),
    "bfloat16": inside(lambda: default_dtype(torch.bfloat16)),
    "default device meta": inside(lambda: default_device("meta")),
    "device meta": inside(lambda: torch.device("meta")),
    "deterministic": inside(deterministic),
    "profiler": inside(torch.autograd.profiler.profile),
    "anomaly": inside(functools.partial(torch.autograd.detect_anomaly, check_nan=False)),
    "functional_call": under(functional),
    "vmap": under(torch.func.vmap),
    "functionalize": under(torch.func.functionalize),
    "grad": under(lambda function: torch.func.grad(lambda x: function(x).sum())),
    "jit.trace": under(lambda function: lambda x: torch.jit.trace(function, x)),
    "fake": inside(FakeTensorMode),
    "function mode": inside(Doubling),
    "dispatch mode": inside(Refusing),
}
RECIPES = {"auto": Net, "author": lambda: deferred(Net), "he_normal": Net, "gpt2": Net}


def numbers(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def started(recipe, model):
    plan = initium.plan(model, recipe)
    plan.apply(model, seed=3, device="cpu")
    return plan


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@functools.cache
def usual(recipe):
    torch.manual_seed(0)
    model = RECIPES[recipe]()
    return started(recipe, model), numbers(model)


@pytest.mark.filterwarnings("ignore:Anomaly Detection", "ignore:.*torch.jit.trace", "ignore:.*TracerWarning")
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_a_model_starts_the_same_wherever_it_is_started(recipe, surrounding):
    plan, bits = usual(recipe)
    torch.manual_seed(0)
    model, state = RECIPES[recipe](), torch.get_rng_state()
    assert SURROUNDINGS[surrounding](lambda: started(recipe, model)) == plan
    assert same(numbers(model), bits)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_that_was_built_in_inference_mode_starts_the_same_and_is_calibrated():
    ids = torch.zeros(4, 3, dtype=torch.long)
    with torch.inference_mode():
        model, other = Net(), Net()
        inside = started("auto", model)
    assert inside == started("auto", other) == usual("auto")[0]
    assert same(numbers(model), usual("auto")[1])
    assert same(numbers(other), usual("auto")[1])
    assert inside.calibrate(model, ids).weights


def test_a_deferred_model_gets_its_memory_where_the_caller_says():
    with torch.device("meta"), pytest.raises(initium.SettingError, match="On meta nothing has memory"):
        initium.initialize(deferred(nn.Linear, 2, 3), 0)


def test_what_was_recorded_under_another_default_dtype_is_repeated_in_it():
    def build():
        layer = nn.Linear(2, 3)
        layer.weight = nn.Parameter(torch.linspace(0, 1, 6).exp().reshape(3, 2))
        return layer

    with default_dtype(torch.float64):
        model = deferred(build)
        initium.initialize(model, 0, "author")
        assert torch.equal(model.weight, build().weight)
    assert model.weight.dtype == torch.float64


class Drawing(nn.Module):
    """Draws everywhere, seeds, counts, and asks for numbers."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 4), 0

    def forward(self, x):
        self.calls += 1
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return self.layer(x * noise + torch.rand(()))


def drawn(times):
    """What a thread draws while it lets others go on."""
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    found = []
    for _ in range(times):
        found.append((torch.rand(()).item(), random.random(), np.random.rand(), torch.initial_seed()))
        threading.Event().wait(0)
    return found


def together(*functions, patience=None):
    """What each gives, run by a thread of its own; what takes longer than the patience gives nothing."""
    found = {}
    threads = [
        threading.Thread(target=lambda i=i, function=function: found.update({i: function()}), daemon=True)
        for i, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience)
    return [found.get(i) for i in range(len(functions))]


def test_threads_plan_one_model_and_many_while_another_draws():
    alone = drawn(100)
    batch = torch.linspace(-1, 1, 32).reshape(8, 4)

    def job(model):
        plan = initium.initialize(model, 0)
        plan.calibrate(model, batch)
        return str(initium.plan(model)), model.training

    def mlp():
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))

    shared = Drawing()
    right, usual_plan = job(mlp()), str(initium.plan(shared))
    models = [mlp() for _ in range(3)] + [Drawing()]  # building one draws too
    others = [lambda model=model: job(model) for model in models]
    shares = [lambda: str(initium.plan(shared)) for _ in range(3)]
    first, *rest = together(lambda: drawn(100), *others, *shares)
    assert first == alone
    assert rest[:3] == [right] * 3
    assert rest[3] == (usual_plan, True)
    assert rest[4:] == [usual_plan] * 3
    assert (shared.training, shared.calls) == (True, 0)


def joined(task):
    thread = threading.Thread(target=task)
    thread.start(), thread.join()


def within(task):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(task).result()


@pytest.fixture
def waiting():
    """Pools whose only thread was there before any model ran."""
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:
        pool.submit(int).result(), other.apply(int)
        yield {
            "started": joined,
            "within": within,
            "there before": lambda task: pool.submit(task).result(),
            "another there before": other.apply,
            "mapped": lambda task: list(other.imap(lambda _: task(), [1])),
            "started by one there before": lambda task: pool.submit(joined, task).result(),
            "handed on": lambda task: joined(lambda: other.apply(task)),
        }


HANDING = ["started", "within", "there before", "another there before", "mapped", "started by one there before"]
VERBS = {
    "plan": lambda model: initium.plan(model),
    "initialize": lambda model: initium.initialize(model, 0),
    "diagnose": lambda model: initium.diagnose(model, torch.ones(2, 4)),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", [*HANDING, "handed on"])
def test_a_thread_of_a_model_that_runs_is_refused_and_waits_for_nobody(way, verb, waiting):
    told = []

    def task():
        with pytest.raises(ModelError) as error:
            VERBS[verb](nn.Linear(4, 4))
        told.append(str(error.value))

    class Asking(nn.Linear):
        def forward(self, x):
            waiting[way](task)
            return super().forward(x)

    before = threading.Thread.start, ThreadPoolExecutor.submit, vars(ThreadPool).keys()
    (plan,) = together(lambda: initium.plan(Asking(4, 4)), patience=60)
    assert len(plan) == 2
    assert set(told) == {
        f"`{verb}` is called in a thread of a model that Initium runs at this moment, and each would wait for the "
        "other. Call it where no model runs, or in the thread in which the model's forward was called."
    }
    assert before == (threading.Thread.start, ThreadPoolExecutor.submit, vars(ThreadPool).keys())
    waiting[way](lambda: initium.plan(nn.Linear(4, 4)))  # once the turn is over there is nothing to wait for


def test_a_thread_that_a_model_leaves_behind_calls_when_the_turn_is_over():
    over, found = threading.Event(), []

    def later():
        over.wait()
        found.append(initium.plan(nn.Linear(2, 2)))

    class Leaving(nn.Linear):
        def forward(self, x):
            if not found:
                found.append(threading.Thread(target=later))
                found[0].start()
            return super().forward(x)

    initium.plan(Leaving(4, 4))
    over.set()
    found[0].join(60)
    assert len(found[1]) == 2


def test_what_another_library_puts_around_threads_meanwhile_stays():
    usual = threading.Thread.start

    def theirs(thread):
        usual(thread)

    class Tracing(nn.Linear):
        def forward(self, x):
            threading.Thread.start = theirs
            return super().forward(x)

    try:
        initium.plan(Tracing(4, 4))
        assert threading.Thread.start is theirs
    finally:
        threading.Thread.start = usual


def test_another_thread_that_runs_and_differentiates_is_not_written_down():
    model, other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)), nn.Linear(4, 2)

    class Waiting(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            thread = threading.Thread(target=lambda: other(torch.ones(2, 4)).sum().backward())
            thread.start()
            thread.join()
            return self.inner(x)

    assert [choice.init for choice in initium.plan(Waiting()).choices] == [c.init for c in initium.plan(model).choices]
    assert type(other.weight.grad) is torch.Tensor


MASK, MASKS, SEEN, TABLES = None, {}, [], {"by name": {}, "usual": None, "seen": []}
TABLES["all"] = TABLES  # a container may hold itself


@functools.lru_cache
def table(num):
    return torch.ones(num)


class Slotted:
    __slots__ = ("cache", "count", "last")

    def __init__(self):
        self.count, self.last = 0, None


@dataclass(frozen=True, slots=True)
class Frozen:
    count: int = 0


class Leaving(nn.Module):
    """Leaves something everywhere."""

    shared: ClassVar[dict] = {}

    def __init__(self):
        super().__init__()
        self.layer, self.loose, self.slotted = nn.Linear(4, 4), [nn.Dropout()], Slotted()
        self.deep = {"a": [{"b": (Counter(), deque(maxlen=2), set())}]}
        self.python, self.numpy, self.torch = random.Random(1), np.random.default_rng(1), torch.Generator()
        self.hits, self.locked, self.frozen = np.zeros(2), np.zeros(2), Frozen()

    @functools.cached_property
    def once(self):
        return torch.ones(4)

    @functools.cache  # noqa: B019  as people write it
    def memo(self, num):
        return torch.ones(num), num

    def forward(self, x):
        global MASK, MASKS
        MASKS = {4: torch.ones(4)}
        SEEN.append(x), TABLES["seen"].append((x, [x]))
        MASK = torch.ones(4) if MASK is None else MASK
        TABLES.setdefault(4, [torch.ones(4)])
        TABLES["by name"].setdefault("ones", torch.ones(4))
        TABLES["usual"] = torch.ones(4) if TABLES["usual"] is None else TABLES["usual"]
        self.shared.setdefault(4, torch.ones(4))
        counter, last, seen = self.deep["a"][0]["b"]
        counter["calls"] += 1
        last.append(x)
        seen.add(x)
        self.slotted.count, self.slotted.last, self.loose[0].last = self.slotted.count + 1, x, x
        self.python.random(), self.numpy.random(), random.random(), np.random.rand()
        self.hits[0] += 1
        self.locked.flags.writeable = False
        object.__setattr__(self.frozen, "count", self.frozen.count + 1)
        self.slotted.cache = getattr(self.slotted, "cache", x)
        return self.layer(x * MASK * TABLES[4][0] * self.shared[4] * table(4) * self.once * self.memo(4)[0])


def left(model):
    own = (model.deep, model.hits, vars(model).keys(), vars(model.loose[0]).keys(), model.slotted.count)
    own += (model.slotted.last, hasattr(model.slotted, "cache"), model.frozen, model.locked.flags.writeable)
    own += (len(model._forward_hooks), model.python.getstate(), model.numpy.bit_generator.state)
    return repr((own, random.getstate(), np.random.get_state(), torch.get_rng_state(), model.training))


def test_a_plan_and_a_calibration_put_back_whatever_a_forward_touches():
    model = Leaving()
    before = left(model)
    initium.initialize(model, 0)
    assert left(model) == before
    assert TABLES.keys() == {"by name", "usual", "seen", "all"}
    assert (MASK, MASKS, SEEN, TABLES["seen"]) == (None, {}, [], [])
    assert (TABLES["by name"], TABLES["usual"], model.shared) == ({}, None, {})
    assert table.cache_info().currsize == 0
    initium.plan(model).calibrate(model, torch.linspace(-1, 1, 32).reshape(8, 4))
    assert left(model) == before
    assert model(torch.ones(2, 4)).isfinite().all()


def test_what_cannot_be_put_back_keeps_nothing_else_from_it():
    class Stubborn(random.Random):
        def setstate(self, state):
            raise TypeError("never")

    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    model[0].random = Stubborn(0)
    with pytest.raises(ModelError, match=r"failed: never$"):
        initium.plan(model)
    assert [len(module._forward_pre_hooks) for module in model.modules()] == [0, 0, 0]
    assert model.training


def test_a_list_that_goes_round_for_ever_is_looked_through_once():
    class Endless(list):
        def __iter__(self):
            yield from itertools.islice(itertools.cycle(super().__iter__()), 10_000)
            raise AssertionError("for ever")

    model = nn.Sequential(nn.Linear(4, 4))
    model[0].rounds = Endless([1, 2])
    assert initium.plan(model).notes == initium.plan(nn.Sequential(nn.Linear(4, 4))).notes


def test_a_function_that_draws_and_is_imported_meanwhile_is_the_usual_one_afterwards():
    taken = []

    class Taking(nn.Linear):
        def forward(self, x):
            taken.append((random.random, np.random.rand))
            return super().forward(x)

    def job():
        initium.plan(Taking(4, 4))
        random.seed(0), np.random.seed(0)
        return random.random(), np.random.rand()

    (usual,) = together(job)
    random.seed(0), np.random.seed(0)
    assert [(python(), legacy()) for python, legacy in taken[:1]] == [usual]


@pytest.mark.parametrize("name", ["rand", "sample", "ranf", "random_sample", "standard_normal"])
def test_what_a_thread_draws_from_numpy_is_put_back_while_there_are_others(name):
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x + getattr(np.random, name)())

    before = repr(np.random.get_state())
    together(lambda: initium.plan(Noisy(4, 4)))
    assert repr(np.random.get_state()) == before


def test_a_copy_of_a_model_is_planned_while_the_model_is_copied():
    model = Leaving()
    plans = together(lambda: str(initium.plan(copy.deepcopy(model))), lambda: str(initium.plan(model)))
    assert plans[0] == plans[1]


def test_torch_compile_looks_at_nothing_of_initiums_where_a_compiled_function_starts_a_model():
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    torch._dynamo.utils.counters.clear()
    torch.compile(lambda: initium.initialize(model, 0), backend="eager")()
    assert torch._dynamo.utils.counters["frames"]["total"] == 1  # the function itself
    initium.initialize(other, 0)
    assert same(numbers(model), numbers(other))
