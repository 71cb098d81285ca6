import mmap
import sys

import numpy as np
import pytest

from initium import _populate
from initium._draw import draw
from initium._kernel import kernel
from initium._populate import populate
from initium.init._law import Constant

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux is asked")


class Recorder:
    """A system that notes what it is asked and does nothing."""

    def __init__(self, present):
        self.present, self.asked = present, []

    def mincore(self, address, length, found):
        found[0] = self.present
        return 0

    def madvise(self, address, length, advice):
        self.asked.append((address.value, length.value, advice))


@pytest.fixture
def system(monkeypatch):
    recorder = Recorder(present=0)
    monkeypatch.setattr(_populate, "_system", lambda: recorder)
    return recorder


@linux
def test_pages_are_asked_for_within_the_array_alone(system):
    out = np.empty(3 * 2**20 + 5, np.uint8)[3:]
    populate(out)
    ((address, length, advice),) = system.asked
    assert advice == 23
    assert address % mmap.PAGESIZE == length % mmap.PAGESIZE == 0
    assert out.ctypes.data <= address < out.ctypes.data + mmap.PAGESIZE
    end = out.ctypes.data + out.nbytes
    assert end - mmap.PAGESIZE < address + length <= end


@linux
def test_pages_that_are_there_and_small_arrays_are_not_asked_for(system):
    populate(np.empty(2**19 - 1, np.uint8))
    system.present = 1
    populate(np.empty(2**21, np.uint8))
    assert system.asked == []


@linux
def test_every_piece_of_a_long_fill_is_asked_for(system):
    out = np.empty(3 * 2**19, np.float32)
    draw(out, kernel(Constant(1), "float32"), key=1, threads=1)
    assert len(system.asked) == 3
    assert sum(length for _, length, _ in system.asked) >= out.nbytes - 6 * mmap.PAGESIZE
    assert (out == 1).all()


@linux
def test_what_was_asked_for_is_there_and_holds_what_it_held():
    import resource  # not on every system

    size = 2**24
    fresh = np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)
    first = fresh.ctypes.data
    assert not _populate._is_present(first)
    populate(fresh)
    if not _populate._is_present(first):
        pytest.skip("this kernel cannot populate")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fresh[:: mmap.PAGESIZE] = 7
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < size // mmap.PAGESIZE / 10
    populate(fresh)
    assert (fresh[:: mmap.PAGESIZE] == 7).all()
    assert fresh.sum() == 7 * size // mmap.PAGESIZE


def test_other_systems_are_not_asked(monkeypatch, system):
    monkeypatch.setattr(_populate.sys, "platform", "darwin")
    populate(np.empty(2**21, np.uint8))
    assert system.asked == []
