"""Checkpoints as other libraries read them."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, load_model
from torch import nn
from zoo import library

from initium import plan
from initium.torch import deferred


def gpt2():
    transformers = library("transformers")
    config = transformers.GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=100, n_positions=16)
    return transformers.GPT2LMHeadModel(config)


def resnet():
    return library("timm").create_model("resnet18", num_classes=10)


def state(model, decided, seed):
    """What the plan gives the model itself."""
    decided.apply(model, seed=seed)
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one)


@pytest.mark.parametrize("build", [gpt2, resnet])
@pytest.mark.parametrize("recipe", ["author", "torch_default"])
def test_safetensors_loads_every_tensor_into_the_model(tmp_path, build, recipe):
    decided = plan(deferred(build), recipe)
    written = decided.write(tmp_path / "w.safetensors", seed=5)
    model = build()
    expected = state(build(), decided, 5)
    load_model(model, written.path)  # strictly
    assert equal(model.state_dict(), expected)
    assert written.left_out == ()


def test_a_tied_head_is_told_as_safetensors_tells_it(tmp_path):
    written = plan(deferred(gpt2), "author").write(tmp_path / "w.safetensors")
    with safe_open(written.path, "pt") as file:
        assert file.metadata()["lm_head.weight"] == "transformer.wte.weight"
        assert "lm_head.weight" not in file.keys()  # noqa: SIM118


@pytest.mark.parametrize("shards", [1, 3])
def test_transformers_loads_a_folder(tmp_path, shards):
    decided = plan(deferred(gpt2), "author")
    decided.write(tmp_path / "model.safetensors", seed=5, shards=shards)
    model = gpt2()
    model.config.save_pretrained(tmp_path)
    loaded, told = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert equal(loaded.state_dict(), state(model, decided, 5))


def test_shards_are_read_by_their_index(tmp_path):
    decided = plan(deferred(resnet), "he")
    whole = load_file(decided.write(tmp_path / "one.safetensors", seed=5).path)
    index = decided.write(tmp_path / "w.safetensors", seed=5, shards=4).path
    found = {}
    for name, file in json.loads(index.read_text())["weight_map"].items():
        with safe_open(tmp_path / file, "pt") as opened:
            found[name] = opened.get_tensor(name)
    assert equal(found, whole)


def test_bfloat16_is_what_the_model_gets(tmp_path):
    def build():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 4, 3), nn.Linear(7, 9)).to(torch.bfloat16)

    decided = plan(deferred(build), "author")
    found = load_file(decided.write(tmp_path / "w.safetensors", seed=1).path)
    assert equal(found, state(build(), decided, 1))


def test_what_safetensors_wrote_of_a_model_is_verified(tmp_path):
    from safetensors.torch import save_model

    model = gpt2()
    decided = plan(deferred(gpt2), "author")
    decided.apply(model, seed=5)
    save_model(model, tmp_path / "w.safetensors")
    assert decided.verify(tmp_path / "w.safetensors", seed=5)
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight[3, 4] += 1e-6
    save_model(model, tmp_path / "w.safetensors")
    (difference,) = decided.verify(tmp_path / "w.safetensors", seed=5).differences
    assert (difference.path, difference.index) == ("transformer.h.1.mlp.c_fc.weight", (3, 4))
