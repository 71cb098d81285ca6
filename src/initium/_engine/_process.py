"""Process: one that trains, as whoever started it sees it."""

import atexit
import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

_REST = 50.0  # seconds for which one without work is kept; by itself it ends somewhat later
_SERVE = "import sys; sys.path[:] = {path!r}; from initium._engine._worker import work; work()"

Answers = queue.Queue[tuple["Process", str, Any]]


class Process:
    """One process, its pipes, and the run that it is at.

    Attributes:
        job: what it is at; None if nothing.
        until: when that takes too long, on the monotonic clock.
        met: the contenders that it knows.
        code: the digest of somebody's own code that it may have run; empty if it has run none.
    """

    def __init__(self, code: str = "") -> None:
        with _deaf_children():
            command = [sys.executable, "-c", _SERVE.format(path=sys.path)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.job: Any = None
        self.until, self.met, self.code = 0.0, set[int](), code
        self._answers: Answers | None = None
        self._rested = time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    def ready(cls, code: str) -> "Process":
        """One that has served another study a moment ago, or a new one.

        Python keeps what it has imported, and what that did to the process. So one that has run somebody's own code
        serves the same code again, and no other.
        """
        while _resting:
            found = _resting.pop()
            is_well = time.monotonic() - found._rested < _REST and found._process.poll() is None
            if is_well and found.code in ("", code):
                found.code = code
                return found
            found.end()
        return cls(code)

    @classmethod
    def prepare(cls, number: int, code: str) -> None:
        """Have so many ready."""
        found = [cls.ready(code) for _ in range(number)]
        _resting.extend(found)

    def rest(self) -> None:
        """Be there for the next study for a while."""
        self._answers, self._rested = None, time.monotonic()
        _resting.append(self)

    def begin(self, answers: Answers, data: bytes) -> None:
        """Serve a study, and answer there."""
        self._answers, self.met = answers, set()
        self.say("study", (list(sys.path), os.getcwd(), data))

    def say(self, what: str, value: tuple[Any, ...]) -> None:
        """Ask something of it."""
        pipe = self._process.stdin
        assert pipe
        with contextlib.suppress(OSError):  # it has ended, as its answers tell
            pipe.write(pickle.dumps((what, value)))
            pipe.flush()

    def end(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            with contextlib.suppress(OSError):  # what it has not read is lost
                self._process.stdin.close()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe
        kind = ""
        while kind != "ended":
            try:
                kind, value = pickle.load(pipe)
            except Exception:  # there is no more, or only a part of it
                kind, value = "ended", _how(self._process.wait())
            if self._answers:
                self._answers.put((self, kind, value))
        pipe.close()


_resting: list[Process] = []


@atexit.register
def _end_all() -> None:
    while _resting:
        _resting.pop().end()


def _how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process was ended by signal {-code}"


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started in here do not hear Ctrl-C: we do, and end them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a signal, and only it hears Ctrl-C
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
