"""Renderers: from a report as data to one HTML file; `_text`, which loads Rich, to a terminal."""

from ._document import Figure as Figure
from ._document import Report as Report
from ._document import Table as Table
from ._page import MARK as MARK
from ._page import fragment as fragment
from ._page import page as page
from ._page import save as save
