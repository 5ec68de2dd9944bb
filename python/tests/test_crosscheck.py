"""The formats, read and written by docs/FORMAT.md, C2SP and cryptography alone; nothing of tablecrypt takes part in that."""

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

import tablecrypt

XAES_VECTORS = Path(__file__).parents[2] / "tests" / "vectors" / "xaes-spec.txt"


def derive(key, prefix):
    """C2SP XAES-256-GCM: the AES-256-GCM key of all nonces that begin with these 12 bytes."""

    def aes(block):
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    left = int.from_bytes(aes(bytes(16)), "big")
    doubled = (left << 1) & ((1 << 128) - 1)
    subkey = doubled ^ 0x87 if left >> 127 else doubled

    def half(counter):
        block = int.from_bytes(bytes([0, counter, ord("X"), 0]) + prefix, "big")
        return aes((block ^ subkey).to_bytes(16, "big"))

    return half(1) + half(2)


def xaes_seal(key, nonce, text, aad):
    assert len(nonce) == 24
    return AESGCM(derive(key, nonce[:12])).encrypt(nonce[12:], text, aad)


def xaes_open(key, nonce, sealed, aad):
    assert len(nonce) == 24
    return AESGCM(derive(key, nonce[:12])).decrypt(nonce[12:], sealed, aad)


def canonical(context):
    texts = [text.encode() for pair in sorted(context.items()) for text in pair]
    return b"".join(len(text).to_bytes(8, "big") + text for text in texts)


def root_key(folder, file):
    """What LocalKms does with its blob."""
    (entry,) = file["root_key"]
    assert entry.keys() == {"kms_key", "wrapped"}
    wrapped = base64.b64decode(entry["wrapped"])
    assert len(wrapped) == 121 and wrapped[0] == 1
    (stored,) = [
        key
        for key in (json.loads(path.read_text()) for path in (folder / "kms" / "keys").glob("*.json"))
        if bytes.fromhex(key["id"].replace("-", "")) == wrapped[1:17]
    ]
    assert stored["arn"] == entry["kms_key"]
    context = canonical({"tablecrypt:table": file["table"], "tablecrypt:subscriber": file["subscriber"]})
    assert hashlib.sha256(context).digest() == wrapped[17:49]
    return xaes_open(base64.b64decode(stored["material"]), wrapped[49:73], wrapped[73:], wrapped[:49] + context)


def expand(root, info):
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(root)


def place(file, structure, number):
    kind, _, name = structure.partition(":")
    return (
        b"tablecrypt v1 data key\0"
        + bytes.fromhex(file["table_id"])
        + bytes([["base", "local", "global"].index(kind)])
        + len(name).to_bytes(4, "big")
        + name.encode()
        + number.to_bytes(4, "big")
    )


def data_keys(folder, table):
    """The data keys of a table by structure, each with its number; its key file's MAC is checked first."""
    content = (folder / "tables" / table / "keys.json").read_bytes()
    file = json.loads(content)
    assert (file["version"], file["table"]) == (2, table)
    root = root_key(folder, file)
    authenticated = content[: content.index(b',\n  "mac": "')]
    mac = hmac.new(expand(root, b"tablecrypt v1 key file"), authenticated, hashlib.sha256)
    assert hmac.compare_digest(mac.hexdigest(), file["mac"])
    wrapping = expand(root, b"tablecrypt v1 wrap")

    def unwrap(structure, key):
        wrapped = base64.b64decode(key["wrapped"])
        assert len(wrapped) == 72
        return xaes_open(wrapping, wrapped[:24], wrapped[24:], place(file, structure, key["number"]))

    newest = {structure["name"]: structure["data_keys"][-1] for structure in file["structures"]}
    return {name: (key["number"], unwrap(name, key)) for name, key in newest.items()}


def structures(table):
    return {"base": table.base(), "local:by-delay": table.local("by-delay"), "global:by-tail": table.global_("by-tail")}


def test_the_derivation_written_here_gives_the_answers_of_c2sp():
    case, cases = {}, 0
    for line in XAES_VECTORS.read_text().splitlines():
        name, _, value = (part.strip() for part in line.partition("="))
        if not line.startswith("#") and not name.startswith("accumulated") and name:
            case[name] = bytes.fromhex(value)
        if name == "tag":
            assert xaes_seal(case["key"], case["nonce"], case["text"], case["aad"]) == case["ciphertext"] + case["tag"]
            cases += 1
    assert cases == 2


