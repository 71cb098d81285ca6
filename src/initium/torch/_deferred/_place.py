"""place_of: where in the user's own code something happened."""

import traceback
from pathlib import Path

import torch

_NOT_THE_USERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent))


def place_of(frames: traceback.StackSummary) -> str:
    """The last line of the user's own that was reached, such as `net.py, line 12`; nothing if there is none."""
    lines = [line for line in frames if not line.filename.startswith(_NOT_THE_USERS)]
    return f"{Path(lines[-1].filename).name}, line {lines[-1].lineno}" if lines else ""
