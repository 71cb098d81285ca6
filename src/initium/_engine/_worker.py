"""What a process that trains does: read what to train from one pipe, and write what came of it to another."""

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

from ._packed import unpacked

_IDLE = 60.0  # seconds without work after which it ends


def work() -> None:
    """Serve until nobody asks any more, or whoever asked is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is heard by whoever started us
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints goes not among the answers
    asked: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_read, args=(os.fdopen(os.dup(0), "rb"), asked), daemon=True).start()
    settle()
    task = Task()
    while True:
        try:
            what, value = asked.get(timeout=_IDLE)
        except queue.Empty:
            return
        for message in getattr(task, what)(*value):
            answers.write(message)
            answers.flush()


def _read(pipe: BinaryIO, asked: "queue.Queue[Any]") -> None:
    """Pass on what is asked; the pipe ends with the process at its other end, and so does this one, at once."""
    try:
        while True:
            asked.put(pickle.load(pipe))
    except Exception:
        os._exit(1)


def settle() -> None:
    """Get ready before anything is trained; what goes wrong is told when something is."""
    from ._contender import trainer

    os.environ.setdefault("MKL_CBWR", "AUTO")  # products are the same bits wherever in memory their factors lie
    try:
        trainer().settle_process()
    except Exception:
        return


class Task:
    """One study: its data, its contenders as they are needed, and their runs. Each gives the answers to be written."""

    def study(self, path: list[str], folder: str, data: bytes) -> tuple[bytes, ...]:
        """Another study begins."""
        sys.path[:] = path
        self._folder, self._data, self._contenders = folder, data, dict[int, Any]()
        self._pickled: dict[int, bytes] = {}
        return ()

    def contender(self, which: int, pickled: bytes) -> tuple[bytes, ...]:
        """One of its contenders, without the data."""
        self._pickled[which] = pickled
        return ()

    def knows(self, which: int) -> bool:
        """Whether a contender was given."""
        return which in self._pickled

    def runs(self, job: tuple[tuple[int, int], ...]) -> Any:
        """Train some runs together."""
        from ._replicas import trained

        try:
            chunk = [(self._contender(which), index) for which, index in job]
            yield pickle.dumps(("begun", None))
            yield pickle.dumps(("runs", trained(chunk)))
        except BaseException as error:  # whatever somebody's own model raises, also to end its process
            yield pickle.dumps(("failed", told(error)))

    def _contender(self, which: int) -> Any:
        os.chdir(self._folder)
        if isinstance(self._data, bytes):
            self._data = pickle.loads(self._data)
        if which not in self._contenders:
            self._contenders[which] = unpacked(self._pickled[which], self._data)
        return self._contenders[which]


def told(error: BaseException) -> str:
    """What somebody's own code raised, in a line, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    where = f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _is_own(file: str) -> bool:
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return not file.startswith((ours, sys.base_prefix, "<")) and "site-packages" not in file
