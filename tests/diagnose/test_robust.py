"""Whatever a model, a loss or a batch does, it is told, and nothing of the model changes."""

import math
import random

import numpy as np
import pytest
import torch
from diagnose.sick import he, stack, started
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import initium
from initium import ModelError
from initium._errors import DataError
from initium.torch import deferred


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.body, self.tail, self.error = nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Raises(error)), error

    def forward(self, x):
        return self.tail(self.body(x))


class Raises(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        if x.requires_grad:  # as code that fails only where it is differentiated
            raise self.error
        return x


def state_of(model):
    """All that a diagnosis must leave as it was."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "numbers": {name: value.detach().clone().tolist() for name, value in tensors.items()},
        "tensors": {name: (id(value), value.requires_grad, value.grad) for name, value in tensors.items()},
        "modules": {
            name: (module.training, sorted(vars(module)), len(module._forward_hooks), len(module._backward_hooks))
            for name, module in model.named_modules()
        },
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "torch": (
            *(torch.is_grad_enabled(), torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled),
        ),
    }


@pytest.mark.parametrize("error", [KeyError("no such thing"), KeyboardInterrupt()])
def test_a_model_that_raises_is_left_as_it_was_and_named_with_its_layer(error):
    model, x = Fails(error).train(), torch.randn(2, 4)
    before = state_of(model)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ModelError) as caught:
        initium.diagnose(model, x)
    assert state_of(model) == before
    if isinstance(error, KeyError):
        assert str(caught.value) == "Fails raises KeyError in `tail.1`: 'no such thing'."


class BadWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, *slopes):
        raise RuntimeError("no way back")


class Bent(nn.Module):
    """A model with some function of its own behind its layers."""

    def __init__(self, bend, body=None):
        super().__init__()
        self.body, self.bend = body or started(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5)), he), bend

    def forward(self, x):
        return self.bend(self.body, x)


def test_what_a_backward_or_a_loss_raises_is_told():
    model = Bent(lambda body, x: BadWayBack.apply(body(x)))
    with pytest.raises(ModelError, match=r"^Bent raises RuntimeError: no way back, on the way back.$"):
        initium.diagnose(model, torch.randn(2, 8))
    with pytest.raises(ModelError, match=r"^The loss raises ZeroDivisionError: division by zero.$"):
        initium.diagnose(model.body, torch.randn(2, 8), loss=lambda outputs: 1 / 0)
    with pytest.raises(ModelError, match=r"^The loss cannot be differentiated"):
        initium.diagnose(model.body, torch.randn(2, 8), loss=lambda outputs: outputs.detach().sum())
    with pytest.raises(ModelError, match=r"^The loss gives a tensor of shape \(2, 5\), not of one number.$"):
        initium.diagnose(model.body, torch.randn(2, 8), loss=lambda outputs: outputs)


WAYS = {
    "checkpointed": lambda body, x: checkpoint(body, x, use_reentrant=False),
    "checkpointed_reentrant": lambda body, x: body[2](checkpoint(body[1], body[0](x), use_reentrant=True)),
    "several_outputs": lambda body, x: (body(x), {"square": body(x) ** 2, "ids": body(x).argmax(-1)}, None, 3),
    "numpy": lambda body, x: body(x) * torch.from_numpy(np.abs(x.numpy()).mean(1, keepdims=True)),
    "input_in_place": lambda body, x: body(x.mul_(2)),
    "output_in_place": lambda body, x: body(x).add_(1),
    "own_weights_in_place": lambda body, x: (body[0].weight.data.mul_(1.01), body(x))[1],
    "forces": lambda body, x: torch.autograd.grad(body(x.requires_grad_()).square().sum(), x, create_graph=True)[0],
    "random": lambda body, x: body(x + torch.randn_like(x) * random.random()),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_forward_does_the_model_and_its_inputs_are_left_as_they_were(way):
    torch.manual_seed(0)
    model, x = Bent(WAYS[way]), torch.randn(6, 8)
    before, inputs = state_of(model), x.clone()
    assert initium.diagnose(model, x).is_healthy
    assert state_of(model) == before
    assert torch.equal(x, inputs)
    assert not x.requires_grad


class First(nn.Module):
    def forward(self, outputs):
        return outputs[0]


class Counting(nn.Module):
    """Writes to tensors that are neither parameters nor buffers, as metrics do."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen, self.deep = nn.Linear(8, 5), torch.zeros(1), {"sums": [torch.zeros(5)]}

    def forward(self, x):
        found = self.layer(x)
        self.seen += len(x)
        self.deep["sums"][0].add_(found.detach().sum(0))
        return found


def test_tensors_that_hang_on_a_model_keep_their_numbers_too():
    model = Counting()
    initium.diagnose(model, torch.randn(6, 8))
    assert model.seen.tolist() == [0]
    assert model.deep["sums"][0].tolist() == [0] * 5


FORMS = {
    "data_parallel": lambda body: nn.DataParallel(body),
    "compiled": lambda body: torch.compile(body, backend="eager"),
    "weight_norm": lambda body: nn.Sequential(parametrizations.weight_norm(body[0]), *body[1:]),
    "half_frozen": lambda body: nn.Sequential(body[0].requires_grad_(False), *body[1:]),
    "sparse_table": lambda body: nn.Sequential(nn.Embedding(20, 8, sparse=True), body),
    "bfloat16": lambda body: body.bfloat16(),
    "float64": lambda body: body.double(),
    "frozen_whole": lambda body: body.requires_grad_(False),
    "lstm": lambda body: nn.Sequential(nn.LSTM(8, 8), First(), body),
}


@pytest.mark.parametrize("form", FORMS)
def test_models_of_many_forms_are_diagnosed(form):
    torch.manual_seed(0)
    model = FORMS[form](Bent(None).body)
    dtype = next(model.parameters()).dtype
    x = torch.arange(6)[:, None] if form == "sparse_table" else torch.randn(6, 8, dtype=dtype)
    before = state_of(model)
    assert initium.diagnose(model, x).is_healthy
    assert state_of(model) == before


@pytest.mark.parametrize("caller", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_the_surroundings_of_the_caller_do_not_matter(caller):
    with caller():
        model = Bent(None).body
        assert initium.diagnose(model, torch.randn(4, 8)).is_healthy


WHERE = {
    "made up": {},
    "given": {"inputs": torch.randn(6, 8)},
    "arrays": {"inputs": np.ones((6, 8), np.float32), "targets": np.arange(6) % 5},
    "lists": {"inputs": torch.randn(6, 8), "targets": [0, 1, 2, 3, 4, 0]},
    "probabilities": {"inputs": torch.randn(6, 8), "targets": torch.full((6, 5), 0.2)},
    "recipe": {"inputs": torch.randn(6, 8), "recipe": "auto"},
}


@pytest.mark.parametrize("how", WHERE)
def test_a_default_device_does_not_matter_where_the_model_lies_elsewhere(how):
    torch.manual_seed(0)
    model = Bent(None).body
    expected = initium.diagnose(model, **WHERE[how])
    torch.set_default_device("meta")
    try:
        found = initium.diagnose(model, **WHERE[how])
    finally:
        torch.set_default_device(None)
    assert (found.layers, found.findings) == (expected.layers, expected.findings)


class Complex(nn.Module):
    """A complex layer, whose numbers are given as they are or as their sizes."""

    def __init__(self, head=None):
        super().__init__()
        self.body = nn.Linear(64, 256, bias=False, dtype=torch.cfloat)
        self.head = head or nn.Linear(256, 4, bias=False, dtype=torch.cfloat)
        nn.init.normal_(self.body.weight, std=1 / 8)  # of unit variance, half of it in each part

    def forward(self, x):
        found = self.body(x.to(torch.cfloat))
        return self.head(found if self.head.weight.is_complex() else found.abs())


@pytest.mark.parametrize("head", [None, nn.Linear(256, 4)])
@pytest.mark.filterwarnings("error")
def test_complex_numbers_are_measured_as_they_are(head):
    torch.manual_seed(0)
    model, x = Complex(head), torch.randn(128, 64)
    torch.set_warn_always(True)
    try:
        found = initium.diagnose(model, x)
    finally:
        torch.set_warn_always(False)
    assert found.is_healthy
    first, numbers = found.layers[0], found.numbers[0]
    # Of 64 inputs with variance 1 and weights with E |w|^2 = 1/64 the mean of |z|^2 is 1.
    assert numbers.rms == pytest.approx(1 / 8, rel=0.02)
    assert first.moment == pytest.approx(1, rel=0.05)
    assert first.constant < 0.05
    assert sum(first.histogram[12:20]) == pytest.approx(0.683, abs=0.03)
    assert found.layers[1].fed == pytest.approx(first.moment, rel=1e-5)
    with torch.no_grad():
        model.body.weight[1::2] = model.body.weight[0]
        model.head.weight[:] = model.head.weight[:, :1]
    assert initium.diagnose(model, x).numbers[0].num_alike >= 128


def test_a_loss_that_reads_the_model_is_differentiated_by_that_too():
    model = Bent(None).body

    def decay(outputs):
        return 0 * outputs.sum() + model[0].weight.square().sum() / 2

    found = initium.diagnose(model, torch.randn(4, 8), loss=decay)
    assert found.numbers[0].gradient == pytest.approx(found.numbers[0].rms)
    assert model[0].weight.grad is None


def test_gradients_go_through_the_statistics_of_the_batch_as_in_training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 1))
    x = torch.randn(6, 8)
    found = initium.diagnose(model, x, loss=lambda outputs: outputs.square().mean())
    model(x).square().mean().backward()
    expected = [value.grad.square().mean().sqrt().item() for value in model.parameters()]
    assert [numbers.gradient for numbers in found.numbers] == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("targets", "loss", "said"),
    [
        ("abc", None, "Targets are a tensor, an array or a list of numbers, not a str"),
        (torch.full((4, 5), math.nan), None, "The targets hold 20 values of 20 that are NaN or infinite."),
        (torch.full((4,), 7), None, "Outputs (4, 5) and targets (4,) do not fit loss `cross_entropy`"),
        (torch.tensor([0, 1, 2, 7]), None, "Classes 0 to 4 fit; the targets reach from 0 to 7."),
        (torch.tensor([0.0, 1, 2, 4]), None, "Class numbers are integers: y.long(), and then loss='cross_entropy'."),
        (torch.eye(5, dtype=torch.long)[:4], None, "y.float(); or class numbers, y.argmax(1)."),
        (torch.eye(5)[:4].reshape(2, 10), "cross_entropy", "do not fit loss `cross_entropy`: "),
        (
            (torch.zeros(4), torch.zeros(4)),
            None,
            "Several targets, in a tuple, fit no loss that has a name: pass loss=",
        ),
        ({"a": torch.zeros(4)}, None, "Several targets, in a dict, fit no loss that has a name"),
        (None, nn.CrossEntropyLoss(), "The loss takes more than outputs, and no targets were passed"),
        (torch.zeros(4, 5), lambda outputs: outputs.mean(), "A loss is called with outputs and targets; this one is ("),
        (torch.zeros(4, 3), "bce", "Outputs (4, 5) and targets (4, 3) do not fit loss `bce`"),
        (None, "next_token", "Loss `next_token` needs tokens (sample, place) among the inputs or as targets"),
        (None, "mse", "Loss `mse` needs targets"),
    ],
)
def test_targets_that_do_not_fit_are_refused(targets, loss, said):
    with pytest.raises(DataError) as error:
        initium.diagnose(Bent(None).body, torch.randn(4, 8), targets, loss=loss)
    assert said in str(error.value)


