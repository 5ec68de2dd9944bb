"""The published answers, NIST's CAVP and Wycheproof, from Python: by each way to call AESGCM, on the best backend.

admin/vectors names their folder in TABLECRYPT_VECTORS. A tag may be short there, and a message that must be refused has
no text; core/tests/published.rs says what then.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import tablecrypt
from tablecrypt import AESGCM

FOLDER = os.environ.get("TABLECRYPT_VECTORS")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="TABLECRYPT_VECTORS names no folder; admin/vectors runs it")

# How many messages of each file open, and how many must be refused: as core/tests/published.rs has them.
FILES = {
    "cavp-decrypt": (3956, 3919),
    "cavp-encrypt": (7875, 0),
    "wycheproof-gcm": (76, 29),
    "wycheproof-gmac": (30, 108),
    "wycheproof-chunks": (542, 11),
}
# Those with a nonce of 8 to 128 bytes, and those that AESGCM refuses for their nonce, as cryptography does.
TAKEN, NOT_TAKEN = 11_285, 5261


@dataclass(frozen=True)
class Case:
    title: str
    key: bytes
    nonce: bytes
    aad: bytes
    text: bytes | None  # None: it must be refused
    ciphertext: bytes
    tag: bytes


class Wrong(Exception):
    """The library does not answer as published."""


def seal_new(cipher: AESGCM, case: Case, text: bytes) -> bytes:
    return cipher.encrypt(case.nonce, text, case.aad)


def open_new(cipher: AESGCM, case: Case, sealed: bytes) -> bytes | None:
    try:
        return cipher.decrypt(case.nonce, sealed, case.aad)
    except tablecrypt.InvalidTag:
        return None


def seal_apart(cipher: AESGCM, case: Case, text: bytes) -> bytes:
    out = bytearray(b"\xa5" * (len(text) + 16))
    assert cipher.encrypt_into(case.nonce, text, case.aad, out) == len(out)
    return bytes(out)


def open_apart(cipher: AESGCM, case: Case, sealed: bytes) -> bytes | None:
    out = bytearray(b"\xa5" * (len(sealed) - 16))
    return answer(lambda: cipher.decrypt_into(case.nonce, sealed, case.aad, out), out)


def seal_in_place(cipher: AESGCM, case: Case, text: bytes) -> bytes:
    out = bytearray(text + bytes(16))
    assert cipher.encrypt_into(case.nonce, memoryview(out)[: len(text)], case.aad, out) == len(out)
    return bytes(out)


def open_in_place(cipher: AESGCM, case: Case, sealed: bytes) -> bytes | None:
    out = memoryview(bytearray(sealed))
    return answer(lambda: cipher.decrypt_into(case.nonce, out, case.aad, out[:-16]), out[:-16])


def answer(call: Callable[[], int], out: bytearray | memoryview) -> bytes | None:
    try:
        assert call() == len(out)
    except tablecrypt.InvalidTag:
        if out != bytes(len(out)):
            raise Wrong("a forgery's output is not cleared") from None
        return None
    return bytes(out)


WAYS = [(seal_new, open_new), (seal_apart, open_apart), (seal_in_place, open_in_place)]


def check(way: tuple, cipher: AESGCM, case: Case) -> None:
    """Raises Wrong if the library does not answer as published."""
    seal, open_ = way
    text = seal(cipher, case, case.ciphertext)[:-16] if case.text is None else case.text
    sealed = seal(cipher, case, text)
    if sealed[:-16] != case.ciphertext:
        raise Wrong("another ciphertext")
    if sealed[-16:].startswith(case.tag) != (case.text is not None):
        raise Wrong("another tag, or that of a forgery")
    forged = case.ciphertext + case.tag + sealed[len(sealed) - 16 + len(case.tag) :]
    if case.text is None and open_(cipher, case, forged) is not None:
        raise Wrong("a forgery opens")
    if open_(cipher, case, sealed) != text:
        raise Wrong("it does not open to its text")


def changed(case: Case, i: int) -> Case:
    """With one bit of its answer changed; one that must be refused is said to open."""
    if case.text is None:
        return replace(case, text=bytes(len(case.ciphertext)))
    name = ["text", "ciphertext", "tag"][i % 3 if case.ciphertext else 2]
    value = bytearray(getattr(case, name))
    value[i % len(value)] ^= 1 << i % 8
    return replace(case, **{name: bytes(value)})


def read(path: Path) -> Iterator[Case]:
    fields: dict[str, str] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        name, separator, value = line.partition(" = ")
        if separator:
            fields[name] = value
        if name == "tag":
            title = f"{path.stem} {fields.pop('case')}"
            yield Case(title=title, **({"text": None} | {name: bytes.fromhex(value) for name, value in fields.items()}))
            fields = {}


def test_every_published_answer_holds_by_every_way_and_a_changed_one_is_noticed(capsys):
    asked = answers = noticed = not_taken = 0
    for name, counts in FILES.items():
        cases = list(read(Path(FOLDER) / f"{name}.txt"))
        opened = sum(case.text is not None for case in cases)
        assert (opened, len(cases) - opened) == counts, f"{name} is short, or not what it was"
        for i, case in enumerate(cases):
            cipher = AESGCM(case.key)
            if not 8 <= len(case.nonce) <= 128:
                for call in [cipher.encrypt, cipher.decrypt]:
                    with pytest.raises(ValueError, match="nonce"):
                        call(case.nonce, case.ciphertext + bytes(16), case.aad)
                not_taken += 1
                continue
            asked += 1
            for way in WAYS:
                try:
                    check(way, cipher, case)
                except Wrong as wrong:
                    pytest.fail(f"{case.title}, {way[0].__name__}: {wrong}")
                answers += 1
            with pytest.raises(Wrong):
                check(WAYS[i % len(WAYS)], cipher, changed(case, i))
            noticed += 1
    assert (asked, not_taken) == (TAKEN, NOT_TAKEN)
    assert (answers, noticed) == (TAKEN * len(WAYS), TAKEN)
    with capsys.disabled():
        print(
            f"\npublished answers from Python: {asked} messages, the best backend, {len(WAYS)} ways: {answers} hold, "
            f"{noticed} changed ones noticed; {not_taken} have nonces that AESGCM refuses"
        )
