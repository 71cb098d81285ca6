"""Every file that enters recipes."""

from . import _author as _author
from . import _auto as _auto
from . import _classics as _classics
from . import _flax as _flax
from . import _frameworks as _frameworks
from . import _lsuv as _lsuv
from . import _mup as _mup
from . import _residual as _residual
from . import _siren as _siren
from . import _transformers as _transformers
from . import _vision as _vision
