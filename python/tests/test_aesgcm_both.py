"""tablecrypt.AESGCM and cryptography's: the same assertions on both, and at the end each difference, shown on both.

`Oracle` is the one that a test does not use: what one seals the other opens. The words in DIFFERENCES are the list; a test
of that name shows what each of the two does, so that the list fails when one of them changes.
"""

import array
import copy
import inspect
import mmap
import os
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import cryptography.exceptions
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

import tablecrypt

OURS, THEIRS = tablecrypt.AESGCM, aead.AESGCM
KEY, NONCE, AAD = bytes(range(32)), b"a nonce of12", b"associated"
LENGTHS = [0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 300, 1024, 1025, 4096, 16383, 16384, 65537]
NONCES = [8, 11, 12, 13, 16, 31, 60, 127, 128]

DIFFERENCES = {
    "smaller_keys": "keys of 128 and 192 bits are refused: AES-256 and no other",
    "forged_output": "decrypt_into leaves zeros after InvalidTag; there the text of the forgery is left",
    "overlap": "an output that overlaps an input, and does not begin where the data begins, is Overlap, a ValueError; there "
    "the bytes are wrong, and nothing says so",
    "two_gib": "data may have 2^36-32 bytes; there 2^31-1, and OverflowError",
    "buffers_of_numbers": "any C-contiguous buffer is taken by its bytes; there only those of bytes, others are TypeErrors",
    "default_bit_length": "generate_key() is a key of 256 bits; there bit_length must be given",
    "names_and_messages": "exceptions say what to do, and repr has no address; backend and on are more than there",
}


@pytest.fixture(params=[OURS, THEIRS], ids=["tablecrypt", "cryptography"])
def Cipher(request):
    return request.param


@pytest.fixture
def cipher(Cipher):
    return Cipher(KEY)


@pytest.fixture
def Oracle(Cipher):
    return THEIRS if Cipher is OURS else OURS


@pytest.mark.parametrize("nonce", NONCES)
@pytest.mark.parametrize("length", LENGTHS)
def test_what_one_seals_the_other_opens(cipher, Oracle, nonce, length):
    oracle, nonce, data, aad = Oracle(KEY), os.urandom(nonce), os.urandom(length), os.urandom(length % 67)
    sealed = cipher.encrypt(nonce, data, aad)
    assert type(sealed) is bytes and len(sealed) == length + 16
    assert sealed == oracle.encrypt(nonce, data, aad)
    assert oracle.decrypt(nonce, sealed, aad) == data
    opened = cipher.decrypt(nonce, sealed, aad)
    assert type(opened) is bytes and opened == data
    buf, back = bytearray(length + 16), bytearray(length)
    assert cipher.encrypt_into(nonce, data, aad, buf) == length + 16
    assert cipher.decrypt_into(nonce, buf, aad, back) == length
    assert (buf, back) == (sealed, data)


def test_positions_and_names_of_arguments_are_these(Cipher):
    def names(function):
        return [name for name in inspect.signature(function).parameters if name != "self"]

    assert names(Cipher) == ["key"]
    assert names(Cipher.generate_key) == ["bit_length"]
    assert names(Cipher.encrypt) == names(Cipher.decrypt) == ["nonce", "data", "associated_data"]
    assert names(Cipher.encrypt_into) == names(Cipher.decrypt_into) == ["nonce", "data", "associated_data", "buf"]
    cipher, buf = Cipher(key=KEY), bytearray(20)
    sealed = cipher.encrypt(nonce=NONCE, data=b"data", associated_data=None)
    assert cipher.decrypt(nonce=NONCE, data=sealed, associated_data=None) == b"data"
    assert cipher.encrypt_into(nonce=NONCE, data=b"data", associated_data=None, buf=buf) == 20
    assert cipher.decrypt_into(nonce=NONCE, data=buf, associated_data=None, buf=bytearray(4)) == 4
    for missing in [lambda: Cipher(), lambda: cipher.encrypt(NONCE, b""), lambda: cipher.encrypt_into(NONCE, b"", None)]:
        with pytest.raises(TypeError):
            missing()
    assert len(Cipher.generate_key(bit_length=256)) == 32