def test_one_output_tells_no_classes_apart():
    model = nn.Linear(8, 1)
    with pytest.raises(DataError, match=r"One output tells no classes apart: loss='bce' .*Nobody named the loss;"):
        initium.diagnose(model, torch.randn(4, 8), torch.tensor([0, 1, 2, 3]))
    assert initium.diagnose(model, torch.randn(4, 8), torch.tensor([True, False, True, True])).loss.name == "bce"


def test_a_forward_without_gradients_is_told_so():
    model = Bent(lambda body, x: body(x).detach())
    with pytest.raises(
        ModelError, match=r"^The loss cannot be differentiated: .* `torch\.no_grad`, `detach`, NumPy\.$"
    ):
        initium.diagnose(model, torch.randn(4, 8), torch.zeros(4, dtype=torch.long))


def test_a_loss_that_is_no_number_is_an_overflow():
    for scale in (math.inf, math.nan):
        found = initium.diagnose(Bent(None).body, torch.randn(4, 8), loss=lambda outputs, by=scale: outputs.sum() * by)
        assert (found.findings[0].id, found.findings[0].paths) == ("IN601", ())


def test_what_has_no_gradient_at_all_is_refused():
    with pytest.raises(ModelError, match=r"^Nothing that the model returns can be differentiated"):
        initium.diagnose(nn.ReLU(), torch.randn(2, 4))
    with pytest.raises(ModelError, match="NaN or infinite"):
        initium.diagnose(nn.Linear(4, 2), torch.full((2, 4), math.nan))
    assert initium.diagnose(nn.Linear(4, 2), torch.randn(1, 4)).is_healthy


