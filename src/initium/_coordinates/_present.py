"""What is shown of a CoordinateCheck."""

from typing import TYPE_CHECKING

import numpy as np

from .._errors import counted
from .._report import Figure, Report, Table
from .._report._plots import Plot, axis, ends, layout, line_style, log_axis, marker_style, numbers
from ._slope import BAND, Slope

if TYPE_CHECKING:
    from ._check import CoordinateCheck


def present(check: "CoordinateCheck") -> Report:
    """Everything a person is shown of a check, as data."""
    return Report(
        title=f"{check.answer}.",
        subtitle=(
            f"Widths {', '.join(map(str, check.widths))}; {counted(check.seeds, 'seed')}; {check.optimizer}, "
            f"lr {check.lr:g}."
        ),
        sections=(_table(check), _figure(check)),
        remarks=(*_remarks(check), *check.notes),
    )


def _steps(check: "CoordinateCheck") -> dict[int, dict[str, Slope]]:
    steps: dict[int, dict[str, Slope]] = {}
    for slope in check.slopes:
        steps.setdefault(slope.step, {})[slope.path] = slope
    return steps


def _table(check: "CoordinateCheck") -> Table:
    steps = _steps(check)
    return Table(
        title="",
        columns=("weight", *map(_name, steps)),
        rows=tuple((path, *(_cell(steps[step][path]) for step in steps)) for path in steps.get(0, {})),
        note=f"Slope of log size by log width, and half of its 95 % interval over seeds; ! is beyond {BAND}. Size: "
        "mean absolute value of what a weight gives, at the start; then of what the steps have added to it.",
    )


def _name(step: int) -> str:
    return "start" if step == 0 else f"step {step}"


def _cell(slope: Slope) -> str:
    if slope.verdict in ("still", "broken"):
        return {"still": "0  ", "broken": "none !"}[slope.verdict]
    mark = " " if slope.passes else "!"
    return f"{slope.slope:+.2f} ±{(slope.high - slope.low) / 2:.2f} {mark}"


def _remarks(check: "CoordinateCheck") -> tuple[str, ...]:
    unsure = sum(slope.is_unsure for slope in check.slopes)
    shrinking = any(slope.shrinks_rightly for slope in check.slopes)
    following = any(slope.follows_start and slope.high < -BAND for slope in check.slopes)
    told = (
        (not check.passes, "What grows with the width asks for smaller steps or a smaller start the wider a model is, "
                           "what shrinks for larger ones: another recipe, or rules with Decision(init, lr=...)."),
        (shrinking, "The output may shrink with the width at the start, by width^-0.5 at most: muP's does. A head of "
                    "zeros would not."),
        (following, "What the steps add to the output shrinks. A loss that reads the output gives them a part that "
                    "shrinks with its start, and is the smaller the wider; a head of zeros, by a rule of yours, tells "
                    "that from a rate that is too small."),
        (unsure > 0, f"{counted(unsure, 'slope')} of {len(check.slopes)} may lie beyond for all that "
                     f"{check.seeds} seeds tell; more would tell more."),
    )  # fmt: skip
    return tuple(remark for holds, remark in told if holds)


def _figure(check: "CoordinateCheck") -> Figure:
    steps = _steps(check).items()
    return Figure(
        "Size against width",
        tuple(_plot(check.widths, _name(step), [*slopes.values()]) for step, slopes in steps),
        "At the start, the size of what each weight gives; then of what the steps have added. Flat lines are right.",
    )


def _plot(widths: tuple[int, ...], name: str, slopes: list[Slope]) -> Plot:
    traces = [
        {"type": "scatter", "mode": "lines+markers", "name": slope.path, "x": list(widths),
         "y": numbers(np.array([size or np.nan for size in slope.sizes])), "line": {**line_style(number), "width": 2},
         "marker": {**marker_style(number), "size": 7}}
        for number, slope in enumerate(slopes)
    ]  # fmt: skip
    look = layout(
        300,
        xaxis=axis(f"width, {name}", type="log", tickvals=list(widths), minor={}),
        yaxis=log_axis(*ends([size for slope in slopes for size in slope.sizes], is_log=True), "size"),
    )
    return {"data": traces, "layout": look}
