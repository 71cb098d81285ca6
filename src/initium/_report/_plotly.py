"""plotly.js, which draws the charts: a file of this package, so that nothing is asked of a network.

Version 4.1.1 as npm has it in plotly.js-cartesian-dist-min, which draws on two axes alone; its licence lies beside it.
"""

from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "vendor" / "plotly-cartesian.min.js"


@cache
def plotly_code() -> str:
    """All of it, as text."""
    return _FILE.read_text("utf-8")


def plotly_file() -> Path:
    """Where it lies, for a browser that reads it by itself."""
    return _FILE.absolute()
