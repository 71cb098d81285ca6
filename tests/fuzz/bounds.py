"""What an input may cost, and what may be said of it."""

import contextlib
import signal
import tracemalloc

from initium import InitiumError

SECONDS = 1.0  # of processors, whatever else the machine does
# What is held whatever the input is: pieces of numbers, tables of the catalogue, imports.
LEAST = 40_000_000
TIMES = 60  # as much as JSON of empty lists takes beside its text, and twice that


class TooSlowError(BaseException):
    """It went on for longer than a second."""


@contextlib.contextmanager
def bounded(size, seconds=SECONDS):
    """Fail what takes more than a second of processor, or more memory than goes with so many bytes."""
    before = signal.signal(signal.SIGPROF, _too_slow)
    tracemalloc.start()
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
        assert peak <= LEAST + TIMES * size, f"{peak:,} bytes of memory for {size:,} bytes"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        tracemalloc.stop()
        signal.signal(signal.SIGPROF, before)


def _too_slow(*_):
    raise TooSlowError


def attempt(action):
    """What an action gives; nothing if Initium refuses it in words that can be shown."""
    try:
        return action()
    except InitiumError as error:
        told = str(error)
    check_shown(told)
    assert told
    assert len(told) < 40_000
    return None


def check_shown(text):
    """A terminal obeys nothing of it."""
    odd = {letter for letter in text if not letter.isprintable()} - {"\n"}
    assert not odd, f"{odd} in {text[:300]!r}"
