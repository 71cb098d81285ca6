"""The first batch diagnosed in the loops of Lightning and of Transformers' Trainer, with the real libraries."""

import functools
import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional
from zoo import library

import initium
from initium import ModelError, SettingError, UnknownNameError
from initium.torch import callbacks

X = torch.randn(48, 12, generator=torch.Generator().manual_seed(0))
Y = torch.arange(48) % 5
LOGGED = []
QUIET = {
    "accelerator": "cpu",
    "max_epochs": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
# What the libraries warn of by themselves, which is no business of a diagnosis.
pytestmark = [pytest.mark.filterwarnings(f"ignore:.*{of}") for of in ("LeafSpec", "does not have many workers", "srun")]


@functools.cache
def kinds():
    """A module that optimises automatically, and one that does so by itself; Lightning is imported here."""
    lightning = library("pytorch_lightning")

    class Net(lightning.LightningModule):
        """Ten layers of ReLU with dropout, and things that a step leaves on the module."""

        def __init__(self, std=None):
            super().__init__()
            torch.manual_seed(0)
            layers = [layer for _ in range(9) for layer in (nn.Linear(24, 24), nn.ReLU(), nn.Dropout(0.1))]
            self.net = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), *layers, nn.Linear(24, 5))
            initium.initialize(self.net, seed=0)
            for layer in self.net if std else ():
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=std)
            self.num_steps, self.sums, self.seen = 0, torch.zeros(1), []

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, batch_idx):
            x, y = batch
            assert self.trainer.training
            loss = functional.cross_entropy(self(x), y)
            self.num_steps += 1
            self.sums += 1
            self.seen.append(batch_idx)
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def log(self, *args, **kwargs):
            LOGGED.append(args)
            super().log(*args, **kwargs)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), 1e-3)

    class Manual(Net):
        def __init__(self, std=None):
            super().__init__(std)
            self.automatic_optimization = False

        def training_step(self, batch):
            x, y = batch
            optimizer = self.optimizers()
            optimizer.zero_grad()
            self.manual_backward(functional.cross_entropy(self(x), y))
            optimizer.step()

    return Net, Manual


def net(std=None):
    return kinds()[0](std)


def manual(std=None):
    return kinds()[1](std)


def diagnosis(*args, **kwargs):
    library("pytorch_lightning")
    return callbacks.LightningDiagnosis(*args, **kwargs)


def diagnosis_of_trainer(*args, **kwargs):
    library("transformers")
    return callbacks.TrainerDiagnosis(*args, **kwargs)


def fit(module, *callbacks, **options):
    """Three steps; the trainer, and what was logged."""
    trainer = library("pytorch_lightning").Trainer(callbacks=[*callbacks], **QUIET | options)
    torch.manual_seed(1)
    data = torch.utils.data.TensorDataset(X, Y)
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=16, shuffle=True))
    return trainer


def numbers(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_lightning_stops_before_the_first_step_and_leaves_the_module_as_it_was():
    module, callback = net(std=0.01), diagnosis()
    before = numbers(module)
    with pytest.raises(AssertionError, match=r"^IN101 vanishing signal at `net.0.weight`") as caught:
        fit(module, callback)
    assert "remedy: initium.initialize(model, seed=0)" in str(caught.value)
    assert same(numbers(module), before)
    assert not {"forward", "log"} & {*vars(module)}
    assert all(value.grad is None for value in module.parameters())
    assert (module.num_steps, module.sums.item(), module.seen) == (0, 0, [])
    assert callback.diagnosis.findings[0].id == "IN101"


def test_lightning_trains_the_same_bits_and_logs_the_same_beside_a_diagnosis():
    alone, watched, callback = net(), net(), diagnosis()
    LOGGED.clear()
    logged = [fit(module, *callbacks).logged_metrics for module, callbacks in ((alone, []), (watched, [callback]))]
    assert callback.diagnosis.is_healthy
    assert callback.diagnosis.loss.name == "the model's own"
    assert {layer.path for layer in callback.diagnosis.layers} == {f"{n}.weight" for n, _ in alone.named_modules()} & {
        *alone.state_dict()
    }
    assert same(numbers(alone), numbers(watched))
    assert (watched.num_steps, watched.sums.item(), watched.seen) == (3, 3, [0, 1, 2])
    assert torch.equal(*(one["loss"] for one in logged))
    assert len(LOGGED) == 6
    assert watched.trainer is not None
    assert watched.forward.__func__ is kinds()[0].forward


def test_lightning_warns_and_goes_on():
    module = net(std=0.01)
    before = numbers(module)
    with pytest.warns(UserWarning, match=r"The model is not healthy at step zero.\nIN101 vanishing signal"):
        fit(module, diagnosis(on_serious="warn"))
    assert module.num_steps == 3
    assert not same(numbers(module), before)


def test_lightning_ignores_what_it_is_told_to():
    module = net(std=0.01)
    fit(module, diagnosis(ignore=["IN101", "IN201"], quick=True, micro_batch=4))
    assert module.num_steps == 3


def test_a_lone_callback_and_the_precision_of_the_training():
    callback = diagnosis()
    trainer = library("pytorch_lightning").Trainer(callbacks=callback, **QUIET)
    assert callback in trainer.callbacks
    fit(net(), callback, precision="bf16-mixed")
    assert {layer.dtype for layer in callback.diagnosis.layers} == {"bfloat16"}


def test_manual_optimisation_is_diagnosed_by_what_forward_takes():
    with pytest.raises(ModelError, match=r"LightningDiagnosis\(unpack=lambda batch: \(inputs, targets\)\)"):
        fit(manual(), diagnosis())
    with pytest.warns(UserWarning, match="The model is not diagnosed"):
        fit(manual(), diagnosis("warn"))
    callback = diagnosis(unpack=tuple)
    fit(manual(), callback)
    assert callback.diagnosis.loss.name == "cross_entropy"
    with pytest.raises(AssertionError, match="IN101"):
        fit(manual(std=0.01), diagnosis(unpack=tuple))


def test_a_training_that_goes_on_is_let_be(tmp_path):
    module = net()
    trainer = fit(module)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    callback = diagnosis()
    again = library("pytorch_lightning").Trainer(callbacks=[callback], **QUIET | {"max_epochs": 2})
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16)
    again.fit(net(), loader, ckpt_path=tmp_path / "last.ckpt", weights_only=False)
    assert callback.diagnosis is None


