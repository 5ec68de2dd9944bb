"""A KMS in Python: what it is asked, what becomes of what it raises, and that nothing waits for the GIL for ever."""

import gc
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import tablecrypt
from tablecrypt import KeyMetadata

ARN = "arn:example:kms:here:1:key/{}"


class Memory:
    """A KMS in memory, which fails as it is told."""

    def __init__(self):
        self.keys = {}
        self.wrapped = {}
        self.asked = []
        self.fault = None
        self.lock = threading.Lock()

    def _ask(self, *asked):
        with self.lock:
            self.asked.append(asked)
        if self.fault:
            raise self.fault

    def _key(self, name):
        if name not in self.keys and name not in self.keys.values():
            raise tablecrypt.KeyNotFound(name)
        return self.keys.get(name, name)

    def ensure_key(self, alias, description):
        self._ask("ensure_key", alias, description)
        with self.lock:
            arn = self.keys.setdefault(alias, ARN.format(len(self.keys)))
        return KeyMetadata(arn, arn.rpartition("/")[2], "Enabled", description)

    def describe_key(self, key):
        self._ask("describe_key", key)
        arn = self._key(key)
        return KeyMetadata(arn, arn.rpartition("/")[2])

    def generate_data_key(self, key, context):
        self._ask("generate_data_key", key, context)
        plain, wrapped = bytearray(secrets.token_bytes(32)), secrets.token_bytes(40)
        self.wrapped[wrapped] = self._key(key), context, bytes(plain)
        return self._key(key), plain, wrapped

    def decrypt(self, key, wrapped, context):
        self._ask("decrypt", key, wrapped, context)
        of, bound, plain = self.wrapped[wrapped]
        if bound != context:
            raise tablecrypt.WrongContext("another context")
        assert of == self._key(key)
        return plain

    def re_encrypt(self, key, wrapped, context, to):
        self._ask("re_encrypt", key, wrapped, context, to)
        of, bound, plain = self.wrapped[wrapped]
        assert (of, bound) == (self._key(key), context)
        again = secrets.token_bytes(40)
        self.wrapped[again] = self._key(to), context, plain
        return self._key(to), again


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def service(memory, tmp_path):
    return tablecrypt.Service(memory, tmp_path / "tables")


def test_it_serves_a_table_and_is_asked_with_the_context(memory, service):
    service.create_table("flights", local_indexes=["by-delay"])
    record = service.open_table("flights").base().seal(b"k", b"text")
    assert service.open_table("flights").base().open(b"k", record) == b"text"
    context = {"tablecrypt:table": "flights", "tablecrypt:subscriber": "default"}
    names = [asked[0] for asked in memory.asked]
    assert names == ["generate_data_key", "ensure_key", "generate_data_key", "decrypt", "decrypt"]
    assert memory.asked[1] == (
        "ensure_key",
        tablecrypt.DEFAULT_KEY_ALIAS,
        "Default key that protects Tablecrypt's tables when no other key is named",
    )
    assert memory.asked[0] == ("generate_data_key", tablecrypt.DEFAULT_KEY_ALIAS, context)
    assert memory.asked[2] == ("generate_data_key", ARN.format(0), context)
    assert memory.asked[3][1] == ARN.format(0) and type(memory.asked[3][2]) is bytes and memory.asked[3][3] == context
    assert service.metrics().kms_calls == 5


def test_it_moves_a_table_to_another_key(memory, service):
    service.create_table("flights")
    record = service.open_table("flights").base().seal(b"k", b"text")
    memory.ensure_key("alias/other", "")
    moved = service.rewrap("flights", "alias/other")
    assert (moved.table, moved.from_, moved.to) == ("flights", ARN.format(0), ARN.format(1))
    assert service.describe_table("flights").kms_key == ARN.format(1)
    assert service.open_table("flights").base().open(b"k", record) == b"text"


def test_a_bytearray_that_held_a_key_is_wiped_and_bytes_are_left(tmp_path):
    given = []

    class Keeping(Memory):
        def generate_data_key(self, key, context):
            made = super().generate_data_key(key, context)
            given.append(made[1])
            return made

        def decrypt(self, key, wrapped, context):
            given.append(bytearray(super().decrypt(key, wrapped, context)))
            return given[-1]

    service = tablecrypt.Service(Keeping(), tmp_path)
    service.create_table("flights")
    service.open_table("flights")
    assert len(given) == 2
    assert all(key == bytes(32) for key in given)
    # The control: bytes cannot be changed, and are not.
    plain = Memory()
    service = tablecrypt.Service(plain, tmp_path / "2")
    service.create_table("flights")
    service.open_table("flights")
    assert all(any(key) for _, _, key in plain.wrapped.values())


