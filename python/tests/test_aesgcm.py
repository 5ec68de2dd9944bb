"""tablecrypt.AESGCM against known answers, at many lengths, and with outputs over its inputs. test_aesgcm_both.py has the rest."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import aead

import tablecrypt

VECTORS = Path(__file__).parents[2] / "tests" / "vectors" / "gcm-spec.txt"
LENGTHS = [*range(0, 300), 511, 512, 513, 1023, 1024, 1025, 4096, 16383, 16384, 65536, 65537, 1 << 20]
NONCES = [8, 11, 12, 13, 16, 31, 60, 127, 128]

KEY, NONCE, AAD = bytes(range(32)), b"a nonce of12", b"associated"


def vectors():
    case = {}
    for line in VECTORS.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=")
            case[name.strip()] = bytes.fromhex(value.strip())
            if name.strip() == "tag":
                yield case
                case = {}


def test_known_answers_hold():
    cases = list(vectors())
    assert len(cases) == 6
    for case in cases:
        cipher = tablecrypt.AESGCM(case["key"])
        sealed = case["ciphertext"] + case["tag"]
        assert cipher.encrypt(case["nonce"], case["text"], case["aad"]) == sealed
        assert cipher.decrypt(case["nonce"], sealed, case["aad"]) == case["text"]
        buf, back = bytearray(len(sealed)), bytearray(len(case["text"]))
        assert cipher.encrypt_into(case["nonce"], case["text"], case["aad"], buf) == len(sealed)
        assert cipher.decrypt_into(case["nonce"], buf, case["aad"], back) == len(back)
        assert (buf, back) == (sealed, case["text"])


def test_both_seal_the_same_bytes_and_open_the_others():
    ours, theirs = tablecrypt.AESGCM(KEY), aead.AESGCM(KEY)
    for length in LENGTHS:
        data, aad = os.urandom(length), os.urandom(length % 67)
        sealed = ours.encrypt(NONCE, data, aad)
        assert sealed == theirs.encrypt(NONCE, data, aad)
        assert ours.decrypt(NONCE, sealed, aad) == data
        buf, back = bytearray(length + 16), bytearray(length)
        ours.encrypt_into(NONCE, bytearray(data), aad, buf)
        ours.decrypt_into(NONCE, buf, bytearray(aad), back)
        assert (buf, back) == (sealed, data)


def test_many_ciphers_live_at_once():
    # Wherever Python puts them: an expanded key asks for more alignment than Python's objects have.
    ciphers = [tablecrypt.AESGCM(KEY) for _ in range(100)]
    for length in NONCES:
        assert len({cipher.encrypt(bytes(length), bytes(100), AAD) for cipher in ciphers}) == 1


def test_the_output_may_begin_where_the_data_begins_and_overlap_in_no_other_way():
    for nonce in [NONCE, bytes(16)]:
        cipher = tablecrypt.AESGCM(KEY)
        expected = cipher.encrypt(nonce, b"text" * 16, AAD)
        memory = bytearray(b"text" * 16 + bytes(16))
        view = memoryview(memory)
        assert cipher.encrypt_into(nonce, view[:64], AAD, view) == 80
        assert memory == expected
        assert cipher.decrypt_into(nonce, view, AAD, view[:64]) == 64
        assert memory[:64] == b"text" * 16
        before = bytes(memory)
        for start in range(1, 64):
            memory = bytearray(200)
            view = memoryview(memory)
            for call in [
                lambda: cipher.encrypt_into(nonce, view[:64], AAD, view[start : start + 80]),
                lambda: cipher.encrypt_into(nonce, view[start : start + 64], AAD, view[:80]),
                lambda: cipher.decrypt_into(nonce, view[:80], AAD, view[start : start + 64]),
                lambda: cipher.decrypt_into(nonce, view[start : start + 80], AAD, view[:64]),
                lambda: cipher.encrypt_into(nonce, b"d" * 64, view[:64], view[start : start + 80]),
                lambda: cipher.encrypt_into(view[:12], b"d" * 64, AAD, view[:80]),
            ]:
                with pytest.raises(tablecrypt.Overlap):
                    call()
            assert memory == bytes(200)
        assert len(before) == 80


def test_every_offset_of_an_output_over_its_text_is_refused_untouched_but_the_text_s_own_place():
    cipher, length, at = tablecrypt.AESGCM(KEY), 4000, 4096 + 100
    sealed = cipher.encrypt(NONCE, bytes(range(250)) * 16, AAD)
    before = bytearray(bytes(range(250)) * 60)
    before[at : at + length] = bytes(range(250)) * 16
    sealed_before = before[:]
    sealed_before[at : at + length + 16] = sealed
    refused = done = 0
    for offset in range(-4096, 4097):
        for call, given, read, written in [
            (cipher.encrypt_into, before, length, length + 16),
            (cipher.decrypt_into, sealed_before, length + 16, length),
        ]:
            memory = given[:]
            view = memoryview(memory)
            text, out = view[at : at + read], view[at + offset : at + offset + written]
            if -written < offset < read and offset != 0:
                with pytest.raises(tablecrypt.Overlap):
                    call(NONCE, text, AAD, out)
                assert memory == given
                refused += 1
            else:
                assert call(NONCE, text, AAD, out) == written
                done += 1
    assert (refused, done) == (2 * (2 * length + 14), 2 * (8193 - 2 * length - 14))


def test_each_backend_gives_the_same_bytes_and_says_its_name():
    names = tablecrypt.backends()
    assert names[-1] == "portable" and tablecrypt.AESGCM(KEY).backend == names[0]
    for name in names:
        cipher = tablecrypt.AESGCM.on(name, KEY)
        assert cipher.backend == name
        for length in LENGTHS[::7]:
            data = bytes(range(256)) * (length // 256 + 1)
            sealed = cipher.encrypt(NONCE, data, AAD)
            assert sealed == aead.AESGCM(KEY).encrypt(NONCE, data, AAD)
            assert cipher.decrypt(NONCE, sealed, AAD) == data
    for name in ["", "Portable", "vaes1024", "armv8" if "aesni" in names else "aesni"]:
        with pytest.raises(ValueError, match="tablecrypt.backends"):
            tablecrypt.AESGCM.on(name, KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        tablecrypt.AESGCM.on("portable", bytes(16))
