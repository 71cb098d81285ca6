"""A model built without memory, that remembers how each of its numbers would have been made."""

from ._deferred import deferred as deferred
from ._record import Recorded as Recorded
from ._record import carry as carry
from ._record import is_marked as is_marked
from ._record import is_replaced as is_replaced
from ._record import mark as mark
from ._record import record_of as record_of
