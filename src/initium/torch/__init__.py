"""PyTorch's edge: the only place that imports torch.

`initium.torch.he_normal()(tensor)`, and so for every name of the catalogue; `initium.torch.init` is a drop-in for
`torch.nn.init`, with PyTorch's meaning of names and fans.
"""

from typing import TYPE_CHECKING

from .._errors import MissingExtraError

try:
    import torch as _framework  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise MissingExtraError(
        "initium.torch needs PyTorch, which is not installed: pip install 'initium[torch]'"
    ) from None

from ..init._parse import names as _names
from . import _activation as _activation
from . import callbacks as callbacks
from . import init as init
from ._apply import apply as apply
from ._calibrate import calibrate as calibrate
from ._called import Called as Called
from ._called import Recurrence as Recurrence
from ._called import trace_called as trace_called
from ._coordinates import coordinates as coordinates
from ._coordinates import example_of as example_of
from ._coordinates import optimizer_of as optimizer_of
from ._coordinates import seeded as seeded
from ._deferred import deferred as deferred
from ._diagnose import diagnose as diagnose
from ._param_groups import param_groups as param_groups
from ._read import read as read
from ._start import Start as Start
from ._start import start as __getattr__  # noqa: F401  Python asks it for the catalogue's names
from ._survey import survey as survey
from ._trace import trace as trace
from ._warm_example import channel_moments as channel_moments
from ._warm_file import trusted as trusted
from ._warm_held import held as held

if TYPE_CHECKING:
    from ..init import *  # noqa: F403


def __dir__() -> list[str]:
    return [*globals(), *_names()]
