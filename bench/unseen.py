"""What three starts do to models that Initium was not made for: the signal, the gradient and the loss.

    python bench/unseen.py [zoo] [registry] [written] [--model NAME] [--json FILE]
    python bench/unseen.py --compare BEFORE.json AFTER.json

`zoo` are the models of the tests, `registry` sixty of timm and transformers, drawn by a seed, `written` forty by hand.
Each is started by its own constructor (`own`), by anyinit and by Initium, three seeds each. Of each weight's output the
second moment, as a geometric mean, is set against the one that Initium's plan says is meant. Heads are counted apart.
Left out is what may have any size, because a normalisation or a residual sum follows, and what only zeros reach.
"""

import argparse
import json
import logging
import math
import multiprocessing
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from processor import model_name
from torch import nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves
from unseen_models import WRITTEN
from unseen_registry import drawn
from watch import Watch

import initium

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from torch_edge import zoo  # pyright: ignore[reportMissingImports]

STARTS, SEEDS = ("own", "anyinit", "initium"), 3
PATIENCE = 6  # seconds of the processor for one start
LOW, HIGH = 0.25, 4.0  # times what is meant
LEAST, MOST = 1e-3, 1e3  # a second moment outside these is said in the plan's notes, by one of these words
TELLING = ("second moment", "calibrate")


@dataclass(frozen=True)
class Case:
    """One model: how it is built, a batch, and whether its (first) output are logits over classes."""

    build: Callable[[], nn.Module]
    batch: Any
    classes: bool


# Those of the tests whose output are logits; of the others nothing says so.
CLASSIFIERS = """
mlp prelu swiglu packed_swiglu dropped cnn separable squeeze_excite tiny_resnet tiny_convnext tiny_vit tiny_swin
tiny_gpt2 tiny_llama tied_llama tiny_gemma tiny_mixtral tiny_bert tiny_t5 pre_norm_encoder post_norm_encoder
grouped_attention parallel lstm gru rnn lstm_cell mamba weight_norm weight_standardisation orthogonal on_shape
on_value dict_inputs frozen rezero fixup residual
"""


def cases(section: str) -> Iterator[tuple[str, Case]]:
    if section == "zoo":
        for name, (build, batch) in zoo.small().items():
            yield name, Case(build, batch, name in CLASSIFIERS.split())
    if section == "registry":
        for name, build, batch, classes in drawn(zoo.library):
            yield name, Case(build, batch, classes)
    if section == "written":
        for name, (build, batch, classes) in WRITTEN.items():
            yield name, Case(build, batch(), classes)


CASES: dict[str, Case] = {}  # what is asked for; the processes inherit it


def _numbers(name: str) -> tuple[str, dict[str, Any]]:
    try:
        return name, measured(CASES[name])
    except Exception as error:  # whatever a plan or a model raises
        return name, {"error": _first_line(error)}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"


def start(who: str, model: nn.Module, batch: Any, seed: int) -> None:
    """A start that is not done in time is stopped: one is minutes at some models, and a run would be an hour."""

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError(f"not done after {PATIENCE} s")

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        _start(who, model, batch, seed)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _start(who: str, model: nn.Module, batch: Any, seed: int) -> None:
    if who == "initium":
        initium.initialize(model, seed=seed, example=batch)
    if who == "anyinit":
        import anyinit  # pyright: ignore[reportMissingImports]

        anyinit.initialize(model, seed=seed, input_spec=batch if isinstance(batch, torch.Tensor) else None)


def measured(case: Case) -> dict[str, Any]:
    """All numbers of one model; what no start or no plan can do is an error's first line."""
    torch.manual_seed(0)
    model = case.build()
    plan, first = _timed(model, case)
    _, second = _timed(model, case)
    weights = [choice for choice in plan.choices if choice.param.role == "weight"]
    meant = {
        choice.path: choice.moment
        for choice in weights
        if choice.moment is not None and not choice.param.use.is_normalised
        if not (choice.param.use.branch and choice.param.use.branch.is_last)
    }
    heads = [choice.path for choice in weights if choice.path in meant and choice.param.use.is_head]
    numbers = {"plan": min(first, second), "meant": meant, "heads": heads, "notes": list(plan.notes)}
    return numbers | {"starts": {who: _tried(who, case, [choice.path for choice in weights]) for who in STARTS}}


def _timed(model: nn.Module, case: Case) -> tuple[Any, float]:
    """A plan, and the processor's seconds for it: others may be at work on the machine."""
    begun = time.process_time()
    return initium.plan(model, example=case.batch), time.process_time() - begun


def _tried(who: str, case: Case, paths: list[str]) -> dict[str, Any]:
    try:
        return _started(who, case, paths)
    except Exception as error:  # whatever a start or a model raises
        return {"error": _first_line(error)}


