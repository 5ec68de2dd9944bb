"""A forked child seals under nonces that its parent never uses, and opens what its parent sealed.

FORKS children, half of them by multiprocessing, seal SEALS records each: 100 and 1,000 unless set.
"""

import ctypes
import multiprocessing
import os
import re
import select
import threading
import time
import warnings
from itertools import pairwise

import pytest

FORKS = int(os.environ.get("FORKS", "100"))
SEALS = int(os.environ.get("SEALS", "1000"))
NONCE = slice(8, 32)
PREFIX = 12
# How long a child may take: one that waits for a lock of its parent's would wait for ever.
PATIENCE = 60
KEEPONFORK, DOFORK = 19, 11


def nonces(base, count):
    return [base.seal(b"key", b"text")[NONCE] for _ in range(count)]


def by_os_fork(work):
    """What `work` gives in a child made by os.fork, as bytes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(work())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    answer = b""
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], PATIENCE)[0]:
            part = pipe.read(1 << 20)
            if not part:
                break
            answer += part
        else:
            os.kill(child, 9)
    assert os.waitpid(child, 0)[1] == 0, "the child died or hung"
    return answer


def by_multiprocessing(work):
    """The same in a child of multiprocessing."""
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=lambda: writer.send_bytes(work()))
    child.start()
    assert reader.poll(PATIENCE), "the child hung"
    answer = reader.recv_bytes()
    child.join()
    assert child.exitcode == 0
    reader.close()
    writer.close()
    return answer


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        # CPython 3.12 warns of threads in the parent; that a child can do without them is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


class Runs:
    """Which nonces there were, as runs: those of a thread count up, so that ten million are a few thousand runs."""

    def __init__(self):
        self.runs = {}
        self.count = 0

    def add(self, seen):
        self.count += len(seen)
        last, run = None, None
        for nonce in seen:
            prefix, rest = nonce[:PREFIX], int.from_bytes(nonce[PREFIX:])
            if last == (prefix, rest - 1):
                run[1] = rest
            else:
                run = [rest, rest]
                self.runs.setdefault(prefix, []).append(run)
            last = (prefix, rest)

    def twice(self):
        """How many runs begin within another one."""
        return sum(after[0] <= before[1] for runs in self.runs.values() for before, after in pairwise(sorted(runs)))


def split(answer):
    return [answer[at : at + 24] for at in range(0, len(answer), 24)]


def test_no_nonce_is_used_twice_by_a_parent_and_its_children(table, capsys):
    start = time.monotonic()
    base = table.base()
    seen = Runs()
    done = threading.Event()
    sealed = []

    def busy():
        while not done.is_set():
            if len(sealed) < 100_000:
                sealed.extend(nonces(base, 1000))
            time.sleep(0.001)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for number in range(FORKS):
            fork = by_os_fork if number % 2 else by_multiprocessing
            theirs = split(fork(lambda: b"".join(nonces(base, SEALS))))
            assert len(theirs) == SEALS
            seen.add(theirs)
            seen.add(nonces(base, 100))
    finally:
        done.set()
        thread.join()
    seen.add(sealed)
    with capsys.disabled():
        print(
            f"\nfork: Python: {FORKS} forks x {SEALS} seals, {seen.count} records, "
            f"{seen.twice()} nonces twice ({time.monotonic() - start:.0f} s)"
        )
    assert seen.twice() == 0
    assert seen.count >= FORKS * (SEALS + 100)


def hide_forks():
    """Has children inherit all that the kernel would keep from them."""
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    hidden = 0
    with open("/proc/self/smaps") as maps:
        lines = maps.read().splitlines()
    for line in lines:
        if header := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            begin, end = (int(address, 16) for address in header.groups())
        elif line.startswith("VmFlags:"):
            flags = line.split()
            if "wf" in flags:
                hidden += madvise(begin, end - begin, KEEPONFORK) == 0
            elif "dc" in flags and "io" not in flags:
                hidden += madvise(begin, end - begin, DOFORK) == 0
    assert hidden >= 2


def test_a_fork_that_is_not_noticed_would_be_seen_by_these_tests(table):
    base = table.base()

    def hidden():
        # In a child, for what it hides stays hidden.
        base.seal(b"key", b"text")
        hide_forks()
        seen = Runs()
        seen.add(split(by_os_fork(lambda: b"".join(nonces(base, 100)))))
        seen.add(nonces(base, 100))
        return bytes([seen.twice()])

    assert by_os_fork(hidden) == b"\x01"


def test_a_child_opens_what_its_parent_sealed(table):
    record = table.base().seal(b"key", b"text")
    for fork in (by_os_fork, by_multiprocessing):
        assert fork(lambda: table.base().open(b"key", record)) == b"text"
