"""How every chart looks, in Plotly's JSON schema."""

from typing import Any

import numpy as np

Plot = dict[str, Any]

GREY = "#7F7F7F"
# Okabe and Ito's colours, told apart by the colour-blind; their yellow is too pale on paper, grey instead.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", GREY)
# Six dashes beside eight colours: no two of the first 24 lines look alike, even in black and white.
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_FONT = {"family": 'system-ui, "DejaVu Sans", sans-serif', "size": 13, "color": "#1b1b1b"}


def line_style(index: int) -> dict[str, str]:
    """The colour and the dash of the line with this number."""
    return {"color": _COLOURS[index % len(_COLOURS)], "dash": _DASHES[index % len(_DASHES)]}


def axis(title: str = "", **more: Any) -> Plot:
    """An axis; what is given besides goes to Plotly as it is."""
    named = {"title": {"text": title}} if title else {}
    look = {"showline": True, "linecolor": "#8a8a8a", "gridcolor": "#e6e6e6", "zeroline": False, "automargin": True}
    return {**look, **named, **more}


def layout(height: int, **more: Any) -> Plot:
    """A chart's layout; what is given besides goes to Plotly as it is."""
    look = {
        "height": height,
        "font": _FONT,
        "margin": {"l": 50, "r": 12, "t": 16, "b": 44},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
    }
    return {**look, **more}


def faint(colour: str) -> str:
    """A colour that lines are seen through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.13)"


def numbers(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them, which knows no NaN: Plotly draws a gap for null."""
    # Six digits are more than a screen shows.
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in np.ravel(values)]
