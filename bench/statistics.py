"""How often `compare` errs, on studies of which the truth is known: the figures in docs/compare.md.

    python bench/statistics.py [PART ...] [--studies 2000] [--jobs 2]

tests     the t test with no true difference and with one; fewer runs; several starts; speed
verdicts  what a comparison says of starts that are alike, by its own decisions; a tenth of the studies
same      how often starts are called the same whose difference is the margin, with few samples; a fifth
looks     runs added for --precision, the result looked at each time; half of the studies
grid      anything shown in a grid of starts that are alike; a twentieth: docs/grids.md

The last four go through Comparison, from made runs to what is decided. Each of 2,000 studies draws new data from a
population and trains starts on it in closed form: least squares on a random projection of the features that its start
sees. A seed draws the projection, so that the smaller it is ("kept": how many of eight dimensions) the more a seed
decides; data decide the rest. All features are alike in the population, so that no start is better, but in the data of
one study one is. `lift` makes those of the first start better. The tests are those of `compare`. Shares are per cent
with Wilson's 95 % intervals.
"""

import argparse
import itertools
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import null_grids
import numpy as np
from closed_form import EPOCHS, Setting, study
from known_studies import LOOKS, Margin, at_the_margin, sequential, verdicts
from made_runs import decide_only

from initium._compare._estimate import crossed, resampled
from initium._compare._scale import interval_words
from initium._compare._speed import mean_score, steps_to, target_of
from initium._compare._spread import wilson
from initium._compare._statistics import holm, sign_flip_p

RATIO = 0.25
TASKS, RUNS = ("classes", "numbers"), (5, 10, 20, 100)


def simulate(job):
    """Of each study the gaps of all pairs of starts, `(study, pair, run)`, or of what is judged of curves."""
    setting, studies = job
    rng = np.random.default_rng([1, *map(ord, repr(setting))])
    gaps, p_crossed = [], []
    for _ in range(studies):
        merits, test = study(rng, setting)
        scores = np.where(test, merits, 0).sum(axis=-1) / test.sum(axis=1)  # (start, point, run)
        judged = raced(scores, 0.5 if setting.task == "classes" else 0) if setting.has_curves else scores[:, -1:]
        gaps.append([judged[a] - judged[b] for a, b in itertools.combinations(range(setting.starts), 2)])
        if setting.is_shared:
            p_crossed.append(crossed((merits[0] - merits[1])[-1][:, test[0]]).p())
    return np.array(gaps), np.array(p_crossed)


def raced(scores, chance):
    """Minus the steps to the target, and the area under the curve: `(start, 2, run)`."""
    curves, steps = {str(start): one.T for start, one in enumerate(scores)}, np.arange(EPOCHS + 1.0)
    _, target = target_of(curves, chance)
    taken = [[-steps_to(one, target, steps) for one in each] for each in curves.values()]
    return np.stack([taken, [mean_score(each, steps) for each in curves.values()]], axis=1)


def family(gaps):
    """The smallest corrected p of each study, from `(study, pair, run)`."""
    return np.array([min(holm([resampled(one, ratio=RATIO).p() for one in each])) for each in gaps])


def flipped(gaps):
    return np.concatenate([sign_flip_p(gaps[at : at + 100]) for at in range(0, len(gaps), 100)])


def covers(estimates, truth):
    return share([abs(one.mean - truth) <= one.half_width(0.05) for one in estimates])


def share(holds):
    """`3.2 [2.5, 4.1]`."""
    return interval_words(wilson(int(np.sum(holds)), len(holds)), 100, 1)


def table(title, columns, rows):
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |", flush=True)


def told(setting):
    return [setting.task, setting.samples, setting.kept, setting.runs]


def null(setting, gaps):
    one = gaps[:, 0, 0]
    estimates = [resampled(gap, ratio=RATIO) for gap in one]
    p, flips = np.array([each.p() for each in estimates]), flipped(one)
    both = np.maximum(p, flips)
    return [*told(setting), share(p < 0.05), share(both < 0.05), share(flips < 0.05), covers(estimates, 0)]


def power(setting, gaps, before, p_before):
    """How often a true difference is shown, its interval covers it, and it is called smaller than it is."""
    truth = gaps.mean()
    estimates = [resampled(gap, ratio=RATIO) for gap in gaps[:, 0, 0]]
    p, p_same = np.array([(each.p(), each.p_within(abs(truth))) for each in estimates]).T
    old = np.maximum(p_before, flipped(before[:, 0, 0]))
    return [
        *told(setting),
        f"{truth:.3f}",
        share(p < 0.05),
        share(old < 0.05),
        covers(estimates, truth),
        share(p_same < 0.05),
    ]


