"""The Python package over a boto3 client and over AwsKms: against moto, and against our server with faults.

admin/kms builds the package with AwsKms in it, runs moto and `tablecrypt kms serve`, and names them in the environment.
"""

import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import boto3
import botocore.config
import pytest

import tablecrypt

URLS = {"ours": os.environ["TABLECRYPT_KMS_URL"], "moto": os.environ["TABLECRYPT_MOTO_URL"]}
REGION = "eu-west-1"


def boto3_client(who, **settings):
    settings = {"retries": {"max_attempts": 0}, **settings}
    return boto3.client("kms", endpoint_url=URLS[who], region_name=REGION, aws_access_key_id="test",
                        aws_secret_access_key="test", config=botocore.config.Config(**settings))


def aws_kms(who, **settings):
    return tablecrypt.AwsKms(region=REGION, endpoint=URLS[who], **{"attempt_timeout": 30, "call_timeout": 60, **settings})


CLIENTS = {"boto3": boto3_client, "AwsKms": aws_kms}
# Who soon stops waiting for a server that never answers.
IMPATIENT = {"boto3": {"read_timeout": 0.2}, "AwsKms": {"attempt_timeout": 0.2, "call_timeout": 0.2}}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def alias():
    return f"alias/wheel-{uuid.uuid4()}"


@pytest.mark.parametrize("who", ["ours", "moto"])
def test_a_table_of_one_client_opens_with_the_other(who, alias, tmp_path):
    services = {name: tablecrypt.Service(make(who), tmp_path, default_key=alias) for name, make in CLIENTS.items()}
    for name, service in services.items():
        service.create_table(name)
        before = service.metrics().kms_calls
        base = service.open_table(name).base()
        records = [base.seal(b"%d" % i, b"text") for i in range(1000)]
        assert service.metrics().kms_calls == before + 1
        for other in services.values():
            opened = other.open_table(name).base().open_many((b"%d" % i, record) for i, record in enumerate(records))
            assert opened == [b"text"] * 1000
        key = boto3_client(who).create_key()["KeyMetadata"]["Arn"]
        assert service.rewrap(name, key).to == key
        assert service.switch_key(name, key).kms_key == key
        assert base.open(b"0", records[0]) == b"text"
        print(f"kms: {name} served a wheel's tables at {who}")
    assert len({service.default_key() for service in services.values()}) == 1


@pytest.mark.parametrize(("name", "who"), list(product(CLIENTS, URLS)))
def test_first_callers_get_one_key(name, who, alias, tmp_path):
    service = tablecrypt.Service(CLIENTS[name](who), tmp_path, default_key=alias)
    with ThreadPoolExecutor(16) as pool:
        [arn] = set(pool.map(lambda _: service.default_key(), range(32)))
    assert boto3_client(who).describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == arn


FAULTS = [
    ("throttle", tablecrypt.KeyUnavailable),
    ("internal", tablecrypt.KeyUnavailable),
    ("error=DependencyTimeoutException", tablecrypt.KeyUnavailable),
    ("garbage", tablecrypt.KeyUnavailable),
    ("noise", tablecrypt.KeyUnavailable),
    ("lost", tablecrypt.KeyUnavailable),
    ("refuse", tablecrypt.KeyUnavailable),
    ("silent", tablecrypt.KeyUnavailable),
    ("denied", tablecrypt.AccessDenied),
    ("disabled", tablecrypt.KeyDisabled),
    ("error=NotFoundException", tablecrypt.KeyNotFound),
    ("error=IncorrectKeyException", tablecrypt.KeyFileCorrupt),
]


# kms-aws/tests/aws has all of them for the Rust client, whose retries take their time.
CASES = [("boto3", *case) for case in FAULTS] + [("AwsKms", *case) for case in FAULTS if case[0] in ("silent", "denied", "garbage")]


