"""Reports: what a noun says of itself, as data, and what shows it. A noun inherits `Reported` and writes `report`."""

from ._plain import plain as plain
from ._report import Report as Report
from ._report import Reported as Reported
from ._sections import Figure as Figure
from ._sections import List as List
from ._sections import Table as Table
