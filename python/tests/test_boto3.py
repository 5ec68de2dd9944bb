"""A boto3 client of KMS as a service's KMS, against moto over HTTP: as it is, in threads, in forked children, and when it fails.

What needs a KMS that fails as it is told is in kms-aws/tests/test_wheel.py.
"""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import botocore.config
import botocore.exceptions
import pytest
from moto.server import ThreadedMotoServer

import tablecrypt
from tablecrypt import _boto3

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def lasting(url):
    """The same behind a server that keeps its connections open, as AWS does and moto does not."""

    class Passing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(url, data=body, headers=dict(self.headers), method="POST")
            try:
                answer = urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as refusal:
                answer = refusal
            with answer:
                status, headers, body = answer.status, answer.headers, answer.read()
            self.send_response_only(status)
            for name in ["Content-Type", "x-amzn-RequestId"]:
                if headers[name]:
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def nothing_of_before(url):
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST"), timeout=60).close()


def make_client(url, **settings):
    settings = {"retries": {"max_attempts": 0}, **settings}
    return boto3.client(
        "kms",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=botocore.config.Config(**settings),
    )


@pytest.fixture
def client(url):
    return make_client(url)


@pytest.fixture
def calls(client):
    """The calls that the client makes, as boto3 itself tells them."""
    made = []
    client.meta.events.register("after-call.kms", lambda model, parsed, **_: made.append((model.name, parsed)))
    return made


def keys(client):
    return [client.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in client.list_keys()["Keys"]]


def test_a_client_as_it_is_serves(client, calls, tmp_path):
    service = tablecrypt.Service(client, tmp_path)
    description = service.create_table("flights", global_indexes=["by-tail"])
    assert description.kms_key.startswith(f"arn:aws:kms:{REGION}:")
    with service.connect() as connection:
        table = connection.open_table("flights")
        records = [table.base().seal(b"%d" % i, b"text") for i in range(1000)]
        assert all(table.base().open(b"%d" % i, record) == b"text" for i, record in enumerate(records))
    names = [name for name, _ in calls]
    assert names == ["GenerateDataKey", "DescribeKey", "DescribeKey", "CreateKey", "CreateAlias", "GenerateDataKey", "Decrypt"]
    made = keys(client)
    assert [key["Description"] for key in made] == [
        "Default key that protects Tablecrypt's tables when no other key is named"
    ]
    tags = client.list_resource_tags(KeyId=made[0]["KeyId"])["Tags"]
    assert tags == [{"TagKey": "created-by", "TagValue": "tablecrypt"}]


def test_a_table_moves_between_keys_of_the_client(client, tmp_path):
    service = tablecrypt.Service(client, tmp_path)
    service.create_table("flights")
    base = service.open_table("flights").base()
    record = base.seal(b"k", b"text")
    other = client.create_key()["KeyMetadata"]["Arn"]
    assert service.rewrap("flights", other).to == other
    assert service.open_table("flights").base().open(b"k", record) == b"text"
    third = client.create_key()["KeyMetadata"]["Arn"]
    assert service.switch_key("flights", third).kms_key == third
    assert service.add_kms_key("flights", other).other_kms_keys == (other,)
    service.rotate("flights")
    assert service.open_table("flights").base().open(b"k", record) == b"text"
    assert base.open(b"k", record) == b"text"


def test_first_callers_that_come_at_once_get_one_key(client, tmp_path):
    service = tablecrypt.Service(client, tmp_path)
    with ThreadPoolExecutor(16) as pool:
        arns = set(pool.map(lambda _: service.default_key(), range(32)))
    assert len(arns) == 1 == len(keys(client))


