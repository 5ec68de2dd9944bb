"""One message sealed and opened, at each size: Structure, AESGCM on each kind of backend, and what others offer."""

import os
import tempfile
from collections.abc import Callable
from importlib import import_module, metadata
from typing import NamedTuple

import tablecrypt
from tablecrypt.bench.timing import Call, measure as time_calls

SIZES = [16, 64, 256, 1024, 4096, 16384, 65536, 1 << 20]
QUICK_SIZES = [16, 64, 1024, 16384, 1 << 20]
KEY, NONCE, AAD = bytes(range(32)), bytes(12), b"flights/item/042"


class Contender(NamedTuple):
    """One library: `calls(text)` gives what seals this text, and what opens that again."""

    name: str
    calls: Callable[[bytes], tuple[Call, Call]]


def measure(quick: bool) -> tuple[dict[str, dict[str, dict[int, float]]], dict[str, str]]:
    """Seconds by "seal" and "open", by library, by size; and what was left out, with the reason."""
    speeds: dict[str, dict[str, dict[int, float]]] = {"seal": {}, "open": {}}
    skipped: dict[str, str] = {}
    contenders = []
    with tempfile.TemporaryDirectory(prefix="tablecrypt-bench-") as folder:
        for name, make in {"tablecrypt Structure": lambda: structure(folder), **RIVALS}.items():
            try:
                contenders.append(make())
            except ImportError as error:
                skipped[name] = f"not installed ({error.name})"
        for size in QUICK_SIZES if quick else SIZES:
            text = os.urandom(size)
            both = {contender.name: checked(contender, text) for contender in contenders}
            for which, direction in enumerate(["seal", "open"]):
                taken = time_calls({name: calls[which] for name, calls in both.items()}, quick)
                for name, seconds in taken.items():
                    speeds[direction].setdefault(name, {})[size] = seconds
    return speeds, skipped


def checked(contender: Contender, text: bytes) -> tuple[Call, Call]:
    """Its calls, after what it sealed has opened."""
    (seal, sealing), (open_, opening) = calls = contender.calls(text)
    sealed = seal(*sealing)
    if open_(*opening) != text or not isinstance(sealed, bytes) or len(sealed) < len(text) + 16 or text in sealed:
        raise RuntimeError(f"{contender.name} does not seal {len(text)} bytes, or does not open them")
    return calls


def structure(folder: str) -> Contender:
    service = tablecrypt.Service.local(folder)
    service.create_table("bench")
    base = service.connect().open_table("bench").base()
    return Contender(
        "tablecrypt Structure", lambda text: ((base.seal, (AAD, text)), (base.open, (AAD, base.seal(AAD, text))))
    )


def with_nonce(name: str, seal: Callable[..., bytes], open_: Callable[..., bytes], *, key: tuple[bytes, ...] = ()) -> Contender:
    """One whose caller brings the nonce: as (nonce, data, associated data), or with the nonce and a key at the end."""
    if key:
        return Contender(
            name, lambda text: ((seal, (text, AAD, *key)), (open_, (seal(text, AAD, *key), AAD, *key)))
        )
    return Contender(name, lambda text: ((seal, (NONCE, text, AAD)), (open_, (NONCE, seal(NONCE, text, AAD), AAD))))


def ours(backend: str) -> Contender:
    cipher = tablecrypt.AESGCM.on(backend, KEY)
    return with_nonce(f"tablecrypt AESGCM, {backend}", cipher.encrypt, cipher.decrypt)


def cryptography() -> Contender:
    cipher = import_module("cryptography.hazmat.primitives.ciphers.aead").AESGCM(KEY)
    return with_nonce(f"cryptography {metadata.version('cryptography')} AESGCM", cipher.encrypt, cipher.decrypt)


def pynacl() -> Contender:
    bindings = import_module("nacl.bindings")
    # Of its bindings: the fastest AEAD that it has for any CPU. Not AES.
    return with_nonce(
        f"PyNaCl {metadata.version('pynacl')} ChaCha20-Poly1305",
        bindings.crypto_aead_chacha20poly1305_ietf_encrypt,
        bindings.crypto_aead_chacha20poly1305_ietf_decrypt,
        key=(NONCE, KEY),
    )


def tink() -> Contender:
    module = import_module("tink")
    import_module("tink.aead").register()
    handle = module.new_keyset_handle(import_module("tink.aead").aead_key_templates.AES256_GCM)
    primitive = handle.primitive(import_module("tink.aead").Aead)
    return Contender(
        f"Tink {metadata.version('tink')} AES256_GCM",
        lambda text: ((primitive.encrypt, (text, AAD)), (primitive.decrypt, (primitive.encrypt(text, AAD), AAD))),
    )


RIVALS: dict[str, Callable[[], Contender]] = {
    "tablecrypt AESGCM": lambda: ours(tablecrypt.backends()[0]),
    "tablecrypt AESGCM, portable": lambda: ours("portable"),
    "cryptography": cryptography,
    "PyNaCl": pynacl,
    "Tink": tink,
}


def table(speeds: dict[str, dict[str, dict[int, float]]], skipped: dict[str, str]) -> str:
    lines = []
    for direction, libraries in speeds.items():
        sizes = list(next(iter(libraries.values())))
        width = max(map(len, libraries))
        heads = "".join(f"{head(size):>12}" for size in sizes)
        lines.append(f"{direction + ', ns a call':{width}}{heads}{'1 MiB, GB/s':>14}")
        for name, taken in libraries.items():
            figures = "".join(f"{1e9 * taken[size]:>12,.0f}" for size in sizes)
            lines.append(f"{name:{width}}{figures}{(1 << 20) / taken[1 << 20] / 1e9:>14.2f}")
        lines.append("")
    lines += [f"{name}: left out, {why}" for name, why in skipped.items()]
    return "\n".join(lines).rstrip()


def head(size: int) -> str:
    for unit, name in [(1 << 20, "MiB"), (1 << 10, "KiB")]:
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"
