"""The figures that this project wants to reach from Python, each beside what it is compared with, from the same seconds."""

import os
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from typing import TypedDict

import tablecrypt
from tablecrypt.bench.aead import AAD, KEY, NONCE
from tablecrypt.bench.timing import measure as time_calls


class Row(TypedDict):
    """A figure; what is not measured is None."""

    what: str
    target: str
    measured: str
    ratio: float | None
    reached: bool | None


def measure() -> list[Row]:
    """With all rounds, quick or not: these figures are judged."""
    with tempfile.TemporaryDirectory(prefix="tablecrypt-bench-") as folder:
        service = tablecrypt.Service.local(folder)
        service.create_table("bench")
        base = service.connect().open_table("bench").base()
        return [*against_cryptography(base), item(base), *allocations(base)]


def against_cryptography(base: tablecrypt.Structure) -> list[Row]:
    rows: list[Row] = []
    for size, name, most in [(64, "64 B", 1 / 3), (1 << 20, "1 MiB", 1 / 1.15)]:
        what = f"Structure.seal, {name}, against cryptography's AESGCM.encrypt"
        target = f"at most 1/{1 / most:.3g} of its time"
        text = os.urandom(size)
        try:
            theirs = import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(KEY).encrypt
        except ImportError:
            rows.append(Row(what=what, target=target, measured="cryptography is not installed", ratio=None, reached=None))
            continue
        taken = time_calls({"ours": (base.seal, (AAD, text)), "theirs": (theirs, (NONCE, text, AAD))}, quick=False)
        ratio = taken["ours"] / taken["theirs"]
        measured = f"{1e9 * taken['ours']:,.0f} ns against {1e9 * taken['theirs']:,.0f} ns: 1/{1 / ratio:.2f}"
        rows.append(Row(what=what, target=target, measured=measured, ratio=ratio, reached=ratio <= most))
    return rows


def item(base: tablecrypt.Structure) -> Row:
    text = os.urandom(1024)
    record = base.seal(AAD, text)
    taken = time_calls({"seal": (base.seal, (AAD, text)), "open": (base.open, (AAD, record))}, quick=False)
    slower = max(taken.values())
    return Row(
        what="a 1 KiB item through the hierarchy, Structure.seal and open",
        target="at most 450 ns",
        measured=f"seal {1e9 * taken['seal']:,.0f} ns, open {1e9 * taken['open']:,.0f} ns",
        ratio=slower / 450e-9,
        reached=slower <= 450e-9,
    )


def allocations(base: tablecrypt.Structure) -> list[Row]:
    """What each `*_into` takes of Python's memory: the peak of ten calls. test_allocation.py counts what is taken of the heap."""
    size = 1 << 20
    text, out, back = os.urandom(size), bytearray(size + tablecrypt.OVERHEAD), bytearray(size)
    record = base.seal(AAD, text)
    cipher = tablecrypt.AESGCM(KEY)
    sealed, into = cipher.encrypt(NONCE, text, AAD), memoryview(out)[: size + 16]
    rows: list[Row] = []
    for name, call in {
        "Structure.seal_into": lambda: base.seal_into(AAD, text, out),
        "Structure.open_into": lambda: base.open_into(AAD, record, back),
        "AESGCM.encrypt_into": lambda: cipher.encrypt_into(NONCE, text, AAD, into),
        "AESGCM.decrypt_into": lambda: cipher.decrypt_into(NONCE, sealed, AAD, back),
    }.items():
        peak = taken_by(call)
        # The length that a call gives is an object of its own, and so is a float or an int of this loop.
        most = 4 * sys.getsizeof(size)
        rows.append(
            Row(
                what=f"{name}, 1 MiB: Python's memory taken meanwhile",
                target=f"nothing but the int that it gives: at most {most} B",
                measured=f"{peak} B",
                ratio=peak / most,
                reached=peak <= most,
            )
        )
    return rows


def taken_by(call: Callable[[], object]) -> int:
    """The peak of Python's memory in ten calls, over what was taken before."""
    call()
    tracemalloc.start()
    try:
        call()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def table(rows: list[Row]) -> str:
    said = {True: "reached", False: "NOT REACHED", None: "not measured"}
    return "\n".join(f"{said[row['reached']]:12}  {row['what']}: {row['measured']} (target: {row['target']})" for row in rows)