def _started(who: str, case: Case, paths: list[str]) -> dict[str, Any]:
    """Geometric means over the seeds: of second moments (over the uses too), and of the gradients' rms."""
    moments: dict[str, list[float]] = {}
    gradients: dict[str, list[float]] = {}
    zeros: set[str] = set()
    losses = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = case.build()
        start(who, model, case.batch, seed)
        model.train()
        torch.manual_seed(seed)
        values = dict(model.named_parameters())
        fused = not any(isinstance(module, nn.RNNBase) for module in model.modules())  # it hides their weights
        watch = Watch({path: values[path] for path in paths}, case.batch)
        with torch.backends.mkldnn.flags(enabled=fused), watch:
            output = zoo.call(model, case.batch)
        loss, shown = _loss(output, case.classes, seed)
        loss.backward()
        losses.append(shown)
        zeros |= watch.zeros - watch.found.keys()
        for path in paths:
            moments.setdefault(path, []).extend(watch.found.get(path, []))
            gradient = values[path].grad
            gradients.setdefault(path, []).append(0 if gradient is None else gradient.double().square().mean().item())
    return {
        "moments": {path: _mean(found) for path, found in moments.items() if found},
        "gradients": {path: math.sqrt(_mean(found)) for path, found in gradients.items()},
        "zeros": sorted(zeros),
        "loss": sum(losses) / SEEDS if case.classes else None,
    }


def _mean(found: list[float]) -> float:
    return math.exp(sum(math.log(max(each, 1e-60)) for each in found) / len(found)) if min(found) > 0 else 0.0


def _loss(output: Any, classes: bool, seed: int) -> tuple[torch.Tensor, float]:
    """What is differentiated, and of logits the loss over log k, a mean over all labels."""
    tensors = [each for each in _leaves(output) if each.is_floating_point() and each.requires_grad]
    numbers = torch.Generator().manual_seed(seed)
    if not classes:
        noises = [torch.randn(each.shape, generator=numbers) for each in tensors]
        return sum((each * noise).mean() for each, noise in zip(tensors, noises, strict=True)), 0.0  # pyright: ignore
    logits = (output.logits if hasattr(output, "logits") else tensors[0]).flatten(0, -2).float()
    labels = torch.randint(logits.shape[-1], logits.shape[:1], generator=numbers)
    uniform = (logits.logsumexp(-1) - logits.mean(-1)).mean()
    return functional.cross_entropy(logits, labels), uniform.item() / math.log(logits.shape[-1])


def _leaves(output: Any) -> list[torch.Tensor]:
    output = dict(output) if isinstance(output, dict) else output  # transformers' outputs among them
    return [each for each in tree_leaves(output) if isinstance(each, torch.Tensor)]


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """What one model's numbers come to."""
    done = {who: got for who, got in found["starts"].items() if "error" not in got}
    zeros = {path for got in done.values() for path in got["zeros"]}
    ratios = {
        who: {path: got["moments"][path] / meant for path, meant in found["meant"].items()
              if path in got["moments"] and path not in zeros}
        for who, got in done.items()
    }  # fmt: skip
    heads = set(found["heads"])
    mine = {path: ratio * found["meant"][path] for path, ratio in ratios.get("initium", {}).items()}
    extreme = [path for path, moment in mine.items() if not LEAST <= moment <= MOST]
    off = {who: {path for path, ratio in each.items() if not LOW <= ratio <= HIGH} for who, each in ratios.items()}
    return {
        "judged": {who: len(each.keys() - heads) for who, each in ratios.items()},
        "outside": {who: len(each - heads) for who, each in off.items()},
        "heads": {who: len(each.keys() & heads) for who, each in ratios.items()},
        "heads outside": {who: len(each & heads) for who, each in off.items()},
        "decades": {who: _decades([got["gradients"][path] for path in ratios[who]]) for who, got in done.items()},
        "loss": {who: got["loss"] for who, got in done.items()},
        "silent": [] if any(word in note for note in found["notes"] for word in TELLING) else extreme,
        "worst": sorted(((path, ratios["initium"][path]) for path in off.get("initium", set()) - heads),
                        key=lambda pair: -_off(pair[1])),
    }  # fmt: skip


def _off(ratio: float) -> float:
    return max(ratio, 1 / ratio) if 0 < ratio < math.inf else math.inf


def _decades(gradients: list[float]) -> float | None:
    sizes = [size for size in gradients if 0 < size < math.inf]
    return math.log10(max(sizes) / min(sizes)) if len(sizes) > 1 else None


HEAD = f"{'':<27}judged{'outside':>15}{'heads outside':>16}{'decades of gradient':>21}{'loss / log k':>18}  plan, s"
ROW = "{:<27}{:>6} {:>15} {:>15} {:>19} {:>18} {:>5}{}"


