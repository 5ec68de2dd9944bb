"""Buffers of others as inputs and outputs, without a copy; and which calls hold the GIL."""

import gc
import mmap
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pyarrow as pa
import pytest

from tablecrypt import OVERHEAD

LENGTH = 100_000
TEXT = (b"0123456789abcdef" * (LENGTH // 16 + 1))[:LENGTH]


def numpy_of(length):
    array = np.zeros(length, dtype=np.uint8)
    return array, array


def arrow_of(length):
    buffer = pa.allocate_buffer(length)
    return buffer, np.frombuffer(buffer, dtype=np.uint8)


def mapped(length):
    memory = mmap.mmap(-1, length)
    return memory, np.frombuffer(memory, dtype=np.uint8)


def bytearray_of(length):
    memory = bytearray(length)
    return memory, memory


KINDS = [numpy_of, arrow_of, mapped, bytearray_of]


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_of_others_are_read_and_written(table, kind):
    base = table.base()
    text, view = kind(LENGTH)
    memoryview(view)[:] = TEXT
    record, _ = kind(LENGTH + OVERHEAD)
    assert base.seal_into(b"k", text, record) == LENGTH + OVERHEAD
    back, seen = kind(LENGTH)
    assert base.open_into(b"k", record, back) == LENGTH
    assert bytes(seen) == TEXT
    assert base.open(b"k", record) == TEXT
    assert base.open(text, base.seal(text, text)) == TEXT
    assert base.open_many([(b"k", record)] * 3) == [TEXT] * 3
    out, _ = kind(LENGTH + OVERHEAD)
    assert base.seal_many_into([(text, text, out)]) == [LENGTH + OVERHEAD]
    assert base.open(text, out) == TEXT


def test_columns_of_arrow_are_sealed_where_they_are(table):
    column = pa.array([b"a", b"", b"ccc", b"dd" * 500], type=pa.binary())
    records = table.base().seal_many((b"%d" % i, value.as_buffer()) for i, value in enumerate(column))
    assert table.base().open_many((b"%d" % i, pa.py_buffer(record)) for i, record in enumerate(records)) == column.to_pylist()


def test_rows_of_a_matrix_are_contiguous_and_its_columns_are_refused(table):
    matrix = np.arange(64, dtype=np.uint32).reshape(8, 8)
    assert table.base().open(matrix[3], table.base().seal(matrix[3], matrix)) == matrix.tobytes()
    for strided in [matrix[:, 3], matrix.T, memoryview(bytes(10))[::2]]:
        for call in [lambda: table.base().seal(b"k", strided), lambda: table.base().seal_into(b"k", b"", strided)]:
            with pytest.raises(BufferError):
                call()


def test_what_is_constant_is_no_output(table):
    fixed = np.zeros(100, dtype=np.uint8)
    fixed.flags.writeable = False
    for constant in [bytes(100), fixed, pa.py_buffer(bytes(100)), memoryview(bytes(100))]:
        with pytest.raises((TypeError, BufferError)):
            table.base().seal_into(b"k", b"text", constant)
        assert bytes(constant) == bytes(100)


def test_no_call_keeps_a_buffer(table):
    array = np.zeros(1000, dtype=np.uint8)
    seen = weakref.ref(array)
    out = bytearray(1000 + OVERHEAD)
    table.base().seal(array, array)
    table.base().seal_into(array, array, out)
    table.base().seal_many_into([(array, array, out)])
    table.base().open_many_into([(array, out, np.zeros(1000, dtype=np.uint8))])
    del array
    gc.collect()
    assert seen() is None
    out.append(0)


def test_outputs_of_the_callers_cost_no_memory_and_new_ones_their_own_length(table):
    base = table.base()
    size = 8 << 20
    text, record, back = bytes(size), bytearray(size + OVERHEAD), bytearray(size)

    def peak(call):
        call()
        tracemalloc.start()
        held = call()
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        del held
        return top

    assert peak(lambda: base.seal_into(b"k", text, record)) < 4096
    assert peak(lambda: base.open_into(b"k", record, back)) < 4096
    assert peak(lambda: base.seal_many_into([(b"k", text, record)])) < 4096
    # The result and nothing beside it: no copy.
    assert size < peak(lambda: base.seal(b"k", text)) < size + 4096
    assert size < peak(lambda: base.open(b"k", record)) < size + 4096
    # The control: what makes a copy is seen.
    assert peak(lambda: base.seal_into(b"k", bytes(text[:-1]), record)) > size - 4096


@pytest.fixture
def other_thread():
    """How often another thread runs meanwhile. It runs whenever it can; the one that asks gives the GIL away only by itself."""
    count, done = [0], threading.Event()

    def run():
        while not done.is_set():
            count[0] += 1
            time.sleep(0)  # Lets go of the GIL.

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    thread = threading.Thread(target=run)
    thread.start()
    yield count
    done.set()
    thread.join()
    sys.setswitchinterval(interval)


def ran_meanwhile(count, call):
    before = count[0]
    call()
    return count[0] - before


def test_long_texts_that_cannot_change_are_sealed_without_the_gil_and_others_with_it(table, other_thread):
    base = table.base()
    text = bytes(16 << 20)
    record = base.seal(b"k", text)
    released = [
        lambda: base.seal(b"k", text),
        lambda: base.open(b"k", record),
        lambda: base.seal_many([(b"k", text)]),
        lambda: base.open_many([(b"k", record)]),
    ]
    for call in released:
        # The other thread may not be given a core at once.
        assert any(ran_meanwhile(other_thread, call) > 0 for _ in range(1000))
    changing, out, back = bytearray(text), bytearray(len(record)), bytearray(len(text))
    held = [
        lambda: base.seal(b"k", changing),
        lambda: base.seal_into(b"k", text, out),
        lambda: base.open_into(b"k", record, back),
        lambda: base.seal_many_into([(b"k", text, out)]),
        # Short: the thread that waits for the GIL would cost more than it does.
        lambda: base.seal(b"k", text[:1024]),
        lambda: base.seal_many([(b"k", b"text")] * 100),
    ]
    for call in held:
        assert [ran_meanwhile(other_thread, call) for _ in range(20)] == [0] * 20


def test_threads_seal_and_open_through_one_structure_while_another_is_in_it(table, other_thread):
    """A lock over a structure would keep the other thread out until the long call has come back."""
    base = table.base()
    text, short = bytes(16 << 20), bytes(1024)
    begun, sealed, done = threading.Event(), [0], threading.Event()

    def work():
        begun.set()
        while not done.is_set():
            base.open(b"k", base.seal(b"k", short))
            sealed[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(60)
    try:
        assert any(ran_meanwhile(sealed, lambda: base.seal(b"k", text)) > 0 for _ in range(1000))
        # The control: with the GIL nothing gets in between.
        changing = bytearray(text)
        assert [ran_meanwhile(sealed, lambda: base.seal(b"k", changing)) for _ in range(20)] == [0] * 20
    finally:
        done.set()
        thread.join()