def test_a_generated_key_is_new_and_opens_what_it_sealed(Cipher):
    keys = {Cipher.generate_key(256) for _ in range(100)}
    assert len(keys) == 100 and {(type(key), len(key)) for key in keys} == {(bytes, 32)}
    key = keys.pop()
    assert Cipher(key).decrypt(NONCE, Cipher(key).encrypt(NONCE, b"data", None), None) == b"data"
    with pytest.raises(InvalidTag):
        Cipher(keys.pop()).decrypt(NONCE, Cipher(key).encrypt(NONCE, b"data", None), None)


@pytest.mark.parametrize("bits", [0, 1, 64, 129, 255, 257, 512, True])
def test_a_key_of_another_length_is_not_generated(Cipher, bits):
    with pytest.raises(ValueError):
        Cipher.generate_key(bits)


@pytest.mark.parametrize("bits", [-256, -1, 1 << 64, 1 << 70])
def test_a_length_that_no_key_can_have_overflows(Cipher, bits):
    with pytest.raises(OverflowError):
        Cipher.generate_key(bits)


@pytest.mark.parametrize("bits", ["256", 256.0, None, b"256", object()])
def test_a_length_is_an_integer(Cipher, bits):
    with pytest.raises(TypeError):
        Cipher.generate_key(bits)


@pytest.mark.parametrize("length", [0, 1, 15, 17, 31, 33, 64])
def test_a_key_of_another_length_is_a_value_error(Cipher, length):
    with pytest.raises(ValueError):
        Cipher(bytes(length))


@pytest.mark.parametrize("length", [0, 1, 7, 129, 4096])
def test_a_nonce_of_another_length_is_a_value_error_before_anything_else_is_looked_at(cipher, length):
    for call in [
        lambda: cipher.encrypt(bytes(length), b"data", None),
        lambda: cipher.decrypt(bytes(length), bytes(20), None),
        lambda: cipher.decrypt(bytes(length), b"", None),
        lambda: cipher.encrypt_into(bytes(length), b"data", None, bytearray(20)),
        lambda: cipher.decrypt_into(bytes(length), bytes(20), None, bytearray(4)),
        lambda: cipher.decrypt_into(bytes(length), b"", None, bytearray(400)),
    ]:
        with pytest.raises(ValueError, match="(?i)nonce must be between 8 and 128 bytes"):
            call()


@pytest.mark.parametrize("wrong", ["x" * 32, None, 32, [1] * 32, object()], ids=repr)
def test_what_is_not_bytes_is_a_type_error(Cipher, cipher, wrong):
    calls = [
        lambda: Cipher(wrong),
        lambda: cipher.encrypt(wrong, b"data", None),
        lambda: cipher.encrypt(NONCE, wrong, None),
        lambda: cipher.decrypt(wrong, bytes(20), None),
        lambda: cipher.decrypt(NONCE, wrong, None),
        lambda: cipher.encrypt_into(NONCE, wrong, None, bytearray(20)),
        lambda: cipher.encrypt_into(NONCE, b"data", None, wrong),
        lambda: cipher.decrypt_into(NONCE, bytes(20), None, wrong),
    ]
    if wrong is not None:
        calls += [lambda: cipher.encrypt(NONCE, b"data", wrong), lambda: cipher.decrypt(NONCE, bytes(20), wrong)]
    for call in calls:
        with pytest.raises(TypeError):
            call()


def test_an_output_that_cannot_be_written_is_a_type_error(cipher):
    for output in [bytes(20), memoryview(bytes(20)), memoryview(bytearray(20)).toreadonly()]:
        with pytest.raises(TypeError):
            cipher.encrypt_into(NONCE, b"data", None, output)
        with pytest.raises(TypeError):
            cipher.decrypt_into(NONCE, bytes(36), None, output)


