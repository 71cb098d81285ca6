"""Compare starts by training them."""

from ._compare import compare as compare
from ._comparison import Comparison as Comparison
