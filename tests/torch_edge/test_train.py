import copy
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from initium import ModelError, ShapeError, SpecError, UnknownNameError, _stream
from initium._draw import draw
from initium._engine._contender import Contender, _plan, decided
from initium._kernel import kernel
from initium._recipes import parse_recipe
from initium._study._data import load_data
from initium._study._study import Study
from initium.init._law import Uniform
from initium.torch import _train

IRIS = load_data("iris")
DIABETES = load_data("diabetes(features=5)")


def study(*specs, model="mlp(4, 8, 3)", data=IRIS, epochs=3, **more):
    starts = tuple(parse_recipe(s) for s in specs or ("he_normal", "zeros"))
    return Study(model, data, starts, epochs=epochs, splits=1, **more)  # the split that the data above has


def trained(made, index=0, which=0):
    return decided(made)[which].run(index)


def started(made, index=0):
    """The model of each start at step zero."""
    return [start.model(index) for start in decided(made)]


def test_the_same_run_twice_is_the_same_to_the_last_bit():
    first, again = trained(study()), trained(study())
    assert (first.train_loss, first.test_loss) == (again.train_loss, again.test_loss)
    np.testing.assert_array_equal(first.first_weights[1], again.first_weights[1])


def test_starts_of_one_run_share_their_draws_and_differ_by_scale():
    made = study("he_normal", "glorot_normal", "uniform(-1, 1)")
    he, glorot, uniform = (model[0].weight.detach() for model in started(made, 5))
    ratio = (2 / 4) ** 0.5 / (2 / 12) ** 0.5
    torch.testing.assert_close(he, glorot * ratio, rtol=1e-6, atol=0)
    drawn = np.empty((8, 4), np.float32)
    draw(drawn, kernel(Uniform(-1, 1), "float32"), key=_stream.key(5, "0.weight"))
    np.testing.assert_array_equal(uniform.numpy(), drawn)


def test_weight_and_order_seeds_are_separate():
    base = trained(study())
    other_order = trained(study(order_seed=100))
    other_weights = trained(study(seed=100))
    np.testing.assert_array_equal(base.first_weights[0], other_order.first_weights[0])
    assert base.train_loss[0] == other_order.train_loss[0]
    assert base.train_loss[1] != other_order.train_loss[1]
    assert (base.first_weights[0] != other_weights.first_weights[0]).any()


def test_run_r_is_the_first_run_of_the_next_seed():
    assert trained(study(), index=1).train_loss == trained(study(seed=1, order_seed=1)).train_loss


