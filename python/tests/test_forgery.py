"""Forgeries of messages and of records, by every way to open them: refused, the output cleared or untouched, and what
stands around it untouched. The forgeries are those of core/tests/common/forgeries.rs, with the same counts."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

import tablecrypt
from tablecrypt import AESGCM, OVERHEAD, Structure

LENGTHS = [0, 1, 15, 16, 17, 64, 255, 256, 1024]
AAD, TAG, HEAD = 20, 16, 32
FENCE, WIDE = b"\xa5", 64


@dataclass(frozen=True)
class Message:
    """What is stored, the nonce or a record's head first; and what it is bound to."""

    aad: bytes
    bytes: bytes


def forge(whole: Message, other: Message, head: int, least: int) -> Iterator[tuple[str, Message]]:
    """The ciphertext begins at `head`; a cut leaves `least` bytes or more; `other` is as long, under the same key."""
    stored, aad, length, end = whole.bytes, whole.aad, len(whole.bytes), len(whole.bytes) - TAG

    def flipped(value: bytes, at: int, bit: int) -> bytes:
        return value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]

    def stored_as(value: bytes) -> Message:
        return replace(whole, bytes=value)

    for at in range(end):
        yield f"byte {at}", stored_as(flipped(stored, at, at % 8))
    for bit in range(TAG * 8):
        yield f"tag bit {bit}", stored_as(flipped(stored, end + bit // 8, bit % 8))
    for at in range(len(aad)):
        yield f"AAD byte {at}", replace(whole, aad=flipped(aad, at, at % 8))
        yield f"AAD cut to {at}", replace(whole, aad=aad[:at])
    yield "AAD longer", replace(whole, aad=aad + b"\0")
    yield "AAD's last byte before the text", Message(aad[:-1], stored[:head] + aad[-1:] + stored[head:])
    for to in range(least, length):
        yield f"cut to {to}", stored_as(stored[:to])
    for zeros in [1, 16]:
        yield f"{zeros} zeros behind the tag", stored_as(stored + bytes(zeros))
        yield f"{zeros} zeros behind the text", stored_as(stored[:end] + bytes(zeros) + stored[end:])
    yield "a zero before the text", stored_as(stored[:head] + b"\0" + stored[head:])

    yield "AAD of another", replace(whole, aad=other.aad)
    half = head + (end - head) // 2
    parts = [("head", 0, head), ("tag", end, length)]
    parts += [("text", head, end)] * (end > head) + [("half a text", half, end)] * (end > head + 1)
    for part, start, stop in parts:
        theirs = other.bytes[start:stop]
        if theirs == stored[start:stop]:
            theirs = flipped(theirs, 0, 0)  # one byte of ciphertext may be the same in both
        yield f"{part} of another", stored_as(stored[:start] + theirs + stored[stop:])
    for block in range(head + 16, head + (end - head) // 16 * 16, 16):
        left, right = stored[block - 16 : block], stored[block : block + 16]
        yield f"blocks swapped at {block}", stored_as(stored[: block - 16] + right + left + stored[block + 16 :])


Answer = tuple[type[Exception] | None, bytes | None]


def between_fences(length: int, open_: Callable[[memoryview], object]) -> Answer:
    """The exception, and what stands in the output."""
    room = bytearray(FENCE * (WIDE + length + WIDE))
    refusal = None
    try:
        open_(memoryview(room)[WIDE : WIDE + length])
    except tablecrypt.TablecryptError as error:
        refusal = type(error)
    assert room[:WIDE] == room[WIDE + length :] == FENCE * WIDE
    return refusal, bytes(room[WIDE : WIDE + length])


def new(open_: Callable[[], bytes]) -> Answer:
    try:
        return None, open_()
    except tablecrypt.TablecryptError as error:
        return type(error), None


def message_ways(cipher: AESGCM, head: int) -> dict[str, Callable[[Message], Answer]]:
    def in_place(message: Message) -> Answer:
        sealed = message.bytes[head:]
        room = memoryview(bytearray(sealed))
        refusal, _ = new(lambda: cipher.decrypt_into(message.bytes[:head], room, message.aad, room[:-TAG]))
        assert room[-TAG:] == sealed[-TAG:]
        return refusal, bytes(room[:-TAG])

    return {
        "decrypt": lambda message: new(lambda: cipher.decrypt(message.bytes[:head], message.bytes[head:], message.aad)),
        "decrypt_into": lambda message: between_fences(
            len(message.bytes) - head - TAG,
            lambda out: cipher.decrypt_into(message.bytes[:head], message.bytes[head:], message.aad, out),
        ),
        "decrypt_into in place": in_place,
    }


@pytest.mark.parametrize("nonce", [12, 16])
def test_every_forgery_is_refused_by_every_way_and_its_output_cleared(capsys, nonce):
    cipher = AESGCM(os.urandom(32))
    ways = message_ways(cipher, nonce)
    forgeries = refused = 0

    def message(length):
        head, aad, text = os.urandom(nonce), os.urandom(AAD), os.urandom(length)
        return Message(aad, head + cipher.encrypt(head, text, aad)), text

    def refuses(open_, forged):
        refusal, out = open_(forged)
        return refusal is tablecrypt.InvalidTag and (out is None or out == bytes(len(out)))

    for length in LENGTHS:
        (whole, text), (other, _) = message(length), message(length)
        for what, forged in forge(whole, other, nonce, nonce):
            assert forged != whole, what
            for way, open_ in ways.items():
                # What is shorter than a tag has no place for a text.
                if way == "decrypt" or len(forged.bytes) >= nonce + TAG:
                    assert refuses(open_, forged), f"{way}, {length} bytes, {what}"
                    refused += 1
            forgeries += 1
        for open_ in ways.values():
            assert not refuses(open_, whole), "the control is no forgery"
            assert open_(whole) == (None, text)
    assert forgeries == {12: 5260, 16: 5296}[nonce]
    assert refused == forgeries * len(ways) - 2 * TAG * len(LENGTHS)
    with capsys.disabled():
        print(
            f"\nforgeries from Python: {forgeries} of {len(LENGTHS)} messages, nonces of {nonce} bytes, "
            f"{len(ways)} ways: {refused} refused and cleared"
        )


def record_ways(structure: Structure) -> dict[str, Callable[[Message], Answer]]:
    def among_others(record: Message) -> Answer:
        good = (b"others", structure.seal(b"others", b"good"))
        left, text, right = structure.open_many([good, (record.aad, record.bytes), good])
        assert left == right == b"good"
        return (None, text) if isinstance(text, bytes) else (type(text), None)

    return {
        "open": lambda record: new(lambda: structure.open(record.aad, record.bytes)),
        "open_into": lambda record: between_fences(
            max(len(record.bytes) - OVERHEAD, 0), lambda out: structure.open_into(record.aad, record.bytes, out)
        ),
        "open_many": among_others,
    }


def refusal(record: bytes, number: bytes) -> type[Exception]:
    """What docs/FORMAT.md says of a record that is no record of this data key."""
    if record[:1] not in (b"", b"\x01"):
        return tablecrypt.UnknownVersion
    if len(record) < OVERHEAD:
        return tablecrypt.Truncated
    if record[1:4] != bytes(3):
        return tablecrypt.UnknownVersion
    return tablecrypt.Unauthentic if record[4:8] == number else tablecrypt.UnknownKey


def test_every_forgery_of_a_record_is_refused_by_every_way_and_its_output_cleared(capsys, table):
    structures = [table.base(), table.local("by-delay"), table.global_("by-tail")]
    forgeries = refused = 0
    for structure in structures:
        ways = record_ways(structure)

        def record(length, structure=structure):
            aad, text = os.urandom(AAD), os.urandom(length)
            return Message(aad, structure.seal(aad, text)), text

        def refuses(open_, forged, number):
            expected = refusal(forged.bytes, number)
            found, out = open_(forged)
            left = b"\0" if expected is tablecrypt.Unauthentic else FENCE
            return found is expected and (out is None or out == left * len(out))

        for length in LENGTHS:
            (whole, text), (other, _) = record(length), record(length)
            number = whole.bytes[4:8]
            for what, forged in forge(whole, other, HEAD, 0):
                assert forged != whole, what
                for way, open_ in ways.items():
                    assert refuses(open_, forged, number), f"{way}, {length} bytes, {what}"
                    refused += 1
                forgeries += 1
            for open_ in ways.values():
                assert not refuses(open_, whole, number), "the control is no forgery"
                assert open_(whole) == (None, text)
    assert (forgeries, refused) == (5728 * len(structures), 5728 * len(structures) * len(ways))
    with capsys.disabled():
        print(
            f"\nforgeries of records from Python: 5728 of {len(LENGTHS)} messages, {len(structures)} structures, "
            f"{len(ways)} ways: {refused} refused and cleared"
        )
