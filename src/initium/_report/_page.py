"""A report as HTML: one file that needs nothing else, or what a notebook shows."""

import json
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

from .._errors import MissingExtraError, OutputError, first_few
from .._files import check_writable, destination, write_text
from .._require import require
from ._plotly import plotly_code
from ._sections import Figure
from ._text import text

if TYPE_CHECKING:
    from ._report import Report

# A page is known by it, so that a report replaces a report and nothing else.
MARK = '<meta name="generator" content="initium">'


def check_page(path: str | PathLike[str]) -> None:
    """Find out now whether a page can be written there later.

    Raises:
        OutputError: if not, saying what is in the way.
    """
    _check_name(path)
    check_writable(path, mark=MARK)


def _check_name(path: str | PathLike[str]) -> None:
    if destination(path).suffix.lower() not in (".html", ".htm"):
        raise OutputError(
            f"'{path}' is no name of a page, which ends in .html. The runs of a comparison as a table are written by "
            "--export (from Python: to_pandas), and one figure as .svg, .png or .pdf from Python, by "
            "`report().figure(title).save(path)`."
        )


def save(report: "Report", path: str | PathLike[str]) -> None:
    """Write the page, whole or not at all."""
    _check_name(path)
    write_text(path, page(report), mark=MARK)


def page(report: "Report") -> str:
    """The whole page, with Plotly's code inside if it has charts."""
    charted = any(isinstance(section, Figure) for section in report.sections)
    return _render("page.html", report, plotly=plotly_code() if charted else "", mark=MARK)


def fragment(report: "Report") -> str:
    """All but charts and facts, for a notebook; as plain text where there is no Jinja."""
    try:
        return _render("fragment.html", report)
    except MissingExtraError:
        return f"<pre>{escape(text(report))}</pre>"


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