@pytest.mark.parametrize("data", [IRIS, DIABETES], ids=["classes", "numbers"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_what_a_plain_torch_loop_does(data, optimizer):
    """The loop a learner would write, from the same start and in the same order, in float64 after the start."""
    sizes = (data.features[0], 8, data.num_outputs)
    made = study(model=f"mlp{sizes}", data=data, optimizer=optimizer, lr=0.01, batch_size=16)
    model = started(made)[0]
    model = copy.deepcopy(model).double()
    loss = functional.cross_entropy if data.is_classification else functional.mse_loss
    step = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](model.parameters(), lr=0.01)
    x, y = torch.tensor(data.x_train).double(), torch.tensor(data.y_train)
    y = y if data.is_classification else y.double()
    for epoch in range(3):
        order = _stream.permutation(_stream.key(0, f"order.{epoch}"), len(x))
        for first in range(0, len(x), 16):
            batch = torch.tensor(order[first : first + 16])
            step.zero_grad()
            loss(model(x[batch]), y[batch]).backward()
            step.step()
    run = trained(made)
    assert run.train_loss[-1] == pytest.approx(loss(model(x), y).item(), rel=1e-5)
    assert len(run.train_loss) == len(run.test_loss) == len(run.test_score) == 4
    assert run.merits.mean() == run.test_score[-1]


def test_framework_is_what_torch_puts_there_by_itself():
    made = study("framework", "zeros")
    model = started(made, 3)[0]
    torch.manual_seed(3)
    torch.testing.assert_close(model[0].weight, nn.Linear(4, 8).weight, rtol=0, atol=0)


def test_biases_are_zero_unless_named():
    made = study("he_normal", "he_normal bias=0.1", "framework bias=0")
    biases = [model[0].bias.tolist() for model in started(made)]
    assert biases == [[0.0] * 8, [float(np.float32(0.1))] * 8, [0.0] * 8]


def test_zeros_and_constants_stay_one_unit_and_others_do_not():
    made = study("zeros", "constant(0.1)", "he_normal", data=load_data("digits"), model="mlp")
    units = [(run.units_start, run.units_end) for run in (trained(made, which=i) for i in range(3))]
    assert units == [((1, 1), (1, 1)), ((1, 1), (1, 1)), ((128, 64), (128, 64))]


def test_a_run_that_diverges_stops_and_says_so():
    made = study("normal(std=100)", "zeros", lr=1e30, epochs=5)
    run = trained(made)
    assert run.diverged
    assert len(run.train_loss) == 6
    assert np.isfinite(run.train_loss[0])
    assert np.isnan(run.train_loss[-1])


class Dropped(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(16), nn.Linear(16, 3))


def test_a_model_of_ones_own_trains_with_dropout_and_normalisation_repeatably():
    made = study(model=Dropped)
    assert trained(made).train_loss == trained(made).train_loss
    assert trained(made).test_loss[-1] < trained(made).test_loss[0]


class Odd(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
        self.cube = nn.Parameter(torch.zeros(1, 1, 1, 1, 1, 1))

    def forward(self, x):
        return super().forward(x) + self.cube.sum()


def test_framework_trains_what_nothing_can_be_said_of(monkeypatch):
    def fail(*args):
        raise KeyError("what")

    monkeypatch.setattr("initium.torch._trace._trace.gather", fail)
    assert trained(study("framework", "zeros", model=Dropped)).units_start == (16,)  # the layers' types are known
    odd = study("framework", "zeros", model=Odd)
    framework = _plan(odd, odd.inits[0], {})
    assert Contender(odd, odd.inits[0], framework).run(0).units_start == ()
    with pytest.raises(ModelError, match=r"cube"):
        decided(study("framework", "he_normal", model=Odd))


def test_a_recipe_sees_the_model_run_and_may_calibrate_it_on_training_rows():
    made = study("lsuv", "he_normal", model="mlp(4, 300, 300, 3)", activation="gelu")
    model = started(made)[0]
    rows = torch.from_numpy(IRIS.x_train)
    assert len(rows) < 256  # so that all of them calibrate
    for num_layers in (1, 3):
        assert model[:num_layers](rows).square().mean().item() == pytest.approx(1, rel=1e-5)
    assert trained(made).train_loss == trained(made).train_loss


def test_a_check_leaves_the_callers_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    decided(study("framework", "zeros"))
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (
            "mlp(10, 20, 2)",
            ModelError,
            "'mlp(10, 20, 2)' takes 10 features and gives 2 outputs, but iris has 4 features and 3 classes. Use "
            "'mlp(4, 20, 3)'.",
        ),
        (
            "mlp(2, 5, 3)",
            ModelError,
            "'mlp(2, 5, 3)' takes 2 features and gives 3 outputs, but iris has 4 features and 3 classes. Use "
            "'mlp(4, 5, 3)', or 'iris(features=2)'.",
        ),
        ("mlp(4)", SpecError, "'mlp(4)': an mlp is named by the widths of its layers, as in `mlp(10, 20, 2)`."),
        (
            "resnet",
            UnknownNameError,
            "No built-in model is called 'resnet'; known: cnn, mlp, rnn, transformer. From Python, pass a function "
            "that builds your own.",
        ),
        (
            nn.Linear(4, 3),
            ModelError,
            "model is 'mlp', 'mlp(10, 20, 2)' or a function without arguments that builds a new torch.nn.Module; got a "
            "Linear. Every run needs a model of its own: pass `lambda: MyNet(...)`.",
        ),
        (
            nn.Bilinear,
            ModelError,
            "The model function fails: TypeError: Bilinear.__init__() missing 3 required positional arguments: "
            "'in1_features', 'in2_features', and 'out_features'",
        ),
        (dict, ModelError, "The model function returned a dict, not a torch.nn.Module."),
        (
            partial(nn.Linear, 4, 2),
            ModelError,
            "The model turns 24 samples into (24, 2); iris needs (24, 3), one output a class.",
        ),
        (
            partial(nn.Linear, 4, 3, dtype=torch.complex64),
            ModelError,
            "The model fails on a training batch of 24 samples of shape (4,): RuntimeError: mat1 and mat2 must have "
            "the same dtype, but got Float and ComplexFloat",
        ),
    ],
)
def test_a_model_that_cannot_be_trained_says_why(model, error, message):
    with pytest.raises(error) as found:
        decided(study(model=model))
    assert str(found.value) == message