def test_a_view_with_gaps_is_a_buffer_error(cipher):
    gaps = memoryview(bytearray(72))[::2]
    for call in [
        lambda: cipher.encrypt(NONCE, gaps, None),
        lambda: cipher.encrypt(NONCE, b"data", gaps),
        lambda: cipher.decrypt(NONCE, gaps, None),
        lambda: cipher.encrypt_into(NONCE, bytes(20), None, gaps),
    ]:
        with pytest.raises(BufferError):
            call()


def test_bytes_come_in_any_of_these(Cipher, cipher):
    sealed = cipher.encrypt(NONCE, bytes(range(64)), AAD)
    with mmap.mmap(-1, 64) as mapped:
        mapped[:] = bytes(range(64))
        for of in [bytes, bytearray, memoryview, lambda given: memoryview(bytearray(given))]:
            assert Cipher(of(KEY)).encrypt(of(NONCE), of(bytes(range(64))), of(AAD)) == sealed
            assert cipher.decrypt(of(NONCE), of(sealed), of(AAD)) == bytes(range(64))
        assert cipher.encrypt(NONCE, mapped, AAD) == sealed
        assert cipher.encrypt(NONCE, memoryview(bytes(range(64))).cast("B", (8, 8)), AAD) == sealed
        assert cipher.decrypt_into(NONCE, sealed, AAD, mapped) == 64
        assert mapped[:] == bytes(range(64))


def test_no_associated_data_is_the_same_as_empty(cipher):
    sealed = cipher.encrypt(NONCE, b"data", None)
    assert sealed == cipher.encrypt(NONCE, b"data", b"")
    assert cipher.decrypt(NONCE, sealed, b"") == cipher.decrypt(NONCE, sealed, None) == b"data"


@pytest.mark.parametrize("length", [0, 1, 15])
def test_what_is_shorter_than_a_tag_is_an_invalid_tag_whatever_the_output(cipher, length):
    with pytest.raises(InvalidTag):
        cipher.decrypt(NONCE, bytes(length), None)
    for output in [0, 3, 16]:
        with pytest.raises(InvalidTag):
            cipher.decrypt_into(NONCE, bytes(length), None, bytearray(output))


@pytest.mark.parametrize("off", [-20, -1, 1, 16])
def test_an_output_of_another_length_is_a_value_error_and_stays_as_it_was(cipher, off):
    before = b"o" * (20 + off)
    output = bytearray(before)
    with pytest.raises(ValueError, match="buffer must be 20 bytes"):
        cipher.encrypt_into(NONCE, b"data", None, output)
    # A good tag and a bad one alike.
    for sealed in [cipher.encrypt(NONCE, bytes(20), None), bytes(36)]:
        with pytest.raises(ValueError, match="buffer must be 20 bytes"):
            cipher.decrypt_into(NONCE, sealed, None, output)
    assert output == before


def test_whatever_is_changed_is_an_invalid_tag(cipher):
    sealed = cipher.encrypt(NONCE, b"0123456789" * 3, AAD)
    for at in range(len(sealed)):
        forged = bytearray(sealed)
        forged[at] ^= 1 << at % 8
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, forged, AAD)
        with pytest.raises(InvalidTag):
            cipher.decrypt_into(NONCE, forged, AAD, bytearray(30))
    for nonce, aad in [(b"a nonce of13", AAD), (NONCE + b"\0", AAD), (NONCE, AAD[:-1]), (NONCE, None), (NONCE, AAD + b"\0")]:
        with pytest.raises(InvalidTag):
            cipher.decrypt(nonce, sealed, aad)
    for cut in [sealed[:-1], sealed[1:], sealed + b"\0"]:
        with pytest.raises(InvalidTag):
            cipher.decrypt(NONCE, cut, AAD)
    assert cipher.decrypt(NONCE, sealed, AAD) == b"0123456789" * 3


