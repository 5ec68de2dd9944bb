"""tablecrypt.AESGCM against cryptography's, against known answers, and where it is meant to differ."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cryptography.exceptions
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


def test_both_take_nonces_of_8_to_128_bytes():
    ours, theirs = tablecrypt.AESGCM(KEY), aead.AESGCM(KEY)
    for length in NONCES:
        nonce = os.urandom(length)
        for size in [0, 1, 16, 100, 4097]:
            sealed = theirs.encrypt(nonce, bytes(size), AAD)
            assert ours.encrypt(nonce, bytes(size), AAD) == sealed
            assert ours.decrypt(nonce, sealed, AAD) == bytes(size)
            with pytest.raises(tablecrypt.InvalidTag):
                ours.decrypt(nonce, sealed, b"")
    for length in [0, 7, 129]:
        for cipher in [ours, theirs]:
            for call in [cipher.encrypt, cipher.decrypt]:
                with pytest.raises(ValueError):
                    call(bytes(length), bytes(100), None)


def test_no_associated_data_is_the_same_as_empty():
    ours = tablecrypt.AESGCM(KEY)
    assert ours.encrypt(NONCE, b"data", None) == ours.encrypt(NONCE, b"data", b"")
    assert ours.encrypt(nonce=NONCE, data=b"data", associated_data=None) == aead.AESGCM(KEY).encrypt(NONCE, b"data", None)


def test_what_is_shorter_than_a_tag_is_refused_by_both():
    for length in range(16):
        with pytest.raises(tablecrypt.InvalidTag):
            tablecrypt.AESGCM(KEY).decrypt(NONCE, bytes(length), None)
        with pytest.raises(cryptography.exceptions.InvalidTag):
            aead.AESGCM(KEY).decrypt(NONCE, bytes(length), None)


def test_an_output_of_another_length_is_a_value_error_in_both():
    for module in [tablecrypt, aead]:
        cipher = module.AESGCM(KEY)
        for length in [0, 19, 21]:
            with pytest.raises(ValueError):
                cipher.encrypt_into(NONCE, b"data", None, bytearray(length))
        for length in [0, 3, 5]:
            with pytest.raises(ValueError):
                cipher.decrypt_into(NONCE, cipher.encrypt(NONCE, b"data", None), None, bytearray(length))


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


def test_keys_have_256_bits_and_no_other_length():
    key = tablecrypt.AESGCM.generate_key()
    assert len(key) == len(tablecrypt.AESGCM.generate_key(bit_length=256)) == 32
    assert key != tablecrypt.AESGCM.generate_key(256)
    for length in [128, 192, 0, -256]:
        with pytest.raises(ValueError):
            tablecrypt.AESGCM.generate_key(length)
    for length in [0, 16, 24, 31, 33]:
        with pytest.raises(ValueError):
            tablecrypt.AESGCM(bytes(length))
    assert tablecrypt.AESGCM(bytearray(KEY)).encrypt(NONCE, b"", None) == tablecrypt.AESGCM(key=KEY).encrypt(NONCE, b"", None)


def test_wrong_types_are_type_errors_in_both():
    for module in [tablecrypt, aead]:
        cipher = module.AESGCM(KEY)
        for call in [
            lambda: module.AESGCM("k" * 32),
            lambda: module.AESGCM(None),
            lambda: module.AESGCM.generate_key("256"),
            lambda: cipher.encrypt("n" * 12, b"", None),
            lambda: cipher.encrypt(NONCE, "data", None),
            lambda: cipher.encrypt(NONCE, None, None),
            lambda: cipher.encrypt(NONCE, b"data", "aad"),
            lambda: cipher.encrypt(NONCE, b"data"),
            lambda: cipher.decrypt(NONCE, 16, None),
        ]:
            with pytest.raises(TypeError):
                call()
    with pytest.raises(TypeError):
        tablecrypt.AESGCM(KEY).encrypt_into(NONCE, b"", None, bytes(16))


def test_threads_share_a_key():
    ours = tablecrypt.AESGCM(KEY)
    data = os.urandom(1 << 18)
    expected = aead.AESGCM(KEY).encrypt(NONCE, data, AAD)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: ours.encrypt(NONCE, data, AAD) == expected, range(64)))
        assert all(pool.map(lambda _: ours.decrypt(NONCE, expected, AAD) == data, range(64)))