def test_of_a_model_that_is_frozen_whole_the_forward_is_diagnosed():
    torch.manual_seed(0)
    model = started(stack(30, nn.ReLU), nn.init.xavier_normal_).requires_grad_(False)
    found = initium.diagnose(model, torch.randn(8, 64))
    assert [(finding.id, finding.path) for finding in found.findings] == [("IN101", "2.weight")]
    assert found.loss is None
    assert found.notes == ("nothing is trained, all parameters are frozen: the forward pass alone was measured",)
    targets = torch.zeros(8).long()
    assert initium.diagnose(model, torch.randn(8, 64), targets).loss.chance == pytest.approx(math.log(10))
    assert initium.diagnose(model, torch.randn(8, 64), loss=lambda outputs: outputs.mean()).loss.name == "<lambda>"


def test_what_a_deferred_constructor_never_fills_is_a_note():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.table = nn.Linear(8, 8), nn.Parameter(torch.empty(8, 8))

        def forward(self, x):
            return self.body(x) @ self.table

    model, x = deferred(Model), torch.randn(4, 8)
    found = initium.diagnose(model, x, recipe="he_normal").findings
    assert [(one.id, one.severity, one.paths) for one in found] == [("IN002", "note", ("table",))]
    assert initium.diagnose(deferred(nn.Linear, 8, 8), x, recipe="framework").is_healthy


