import math
import os
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import initium
from initium import _draw
from initium._draw import _axes, _pieces, draw, run, spans, tasks
from initium._kernel import kernel
from initium.init._law import Normal

LAW = kernel(Normal(0, 1), "float32")


@st.composite
def boxes(draw):
    shape = draw(st.lists(st.integers(0, 6), min_size=0, max_size=4))
    ends = [sorted((draw(st.integers(0, size)), draw(st.integers(0, size)))) for size in shape]
    return tuple(shape), tuple(slice(*pair) for pair in ends)


@given(boxes(), st.integers(1, 50))
def test_pieces_are_the_boxs_flat_indices_in_order(case, chunk):
    shape, box = case
    found = []
    for piece in _pieces(_axes(shape, box), chunk):
        length = piece[-1][2] - piece[-1][1]
        starts = spans(piece)
        assert 0 < len(starts) * length <= chunk or not len(starts) * length
        found += [int(start) + i for start in starts for i in range(length)]
    assert found == np.arange(math.prod(shape)).reshape(shape)[box].reshape(-1).tolist()


def test_runs_are_as_long_as_the_box_allows():
    def length(*box):
        *_, (_, low, high) = _axes((8, 4, 6), box)
        return high - low

    assert length(slice(2, 5), slice(0, 4), slice(0, 6)) == 3 * 24
    assert length(slice(2, 5), slice(1, 3), slice(0, 6)) == 12
    assert length(slice(0, 8), slice(0, 4), slice(0, 5)) == 5