def test_first_callers_of_several_processes_agree_and_leave_no_key_that_could_be_used(url, client, tmp_path):
    program = (
        "import sys, boto3, tablecrypt\n"
        f"client = boto3.client('kms', endpoint_url={url!r}, region_name={REGION!r},"
        " aws_access_key_id='test', aws_secret_access_key='test')\n"
        f"service = tablecrypt.Service(client, {str(tmp_path)!r})\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(service.default_key())\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    arns = {process.communicate(timeout=120)[0].strip() for process in processes}
    [arn] = arns
    for key in keys(client):
        assert key["Arn"] == arn or key["KeyState"] == "PendingDeletion"


def test_a_client_and_its_function_serve_forked_children_too(lasting, tmp_path):
    made = []

    def make():
        made.append(os.getpid())
        return make_client(lasting)

    for name, kms in [("client", make_client(lasting)), ("function", make)]:
        service = tablecrypt.Service(kms, tmp_path / name)
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
                    # Of its own function's client, if there is one, this process has made one.
                    own = kms is not make or made == [os.getppid(), os.getpid()]
                    answer = 0 if opened == [b"text"] * 20 and base.open(b"k", record) == b"text" and own else 2
                finally:
                    os._exit(answer)
            children.append(child)
        # At the same time: a connection that two processes share would give one the other's answers.
        for _ in range(20):
            assert service.open_table("flights").base().open(b"k", record) == b"text"
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert made == [os.getpid()]


def connections():
    """The sockets of this process, by their inodes."""
    with os.scandir("/proc/self/fd") as files:
        names = [file.name for file in files]
    targets = set()
    for name in names:
        try:
            targets.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            pass
    return {target for target in targets if target.startswith("socket:")}


@pytest.mark.parametrize("dropped", [True, False], ids=["", "control: were they not dropped, it would"])
def test_a_child_asks_over_no_connection_of_its_parents(lasting, dropped, tmp_path):
    client = make_client(lasting)
    if not dropped:
        client.close = lambda: None
    service = tablecrypt.Service(client, tmp_path)
    service.create_table("flights")
    service.open_table("flights")
    inherited = connections()
    assert inherited
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            used, begin = [], http.client.HTTPResponse.begin

            def noting(response):
                # The socket that the answer comes over.
                used.append(os.readlink(f"/proc/self/fd/{response.fp.raw._sock.fileno()}"))
                begin(response)

            http.client.HTTPResponse.begin = noting
            service.open_table("flights")
            os.write(writer, json.dumps(used).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        used = json.loads(pipe.read())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(used) == 1
    assert inherited.isdisjoint(used) is dropped


def test_what_never_reaches_kms_may_pass_and_botocores_exception_is_the_cause(url, client, tmp_path, monkeypatch):
    tablecrypt.Service(client, tmp_path).create_table("flights")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        unanswered = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refused = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        anonymous = boto3.session.Session().client("kms", endpoint_url=url, region_name=REGION)
        cases = [
            (make_client(unanswered, read_timeout=0.2), botocore.exceptions.ReadTimeoutError),
            (make_client(refused), botocore.exceptions.EndpointConnectionError),
            (anonymous, botocore.exceptions.NoCredentialsError),
        ]
        for failing, cause in cases:
            service = tablecrypt.Service(failing, tmp_path)
            with pytest.raises(tablecrypt.KeyUnavailable) as refusal:
                service.open_table("flights")
            assert type(refusal.value.__cause__) is cause
            assert {calls.outcome for calls in service.metrics().kms} == {"Unreachable"}


def test_a_definite_no_has_its_class_and_kms_own_words_as_the_cause(client, tmp_path):
    service = tablecrypt.Service(client, tmp_path)
    with pytest.raises(tablecrypt.KeyNotFound) as refusal:
        service.create_table("flights", kms_key="alias/nobody")
    assert isinstance(refusal.value.__cause__, botocore.exceptions.ClientError)
    assert refusal.value.__cause__.response["Error"]["Code"] == "NotFoundException"


@pytest.mark.parametrize("name", ["not an alias", "flights"])
def test_a_default_key_that_is_no_alias_is_refused_before_a_key_is_made(client, calls, tmp_path, name):
    service = tablecrypt.Service(client, tmp_path, default_key=name)
    for call in [service.default_key, lambda: service.create_table("flights")]:
        with pytest.raises(tablecrypt.InvalidRequest, match="default key by an alias") as refusal:
            call()
        assert refusal.value.__cause__ is not None
    assert "CreateKey" not in {name for name, _ in calls}


def test_the_id_of_a_request_is_in_the_audit_log(client, calls, tmp_path):
    service = tablecrypt.Service(client, tmp_path / "tables", audit=tmp_path / "audit")
    service.create_table("flights")
    service.open_table("flights")
    asked = [parsed["ResponseMetadata"]["RequestId"] for name, parsed in calls if name in ("GenerateDataKey", "Decrypt")]
    assert len(set(asked)) == 3
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    told = [line["request"] for line in lines if line.get("call") in ("GenerateDataKey", "Decrypt")]
    assert told == asked


def test_what_is_no_client_of_kms_is_refused(tmp_path):
    other = boto3.client("sts", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
    with pytest.raises(TypeError, match="ensure_key"):
        tablecrypt.Service(other, tmp_path)
    service = tablecrypt.Service(lambda: other, tmp_path)
    with pytest.raises(tablecrypt.KeyUnavailable) as refusal:
        service.default_key()
    assert isinstance(refusal.value.__cause__, TypeError)


def test_codes_mean_what_they_mean_to_the_rust_client():
    """By its own table: kms-aws/src/sort.rs."""
    source = (Path(__file__).parents[2] / "kms-aws" / "src" / "sort.rs").read_text()
    function = source[source.index("fn by_code") : source.index("fn by_state")]
    kinds = {
        "AccessDenied": tablecrypt.AccessDenied,
        "Disabled": tablecrypt.KeyDisabled,
        "Internal": tablecrypt.KmsFailed,
        "Invalid": tablecrypt.InvalidRequest,
        "NotFound": tablecrypt.KeyNotFound,
        "PendingDeletion": tablecrypt.KeyPendingDeletion,
        "Throttled": tablecrypt.Throttled,
    }
    known = 0
    for arm in re.finditer(r'((?:"\w+"\s*\|?\s*)+)=> KmsError::(\w+)', function):
        for code in re.findall(r'"(\w+)"', arm[1]):
            assert _boto3.by_code(code, "", 400) is kinds[arm[2]], code
            known += 1
    assert known == sum(map(len, _boto3.CODES.values())) - 1, "AlreadyExistsException is the default key's alone"
    tables = re.findall(r'\("([^"]+)"(?:, (\d+))?, "(\w+)"\)', source[source.index("mod tests") :])
    assert len(tables) > 20
    for text, status, meaning in tables:
        if status:
            assert _boto3.by_code(text, "", int(status)) is kinds[meaning], (text, status)
        else:
            assert _boto3.by_code("KMSInvalidStateException", text, 400) is kinds[meaning], text
    for status in [200, 301, 400, 403, 404, 502]:
        assert _boto3.by_code("", "", status) is tablecrypt.KmsFailed
        assert _boto3.by_code(str(status), "", status) is tablecrypt.KmsFailed, "botocore's word for an answer without a code"


def test_multi_region_keys_are_asked_for_in_the_clients_region(client, tmp_path):
    key = client.create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
    assert ":key/mrk-" in key
    asked = []
    client.meta.events.register("provide-client-params.kms", lambda params, **_: asked.append(params.get("KeyId")))
    elsewhere = key.replace(REGION, "us-east-1")
    tablecrypt.Service(client, tmp_path).create_table("flights", kms_key=elsewhere)
    assert asked == [key]


def test_the_client_is_never_imported_for_others(tmp_path):
    code = (
        "import sys, tablecrypt\n"
        f"tablecrypt.Service.local({str(tmp_path)!r}).create_table('t')\n"
        "assert not {'boto3', 'botocore', 'tablecrypt._boto3', 'asyncio', 'logging'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_threads_that_open_at_once_over_one_client_share_a_call(client, calls, tmp_path):
    service = tablecrypt.Service(client, tmp_path)
    service.create_table("flights")
    calls.clear()
    connection = service.connect()
    barrier = threading.Barrier(8)

    def work(_):
        barrier.wait(60)
        return connection.open_table("flights").base().seal(b"k", b"text")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(work, range(8)))) == 8
    assert [name for name, _ in calls] == ["Decrypt"]