def tell_tests(every, studies):
    names = ["task", "samples", "kept", "runs"]
    nulls = [Setting(*one) for one in itertools.product(TASKS, (60, 400), RUNS, (4, 8))]
    title = "No true difference: the test, the larger of it and sign flips, sign flips alone; intervals that cover 0"
    columns = ["errs", "larger errs", "flips err", "covers"]
    table(title, [*names, *columns], (null(one, gaps) for one, (gaps, _) in every(simulate, nulls, studies)))

    few = [Setting("classes", 30, runs) for runs in (2, 3, 4, 5)]
    rows = ([*told(one), share(family(gaps[:, :, 0]) < 0.05)] for one, (gaps, _) in every(simulate, few, studies))
    table("No true difference, and fewer runs than are tested", [*names, "errs"], rows)

    many = [Setting(task, 60, runs, starts=num) for task in TASKS for num in (4, 8) for runs in (5, 10, 20)]
    rows = (
        [*told(one), one.starts, share(family(gaps[:, :, 0]) < 0.05)]
        for one, (gaps, _) in every(simulate, many, studies)
    )
    table("Any false difference among several starts", [*names, "starts", "errs"], rows)

    lifted = [
        Setting(task, 400, runs, kept, lift=lift)
        for task in TASKS for lift in (0.1, 0.2) for kept in (4, 8) for runs in (10, 20, 100)
    ]  # fmt: skip
    title = "A true difference: shown, shown by the test before; intervals that cover it; called smaller than it is"
    both = zip(
        every(simulate, lifted, studies),
        every(simulate, [replace(one, is_shared=True) for one in lifted], studies),
        strict=True,
    )
    rows = (power(one, gaps, *before) for (one, (gaps, _)), (_, before) in both)
    table(title, [*names, "difference", "shown", "before", "covers", "called smaller"], rows)

    fast = [
        Setting(task, 60, runs, kept, starts, has_curves=True)
        for task in TASKS for kept in (4, 8) for starts in (2, 4) for runs in (5, 10, 20)
    ]  # fmt: skip
    rows = (
        [*told(one), one.starts, *(share(family(gaps[:, :, what]) < 0.05) for what in (0, 1))]
        for one, (gaps, _) in every(simulate, fast, studies)
    )
    table("No start is faster: steps to the target, area", [*names, "starts", "steps err", "area errs"], rows)


def tell_verdicts(every, studies):
    settings = [
        Setting(task, samples, runs, 8, starts, is_shared=is_shared)
        for is_shared in (False, True) for task in TASKS for samples in (60, 400)
        for runs in (5, 20) for starts in (2, 4)
    ]  # fmt: skip
    rows = (
        [*told(one), one.starts, how(one), *map(share, found.T)]
        for one, found in every(verdicts, settings, studies // 10)
    )
    columns = ["task", "samples", "kept", "runs", "starts", "splits", "any behind", "the same", "seen", "open"]
    table("No true difference: what a comparison says", columns, rows)


def tell_same(every, studies):
    settings = [
        Margin(samples, runs, noise, is_shared)
        for is_shared in (False, True) for noise in (0, 0.02) for samples in (60, 150, 360) for runs in (5, 20)
    ]  # fmt: skip
    rows = (
        [one.samples, one.runs, one.noise, how(one), *map(share, found.T)]
        for one, found in every(at_the_margin, settings, studies // 5)
    )
    columns = ["samples", "runs", "noise", "splits", "called the same", "called behind"]
    table("A true difference as large as the margin, of one sample in a hundred", columns, rows)


def tell_looks(every, studies):
    settings = [
        Setting("classes", 60, LOOKS[-1], 8),
        Setting("classes", 60, LOOKS[-1], 8, starts=4),
        Setting("classes", 400, LOOKS[-1], 8),
        Setting("numbers", 60, LOOKS[-1], 8),
        Setting("numbers", 400, LOOKS[-1], 8, is_shared=True),
    ]
    rows = (
        [one.task, one.samples, one.starts, how(one), *map(share, found.T[:3]), f"{found[:, 3].mean():.2f}"]
        for one, found in every(sequential, settings, studies // 2)
    )
    columns = ["task", "samples", "starts", "splits", "any look errs", "unpaid", "last interval covers", "looks"]
    table("No true difference, looked at after 5, 10, 20 and 40 runs", columns, rows)


def tell_grid(every, studies):
    found = every(null_grids.simulate, null_grids.KINDS, studies // 20)
    rows = ([one.what, *map(share, claims.T)] for one, claims in found)
    columns = ["null grids", "pairs of cells", "at the best setting", "the two chosen settings alone"]
    table("Grids of starts that are alike: anything shown", columns, rows)


def how(setting):
    return "one" if setting.is_shared else "own"


PARTS = {"tests": tell_tests, "verdicts": tell_verdicts, "same": tell_same, "looks": tell_looks, "grid": tell_grid}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; all unless said")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    decide_only()
    with ProcessPoolExecutor(asked.jobs) as pool:

        def every(made, settings, studies):
            return zip(settings, pool.map(made, [(one, studies) for one in settings]), strict=True)

        for name in asked.parts or PARTS:
            PARTS[name](every, asked.studies)


if __name__ == "__main__":
    main()