@pytest.mark.parametrize(("name", "words", "seen"), CASES)
def test_each_fault_has_its_error_and_leaves_everything_as_it_was(name, words, seen, alias, tmp_path, fault):
    service = tablecrypt.Service(CLIENTS[name]("ours"), tmp_path, default_key=alias)
    service.create_table("flights")
    base = service.open_table("flights").base()
    record = base.seal(b"k", b"text")
    other = boto3_client("ours").create_key()["KeyMetadata"]["Arn"]
    file = (tmp_path / "flights" / "keys.json").read_bytes()
    fault(words)
    if words == "silent":
        service = tablecrypt.Service(CLIENTS[name]("ours", **IMPATIENT[name]), tmp_path, default_key=alias)
    # A KMS that was given no wrapped key has seen no file that could be corrupt.
    seen_without = tablecrypt.InvalidRequest if seen is tablecrypt.KeyFileCorrupt else seen
    for call, expected in [
        (lambda: service.open_table("flights"), seen),
        (lambda: service.rewrap("flights", other), seen),
        (lambda: service.create_table("planes", kms_key=other), seen_without),
    ]:
        with pytest.raises(tablecrypt.TablecryptError) as refusal:
            call()
        assert type(refusal.value) is expected
        if name == "boto3":
            module = type(refusal.value.__cause__).__module__.partition(".")[0]
            # An answer without its fields is none of botocore's errors.
            assert module == ("tablecrypt" if words == "garbage" else "botocore")
    # A warm table goes on, and nothing was written.
    assert base.open(b"k", record) == b"text"
    assert (tmp_path / "flights" / "keys.json").read_bytes() == file
    assert service.tables() == ["flights"]
    fault("none")
    service = tablecrypt.Service(CLIENTS[name]("ours"), tmp_path, default_key=alias)
    assert service.open_table("flights").base().open(b"k", record) == b"text"
    print("kms: faults met a wheel's tables")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_refresh_that_is_refused_locks_a_warm_table_and_one_that_fails_does_not(name, alias, tmp_path, fault):
    # Due at once, so that any traffic has it refreshed; what is waited for is the KMS's answer, and no time.
    service = tablecrypt.Service(CLIENTS[name]("ours"), tmp_path, default_key=alias, refresh=(0.01, 300), jitter=0)
    service.create_table("flights")
    base = service.open_table("flights").base()

    def outcomes():
        return {calls.outcome for calls in service.metrics().kms if calls.call == "Decrypt"}

    # Which neither client tries again.
    fault("garbage operation=Decrypt")
    while "Internal" not in outcomes():
        base.seal(b"k", b"text")
    assert base.is_unlocked
    fault("denied operation=Decrypt")
    with pytest.raises(tablecrypt.AccessDenied):
        while True:
            base.seal(b"k", b"text")
    assert "AccessDenied" in outcomes() and not base.is_unlocked
    fault("none")
    service.open_table("flights").base().seal(b"k", b"text")


def test_the_clients_own_retries_are_its_own(alias, tmp_path, fault):
    patient = tablecrypt.Service(boto3_client("ours", retries={"total_max_attempts": 3, "mode": "standard"}), tmp_path,
                                 default_key=alias)
    patient.create_table("flights")
    fault("internal operation=Decrypt times=2")
    patient.open_table("flights")
    [calls] = [calls for calls in patient.metrics().kms if calls.call == "Decrypt"]
    assert (calls.outcome, calls.calls) == ("ok", 1)
    fault("internal operation=Decrypt times=2")
    with pytest.raises(tablecrypt.KeyUnavailable):
        tablecrypt.Service(boto3_client("ours"), tmp_path, default_key=alias).open_table("flights")


@pytest.mark.parametrize("name", CLIENTS)
def test_children_of_a_busy_process_ask_for_themselves(name, alias, tmp_path):
    service = tablecrypt.Service(CLIENTS[name]("ours"), tmp_path, default_key=alias)
    service.create_table("flights")
    base = service.open_table("flights").base()
    record = base.seal(b"k", b"text")
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            answer = 1
            try:
                opened = [service.open_table("flights").base().open(b"k", record) for _ in range(20)]
                answer = 0 if opened == [b"text"] * 20 and base.open(b"k", record) == b"text" else 2
            finally:
                os._exit(answer)
        children.append(child)
    # At the same time: a connection that two processes share would give one the other's answers.
    for _ in range(20):
        assert service.open_table("flights").base().open(b"k", record) == b"text"
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4


def test_aws_kms_shows_what_it_was_told_and_no_credentials():
    kms = tablecrypt.AwsKms(region=REGION, endpoint=URLS["moto"], profile="p")
    assert repr(kms) == f'AwsKms(region="{REGION}", endpoint="{URLS["moto"]}", profile="p")'
    with pytest.raises(TypeError):
        tablecrypt.AwsKms("eu-west-1")