def row(name: str, found: dict[str, Any]) -> str:
    if "error" in found:
        return f"{name:<27}{found['error']}"[:120]
    got = summary(found)
    counts = [max(got[key].values(), default=0) for key in ("judged", "heads")]
    heads = _three(got["heads outside"], "{:d}", 3) + f" of {counts[1]}"
    silent = f"  SILENT {len(got['silent'])}" if got["silent"] else ""
    return ROW.format(name[:26], counts[0], _three(got["outside"], "{:d}", 4), heads,
                      _three(got["decades"], "{:.1f}", 6), _three(got["loss"], "{:.2f}", 6),
                      f"{found['plan']:.2f}", silent)  # fmt: skip


def _three(each: dict[str, Any], form: str, width: int) -> str:
    return "".join(("-" if each.get(who) is None else form.format(each[who])).rjust(width) for who in STARTS)


def totals(results: dict[str, Any]) -> None:
    good = {name: found for name, found in results.items() if "error" not in found}
    sums = {name: summary(found) for name, found in good.items()}
    print(f"\n{'':<28}{'judged':>8}{'outside':>15}{'heads':>9}{'outside':>9}{'decades':>9}{'loss within 10 %':>19}")
    for who in STARTS:
        judged, outside, heads, off = (sum(each[key].get(who, 0) for each in sums.values())
                                       for key in ("judged", "outside", "heads", "heads outside"))  # fmt: skip
        spans = [each["decades"][who] for each in sums.values() if each["decades"].get(who) is not None]
        losses = [each["loss"][who] for each in sums.values() if each["loss"].get(who) is not None]
        near = sum(abs(loss - 1) <= 0.1 for loss in losses)
        print(f"{who:<28}{judged:>8}{outside:>7} {outside / max(judged, 1):>7.1%}{heads:>9}{off:>9}"
              f"{sum(spans) / max(len(spans), 1):>9.2f}{near:>10} of {len(losses)}")  # fmt: skip
    silent = [f"{name} ({len(each['silent'])})" for name, each in sums.items() if each["silent"]]
    print(f"second moments outside [{LEAST:g}, {MOST:g}] without a note: {', '.join(silent) or 'none'}")
    print(f"plans took {sum(found['plan'] for found in good.values()):.1f} s")
    print("\nthe ten worst under Initium: how many weights are outside, and the worst with times what is meant")
    ranked = sorted(sums.items(), key=lambda pair: -len(pair[1]["worst"]))[:10]
    for name, each in ranked:
        worst = ", ".join(f"{path} {ratio:.2g}" for path, ratio in each["worst"][:3])
        print(f"{name[:27]:<28}{len(each['worst']):>3} of {each['judged'].get('initium', 0):<4} {worst}")
    print("\nwhat failed")
    for name, found in results.items():
        failed = {"plan": found} if "error" in found else found["starts"]
        for who, got in failed.items():
            if "error" in got:
                print(f"{name[:27]:<28}{who:<8} {got['error']}"[:120])


def compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What changed, model by model."""
    print(f"{'':<28}{'outside':>14}{'heads outside':>18}{'decades':>16}{'plan time':>12}")
    for name in [name for name in before if name in after]:
        pair = [before[name], after[name]]
        if any("error" in found for found in pair):
            print(f"{name[:27]:<28}" + " -> ".join(found.get("error", "runs")[:40] for found in pair))
            continue
        sums, ratio = [summary(found) for found in pair], pair[1]["plan"] / pair[0]["plan"]
        cells = [" -> ".join("-" if (x := each[key].get("initium")) is None else f"{x:.3g}" for each in sums)
                 for key in ("outside", "heads outside", "decades")]  # fmt: skip
        if ratio > 1.5 or any(sums[0][key] != sums[1][key] for key in ("outside", "heads outside")):
            print(f"{name[:27]:<28}{cells[0]:>14}{cells[1]:>18}{cells[2]:>16}{ratio:>11.2f}x")


def main() -> None:
    """Measure what is asked for, with a line a model as it goes."""
    parser = argparse.ArgumentParser(description="What starts do to models that Initium was not made for.")
    parser.add_argument("sections", nargs="*", default=[], metavar="zoo | registry | written")
    parser.add_argument("--model", help="only the models of which this is the name")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    asked = parser.parse_args()
    if asked.compare:
        compare(*(json.loads(path.read_text()) for path in asked.compare))
        return
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    print(f"{model_name()}, torch {torch.__version__}, {SEEDS} seeds\neach three: {', '.join(STARTS)}\n\n{HEAD}")
    for section in asked.sections or ["zoo", "registry", "written"]:
        CASES.update((name, case) for name, case in cases(section) if asked.model in (None, name))
    results: dict[str, Any] = {}
    with multiprocessing.get_context("fork").Pool(asked.workers) as pool:
        for name, found in pool.imap(_numbers, CASES):
            results[name] = found
            print(row(name, found), flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(results))
    totals(results)


if __name__ == "__main__":
    main()
