"""The models of `zoo` serve here too."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "torch_edge"))