def test_a_narrow_box_needs_little_memory_beside_it():
    out = np.empty(2_000_000, np.float32)
    tracemalloc.start()
    run(tasks(out, LAW, key=4, shape=(2_000_000, 4), box=(slice(None), slice(0, 1)), threads=1), threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes * 2
    whole = np.empty((2_000_000, 4), np.float32)
    draw(whole, LAW, key=4)
    np.testing.assert_array_equal(out, whole[:, 0])


@given(boxes(), st.integers(1, 3))
def test_a_box_equals_its_part_of_the_whole(case, threads):
    shape, box = case
    whole = np.empty(shape, np.float32)
    draw(whole, LAW, key=4)
    part = np.empty(whole[box].shape, np.float32)
    run(tasks(part, LAW, key=4, shape=shape, box=box), threads=threads)
    np.testing.assert_array_equal(part, whole[box])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("box", [None, (slice(0, 900), slice(100, 1900)), (slice(3, 800), slice(0, 2001))])
def test_the_number_of_threads_changes_no_bit(threads, box):
    shape = (901, 2001)
    whole = np.empty(shape, np.float32)
    run(tasks(whole, LAW, key=4, shape=shape, threads=1), threads=1)
    part = np.full(whole[box or ...].shape, np.nan, np.float32)
    run(tasks(part, LAW, key=4, shape=shape, box=box, threads=threads), threads=threads)
    np.testing.assert_array_equal(part, whole[box or ...])


@pytest.mark.parametrize(("alone", "chunk"), [(1, 7), (64, 1000), (1000, 1001)])
def test_the_cut_into_chunks_changes_no_bit(monkeypatch, alone, chunk):
    whole = np.empty((50, 61), np.float32)
    draw(whole, LAW, key=4)
    monkeypatch.setattr(_draw, "_ALONE", alone)
    monkeypatch.setattr(_draw, "_CHUNK", chunk)
    for box in (None, (slice(0, 50), slice(3, 60)), (slice(2, 3), slice(0, 61))):
        part = np.full(whole[box or ...].shape, np.nan, np.float32)
        made = tasks(part, LAW, key=4, shape=(50, 61), box=box)
        assert len(made) >= part.size // chunk
        run(made, threads=2)
        np.testing.assert_array_equal(part, whole[box or ...])


def test_a_slice_far_out_needs_no_memory_for_what_lies_before():
    shape, box = (2**40, 9), (slice(2**39, 2**39 + 4), slice(2, 7))
    out = np.empty((4, 5), np.float32)
    run(tasks(out, LAW, key=4, shape=shape, box=box))
    row = np.empty(5, np.float32)
    (task,) = tasks(row, LAW, key=4, shape=(9 * 2**40,), box=(slice(9 * (2**39 + 3) + 2, 9 * (2**39 + 3) + 7),))
    task()
    np.testing.assert_array_equal(out[3], row)


def test_every_thread_works_and_each_task_is_done_once():
    seen, together = [], threading.Barrier(3, timeout=30)

    def task(number):
        if number < 3:
            together.wait()  # only three threads at once can pass
        seen.append(number)

    run([lambda number=number: task(number) for number in range(40)], threads=3)
    assert sorted(seen) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_task_reaches_the_caller_and_stops_the_rest(threads):
    done = []

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([fail] * threads + [lambda: done.append(1)] * 10, threads=threads)
    assert len(done) < 10


def test_a_fill_does_not_wait_for_the_work_of_another():
    begun, may_end = threading.Event(), threading.Event()

    def long():
        begun.set()
        assert may_end.wait(30)

    other = threading.Thread(target=lambda: run([long] * 2, threads=2))
    other.start()
    try:
        assert begun.wait(30)
        run([lambda: None] * 2, threads=2)  # would wait for the pool's only worker, which is busy
    finally:
        may_end.set()
        other.join()


def test_a_strided_array_is_not_filled_as_a_copy():
    with pytest.raises(TypeError):
        tasks(np.zeros(400_000, np.float32)[::2], LAW, key=1, shape=(200_000,))


FORK = """
import os
import numpy as np
from initium._draw import draw
from initium._kernel import kernel
from initium.init._law import Normal

out, law = np.empty(300_000, np.float32), kernel(Normal(0, 1), "float32")
draw(out, law, key=4, threads=2)
child = os.fork()
if child == 0:
    again = np.empty_like(out)
    draw(again, law, key=4, threads=2)
    os._exit(0 if (again == out).all() else 1)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_fills_with_threads_of_its_own():
    # In a process of its own: JAX warns of forks where it has been imported.
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "0\n", done.stderr


LATE = """
import atexit, sys, threading
import numpy as np
import initium

SPEC, WARM = sys.argv[1], sys.argv[2] == "warm"

def filled():
    return initium.array(SPEC, (300, 900), seed=0, path="a")  # for more than one thread

expected = filled() if WARM else np.load(sys.argv[3])

def tell(when):
    print(when, bool((filled() == expected).all()), flush=True)

class Last:
    def __del__(self):
        tell("__del__")

def outlive():
    threading.main_thread().join()
    tell("thread")

atexit.register(tell, "atexit")
threading.Thread(target=outlive).start()
last = Last()
"""


@pytest.mark.parametrize("spec", ["normal", "orthogonal"])
@pytest.mark.parametrize("warm", ["warm", "cold"])
def test_a_fill_while_python_ends_is_done_by_the_thread_that_asks(spec, warm, tmp_path):
    np.save(tmp_path / "a.npy", initium.array(spec, (300, 900), seed=0, path="a"))
    command = [sys.executable, "-c", LATE, spec, warm, str(tmp_path / "a.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "thread True\natexit True\n__del__ True\n", done.stderr


class _Interrupted:
    """A pool that holds a lock while it is asked, as Python's does, and is interrupted by a `__del__` that fills."""

    def submit(self, work, waiting):
        inner = []
        run([lambda: inner.append(threading.get_ident())] * 3, threads=3)
        assert inner == [threading.get_ident()] * 3
        raise RuntimeError("can't start new thread")


def test_a_fill_within_the_asking_for_threads_asks_for_none(monkeypatch):
    monkeypatch.setattr(_draw, "_pool", lambda threads: _Interrupted())
    done = []
    run([lambda: done.append(threading.get_ident())] * 5, threads=3)
    assert done == [threading.get_ident()] * 5
