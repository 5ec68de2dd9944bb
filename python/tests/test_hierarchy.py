"""Service, Connection, Table, Structure: what is sealed opens, by every call and from every kind of buffer."""

import array
import fcntl
import mmap
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import tablecrypt
from tablecrypt import OVERHEAD

# Around a block, a kernel's step, the size from which on the GIL is released, and a long one.
LENGTHS = [0, 1, 15, 16, 17, 64, 127, 128, 129, 1024, 4096, 16384, 32767, 32768, 32769, 65536, 1 << 20]


def text_of(length):
    return (bytes(i * 7 % 251 for i in range(251)) * (length // 251 + 1))[:length]


def test_every_structure_opens_what_it_sealed(table):
    for structure in [table.base(), table.local("by-delay"), table.global_("by-tail")]:
        for length in LENGTHS:
            text = text_of(length)
            record = structure.seal(b"context", text)
            assert type(record) is bytes
            assert len(record) == len(text) + OVERHEAD
            assert structure.open(b"context", record) == text


def test_a_context_may_have_any_length(table):
    for length in [0, 1, 56, 57, 248, 249, 100_000]:
        context = bytes(length)
        assert table.base().open(context, table.base().seal(context, b"text")) == b"text"


def test_two_records_of_one_text_differ(table):
    assert table.base().seal(b"", b"text") != table.base().seal(b"", b"text")


def test_a_record_outlives_the_service(folder, table):
    record = table.base().seal(b"k", b"text")
    again = tablecrypt.Service.local(str(folder)).connect().open_table("flights")
    assert again.base().open(b"k", record) == b"text"


def test_into_writes_the_first_bytes_and_no_more(table):
    base = table.base()
    for length in LENGTHS:
        text = text_of(length)
        out = bytearray(b"\xee" * (length + OVERHEAD + 3))
        assert base.seal_into(b"k", text, out) == length + OVERHEAD
        assert out[length + OVERHEAD :] == b"\xee" * 3
        record = bytes(out[: length + OVERHEAD])
        back = bytearray(b"\xee" * (length + 3))
        assert base.open_into(b"k", record, back) == length
        assert back == text + b"\xee" * 3


def test_into_takes_an_output_of_just_the_length(table):
    out, back = bytearray(4 + OVERHEAD), bytearray(4)
    table.base().seal_into(b"k", b"text", out)
    table.base().open_into(b"k", out, back)
    assert back == b"text"
    assert table.base().open_into(b"k", table.base().seal(b"k", b""), bytearray()) == 0


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda text: array.array("B", text), lambda text: array.array("I", text)]
)
def test_any_contiguous_buffer_is_read(table, kind):
    text = text_of(4096)
    record = table.base().seal(kind(b"context!"), kind(text))
    assert table.base().open(b"context!", kind(record)) == text
    assert table.base().open_many([(kind(b"context!"), kind(record))]) == [text]


def test_mapped_memory_is_read_and_written(table):
    with mmap.mmap(-1, 8192) as memory:
        length = table.base().seal_into(b"k", b"page" * 1024, memory)
        assert table.base().open(b"k", memoryview(memory)[:length]) == b"page" * 1024


def test_large_changeable_buffers_are_read(table):
    text = bytearray(text_of(1 << 20))
    assert table.base().open(b"k", bytearray(table.base().seal(b"k", text))) == text


def test_a_buffer_is_released_after_each_call(table):
    text, out = bytearray(b"\x01\0\0\0"), bytearray(4 + OVERHEAD)
    table.base().seal_into(b"k", text, out)
    table.base().seal(b"k", text)
    table.base().seal_many([(b"k", text)])
    with pytest.raises(tablecrypt.Truncated):
        table.base().open(b"k", text)
    # A bytearray whose buffer is held cannot grow.
    text.extend(b"!")
    out.extend(b"!")


def test_many_at_once_are_the_same_as_one_by_one(table):
    base = table.base()
    items = [(b"k%d" % length, text_of(length)) for length in LENGTHS]
    records = base.seal_many(items)
    assert [base.open(context, record) for (context, _), record in zip(items, records)] == [text for _, text in items]
    pairs = [(context, record) for (context, _), record in zip(items, records)]
    assert base.open_many(pairs) == [text for _, text in items]
    assert base.open_many(iter(pairs)) == [text for _, text in items]
    assert base.seal_many([]) == base.open_many([]) == []


def test_one_bad_record_of_many_has_its_error_and_the_others_their_text(table):
    base = table.base()
    record = base.seal(b"k", b"text")
    answers = base.open_many([(b"k", record), (b"other", record), (b"k", record[:47]), (b"k", record)])
    assert answers[0] == answers[3] == b"text"
    assert type(answers[1]) is tablecrypt.Unauthentic
    assert type(answers[2]) is tablecrypt.Truncated


