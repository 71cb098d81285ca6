"""Huge pages: fewer page faults when large memory is written for the first time."""

import ctypes
import sys
from typing import Any

from numpy.typing import NDArray

_MADV_HUGEPAGE = 14  # Linux, asm-generic/mman-common.h
_PAGE = 1 << 21


def advise(array: NDArray[Any]) -> None:
    """Ask for huge pages behind an array that is about to be written; a system without them says no, unheard."""
    if array.nbytes < 2 * _PAGE or not sys.platform.startswith("linux"):
        return
    first = -(-array.ctypes.data // _PAGE) * _PAGE
    last = (array.ctypes.data + array.nbytes) // _PAGE * _PAGE
    _madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _MADV_HUGEPAGE)


def _madvise(*arguments: Any) -> None:
    ctypes.CDLL(None).madvise(*arguments)
