"""Prints docs/plans.md: what `initium plan` says of real models."""

import sys
import warnings
from pathlib import Path

import torch

import initium

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from torch_edge import zoo  # pyright: ignore[reportMissingImports]

warnings.simplefilter("ignore")

MODELS = {
    "GPT-2 small": zoo.gpt2,
    "Llama 3.2 1B's shape, untied": zoo.llama,
    "BERT base, masked language model": zoo.bert,
    "T5 small": zoo.t5,
    "ViT-S/16": zoo.vit,
    "Swin-T": zoo.swin,
    "ConvNeXt-T": zoo.convnext,
    "ResNet-50": zoo.resnet50,
    "An LSTM in both directions, two layers": zoo.lstm,
    "A small U-Net": zoo.unet,
    "Blocks like Mamba's": zoo.mamba,
}

print("""# Plans of real models

What `print(initium.plan(model))` shows under [`auto`](auto.md), made by `python bench/plan_tables.py` on models without
memory. Blocks that repeat are folded: `h.0-11` are twelve.""")
for title, build in MODELS.items():
    with torch.device("meta"):
        model = build()
    print(f"\n## {title}\n\n```text\n{initium.plan(model)}\n```")

print("\n## One parameter, explained\n\n```text")
with torch.device("meta"):
    model = zoo.gpt2()
print(initium.plan(model).explain("transformer.h.3.attn.c_attn.weight") + "\n```")
