"""Numbers that lie somewhere already, in a file of any format or in memory; nothing here knows a model."""

from ._files import READERS as READERS
from ._files import named as named
from ._files import pinned as pinned
from ._files import tensors_in as tensors_in
from ._in_safetensors import InFile as InFile
from ._in_safetensors import Stamp as Stamp
from ._in_safetensors import changed as changed
from ._in_safetensors import stamp_of as stamp_of
from ._source import TORCH as TORCH
from ._source import file_of as file_of
from ._source import format_of as format_of
from ._stored import Box as Box
from ._stored import Held as Held
from ._stored import Stored as Stored
from ._stored import Tensors as Tensors
from ._stored import number as number
from ._stored import widened as widened
from ._views import SHAPED as SHAPED
from ._views import TURNED as TURNED
from ._views import joined as joined
from ._views import rows as rows
from ._views import viewed as viewed
from ._views import without_ones as without_ones