@pytest.mark.parametrize("length", [0, 1, 15, 16, 100, 4096, 100_000])
def test_cryptography_alone_opens_what_tablecrypt_sealed(folder, table, length):
    keys = data_keys(folder, "flights")
    text = os.urandom(length)
    for name, structure in structures(table).items():
        number, key = keys[name]
        for context in [b"", b"2013-01-01 UA 1545 EWR", bytes(300)]:
            record = structure.seal(context, text)
            assert record[:8] == b"\x01\0\0\0" + number.to_bytes(4, "big")
            assert xaes_open(key, record[8:32], record[32:], record[:8] + context) == text


@pytest.mark.parametrize("length", [0, 1, 15, 16, 100, 4096, 100_000])
def test_tablecrypt_opens_what_cryptography_alone_sealed(folder, table, length):
    keys = data_keys(folder, "flights")
    text = os.urandom(length)
    for name, structure in structures(table).items():
        number, key = keys[name]
        header, nonce = b"\x01\0\0\0" + number.to_bytes(4, "big"), os.urandom(24)
        for context in [b"", b"2013-01-01 UA 1545 EWR", bytes(300)]:
            record = header + nonce + xaes_seal(key, nonce, text, header + context)
            assert structure.open(context, record) == text


@pytest.mark.parametrize("version", [1, 2])
def test_tablecrypt_opens_a_table_that_was_written_by_hand(folder, service, kms, version):
    """The other way round for the key file: KMS blob, wrapped keys and MAC made here."""
    arn = service.default_key()
    stored = json.loads((folder / "kms" / "keys" / f"{kms.describe_key(arn).id}.json").read_text())
    root, key, nonce = os.urandom(32), os.urandom(32), os.urandom(24)
    context = canonical({"tablecrypt:table": "hand", "tablecrypt:subscriber": "default"})
    head = b"\x01" + bytes.fromhex(stored["id"].replace("-", "")) + hashlib.sha256(context).digest()
    blob = head + nonce + xaes_seal(base64.b64decode(stored["material"]), nonce, root, head + context)
    file = {
        "version": version,
        "table": "hand",
        "table_id": os.urandom(16).hex(),
        "subscriber": "default",
        "created": "2026-01-01T00:00:00Z",
    }
    wrapped_root = base64.b64encode(blob).decode()
    behind = {}
    if version == 1:
        file |= {"kms_key": arn, "root_key": wrapped_root}
    else:
        file["next_number"] = 8
        behind = {"root_key": [{"kms_key": arn, "wrapped": wrapped_root}]}
    nonce = os.urandom(24)
    wrapped = nonce + xaes_seal(expand(root, b"tablecrypt v1 wrap"), nonce, key, place(file, "base", 7))
    data_key = {"number": 7, "created": file["created"], "wrapped": base64.b64encode(wrapped).decode()}
    file["structures"] = [{"id": 0, "name": "base", "data_keys": [data_key]}]
    content = json.dumps(file, indent=2).encode()[:-2]
    mac = hmac.new(expand(root, b"tablecrypt v1 key file"), content, hashlib.sha256).hexdigest()
    (folder / "tables" / "hand").mkdir()
    # Behind the MAC's marker: the MAC, and the root key where the version has it there.
    content += b',\n  "mac": "' + mac.encode() + b'"'
    content += b"".join(f",\n  {json.dumps(name)}: {json.dumps(value)}".encode() for name, value in behind.items())
    (folder / "tables" / "hand" / "keys.json").write_bytes(content + b"\n}\n")

    base = service.connect().open_table("hand").base()
    record = base.seal(b"k", b"text")
    assert xaes_open(key, record[8:32], record[32:], record[:8] + b"k") == b"text"


def test_no_text_no_key_stands_in_the_table_folder(folder, table):
    keys = data_keys(folder, "flights")
    for path in (folder / "tables").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for _, key in keys.values():
                assert key not in content
                assert base64.b64encode(key) not in content
                assert key.hex().encode() not in content


def test_a_tablecrypt_cipher_is_the_cipher_of_the_derived_key(folder, table):
    number, key = data_keys(folder, "flights")["base"]
    record = table.base().seal(b"k", b"text")
    cipher = tablecrypt.AESGCM(derive(key, record[8:20]))
    assert cipher.decrypt(record[20:32], record[32:], record[:8] + b"k") == b"text"
