"""Items under a KMS: what it costs to seal and to open 1,000 items of 1 KiB, each with a context of its own.

Each library seals all items and opens them again, through one boto3 session, over HTTP, at a KMS that moto plays in a process
of its own. KMS calls are counted where that session sends them, for all alike; ours with the call that opens the table. moto
answers in 2 ms, over loopback. A KMS in the same region takes 5 to 20 ms, and costs 3 USD for a million calls.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from typing import Any, NamedTuple, TypedDict

import tablecrypt

ITEMS, QUICK_ITEMS = 1000, 50
PASSES = 5
SIZE = 1024

# moto is told to take any free port, and says which; it ends when its input does.
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
"""


class Row(TypedDict):
    """Seconds an item, and the KMS calls for all items sealed once and opened once."""

    name: str
    seal: float
    open: float
    items: int
    kms_calls: tuple[int, int]
    bytes_out: int


class Items(NamedTuple):
    """What seals an item under its context, and what opens it; and the KMS calls that it took to come so far."""

    seal: Callable[[str, bytes], bytes]
    open: Callable[[str, bytes], bytes]
    before: int = 0


class Kms(NamedTuple):
    """A session of botocore whose KMS is moto, a client of it, a key there, and how many requests were sent up to now."""

    session: Any
    client: Any
    key: str
    sent: Callable[[], int]


def measure(quick: bool) -> tuple[list[Row], dict[str, str]]:
    """A row for each library that is installed; and what was left out, with the reason."""
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    with moto() as kms, tempfile.TemporaryDirectory(prefix="tablecrypt-bench-") as folder:
        # Whether an item takes a KMS call or the like: those are timed one by one.
        contenders: dict[str, tuple[Callable[[], Items], bool]] = {
            "tablecrypt, a context an item": (lambda: ours(kms, folder), False),
            "AWS Encryption SDK, KMS keyring": (lambda: keyring(kms), True),
            "AWS Encryption SDK, caching CMM, a context an item": (lambda: caching(kms, None), True),
            "AWS Encryption SDK, caching CMM, one context": (lambda: caching(kms, "one"), True),
            "Tink, KMS envelope": (lambda: tink(kms), True),
            "cryptography, a key in the program": (cryptography, False),
        }
        for name, (make, slow) in contenders.items():
            try:
                rows.append(row(name, make(), kms, QUICK_ITEMS if quick and slow else ITEMS, each=slow))
            except ImportError as error:
                skipped[name] = f"not installed ({error.name})"
    return rows, skipped


def row(name: str, items: Items, kms: Kms, count: int, *, each: bool) -> Row:
    """All items sealed and opened; `each`: once, and each is timed alone."""
    contexts = [f"flights/{number}" for number in range(count)]
    texts = [os.urandom(SIZE) for _ in range(count)]
    over: Callable[[Callable[[str, bytes], bytes]], Pass] = single if each else together
    seal, open_ = over(items.seal), over(items.open)
    sealing = opening = float("inf")
    calls = (0, 0)
    for nth in range(1 if each else PASSES):
        sent = kms.sent()
        sealed, taken = seal(contexts, texts)
        between, sealing = kms.sent(), min(sealing, taken)
        opened, taken = open_(contexts, sealed)
        opening = min(opening, taken)
        if opened != texts:
            raise RuntimeError(f"{name} does not open what it sealed")
        if nth == 0:
            calls = (between - sent + items.before, kms.sent() - between)
    return Row(name=name, seal=sealing, open=opening, items=count, kms_calls=calls, bytes_out=max(map(len, sealed)))


Pass = Callable[[list[str], list[bytes]], tuple[list[bytes], float]]


def together(call: Callable[[str, bytes], bytes]) -> Pass:
    """What runs the call for all items, and gives their mean time."""

    def run(contexts: list[str], given: list[bytes]) -> tuple[list[bytes], float]:
        began = time.perf_counter()
        answers = [call(context, bytes_) for context, bytes_ in zip(contexts, given, strict=True)]
        return answers, (time.perf_counter() - began) / len(answers)

    return run


def single(call: Callable[[str, bytes], bytes]) -> Pass:
    """What runs the call for all items, and gives the time of the fastest."""

    def run(contexts: list[str], given: list[bytes]) -> tuple[list[bytes], float]:
        answers, least = [], float("inf")
        for context, bytes_ in zip(contexts, given, strict=True):
            began = time.perf_counter()
            answers.append(call(context, bytes_))
            least = min(least, time.perf_counter() - began)
        return answers, least

    return run