@pytest.mark.parametrize("nonce", [NONCE, bytes(16)], ids=["12", "16"])
@pytest.mark.parametrize("length", [0, 1, 64, 4096])
def test_the_output_may_begin_where_the_data_begins(cipher, nonce, length):
    data = os.urandom(length)
    expected = cipher.encrypt(nonce, data, AAD)
    memory = bytearray(data + bytes(16))
    view = memoryview(memory)
    assert cipher.encrypt_into(nonce, view[:length], AAD, view) == length + 16
    assert memory == expected
    assert cipher.decrypt_into(nonce, view, AAD, view[:length]) == length
    assert memory[:length] == data


def test_inputs_are_left_as_they_were(cipher):
    nonce, data, aad = bytearray(NONCE), bytearray(b"data"), bytearray(AAD)
    sealed = bytearray(cipher.encrypt(nonce, data, aad))
    before = bytes(sealed)
    assert cipher.decrypt(nonce, sealed, aad) == b"data"
    assert (nonce, data, aad, sealed) == (NONCE, b"data", AAD, before)
    # And let go of: a bytearray that is still in use cannot grow.
    for given in [nonce, data, aad, sealed]:
        given.append(0)


def test_a_cipher_is_one_object_without_a_subclass_a_copy_or_an_attribute(Cipher, cipher):
    assert cipher == cipher and cipher != Cipher(KEY) and hash(cipher) == hash(cipher)
    with pytest.raises(TypeError):
        type("Derived", (Cipher,), {})
    for call in [pickle.dumps, copy.copy, copy.deepcopy, weakref.ref]:
        with pytest.raises(TypeError):
            call(cipher)
    with pytest.raises(AttributeError):
        cipher.key = KEY
    assert KEY.hex() not in repr(cipher) and repr(KEY) not in repr(cipher)


def test_threads_share_a_cipher(cipher, Oracle):
    data = os.urandom(1 << 17)
    expected = Oracle(KEY).encrypt(NONCE, data, AAD)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: cipher.encrypt(NONCE, data, AAD) == expected, range(32)))
        assert all(pool.map(lambda _: cipher.decrypt(NONCE, expected, AAD) == data, range(32)))


def test_a_forked_child_has_the_key(cipher):
    sealed = cipher.encrypt(NONCE, b"data", AAD)
    child = os.fork()
    if child == 0:
        os._exit(0 if cipher.encrypt(NONCE, b"data", AAD) == sealed and cipher.decrypt(NONCE, sealed, AAD) == b"data" else 1)
    assert os.waitpid(child, 0)[1] == 0


# What follows differs.


