"""Ctrl-C in `python -m initium`, which imports the package before it runs anything that could hear it."""

import sys
from types import TracebackType


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stderr.write("Interrupted; nothing was written.\n")
    sys.exit(130)


_asked = sys.orig_argv
if "-m" in _asked and _asked[_asked.index("-m") + 1 :][:1] == ["initium"]:
    sys.excepthook = _told
