"""python -m tablecrypt selftest: whether this machine, this CPU and this build seal and open as they should.

It checks published answers on each backend that the CPU has; that the backends agree at lengths that reach every loop of
theirs; a table in a temporary folder, with forgeries, which must not open, and a disabled KMS key, which must let nobody in;
and says in which memory the keys were. The exit status is 0 if all of it holds. It takes well under a second.
"""

import argparse
import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import tablecrypt

# McGrew and Viega, The Galois/Counter Mode of Operation (GCM), test cases 13 to 18: key, nonce, text, associated data,
# ciphertext, tag. The tests of the project compare them with tests/vectors/gcm-spec.txt.
_KEY = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
_TEXT = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
_AAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
_LONG_NONCE = (
    "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728"
    "c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b"
)
ANSWERS = [
    ("00" * 32, "00" * 12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("00" * 32, "00" * 12, "00" * 16, "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    (
        _KEY,
        "cafebabefacedbaddecaf888",
        _TEXT,
        "",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c",
    ),
    (
        _KEY,
        "cafebabefacedbaddecaf888",
        _TEXT[:120],
        _AAD,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
    (
        _KEY,
        "cafebabefacedbad",
        _TEXT[:120],
        _AAD,
        "c3762df1ca787d32ae47c13bf19844cbaf1ae14d0b976afac52ff7d79bba9de0"
        "feb582d33934a4f0954cc2363bc73f7862ac430e64abe499f47c9b1f",
        "3a337dbf46a792c45e454913fe2ea8f2",
    ),
    (
        _KEY,
        _LONG_NONCE,
        _TEXT[:120],
        _AAD,
        "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf4"
        "0fc0c3b780f244452da3ebf1c5d82cdea2418997200ef82e44ae7e3f",
        "a44a8266ee1c8eb0c8b5d4cf5ae9f19a",
    ),
]

# Around the widths of the kernels, and where their long loops run.
LENGTHS = [*range(0, 130), 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tablecrypt selftest", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    as_json = parser.parse_args(arguments).json

    report: dict[str, object] = {
        "version": tablecrypt.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}",
        "backend": tablecrypt.backends()[0],
    }
    checks: dict[str, str] = {}
    for name, check in _checks():
        try:
            checks[name] = f"ok: {check()}"
        except Exception as error:
            checks[name] = f"FAILED: {type(error).__name__}: {error}"
    failed = [name for name, result in checks.items() if not result.startswith("ok: ")]
    if as_json:
        print(json.dumps({**report, "checks": checks, "passed": not failed}))
    else:
        print(*(f"{name}: {value}" for name, value in {**report, **checks}.items()), sep="\n")
        print("selftest: " + (f"FAILED: {', '.join(failed)}" if failed else "passed"))
    return 1 if failed else 0


def _checks() -> Iterator[tuple[str, Callable[[], str]]]:
    for backend in tablecrypt.backends():
        yield f"backend {backend}", partial(_backend, backend)
    yield "table", _table


def _backend(name: str) -> str:
    for answer in ANSWERS:
        key, nonce, text, aad, ciphertext, tag = (bytes.fromhex(part) for part in answer)
        cipher = tablecrypt.AESGCM.on(name, key)
        _expect(cipher.encrypt(nonce, text, aad) == ciphertext + tag, "a published answer is another")
        _expect(cipher.decrypt(nonce, ciphertext + tag, aad) == text, "a published answer does not open")
        forged = ciphertext + tag[:-1] + bytes([tag[-1] ^ 1])
        _expect(_raises(tablecrypt.InvalidTag, lambda: cipher.decrypt(nonce, forged, aad)), "a forged tag opens")
    key = bytes.fromhex(_KEY)
    ours, portable = tablecrypt.AESGCM.on(name, key), tablecrypt.AESGCM.on("portable", key)
    text = hashlib.shake_256(b"tablecrypt selftest").digest(max(LENGTHS))
    for length in LENGTHS:
        sealed = ours.encrypt(bytes(12), text[:length], b"aad")
        _expect(sealed == portable.encrypt(bytes(12), text[:length], b"aad"), f"{length} bytes are not sealed as on portable")
        _expect(ours.decrypt(bytes(12), sealed, b"aad") == text[:length], f"{length} bytes do not open")
    return f"{len(ANSWERS)} published answers, {len(LENGTHS)} lengths as on portable"


def _table() -> str:
    with tempfile.TemporaryDirectory(prefix="tablecrypt-selftest-") as folder:
        service = tablecrypt.Service.local(folder)
        service.create_table("items", local_indexes=["by-date"], global_indexes=["by-name"])
        count = refused = 0
        with service.connect() as connection:
            table = connection.open_table("items")
            structures = [table.base(), table.local("by-date"), table.global_("by-name")]
            for structure in structures:
                for length in [0, 1, 64, 1024, 65536]:
                    context, text = b"item %d" % length, b"t" * length
                    record = structure.seal(context, text)
                    _expect(structure.open(context, record) == text, "a record does not open")
                    count += 1
                    forged = record[:-1] + bytes([record[-1] ^ 1])
                    others = [other for other in structures if other is not structure]
                    for where, given, bytes_ in [
                        (structure, context, forged),
                        (structure, b"another item", record),
                        *((other, context, record) for other in others),
                    ]:
                        wrong = (tablecrypt.Unauthentic, tablecrypt.UnknownKey)
                        _expect(_raises(wrong, lambda: where.open(given, bytes_)), "a forged or moved record opens")
                        refused += 1
            memory = ", ".join(f"{keys} keys in {kind} memory" for kind, keys in tablecrypt.key_memory().items() if keys)
        kms = tablecrypt.LocalKms(Path(folder) / "kms")
        kms.disable_key(service.default_key())
        with service.connect() as connection:
            closed = _raises(tablecrypt.KeyDisabled, lambda: connection.open_table("items"))
            _expect(closed, "a table opens under a disabled KMS key")
        kms.enable_key(service.default_key())
        with service.connect() as connection:
            opened = connection.open_table("items").global_("by-name").open(context, record)
            _expect(opened == text, "a record does not open after its KMS key was enabled again")
    return f"{count} records opened, {refused} forged or moved ones refused, shut under a disabled key; {memory}"


def _raises(exceptions: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> bool:
    try:
        call()
    except exceptions:
        return True
    return False


def _expect(holds: bool, otherwise: str) -> None:
    # Not assert: python -O takes those away.
    if not holds:
        raise RuntimeError(otherwise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