REFUSALS = [
    (tablecrypt.AccessDenied("no"), tablecrypt.AccessDenied, "AccessDenied"),
    (tablecrypt.KeyDisabled("no"), tablecrypt.KeyDisabled, "Disabled"),
    (tablecrypt.KeyNotFound("no"), tablecrypt.KeyNotFound, "NotFound"),
    (tablecrypt.KeyPendingDeletion("no"), tablecrypt.KeyPendingDeletion, "PendingDeletion"),
    (tablecrypt.WrongContext("no"), tablecrypt.WrongContext, "WrongContext"),
    (tablecrypt.InvalidRequest("no"), tablecrypt.KeyFileCorrupt, "Invalid"),
    (tablecrypt.Throttled("wait"), tablecrypt.KeyUnavailable, "Throttled"),
    (tablecrypt.KmsFailed("oh"), tablecrypt.KeyUnavailable, "Internal"),
    (tablecrypt.KeyUnavailable("gone"), tablecrypt.KeyUnavailable, "Unreachable"),
    (ConnectionRefusedError("gone"), tablecrypt.KeyUnavailable, "Unreachable"),
    (TimeoutError("slow"), tablecrypt.KeyUnavailable, "Unreachable"),
    # None of these is a word of the KMS: a bug must not lock a table.
    (ZeroDivisionError("a bug"), tablecrypt.KeyUnavailable, "Internal"),
    (tablecrypt.Unauthentic("nonsense"), tablecrypt.KeyUnavailable, "Internal"),
    (AssertionError(), tablecrypt.KeyUnavailable, "Internal"),
]


@pytest.mark.parametrize(("raised", "seen", "outcome"), REFUSALS, ids=lambda value: getattr(value, "__name__", None))
def test_what_it_raises_is_sorted_and_is_the_cause(memory, service, caplog, raised, seen, outcome):
    service.create_table("flights")
    connection = service.connect()
    memory.fault = raised
    caplog.clear()
    # That there is no such key is what the first table of all finds, and no warning.
    level = logging.INFO if outcome == "NotFound" else logging.WARNING
    with caplog.at_level(level, "tablecrypt"), pytest.raises(seen) as refusal:
        connection.open_table("flights")
    assert type(refusal.value) is seen
    assert refusal.value.__cause__ is raised
    assert {calls.outcome for calls in service.metrics().kms if calls.call == "Decrypt"} == {outcome}
    # The service tells the logger as well what came of it: test_logger.py.
    [line] = [record for record in caplog.records if record.exc_info]
    assert line.levelno == level
    assert line.name == "tablecrypt" and type(raised).__name__ in line.getMessage() and line.exc_info[1] is raised
    memory.fault = None
    service.open_table("flights").base().seal(b"", b"")


def test_the_cause_of_a_cause_is_told_and_no_frame_is_kept(memory, service, monkeypatch):
    class Result:
        pass

    gone = Result()
    seen = weakref.ref(gone)

    def fail():
        held = gone  # noqa: F841
        raise OSError("the wire")

    def decrypt(*asked):
        try:
            fail()
        except OSError as error:
            raise tablecrypt.AccessDenied("no") from error

    # Whoever keeps the log's records keeps tracebacks.
    monkeypatch.setattr(logging.getLogger("tablecrypt"), "disabled", True)
    service.create_table("flights")
    memory.decrypt = decrypt
    with pytest.raises(tablecrypt.AccessDenied) as refusal:
        service.open_table("flights")
    assert type(refusal.value.__cause__) is OSError
    assert refusal.value.__cause__.__traceback__ is None
    del gone, fail, decrypt, refusal, memory.decrypt
    gc.collect()
    assert seen() is None


def test_a_cause_is_that_tables_and_is_gone_when_the_kms_answers(memory, service):
    service.create_table("flights")
    service.create_table("planes")
    memory.fault = tablecrypt.AccessDenied("flights only")
    with pytest.raises(tablecrypt.AccessDenied):
        service.open_table("flights")
    memory.fault = None
    service.open_table("flights")
    memory.fault = tablecrypt.KeyDisabled("both")
    with pytest.raises(tablecrypt.KeyDisabled) as refusal:
        service.open_table("planes")
    assert refusal.value.__cause__ is memory.fault