def test_smaller_keys():
    for bits in [128, 192]:
        assert len(THEIRS.generate_key(bits)) == bits // 8
        THEIRS(bytes(bits // 8))
        with pytest.raises(ValueError, match="must be 256.*AES-256 and no smaller key"):
            OURS.generate_key(bits)
        with pytest.raises(ValueError, match="must be 256 bits.*AES-256 and no smaller key"):
            OURS(bytes(bits // 8))


@pytest.mark.parametrize("nonce", [NONCE, bytes(16)], ids=["12", "16"])
@pytest.mark.parametrize("place", ["apart", "in place"])
def test_forged_output(nonce, place):
    def left(Cipher):
        cipher, memory = Cipher(KEY), bytearray(4096 + 16)
        forged = bytearray(cipher.encrypt(nonce, b"secret 8" * 512, AAD))
        forged[-1] ^= 1
        data, out = (forged, memory) if place == "apart" else (memory, memory)
        data[: len(forged)] = forged
        with pytest.raises(InvalidTag):
            cipher.decrypt_into(nonce, memoryview(data)[:4112], AAD, memoryview(out)[:4096])
        return bytes(memory[:4096])

    # The text that nobody may have, all 4,096 bytes of it.
    assert left(THEIRS) == b"secret 8" * 512
    assert left(OURS) == bytes(4096)


def test_overlap():
    data = bytes(range(256)) * 16
    expected = THEIRS(KEY).encrypt(NONCE, data, AAD)
    wrong = 0
    for offset in [-4111, -4096, -17, -1, 1, 15, 16, 17, 2048, 4095]:
        at = 4200
        for Cipher in [OURS, THEIRS]:
            memory = bytearray(16384)
            memory[at : at + 4096] = data
            before, view = bytes(memory), memoryview(memory)
            source, out = view[at : at + 4096], view[at + offset : at + offset + 4112]
            if Cipher is OURS:
                with pytest.raises(tablecrypt.Overlap):
                    Cipher(KEY).encrypt_into(NONCE, source, AAD, out)
                with pytest.raises(ValueError):
                    Cipher(KEY).encrypt_into(NONCE, b"d" * 4096, source[:16], view[at - offset % 16 :][:4112])
                assert memory == before
            else:
                assert Cipher(KEY).encrypt_into(NONCE, source, AAD, out) == 4112
                wrong += bytes(out) != expected
    # Silently, in 6 of the 10: wherever the output begins inside the data.
    assert wrong == 6


def test_two_gib():
    # Mapped and never touched: only its length is looked at.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    with mmap.mmap(-1, 1 << 31, flags=flags, prot=mmap.PROT_READ) as long:
        with pytest.raises(OverflowError):
            THEIRS(KEY).encrypt(NONCE, long, None)
        # It is the output that is wrong here, not the length.
        with pytest.raises(ValueError, match="buffer must be 2147483664 bytes"):
            OURS(KEY).encrypt_into(NONCE, long, None, bytearray(1))
    with mmap.mmap(-1, (1 << 36) - 31, flags=flags, prot=mmap.PROT_READ) as longer:
        for Exception_ in [tablecrypt.TooLong, OverflowError, ValueError]:
            with pytest.raises(Exception_):
                OURS(KEY).encrypt(NONCE, longer, None)
        with pytest.raises(OverflowError):
            THEIRS(KEY).encrypt(NONCE, longer, None)


def test_buffers_of_numbers():
    numbers = array.array("I", range(10))
    sealed = OURS(KEY).encrypt(NONCE, numbers, None)
    assert sealed == THEIRS(KEY).encrypt(NONCE, numbers.tobytes(), None)
    with pytest.raises(TypeError):
        THEIRS(KEY).encrypt(NONCE, numbers, None)


def test_default_bit_length():
    assert len(OURS.generate_key()) == 32
    with pytest.raises(TypeError):
        THEIRS.generate_key()


def test_names_and_messages():
    with pytest.raises(InvalidTag) as ours:
        OURS(KEY).decrypt(NONCE, bytes(16), None)
    with pytest.raises(InvalidTag) as theirs:
        THEIRS(KEY).decrypt(NONCE, bytes(16), None)
    assert "the tag does not match" in str(ours.value) and str(theirs.value) == ""
    assert type(ours.value) is tablecrypt.InvalidTag and isinstance(ours.value, cryptography.exceptions.InvalidTag)
    assert not isinstance(theirs.value, tablecrypt.InvalidTag)
    assert repr(OURS(KEY)) == "AESGCM(...)" and " at 0x" in repr(THEIRS(KEY))

    def public(Cipher):
        return {name for name in dir(Cipher) if not name.startswith("_")}

    assert public(OURS) - public(THEIRS) == {"backend", "on"} and public(THEIRS) <= public(OURS)


def test_every_difference_in_the_list_has_its_test_and_every_test_below_is_in_the_list():
    names = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert names[names.index("smaller_keys") : -1] == list(DIFFERENCES)