@contextmanager
def moto() -> Iterator[Kms]:
    """Raises ImportError where boto3 or moto is missing."""
    boto3, sessions = import_module("boto3"), import_module("botocore.session")
    import_module("moto.server")
    server = subprocess.Popen(
        [sys.executable, "-c", MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin and server.stdout
    url = server.stdout.readline().strip()
    if not url:
        raise RuntimeError("moto did not start; python -m moto.server says why")
    # What makes a client by itself, as the AWS Encryption SDK does, finds it here.
    variables = {
        "AWS_ENDPOINT_URL_KMS": url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    found = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        count = 0

        def send(**_: object) -> None:
            nonlocal count
            count += 1

        session = sessions.Session()
        session.register("before-send.kms", send)
        client = boto3.Session(botocore_session=session).client("kms")
        yield Kms(session, client, client.create_key()["KeyMetadata"]["Arn"], lambda: count)
    finally:
        for name, value in found.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.stdin.close()
        server.wait()


def ours(kms: Kms, folder: str) -> Items:
    service = tablecrypt.Service(kms.client, tables=folder)
    service.create_table("flights", kms_key=kms.key)
    before = kms.sent()
    base = service.connect().open_table("flights").base()
    return Items(
        lambda context, text: base.seal(context.encode(), text),
        lambda context, record: base.open(context.encode(), record),
        kms.sent() - before,
    )


def keyring(kms: Kms) -> Items:
    sdk, suite = encryption_sdk()
    mpl = "aws_cryptographic_material_providers.mpl"
    providers = import_module(mpl).AwsCryptographicMaterialProviders(
        config=import_module(f"{mpl}.config").MaterialProvidersConfig()
    )
    ring = providers.create_aws_kms_keyring(
        input=import_module(f"{mpl}.models").CreateAwsKmsKeyringInput(kms_key_id=kms.key, kms_client=kms.client)
    )
    return Items(
        lambda context, text: sdk.encrypt(
            source=text, keyring=ring, encryption_context={"item": context}, algorithm=suite
        )[0],
        lambda context, sealed: sdk.decrypt(source=sealed, keyring=ring, encryption_context={"item": context})[0],
    )


def caching(kms: Kms, one: str | None) -> Items:
    """With one context for all items instead of theirs, for which it was made."""
    (sdk, suite), package = encryption_sdk(), import_module("aws_encryption_sdk")
    provider = package.StrictAwsKmsMasterKeyProvider(key_ids=[kms.key], botocore_session=kms.session)
    manager = package.CachingCryptoMaterialsManager(
        master_key_provider=provider, cache=package.LocalCryptoMaterialsCache(ITEMS), max_age=300.0
    )
    return Items(
        lambda context, text: sdk.encrypt(
            source=text, materials_manager=manager, encryption_context={"item": one or context}, algorithm=suite
        )[0],
        lambda context, sealed: sdk.decrypt(source=sealed, materials_manager=manager)[0],
    )


def encryption_sdk() -> tuple[Any, Any]:
    """Its client, and its fastest suite that commits to the key: the default one signs each message, which takes 0.2 ms more."""
    package, identifiers = import_module("aws_encryption_sdk"), import_module("aws_encryption_sdk.identifiers")
    return package.EncryptionSDKClient(), identifiers.Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY


def tink(kms: Kms) -> Items:
    module = import_module("tink.aead")
    module.register()

    def encrypt(_: object, plaintext: bytes, associated_data: bytes) -> bytes:
        blob: bytes = kms.client.encrypt(KeyId=kms.key, Plaintext=plaintext)["CiphertextBlob"]
        return blob

    def decrypt(_: object, ciphertext: bytes, associated_data: bytes) -> bytes:
        text: bytes = kms.client.decrypt(KeyId=kms.key, CiphertextBlob=ciphertext)["Plaintext"]
        return text

    # What Tink asks of a KMS, by the same client.
    remote = type("Remote", (module.Aead,), {"encrypt": encrypt, "decrypt": decrypt})()
    envelope = module.KmsEnvelopeAead(module.aead_key_templates.AES256_GCM, remote)
    return Items(
        lambda context, text: envelope.encrypt(text, context.encode()),
        lambda context, sealed: envelope.decrypt(sealed, context.encode()),
    )


def cryptography() -> Items:
    module = import_module("cryptography.hazmat.primitives.ciphers.aead")
    cipher = module.AESGCM(module.AESGCM.generate_key(256))

    def seal(context: str, text: bytes) -> bytes:
        nonce = os.urandom(12)
        sealed: bytes = nonce + cipher.encrypt(nonce, text, context.encode())
        return sealed

    return Items(seal, lambda context, sealed: cipher.decrypt(sealed[:12], sealed[12:], context.encode()))


def table(rows: list[Row], skipped: dict[str, str]) -> str:
    width = max(len(row["name"]) for row in rows)
    lines = [f"{'1 KiB an item, a KMS over HTTP':{width}}   seal, us   open, us  bytes out  KMS calls to seal and to open"]
    for row in rows:
        sealing, opening = row["kms_calls"]
        lines.append(
            f"{row['name']:{width}}{1e6 * row['seal']:>11,.2f}{1e6 * row['open']:>11,.2f}{row['bytes_out']:>11,}"
            f"  {sealing:,} + {opening:,} for {row['items']:,} items"
        )
    lines += [f"{name}: left out, {why}" for name, why in skipped.items()]
    lines.append(f"AWS Encryption SDK {version('aws-encryption-sdk')}, Tink {version('tink')}, boto3 {version('boto3')}")
    return "\n".join(lines)


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