def test_a_parameter_that_nobody_holds_is_found_and_one_of_the_loss_is_not():
    lone = nn.Linear(8, 8)
    found = initium.diagnose(Bent(lambda body, x: body(lone(x))), torch.randn(4, 8))
    assert found.findings[0].id == "IN208"
    assert sorted(found.findings[0].paths) == ["a parameter of shape (8, 8)", "a parameter of shape (8,)"]
    critic = nn.Linear(5, 1)
    assert initium.diagnose(Bent(None).body, torch.randn(4, 8), loss=lambda y: critic(y).mean()).findings == ()


def test_a_model_all_of_whose_layers_are_in_a_list_is_told_so():
    class Lost(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows = [[nn.Linear(8, 4)]]

        def forward(self, x):
            return self.rows[0][0](x)

    assert initium.diagnose(Lost(), torch.randn(4, 8)).findings[0].paths == ("rows.0.0.weight", "rows.0.0.bias")


TARGETS = {
    "fractions": (torch.randn(4, 5), "mse", "the targets are floating-point numbers"),
    "zeros alone": (torch.zeros(4, 5), "mse", "the targets are floating-point numbers"),
    "0 and 1": (torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0]] * 4), "bce", "the targets are 0 and 1"),
    "yes or no": (torch.tensor([[False, True, True, False, False]] * 4), "bce", "the targets are yes or no"),
    "probabilities": (torch.full((4, 5), 0.2), "cross_entropy", "the targets of a sample are probabilities"),
    "classes": (torch.tensor([0, 1, 2, 4]), "cross_entropy", "the targets are whole numbers"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_loss_that_nobody_named_fits_the_targets_and_is_told_with_its_reason(kind):
    targets, name, why = TARGETS[kind]
    found = initium.diagnose(Bent(None).body, torch.randn(4, 8), targets)
    assert found.report().subtitle.startswith(f"Loss ({name}) ")
    assert f"; chosen as {why}" in found.report().subtitle
    named = initium.diagnose(Bent(None).body, torch.randn(4, 8), targets, loss=name)
    assert "chosen" not in named.report().subtitle


def test_what_knowing_nothing_costs_is_said_as_what_it_is():
    body, x = Bent(None).body, torch.randn(4, 8)
    for targets, loss, said in (
        (torch.ones(4, 5), "bce", "knowing nothing costs log 2 = 0.6931; all targets are the same"),
        (
            torch.full((4,), 3),
            None,
            "knowing nothing costs log 5 = 1.609; chosen as the targets are whole numbers; all targets are class 3",
        ),
        (torch.full((4, 5), 3.5), None, "; all targets are the same: nothing can be learned of this batch."),
        (torch.arange(20.0).reshape(4, 5), "mse", "knowing nothing costs the targets' variance = 31.25."),
    ):
        assert said in initium.diagnose(body, x, targets, loss=loss).report().subtitle


def test_targets_far_from_the_outputs_are_no_fault_of_the_last_layer():
    torch.manual_seed(0)
    x = torch.randn(32, 8)
    found = initium.diagnose(Bent(None).body, x, 3 * (x - x.mean(0))[:, :5] + 50)
    assert (found.findings[0].id, found.findings[0].remedy[:40]) == (
        "IN401",
        "standardise the targets: y = (y - y.mean",
    )
    assert found.findings[0].cause.startswith("the targets' mean is 50")


def test_findings_to_leave_out_may_be_one_text():
    model = nn.Sequential(*Bent(None).body, nn.Softmax(-1))
    how = {"inputs": torch.randn(4, 8), "targets": torch.arange(4)}
    assert initium.diagnose(model, **how).findings[0].id == "IN404"
    for ignore in ("IN404", "IN201, IN404:2.*", ["IN101:*,IN404"]):
        assert initium.diagnose(model, **how, ignore=ignore).findings == ()
    with pytest.raises(initium.UnknownNameError, match="No finding is called 'IN999'"):
        initium.diagnose(model, **how, ignore="IN404,IN999")


def test_one_sample_says_what_it_cannot_tell():
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    (note,) = initium.diagnose(model, torch.randn(1, 8)).notes
    assert note.startswith("one sample: whether the net keeps inputs apart, and which units are dead")
    assert note.endswith("a training step raises in BatchNorm1d, which needs two")
    assert initium.diagnose(model, torch.randn(2, 8)).notes == ()


def test_the_first_line_of_a_gradient_says_from_where_to_where():
    torch.manual_seed(0)
    found = initium.diagnose(stack(50, nn.ReLU), torch.randn(8, 64))
    assert found.answer.endswith("first: vanishing gradient from `98.weight` back to `0.weight`")
    assert " times that at `98.weight`" in found.findings[0].measured
    assert "beyond 1e-4 " not in found.findings[0].measured
    assert "beyond 1e4 either way is harm" in found.findings[0].measured
    assert (found.findings[0].path, found.findings[0].back_to) == ("98.weight", "0.weight")


def test_numbers_too_large_are_traced_to_the_weights_that_make_them():
    torch.manual_seed(0)
    model = started(stack(6, nn.ReLU), he).half()
    nn.init.normal_(model[4].weight, std=9000.0)
    found = initium.diagnose(model, torch.randn(8, 64).half()).findings[0]
    assert (found.id, found.path) == ("IN601", "4.weight")
    assert found.cause.startswith(
        "float16 does not hold what it gives; `4.weight` has rms 8.86e+03; behind relu, with fan-in 64, 0.177 keeps"
    )


def test_a_column_that_no_layer_has_is_left_out():
    torch.manual_seed(0)
    straight = nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 3))
    table = next(
        part for part in initium.diagnose(straight, torch.randn(8, 8)).report().sections if hasattr(part, "rows")
    )
    assert table.columns[-1] == "alike"
    assert table.note.endswith("The largest cosine between what two inputs become.")


def test_a_notes_count_is_in_the_answer():
    found = initium.diagnose(Bent(None).body, torch.ones(8, 8))
    assert found.answer == "Healthy at step zero; 1 note"


def test_a_start_that_was_tried_is_no_remedy():
    torch.manual_seed(0)
    model, x = stack(12, nn.Sigmoid), torch.randn(16, 64)
    remedies = {start: initium.diagnose(model, x, recipe=start).findings for start in ("auto", "he_normal")}
    collapsed = {start: next(f.remedy for f in found if f.id == "IN106") for start, found in remedies.items()}
    assert collapsed["he_normal"].startswith("initium.initialize(model, seed=0")
    assert collapsed["auto"].startswith("`auto` was tried, and no size of the weights mends it: another")
