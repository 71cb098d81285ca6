"""A report as HTML: one file that needs nothing else, or what a notebook shows."""

import json
from functools import cache
from html import escape
from importlib import resources
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._errors import MissingExtraError, first_few
from .._files import write_text
from .._require import require
from ._sections import Figure
from ._text import text

if TYPE_CHECKING:
    from ._report import Report

# A page is known by it, so that a report replaces a report and nothing else.
MARK = '<meta name="generator" content="initium">'
# plotly.js 4.1.1 as npm has it in plotly.js-cartesian-dist-min: what draws on two axes. Its licence lies beside it.
BUNDLE = "plotly-cartesian.min.js"


def save(report: "Report", path: str | PathLike[str]) -> None:
    """Write the page, whole or not at all."""
    write_text(path, page(report), mark=MARK)


def page(report: "Report") -> str:
    """The whole page, with Plotly's code inside if it has charts."""
    charted = any(isinstance(section, Figure) for section in report.sections)
    return _render("page.html", report, plotly=_plotly() if charted else "", mark=MARK)


def fragment(report: "Report") -> str:
    """All but charts and facts, for a notebook; as plain text where there is no Jinja."""
    try:
        return _render("fragment.html", report)
    except MissingExtraError:
        return f"<pre>{escape(text(report))}</pre>"


@cache
def _plotly() -> str:
    return (resources.files("initium._report") / "vendor" / BUNDLE).read_text("utf-8")


def _render(name: str, report: "Report", **more: Any) -> str:
    jinja2 = require("jinja2", to="A page")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("initium._report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"kind": _kind, "first_few": first_few, "plot_json": _plot_json}
    return environment.get_template(name).render(report=report, **more)


def _kind(section: Any) -> str:
    return type(section).__name__


def _plot_json(plot: dict[str, Any]) -> str:
    # `<` is escaped so that no label can end the script element it stands in.
    return json.dumps(plot, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