def test_batches_of_any_size_are_the_same_as_one_by_one(table):
    base = table.base()
    nonces = set()
    for count in [1, 2, 63, 64, 65, 200]:
        # Short ones, which are laid out together, and some that are not.
        items = [(b"k" * (i % 90), text_of(i * 37 % 1300)) for i in range(count)]
        records = base.seal_many(items)
        nonces.update(record[8:32] for record in records)
        assert [base.open(context, record) for (context, _), record in zip(items, records)] == [text for _, text in items]
        singles = [base.seal(context, text) for context, text in items]
        for sealed in [records, singles]:
            pairs = [(bytearray(context), memoryview(record)) for (context, _), record in zip(items, sealed)]
            assert base.open_many(pairs) == [text for _, text in items]
    assert len(nonces) == 1 + 2 + 63 + 64 + 65 + 200


def test_forged_records_of_a_batch_leave_their_neighbours_alone(table):
    base = table.base()
    items = [(b"%d" % i, text_of(i)) for i in range(150)]
    records = [bytearray(record) for record in base.seal_many(items)]
    for i in range(0, 150, 7):
        records[i][-1 - i % 16] ^= 1
    answers = base.open_many([(context, record) for (context, _), record in zip(items, records)])
    for i, answer in enumerate(answers):
        if i % 7 == 0:
            assert type(answer) is tablecrypt.Unauthentic
        else:
            assert answer == items[i][1]


def test_records_of_many_connections_open_in_one_batch(folder, table):
    # A service of its own is a process of its own: it seals under a key of its own.
    writers = [tablecrypt.Service.local(folder).connect().open_table("flights").base() for _ in range(12)]
    items = [(b"%d" % i, writers[i % 12].seal(b"%d" % i, text_of(i))) for i in range(200)]
    assert len({record[8:20] for _, record in items}) == 12
    for _ in range(2):
        assert table.base().open_many(items) == [text_of(i) for i in range(200)]


def test_a_table_describes_itself(service, table):
    description = table.describe()
    assert description == service.describe_table("flights")
    assert description.name == "flights"
    assert len(description.table_id) == 32
    assert description.created.tzinfo is not None
    assert abs(datetime.now(UTC) - description.created) < timedelta(days=1)
    assert description.status == "ENABLED"
    assert description.kms_key == service.default_key()
    assert description.inaccessible_since is None
    assert description.structures == ("base", "local:by-delay", "global:by-tail")
    assert "flights" in repr(description)
    with pytest.raises(AttributeError):
        description.name = "other"
    assert service.tables() == ["flights"]


def test_a_permission_lasts_330_seconds_at_most(table):
    assert timedelta() < table.permitted_for <= timedelta(seconds=330)


def test_a_table_may_name_its_kms_key(service, kms):
    key = kms.create_key("flights only")
    assert service.create_table("own", kms_key=key.id).kms_key == key.arn
    assert service.connect().open_table("own").base().seal(b"", b"")
    # The default key was not needed, so it was not made.
    assert [known.arn for known in kms.list_keys()] == [key.arn]


def test_a_connection_closes_at_the_end_of_its_block(service, table):
    with service.connect() as connection:
        base = connection.open_table("flights").base()
        base.seal(b"", b"")
    for call in [lambda: base.seal(b"", b""), lambda: connection.open_table("flights"), lambda: base.seal_many([])]:
        with pytest.raises(tablecrypt.Closed):
            call()
    connection.close()
    with pytest.raises(ZeroDivisionError), service.connect() as connection:
        1 / 0
    # Another connection's permission is its own.
    table.base().seal(b"", b"")


def test_threads_share_a_structure(table):
    base = table.base()

    def work(thread):
        for i in range(200):
            length = LENGTHS[i % 15]
            text = bytes([thread]) * length
            context = b"%d %d" % (thread, i)
            assert base.open(context, base.seal(context, text)) == text
        return thread

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))


def test_threads_open_and_create_at_once(service):
    def create(thread):
        try:
            service.create_table("flights")
        except tablecrypt.TableExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1
        connection = service.connect()
        tables = list(pool.map(lambda _: connection.open_table("flights"), range(8)))
    record = tables[0].base().seal(b"", b"text")
    assert all(table.base().open(b"", record) == b"text" for table in tables)


def test_a_call_that_waits_for_the_kms_does_not_hold_the_gil(folder, service, table):
    opened = []
    with open(folder / "kms" / "lock", "rb+") as lock:
        # While this is held the KMS answers nobody.
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: opened.append(service.connect().open_table("flights")), daemon=True)
        thread.start()
        # Were the GIL held by the thread, nothing from here on would run.
        table.base().seal(b"", b"")
        assert opened == []
    thread.join()
    assert len(opened) == 1
