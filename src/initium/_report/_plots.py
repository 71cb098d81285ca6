"""How every chart looks, in Plotly's JSON schema."""

import math
import textwrap
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

Plot = dict[str, Any]

GREY = "#7F7F7F"
# Okabe and Ito's colours, told apart by the colour-blind; their yellow is too pale on paper, grey instead.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", GREY)
# Six dashes and seven symbols beside eight colours: no two of the first 42 lines look alike, even in black and white.
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "star", "cross")
_FONT = {"family": 'system-ui, "DejaVu Sans", sans-serif', "size": 13, "color": "#1b1b1b"}
_LARGEST = 1e300  # beyond it an axis has no room
_TICKS = 3  # that an axis has at least
_DECADES = 7  # more of them than that, and not each has its tick


def line_style(index: int) -> dict[str, str]:
    """The colour and the dash of the line with this number."""
    return {"color": _COLOURS[index % len(_COLOURS)], "dash": _DASHES[index % len(_DASHES)]}


def marker_style(index: int) -> dict[str, str]:
    """The colour and the symbol of the points with this number."""
    return {"color": _COLOURS[index % len(_COLOURS)], "symbol": _SYMBOLS[index % len(_SYMBOLS)]}


def axis(title: str = "", **more: Any) -> Plot:
    """An axis; what is given besides goes to Plotly as it is."""
    named = {"title": {"text": title}} if title else {}
    look = {"showline": True, "linecolor": "#8a8a8a", "gridcolor": "#e6e6e6", "zeroline": False, "automargin": True}
    ticks = {"ticks": "outside", "ticklen": 5, "tickcolor": "#8a8a8a", "minor": {"ticks": "outside", "ticklen": 3}}
    return {**look, **ticks, **named, **more}


def log_axis(low: float, high: float, title: str = "", **more: Any) -> Plot:
    """A logarithmic axis between two positive numbers; the longer it is, the fewer of a decade's numbers it has."""
    ends = math.log10(low), math.log10(high)
    decades, length = range(math.floor(ends[0]), math.ceil(ends[1]) + 1), ends[1] - ends[0]
    steps = (1, 1.5, 2, 3, 4, 5, 6, 8) if length < 1 else (1, 2, 5) if length < 3 else (1,)
    every = -(-len(decades) // _DECADES)
    ticks = [step * 10.0**power for power in decades[::every] for step in steps]
    if sum(low <= tick <= high for tick in ticks) < _TICKS:
        ticks = _even_ticks(low, high)
    between = [step * 10.0**power for power in decades for step in range(2, 10)] if every == 1 else []
    exact = {"tickvals": ticks, "ticktext": [_tick(tick) for tick in ticks]}
    minor = {"ticks": "outside", "ticklen": 3, "tickvals": between}
    return axis(title, type="log", range=[*ends], minor=minor, **{**exact, **more})


def _even_ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, for so short a stretch that a decade's numbers miss it."""
    distance = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(distance))
    step = max(size * power for size in (1, 2, 5) if size * power <= distance)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    power = math.floor(math.log10(value) + 1e-9)
    if -4 < power < 5:
        return f"{value:.6g}"
    digits = f"{value / 10.0**power:.4g}"
    return f"10<sup>{power}</sup>" if digits == "1" else f"{digits}·10<sup>{power}</sup>"


def ends(values: Iterable[Any], *, is_log: bool, room: float = 0.09) -> tuple[float, float]:
    """Where an axis begins and ends that shows some numbers, with a little room; None and NaN are none."""
    found = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(one, np.float64)) for one in values)])
    found = found[(np.abs(found) < _LARGEST) & ((found > 1 / _LARGEST) | (not is_log))]
    if not len(found):
        return (0.1, 1.0) if is_log else (0.0, 1.0)
    low, high = float(found.min()), float(found.max())
    if is_log:
        more = max(math.exp(room * (math.log(high) - math.log(low))), 1.1)
        return max(low / more, 0.1 / _LARGEST), min(high * more, 10 * _LARGEST)
    more = room * (high - low) or 0.1 * abs(high) or 1.0
    return low - more, high + more


def layout(height: int, **more: Any) -> Plot:
    """A chart's layout; what is given besides goes to Plotly as it is."""
    look = {
        "height": height,
        "font": _FONT,
        "margin": {"l": 50, "r": 12, "t": 34, "b": 44},  # a title or the tools have room above
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
    }
    return {**look, **more}


def heading(text: str) -> Plot:
    """The title of a chart among others, in its corner."""
    return {"text": text, "font": {"size": 13}, "x": 0.02, "y": 0.97}


def label(name: str, width: int = 24, lines: int = 2) -> str:
    """A name beside an axis, on two lines at most; over a chart one has room."""
    wrapped = textwrap.wrap(name, width, max_lines=lines, placeholder=" ...", break_on_hyphens=False)
    return "<br>".join(map(escape, wrapped))


def faint(colour: str) -> str:
    """A colour that lines are seen through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.13)"


def numbers(values: np.ndarray, digits: int = 6) -> list[float | None]:
    """Numbers as JSON has them, which knows no NaN: Plotly draws a gap for null.

    Six digits are more than a screen shows; four are enough where nobody looks closer.
    """
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in np.ravel(values)]