def test_a_model_that_cannot_take_the_samples_says_so():
    with pytest.raises(
        ModelError, match=r"fails on a training batch of 24 samples of shape \(4,\): RuntimeError: mat1"
    ):
        decided(study(model=partial(nn.Linear, 5, 3)))


def test_a_model_that_one_sample_cannot_train_is_found_by_the_last_batch():
    with pytest.raises(ModelError, match=r"batch of 1 samples .* ValueError: Expected more than 1 value per channel"):
        decided(study(model=Dropped, batch_size=119))


def test_a_network_that_is_not_new_at_each_call_is_refused_before_it_is_touched():
    shared = nn.Linear(4, 3)
    before = shared.weight.detach().clone()
    with pytest.raises(ModelError, match="returns the same network twice"):
        decided(study(model=lambda: shared))
    torch.testing.assert_close(shared.weight.detach(), before, rtol=0, atol=0)


def test_a_model_without_anything_to_train_is_refused():
    class Frozen(nn.Linear):
        def __init__(self):
            super().__init__(4, 3)
            self.requires_grad_(False)

    with pytest.raises(ModelError, match="no parameter to train"):
        decided(study(model=Frozen))


class Severed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError("no way back")


def test_a_model_that_fails_on_the_way_back_is_found_before_training():
    class Broken(nn.Linear):
        def forward(self, x):
            return Severed.apply(super().forward(x))

    with pytest.raises(ModelError, match="The model cannot be trained: NotImplementedError: no way back"):
        decided(study(model=partial(Broken, 4, 3)))


class Witness(nn.Linear):
    """Refuses to be trained in evaluation mode, or evaluated in training mode."""

    def forward(self, x):
        assert self.training == torch.is_grad_enabled()
        return super().forward(x)


def test_a_model_is_trained_in_training_mode_and_evaluated_in_the_other():
    made = study(model=partial(Witness, 4, 3))
    decided(made)
    assert trained(made).train_loss[-1] < trained(made).train_loss[0]


class Writing(nn.Linear):
    """Notes each pass in a buffer and an attribute, and computes its weight as `weight_norm` of old does."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.register_buffer("passes", torch.zeros(1))
        self.seen = []
        self.computed = self.weight * 2

    def forward(self, x):
        self.passes += 1
        self.seen.append(len(x))
        return super().forward(x)


def test_what_is_looked_at_before_a_run_leaves_nothing_in_the_model():
    made = study(model=partial(Writing, 4, 3), epochs=1)
    contender = decided(made)[0]
    state = torch.get_rng_state()
    with _train.first_step(made, lambda: contender.model(0), 0) as (model, inputs, targets, loss):
        assert model.seen == []
        assert model.passes == 0
        assert model.training
        assert len(inputs) == len(targets) == made.batch_size
        assert loss(torch.zeros(len(inputs), 3), targets).item() == pytest.approx(np.log(3))
    assert torch.equal(torch.get_rng_state(), state)
    trained(made)  # what hangs on it can be computed


SEEDS = []


class Listener(nn.Linear):
    def forward(self, x):
        SEEDS.append((self.training, torch.initial_seed()))
        return super().forward(x)


def test_dropout_is_seeded_apart_from_the_weights_that_torch_draws():
    made = study(model=partial(Listener, 4, 3), seed=5, order_seed=7)
    start = decided(made)[0]
    SEEDS.clear()
    start.run(1)
    assert {seed for training, seed in SEEDS if training} == {_stream.key(8, "dropout")}


def test_a_settled_process_has_one_thread_and_flushes_denormals():
    code = (
        "import torch; from initium.torch._train import settle_process; settle_process();"
        "print(torch.get_num_threads(), (torch.tensor(1e-40) * 0.5).item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0.0"]


def test_an_activation_that_is_not_there_names_the_nearest():
    with pytest.raises(UnknownNameError, match="No activation is called 'rellu'; the closest is 'relu'"):
        decided(study(activation="rellu"))


def test_a_start_that_does_not_fit_a_bias_names_all_of_them():
    with pytest.raises(ShapeError) as error:
        decided(study("he_normal bias=glorot_uniform", "zeros"))
    assert [f"`{path}` has shape" in str(error.value) for path in ("0.bias", "2.bias")] == [True, True]
