"""Compare starts by training them."""

from ._compare import check_margin as check_margin
from ._compare import compare as compare
from ._compare import judged as judged
from ._compare import show as show
from ._compare import study_of as study_of
from ._compare import trained as trained
from ._comparison import Comparison as Comparison
from ._grid import Grid as Grid
