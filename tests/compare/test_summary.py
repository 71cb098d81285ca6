from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from initium._compare._summary import beyond_chance, epochs_to, luck_of, summarise
from initium._study._data import Data
from initium._study._facts import facts
from initium._study._run import Run
from initium._study._study import Study


def run(scores=(0.1, 0.1, 0.1), losses=(1.0, 0.5, 0.2)):
    return Run("zeros", 0, losses, losses, scores, np.zeros(4), (3,), (3,), (4,))


def summary(runs, target=0.2, beyond=0.15):
    return summarise(runs, np.zeros(len(runs)), target=target, beyond_chance=beyond)


def test_a_run_is_stuck_if_no_epoch_of_training_left_chance():
    assert summary([run()] * 3).num_stuck == 3
    assert summary([run(scores=(0.1, 0.9, 0.1))] * 3).num_stuck == 0
    # Before the first step a lucky draw is no training.
    assert summary([run(scores=(0.9, 0.1, 0.1))] * 3).num_stuck == 3
    assert summary([run(scores=(0.1, 0.1, 0.15))] * 3, beyond=0.15).num_stuck == 3


def test_a_start_meets_the_target_if_half_its_runs_do():
    slow = run(losses=(1.0, 0.9, 0.8))
    assert summary([run(), run(), slow, slow]).epochs == 2
    assert summary([run(), slow, slow, slow]).epochs is None
    assert summary([run(), slow, slow, slow]).num_reached == 1


def test_the_first_epoch_at_the_target_counts():
    assert epochs_to(run(), 0.5) == 1
    assert epochs_to(run(), 0.1) == np.inf
    assert epochs_to(run(), np.inf) == np.inf


def data(y_test):
    x = np.zeros((len(y_test), 2), np.float32)
    made = Data("made", "classification", x, y_test, x, y_test, int(y_test.max()) + 1)
    return facts(Study("mlp", made, ("zeros", "ones")))


def test_luck_reaches_the_binomial_quantile():
    y = np.arange(400) % 10
    hits = round(400 * beyond_chance(data(y)))
    guess = scipy.stats.binom(400, 0.1)
    assert guess.sf(hits) <= 0.001 < guess.sf(hits - 1)


@pytest.mark.parametrize("y", [np.arange(8) % 2, np.array([1] * 3 + [0] * 297)])
def test_a_perfect_score_is_never_luck(y):
    assert beyond_chance(data(y)) < 1


def test_luck_counts_every_answer_of_a_text_and_of_labels():
    """Twenty pieces of 32 tokens are 640 guesses."""
    found = data(np.arange(640).reshape(20, 32) % 10)
    assert (found.num_test, found.num_answers) == (20, 640)
    guess = scipy.stats.binom(640, 0.1)
    assert guess.sf(round(640 * beyond_chance(found))) <= 0.001 < guess.sf(round(640 * beyond_chance(found)) - 1)
    assert beyond_chance(replace(found, num_answers=0)) == 7 / 20 > beyond_chance(found)  # as kept before


def test_runs_that_a_small_fold_cannot_tell_from_luck_are_asked_together():
    study = replace(data(np.arange(40) % 8 // 5), splits=5)  # 15 of 40 answers are of the smaller class: chance 0.625
    assert study.chance == 0.625
    alone, together = beyond_chance(study), beyond_chance(study, 5)
    assert together < 0.77 < alone
    good, guessing = [run(scores=(0.5, 0.7, 0.77))] * 10, [run(scores=(0.5, 0.6, 0.625))] * 10
    luck = luck_of(study, {"he": good, "zeros": guessing})
    assert luck == (0.625 + 0.77) / 2
    assert summary(good, beyond=luck).num_stuck == 0
    assert summary(guessing, beyond=luck).num_stuck == 10
    # Where no start is beyond what luck does together, a run has to be by itself; nor does one fold tell of five.
    assert luck_of(study, {"he": [run(scores=(0.5, 0.7, together - 0.001))] * 10, "zeros": guessing}) == alone
    assert luck_of(study, {"he": good[:1], "zeros": guessing[:1]}) == alone
    assert luck_of(replace(study, splits=0), {"he": good, "zeros": guessing}) == alone
    many = replace(data(np.arange(400) % 10), splits=5)
    hardly = {"he": [run(scores=(0.1, 0.12, 0.13))] * 20, "zeros": [run()] * 20}
    assert beyond_chance(many, 5) < 0.13 < beyond_chance(many) == luck_of(many, hardly)
    lost = [run(scores=(0.5, 0.7, 0.99), losses=(1.0, 0.5, np.nan))] * 10
    assert luck_of(study, {"he": lost, "zeros": guessing}) == alone
