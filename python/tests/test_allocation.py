"""What writes into a caller's memory takes none of the heap, and lets go of the buffers that it was given, however it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tablecrypt

PROGRAM = """
import array, ctypes, itertools, json, mmap, sys, tablecrypt

allocations = ctypes.CDLL(None).allocations
allocations.restype, allocations.argtypes = ctypes.c_ulong, []
service = tablecrypt.Service.local(sys.argv[1])
service.create_table("t")
base = service.connect().open_table("t").base()
cipher, nonce = tablecrypt.AESGCM(bytes(32)), bytes(12)

def per_call(call, *arguments):
    for _ in range(10):
        call(*arguments)
    before = allocations()
    for _ in itertools.repeat(None, 1000):
        call(*arguments)
    return (allocations() - before) / 1000

counted = {}
for size in [0, 64, 1024, 1 << 20]:
    text = bytes(size)
    record, sealed = base.seal(b"k", text), cipher.encrypt(nonce, text, None)
    for kind, of in {
        "bytearray": bytearray,
        "memoryview": lambda length: memoryview(bytearray(length + 1))[:length],
        "array": lambda length: array.array("B", bytes(length)),
        "mmap": lambda length: mmap.mmap(-1, length or 1) if length else bytearray(),
    }.items():
        out, back, into = of(size + 48), of(size), of(size + 16)
        counted[f"{size} {kind}"] = {
            "seal_into": per_call(base.seal_into, b"k", text, out),
            "open_into": per_call(base.open_into, b"k", record, back),
            "encrypt_into": per_call(cipher.encrypt_into, nonce, text, None, into),
            "decrypt_into": per_call(cipher.decrypt_into, nonce, sealed, None, back),
        }
counted["control"] = {"seal": per_call(base.seal, b"k", text), "bytearray": per_call(bytearray, 1 << 20)}
print(json.dumps(counted))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts by glibc's names")
def test_into_a_caller_s_buffer_nothing_is_allocated(tmp_path):
    counter = tmp_path / "allocations.so"
    source = Path(__file__).parent / "allocations.c"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", source, "-o", counter], check=True)
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "demo"],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_PRELOAD": str(counter)},
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    counted = json.loads(result.stdout)
    # The control: what gives a new object of 1 MiB takes it from the heap, and a bytearray its bytes.
    control = counted.pop("control")
    assert control["seal"] >= 1 and control["bytearray"] >= 1
    assert len(counted) == 16
    assert {name: calls for name, calls in counted.items() if any(calls.values())} == {}


def test_buffers_are_let_go_of_however_a_call_ends(table):
    base, cipher = table.base(), tablecrypt.AESGCM(bytes(32))
    context, text, out = bytearray(b"key"), bytearray(100), bytearray(148)
    record = bytearray(base.seal(context, text))
    forged = bytearray(record)
    forged[-1] ^= 1
    ends = set()
    for call in [
        lambda: base.seal(context, text),
        lambda: base.open(context, record),
        lambda: base.open(context, forged),
        lambda: base.open(context, record[:10]),
        lambda: base.seal_into(context, text, out),
        lambda: base.seal_into(context, text, text),
        lambda: base.seal_into(context, text, bytes(148)),
        lambda: base.seal_into(context, text, bytearray(1)),
        lambda: base.seal(context, "text"),
        lambda: base.seal(context, memoryview(text)[::2]),
        lambda: base.seal_many([(context, text), (context, 7)]),
        lambda: base.open_many([(context, record), (context, forged)]),
        lambda: base.seal_many_into([(context, text, out)]),
        lambda: base.seal_many_into([(context, text, out), (context, text, out)]),
        lambda: cipher.encrypt_into(context + bytes(9), text, None, out),
        lambda: cipher.decrypt_into(bytes(12), out, context, text),
    ]:
        try:
            call()
            ends.add(None)
        except (tablecrypt.TablecryptError, TypeError, BufferError, ValueError) as error:
            ends.add(type(error).__name__)
        for given in [context, text, record, forged, out]:
            # What is still in use cannot grow: BufferError.
            given.append(0)
            given.pop()
    assert ends >= {None, "Unauthentic", "Truncated", "Overlap", "TypeError", "OutputTooShort", "BufferError", "ValueError"}
    # The control.
    with memoryview(text), pytest.raises(BufferError):
        text.append(0)
