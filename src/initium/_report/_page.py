"""A report as one HTML file that needs nothing else."""

import json
from os import PathLike
from typing import Any

from .._files import write_text
from .._require import require
from ._document import Report, Table

# A page is known by it, so that a report replaces a report and nothing else.
MARK = '<meta name="generator" content="initium">'


def save(report: Report, path: str | PathLike[str]) -> None:
    """Write the page, whole or not at all."""
    write_text(path, page(report), mark=MARK)


def page(report: Report) -> str:
    """The whole page, with Plotly's code inside."""
    plotly = require("plotly.offline", to="A page").get_plotlyjs()
    return _render("page.html", report, plotly=plotly, mark=MARK)


def fragment(report: Report) -> str:
    """Tables and answer alone, for a notebook."""
    return _render("fragment.html", report)


def _render(name: str, report: Report, **more: Any) -> str:
    jinja2 = require("jinja2", to="A page")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("initium._report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plot_json"] = _plot_json
    environment.tests["table"] = lambda section: isinstance(section, Table)
    return environment.get_template(name).render(report=report, **more)


def _plot_json(plot: dict[str, Any]) -> str:
    # `<` is escaped so that no label can end the script element it stands in.
    return json.dumps(plot, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