def gpt2(std=None):
    transformers = library("transformers")
    config = transformers.GPT2Config(
        vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    if std is not None:
        with torch.no_grad():
            model.transformer.h[0].mlp.c_fc.weight.fill_(std)
            model.transformer.h[0].attn.c_attn.weight.fill_(std)
    return model


def train(model, folder, *callbacks, **options):
    ids = torch.randint(0, 64, (24, 16), generator=torch.Generator().manual_seed(0))
    transformers = library("transformers")
    arguments = transformers.TrainingArguments(
        str(folder),
        per_device_train_batch_size=4,
        max_steps=3,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        **{"gradient_accumulation_steps": 2} | options,
    )
    rows = [{"input_ids": row, "labels": row} for row in ids]
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, callbacks=[*callbacks])
    trainer.train()
    return trainer


def test_the_trainer_stops_before_the_first_step_and_leaves_the_model_as_it_was(tmp_path):
    model, callback = gpt2(std=0.02), diagnosis_of_trainer()
    before = numbers(model)
    with pytest.raises(AssertionError, match=r"^IN301 identical units at `transformer.h.0.attn.c_attn.weight`"):
        train(model, tmp_path, callback)
    assert same(numbers(model), before)
    assert all(value.grad is None for value in model.parameters())
    assert not model._forward_pre_hooks
    assert callback.diagnosis.findings[0].id == "IN301"


def test_the_trainer_trains_the_same_bits_beside_a_diagnosis(tmp_path):
    alone, watched, callback = gpt2(), gpt2(), diagnosis_of_trainer()
    train(alone, tmp_path)
    train(watched, tmp_path, callback)
    assert callback.diagnosis.is_healthy
    assert callback.diagnosis.loss.name == "the model's own"
    assert callback.diagnosis.loss.value == pytest.approx(4.16, abs=0.1)  # log 64
    assert same(numbers(alone), numbers(watched))


def test_the_trainer_warns_and_goes_on(tmp_path):
    model = gpt2(std=0.02)
    with pytest.warns(UserWarning, match=r"The model is not healthy at step zero.\nIN301 identical units"):
        assert train(model, tmp_path, diagnosis_of_trainer("warn")).state.global_step == 3


@pytest.mark.slow
def test_a_compiled_model_of_the_trainer_is_diagnosed(tmp_path):
    callback = diagnosis_of_trainer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Dynamo
        train(gpt2(), tmp_path, callback, torch_compile=True, torch_compile_backend="eager")
    assert callback.diagnosis.is_healthy


@pytest.mark.parametrize("callback", [diagnosis, diagnosis_of_trainer])
def test_what_no_callback_knows_is_refused_when_it_is_made(callback):
    with pytest.raises(SettingError, match=r"^on_serious is 'stop' or 'warn', not 'raise'.$"):
        callback(on_serious="raise")
    with pytest.raises(UnknownNameError, match="IN9"):
        callback(ignore=["IN9"])


@pytest.mark.parametrize(
    ("name", "missing", "package"),
    [
        ("LightningDiagnosis", ("lightning", "pytorch_lightning"), "lightning"),
        ("TrainerDiagnosis", ("transformers",), "transformers"),
    ],
)
def test_a_library_is_imported_when_its_callback_is_used_and_is_named_if_it_is_missing(name, missing, package):
    code = f"""
import sys, initium.torch.callbacks as callbacks
from initium import MissingExtraError

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name, name=name)

assert not {{"lightning", "pytorch_lightning", "transformers"}} & {{*sys.modules}}
sys.meta_path.insert(0, Missing())
try:
    callbacks.{name}
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"`{name}` needs {package}, which is not installed: pip install {package}\n"


def test_an_unknown_callback_is_said():
    with pytest.raises(AttributeError, match="it has LightningDiagnosis and TrainerDiagnosis"):
        _ = callbacks.KerasDiagnosis
