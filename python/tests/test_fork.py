"""A forked child seals under nonces that its parent never uses, and opens what its parent sealed."""

import os
import warnings

NONCE = slice(8, 32)


def nonces(base, count):
    return [base.seal(b"key", b"text")[NONCE] for _ in range(count)]


def in_child(work):
    """What `work` gives in a forked child, as bytes."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # CPython 3.12 warns of threads in the parent; that a child can do without them is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


def test_no_nonce_is_used_twice_by_a_parent_and_its_children(table):
    base = table.base()
    record = base.seal(b"key", b"text")
    seen = [record[NONCE]]
    for _ in range(100):
        theirs = in_child(lambda: b"".join(nonces(base, 50)))
        assert len(theirs) == 50 * 24
        seen += [theirs[at : at + 24] for at in range(0, len(theirs), 24)]
        seen += nonces(base, 50)
    assert len(seen) == len(set(seen)) == 10_001


def test_a_child_opens_what_its_parent_sealed(table):
    record = table.base().seal(b"key", b"text")
    assert in_child(lambda: table.base().open(b"key", record)) == b"text"
