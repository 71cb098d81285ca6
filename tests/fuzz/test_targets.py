"""A short, repeatable run of every target, and all that ever failed. `make fuzz` is the long one."""

import signal

import pytest
from bounds import TooSlowError, attempt, bounded, check_shown
from fuzz import CORPUS, tried
from hypothesis import HealthCheck, Phase, given, settings
from targets import TARGETS

from initium import PlanError

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timer of processor time")
KEPT = [(target, file) for target in TARGETS for file in sorted((CORPUS / target.name).glob("*"))]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_inputs_that_nobody_means_well_with_are_right_or_refused(target):
    @settings(
        max_examples=25,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def short(data):
        tried(target, data)

    short()


@pytest.mark.parametrize(("target", "file"), KEPT, ids=lambda one: getattr(one, "name", ""))
def test_what_failed_once_is_right_or_refused(target, file):
    tried(target, file.read_bytes())


def test_every_corpus_is_of_a_target():
    assert {folder.name for folder in CORPUS.iterdir()} <= {target.name for target in TARGETS}


def test_what_takes_too_long_or_too_much_fails():
    def endless():
        while True:
            pass

    with pytest.raises(TooSlowError), bounded(10, seconds=0.05):
        endless()
    with pytest.raises(AssertionError, match="bytes of memory for 10 bytes"), bounded(10):
        bytearray(100_000_000)


def test_another_error_than_ours_and_what_a_terminal_obeys_fail():
    def refuse(error):
        raise error

    with pytest.raises(ZeroDivisionError):
        attempt(lambda: refuse(ZeroDivisionError()))
    assert attempt(lambda: refuse(PlanError("a \x1b[2J name"))) is None
    with pytest.raises(AssertionError):
        check_shown("a \x1b[2J name")


def test_the_corpora_are_small():
    assert sum(file.stat().st_size for _, file in KEPT) < 400_000
