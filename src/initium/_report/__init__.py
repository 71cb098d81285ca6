"""Renderers: from a report as data to text or to one HTML file."""

from ._document import Figure as Figure
from ._document import Report as Report
from ._document import Table as Table
from ._page import MARK as MARK
from ._page import fragment as fragment
from ._page import page as page
from ._page import save as save
from ._text import renderable as renderable
from ._text import text as text
