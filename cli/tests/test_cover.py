"""The key files of a LocalKms under a cover, opened by Python's cryptography alone, as docs/FORMAT.md says.

admin/kms names the command in the environment.
"""

import base64
import json
import os
import subprocess

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

PASSPHRASE = "correct horse bättery staple"


def command(folder, *words):
    run = [os.environ["TABLECRYPT_COMMAND"], "kms", *words, "--folder", folder]
    return subprocess.run(run, check=True, capture_output=True, text=True, timeout=300).stdout


def xaes_open(key, sealed, aad):
    """C2SP XAES-256-GCM."""
    prefix, nonce, sealed = sealed[:12], sealed[12:24], sealed[24:]

    def aes(block):
        encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    left = int.from_bytes(aes(bytes(16)), "big")
    subkey = (left << 1) & ((1 << 128) - 1) ^ (0x87 if left >> 127 else 0)
    blocks = [int.from_bytes(bytes([0, counter, ord("X"), 0]) + prefix, "big") for counter in (1, 2)]
    derived = b"".join(aes((block ^ subkey).to_bytes(16, "big")) for block in blocks)
    return AESGCM(derived).decrypt(nonce, sealed, aad)


def opened(key, folder, name):
    sealed = json.loads((folder / name).read_text())
    assert sealed["version"] == 2
    text = xaes_open(key, base64.b64decode(sealed["sealed"]), b"tablecrypt local kms cover v1:" + name.encode())
    return json.loads(text)


def check(key, cover):
    return xaes_open(key, base64.b64decode(cover["check"]), b"tablecrypt local kms cover v1:check")


@pytest.fixture(params=["passphrase", "key file"])
def covered(request, tmp_path):
    """The folder, the id of its key, its cover, and the covering key as another library makes it."""
    folder, file = tmp_path / "kms", tmp_path / "file"
    if request.param == "passphrase":
        file.write_text(PASSPHRASE + "\n")
        arn = command(folder, "create", "--description", "covered", "--passphrase-file", file)
    else:
        arn = command(folder, "create", "--description", "covered", "--key-file", file)
    cover = json.loads((folder / "cover.json").read_text())
    assert cover["version"] == 1
    if request.param == "passphrase":
        costs = cover["passphrase"]
        assert (costs["memory"], costs["passes"], costs["lanes"]) == (64 * 1024, 3, 4), "RFC 9106, section 4"
        salt = base64.b64decode(costs["salt"])
        derive = Argon2id(salt=salt, length=32, iterations=costs["passes"], lanes=costs["lanes"], memory_cost=costs["memory"])
        key = derive.derive(PASSPHRASE.encode())
    else:
        assert "passphrase" not in cover
        key = file.read_bytes()
    return folder, arn.strip().rpartition("/")[2], cover, key


def test_covered_key_file_is_what_the_format_says(covered):
    folder, id, cover, key = covered
    assert check(key, cover) == b""
    file = opened(key, folder, f"keys/{id}.json")
    assert (file["version"], file["id"], file["state"], file["description"]) == (1, id, "Enabled", "covered")
    assert len(base64.b64decode(file["material"])) == 32
    for other in (bytes(32), bytes([key[0] ^ 1]) + key[1:]):
        with pytest.raises(InvalidTag):
            opened(other, folder, f"keys/{id}.json")
        with pytest.raises(InvalidTag):
            check(other, cover)