@pytest.mark.parametrize("answer", [b"short", bytes(33), "text", None, 7])
def test_a_key_that_is_none_is_a_failure_of_the_kms(memory, service, answer):
    service.create_table("flights")
    memory.decrypt = lambda *asked: answer
    with pytest.raises(tablecrypt.KeyUnavailable) as refusal:
        service.open_table("flights")
    assert isinstance(refusal.value.__cause__, TypeError)
    assert "short" not in str(refusal.value.__cause__)


def test_an_object_without_a_method_is_refused_at_once(tmp_path):
    class Half:
        def decrypt(self, key, wrapped, context): ...

        def generate_data_key(self, key, context): ...

    for nothing in [Half(), 7, "kms", None, object()]:
        with pytest.raises(TypeError, match="ensure_key"):
            tablecrypt.Service(nothing, tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_an_interrupt_in_the_kms_is_the_callers(memory, service):
    service.create_table("flights")
    for interrupt in [KeyboardInterrupt(), SystemExit(3)]:
        connection = service.connect()
        memory.fault = interrupt
        with pytest.raises(type(interrupt)) as raised:
            connection.open_table("flights")
        assert raised.value is interrupt
        memory.fault = None
        # The permission pauses for a second, as after any failure.
        service.open_table("flights")


def test_many_threads_share_one_call_and_none_holds_the_gil_meanwhile(memory, service):
    service.create_table("flights")
    connection = service.connect()
    asked, go_on = threading.Event(), threading.Event()
    decrypt = memory.decrypt

    def slow(*arguments):
        asked.set()
        assert go_on.wait(60)
        return decrypt(*arguments)

    memory.decrypt = slow
    with ThreadPoolExecutor(16) as pool:
        tables = [pool.submit(connection.open_table, "flights") for _ in range(16)]
        # Were the GIL held by a thread that waits, nothing from here on would run.
        assert asked.wait(60)
        go_on.set()
        records = [table.result(60).base().seal(b"k", b"text") for table in tables]
    assert len(records) == 16
    assert [asked[0] for asked in memory.asked].count("decrypt") == 1


def test_an_operation_that_finds_no_keys_waits_without_the_gil(memory, service):
    service.create_table("flights")
    table = service.open_table("flights")
    base = table.base()
    record = base.seal(b"k", b"text")
    out = bytearray(100)
    operations = [
        lambda: base.seal(b"k", bytearray(b"text")),
        lambda: base.open(b"k", record),
        lambda: base.seal_into(b"k", b"text", out),
        lambda: base.open_into(b"k", record, out),
        lambda: base.seal_many([(b"k", b"text")]),
        lambda: base.open_many([(b"k", record)]),
        lambda: base.seal_many_into([(b"k", b"text", out)]),
        lambda: base.open_many_into([(b"k", record, out)]),
    ]
    decrypt = memory.decrypt
    for operation in operations:
        service.lock()
        service.unlock()
        assert not base.is_unlocked
        asked, go_on = threading.Event(), threading.Event()

        def slow(*arguments, asked=asked, go_on=go_on):
            asked.set()
            assert go_on.wait(60)
            return decrypt(*arguments)

        memory.decrypt = slow
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(operation) for _ in range(2)]
            assert asked.wait(60)
            go_on.set()
            for done in waiting:
                assert done.result(60)
        assert base.is_unlocked


def test_keys_that_come_and_go_all_the_time_stop_no_thread(memory, service):
    service.create_table("flights")
    table = service.open_table("flights")
    base = table.base()
    done = threading.Event()

    def flicker():
        while not done.is_set():
            table.lock()
            table.unlock()
            base.seal(b"k", b"text")

    def work(thread):
        sealed = 0
        for i in range(300):
            try:
                record = base.seal(b"%d" % i, bytearray(b"text"))
                assert base.open(b"%d" % i, record) == b"text"
                sealed += 1
            except tablecrypt.Locked:
                pass
        return sealed

    threads = threading.Thread(target=flicker)
    threads.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            # Each comes to its end. How many of its records found the keys there is the scheduler's business.
            assert len(list(pool.map(work, range(4), timeout=120))) == 4
    finally:
        done.set()
        threads.join()
    assert base.open(b"k", base.seal(b"k", b"text")) == b"text"


