"""Reports as data. Their renderers are loaded when used: `_text` for a terminal, `_page` for one HTML file."""

from ._document import Figure as Figure
from ._document import Report as Report
from ._document import Table as Table
