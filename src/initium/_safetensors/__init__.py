"""safetensors files and their indices, read and begun; nothing here knows a plan."""

from ._header import CODES as CODES
from ._header import MARK as MARK
from ._header import RESERVED as RESERVED
from ._header import HeaderError as HeaderError
from ._header import Place as Place
from ._header import header as header
from ._index import ENDING as ENDING
from ._index import SUFFIX as SUFFIX
from ._index import index as index
from ._index import read_index as read_index
from ._index import shards_of as shards_of
from ._places import places as places