def test_a_principal_asks_as_itself_and_one_whose_kms_fails_may_try_again(memory, tmp_path):
    memory.ensure_key(tablecrypt.DEFAULT_KEY_ALIAS, "")
    asked = []

    class As:
        def __init__(self, name):
            self.name = name

        def __getattr__(self, method):
            def call(*arguments):
                asked.append((self.name, method))
                if self.name == "mallory":
                    raise tablecrypt.AccessDenied("not mallory")
                return getattr(memory, method)(*arguments)

            return call

    broken = {"bob"}

    def principals(name):
        if name in broken:
            raise LookupError(name)
        return As(name)

    service = tablecrypt.Service(memory, tmp_path, scope="principal", principals=principals)
    service.create_table("flights")
    alice = service.connect("alice")
    record = alice.open_table("flights").base().seal(b"k", b"text")
    assert service.connect("alice").open_table("flights").base().open(b"k", record) == b"text"
    assert asked == [("alice", "decrypt")]
    with pytest.raises(tablecrypt.AccessDenied) as refusal:
        service.connect("mallory").open_table("flights")
    assert str(refusal.value.__cause__) == "not mallory"
    bob = service.connect("bob")
    assert bob.principal == "bob" and service.connect().principal is None
    with pytest.raises(tablecrypt.KeyUnavailable) as refusal:
        bob.open_table("flights")
    assert isinstance(refusal.value.__cause__, LookupError)
    broken.clear()
    service.connect("carol").open_table("flights")


def test_routes_send_a_key_to_its_service(memory, tmp_path):
    class There(Memory):
        def ensure_key(self, alias, description):
            self.keys[alias] = ARN.format("there").replace(":here:", ":there:")
            return KeyMetadata(self.keys[alias], "there")

    there = There()
    far = there.ensure_key("alias/x", "").arn
    routes = tablecrypt.Routes(memory, {"arn:example:kms:there:": there})
    service = tablecrypt.Service(routes, tmp_path)
    memory.ensure_key("alias/x", "")
    description = service.create_table("flights", kms_key="alias/x", other_kms_keys=[far])
    assert description.other_kms_keys == (far,)
    assert any(name == "re_encrypt" or name == "generate_data_key" for name, *_ in there.asked)
    memory.fault = ConnectionError("an outage of the region")
    record = service.open_table("flights").base().seal(b"k", b"text")
    assert service.open_table("flights").base().open(b"k", record) == b"text"


PROGRAM = '''
import os, sys, threading, time
sys.path.insert(0, {tests!r})
from test_python_kms import Memory
import tablecrypt

memory = Memory()
service = tablecrypt.Service(memory, {tables!r}, refresh=(0.05, 30), jitter=0)
service.create_table("flights")
base = service.open_table("flights").base()
decrypt, under_way = memory.decrypt, threading.Event()

def slow(*arguments):
    under_way.set()
    time.sleep({seconds})
    return decrypt(*arguments)

memory.decrypt = slow
while not under_way.is_set():
    base.seal(b"k", b"text")
print("ends")
'''


@pytest.mark.parametrize("seconds", [0.2, 60])
def test_a_program_ends_while_a_worker_is_at_a_call(tmp_path, seconds):
    code = PROGRAM.format(tests=os.path.dirname(__file__), tables=str(tmp_path), seconds=seconds)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (0, "ends\n"), done.stderr


def test_a_child_asks_for_itself(memory, service):
    service.create_table("flights")
    base = service.open_table("flights").base()
    record = base.seal(b"k", b"text")
    before = len(memory.asked)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        answer = 1
        try:
            answer = 0 if base.open(b"k", record) == b"text" and len(memory.asked) == before + 1 else 2
        finally:
            os._exit(answer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(memory.asked) == before


def test_a_request_is_in_the_audit_log(memory, tmp_path):
    decrypt = memory.decrypt

    def noted(*arguments):
        tablecrypt.note_request("request-7")
        return decrypt(*arguments)

    memory.decrypt = noted
    service = tablecrypt.Service(memory, tmp_path / "tables", audit=tmp_path / "audit")
    service.create_table("flights")
    service.open_table("flights")
    lines = (tmp_path / "audit").read_text().splitlines()
    assert sum('"request":"request-7"' in line for line in lines) == 1
    assert any('"call":"Decrypt"' in line and '"request":"request-7"' in line for line in lines)
