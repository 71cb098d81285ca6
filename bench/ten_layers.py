"""Ten hidden layers trained from six starts: what docs/choose.md and docs/tutorials.md quote.

    python bench/ten_layers.py [SEED ...]

Eighty paired runs for each first seed given, 0 if none is. On another machine a run differs in the last bits, and a net
that hardly trains may end elsewhere: what is quoted is what two disjoint ranges of seeds say alike.
"""

import sys
from datetime import date

import numpy as np
from processor import model_name
from scipy.stats import binomtest

import initium

RUNS, EPOCHS = 80, 15
MODEL = f"mlp(64, {'64, ' * 10}10)"
STARTS = (
    "he_normal",
    "orthogonal(gain='relu')",
    "glorot_uniform",
    "torch_default",
    "uniform(-0.05, 0.05)",
    "normal(std=0.01)",
)


def study(seed: int) -> initium.Comparison:
    """All starts in paired runs, of which the first has this seed for its weights and its order."""
    found = initium.compare(
        MODEL, "digits", inits=STARTS, seeds=RUNS, epochs=EPOCHS, seed=seed, order_seed=seed, progress=False
    )
    assert isinstance(found, initium.Comparison)  # and no grid of some
    return found


def row(summary, scores) -> str:
    """In %: mean and interval, median, range, and the share of runs that never left chance with Wilson's interval."""
    low, median, high = np.quantile(scores, (0.05, 0.5, 0.95)) * 100
    mean = [100 * part for part in (summary.score.mean, summary.score.low, summary.score.high)]
    stayed = binomtest(summary.num_stuck, RUNS).proportion_ci(method="wilson")
    share = f"{100 * summary.num_stuck / RUNS:5.1f} [{100 * stayed.low:.1f}, {100 * stayed.high:.1f}]"
    return f"{mean[0]:6.1f} [{mean[1]:.1f}, {mean[2]:.1f}]   {median:6.1f}   {low:.1f} to {high:.1f}   {share}"


def main(seeds: list[int]) -> None:
    print(f"{model_name()}, {date.today()}; {RUNS} runs each, {EPOCHS} epochs, test accuracy in %")
    for seed in seeds:
        result = study(seed)
        print(f"\nseeds {seed} to {seed + RUNS - 1}: mean [95 %]   median   5 to 95 %   never left chance [95 %]")
        for summary in result.summaries:
            print(f"  {summary.recipe:<26}", row(summary, result.scores[summary.recipe]))
        print(result.verdict)


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [0])
