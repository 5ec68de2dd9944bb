"""Service over a KMS of the caller's choice: its settings, rotation, locks, and what it tells."""

import random
import re
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest

import tablecrypt
from tablecrypt import OVERHEAD


@pytest.fixture
def local(tmp_path):
    return tablecrypt.LocalKms(tmp_path / "kms")


@pytest.fixture
def make(local, tmp_path):
    return lambda **settings: tablecrypt.Service(local, tmp_path / "tables", **settings)


@pytest.fixture
def flights(make):
    service = make()
    service.create_table("flights", local_indexes=["by-delay"])
    return service


def test_a_local_kms_serves(local, make, flights):
    with flights.connect() as connection:
        record = connection.open_table("flights").base().seal(b"k", b"text")
    # The same folders by another door.
    assert make().open_table("flights").base().open(b"k", record) == b"text"
    assert [key.arn for key in local.list_keys()] == [flights.default_key()]
    assert repr(flights).startswith("Service(LocalKms, ")


def test_a_local_kms_under_a_passphrase_opens_with_it_alone(tmp_path):
    kms = tablecrypt.LocalKms(tmp_path / "kms", passphrase="correct horse")
    service = tablecrypt.Service(kms, tmp_path / "tables")
    service.create_table("flights")
    record = service.open_table("flights").base().seal(b"k", b"text")
    again = tablecrypt.LocalKms(tmp_path / "kms", passphrase="correct horse")
    assert tablecrypt.Service(again, tmp_path / "tables").open_table("flights").base().open(b"k", record) == b"text"
    with pytest.raises(tablecrypt.AccessDenied):
        tablecrypt.LocalKms(tmp_path / "kms", passphrase="battery staple")
    with pytest.raises(tablecrypt.AccessDenied):
        tablecrypt.LocalKms(tmp_path / "kms", key_file=tmp_path / "key")
    with pytest.raises(ValueError, match="not both"):
        tablecrypt.LocalKms(tmp_path / "kms", passphrase="a", key_file=tmp_path / "key")
    files = b"".join(path.read_bytes() for path in (tmp_path / "kms").rglob("*") if path.is_file())
    assert b"horse" not in files


def test_settings_are_those_of_rust(make, tmp_path):
    service = make(
        subscriber="acme",
        default_key="alias/acme",
        refresh=(timedelta(minutes=10), 60),
        jitter=0.0,
        outage_grace=timedelta(hours=1),
        drain=60,
        scope="process",
        rotate_after=tablecrypt.RotationPolicy(age=timedelta(days=90), records=1 << 40, bytes=1 << 50),
        audit=tablecrypt.AuditLog(tmp_path / "audit", key=bytes(32), who="a test", best_effort=True),
    )
    service.create_table("flights")
    left = service.open_table("flights").permitted_for
    assert timedelta(seconds=650) < left <= timedelta(seconds=660)
    # Under another subscriber the same key file does not open.
    with pytest.raises(tablecrypt.WrongContext):
        make(subscriber="other").open_table("flights")
    assert '"who":"a test"' in (tmp_path / "audit").read_text()


def test_settings_out_of_their_range_are_refused(make, tmp_path):
    for setting, value in [
        ("outage_grace", 12 * 3600 + 1),
        ("drain", 3601),
        ("scope", "everybody"),
        ("refresh", (0, 30)),
        ("refresh", (300, 0)),
    ]:
        with pytest.raises(tablecrypt.InvalidSetting, match=setting) as refusal:
            make(**{setting: value})
        assert refusal.value.setting == setting and refusal.value.range in str(refusal.value)
    for setting, value in [("jitter", -1), ("outage_grace", float("nan")), ("drain", timedelta(seconds=-1))]:
        with pytest.raises(ValueError):
            make(**{setting: value})
    for setting, value in [("jitter", "soon"), ("refresh", 300), ("scope", 7), ("audit", 7), ("rotate_after", 7)]:
        with pytest.raises(TypeError):
            make(**{setting: value})
    with pytest.raises(ValueError, match="32 bytes"):
        tablecrypt.AuditLog(tmp_path / "audit", key=b"short")


def test_an_empty_folder_name_is_refused(local):
    with pytest.raises(tablecrypt.Io):
        tablecrypt.Service(local, "")


def test_a_default_key_that_is_no_alias_is_an_invalid_request_and_no_damaged_key_file(local, make):
    service = make(default_key="flights")
    for call in [service.default_key, lambda: service.create_table("flights")]:
        with pytest.raises(tablecrypt.InvalidRequest, match="default key by an alias"):
            call()
    assert local.list_keys() == []


def test_a_default_key_that_must_be_there_is_not_made(local, make):
    service = make(require_default_key=True)
    for call in [service.default_key, lambda: service.create_table("flights")]:
        with pytest.raises(tablecrypt.KeyNotFound):
            call()
    assert local.list_keys() == []


def test_connections_share_a_permission_by_their_scope(make):
    make().create_table("flights")
    for scope, calls in [("connection", 5), ("principal", 2), ("process", 1)]:
        service = make(scope=scope)
        connections = [service.connect(name) for name in ["alice", "alice", None, None, None]]
        tables = [connection.open_table("flights") for connection in connections]
        assert (scope, service.metrics().kms_calls) == (scope, calls)
        del tables


def test_what_is_locked_is_locked_until_it_is_unlocked(flights):
    connection = flights.connect()
    table = connection.open_table("flights")
    other = flights.open_table("flights")
    record = table.base().seal(b"k", b"text")

    def locked(structure):
        with pytest.raises(tablecrypt.Locked, match="unlock"):
            structure.open(b"k", record)
        assert not structure.is_unlocked

    for thing in [table, connection, flights]:
        thing.lock()
        locked(table.base())
        assert table.permitted_for is None
        if thing is flights:
            locked(other.base())
            assert flights.describe_table("flights").locked
        else:
            assert other.base().open(b"k", record) == b"text"
            assert table.describe().locked and not other.describe().locked
        thing.unlock()
        assert table.base().open(b"k", record) == b"text"
    connection.lock()
    with pytest.raises(tablecrypt.Locked):
        connection.open_table("flights")


def test_structures_come_and_go(flights):
    table = flights.open_table("flights")
    assert table.structures == ("base", "local:by-delay")
    assert repr(table.structure("local:by-delay")) == repr(table.local("by-delay"))
    flights.add_structure("flights", "global:by-tail")
    assert flights.describe_table("flights").structures == ("base", "local:by-delay", "global:by-tail")
    record = flights.open_table("flights").global_("by-tail").seal(b"k", b"text")
    with pytest.raises(tablecrypt.StructureExists) as refusal:
        flights.add_structure("flights", "global:by-tail")
    assert refusal.value.name == "global:by-tail"
    flights.drop_structure("flights", "global:by-tail")
    for refused in [
        lambda: flights.drop_structure("flights", "global:by-tail"),
        lambda: flights.open_table("flights").structure("global:by-tail"),
        lambda: flights.add_structure("flights", "by-tail"),
        lambda: flights.rotate("flights", "local:nobody"),
    ]:
        with pytest.raises(tablecrypt.NoSuchStructure):
            refused()
    with pytest.raises(tablecrypt.Indispensable) as refusal:
        flights.drop_structure("flights", "base")
    assert refusal.value.part == "its base table"
    with pytest.raises(tablecrypt.UnknownKey):
        flights.open_table("flights").base().open(b"k", record)
    flights.delete_table("flights")
    assert flights.tables() == []
    with pytest.raises(tablecrypt.NoSuchTable):
        flights.open_table("flights")


def test_a_rotation_makes_generations_which_are_retired_when_nothing_seals_with_them(flights):
    base = flights.open_table("flights").base()
    record = base.seal(b"k", b"text")
    [first, index] = flights.generations("flights")
    assert (first.structure, first.number, first.seals) == ("base", 1, True)
    assert index.structure == "local:by-delay"
    [second] = flights.rotate("flights", "base")
    assert second.structure == "base" and not second.seals
    assert timedelta() < second.seals_from - datetime.now(UTC) < timedelta(minutes=10)
    assert second.created.tzinfo is not None
    assert second in flights.generations("flights")
    assert len(flights.rotate("flights")) == 2
    assert tablecrypt.generation_of_record(record) == tablecrypt.generation_of_record(bytearray(record[:8])) == 1
    records = [base.seal(b"k", b"%d" % i) for i in range(10)]
    assert tablecrypt.records_of_generation(1, records) == 10
    assert tablecrypt.records_of_generation(2, iter(memoryview(record)[:8] for record in records)) == 0
    for wrong in [b"", b"short", b"\x09" * 48]:
        with pytest.raises((tablecrypt.Truncated, tablecrypt.UnknownVersion)):
            tablecrypt.records_of_generation(1, [record, wrong])
    with pytest.raises(tablecrypt.GenerationInUse) as refusal:
        flights.retire_generation("flights", 1)
    assert refusal.value.number == 1 and (refusal.value.until is None or refusal.value.until > datetime.now(UTC))
    with pytest.raises(tablecrypt.UnknownKey):
        flights.retire_generation("flights", 99)
    assert base.open(b"k", record) == b"text"


def test_a_table_moves_to_another_kms_key(local, flights):
    key, other = local.create_key("new").arn, local.create_key("newer").arn
    base = flights.open_table("flights").base()
    record = base.seal(b"k", b"text")
    old = flights.describe_table("flights").kms_key
    planned = flights.rewrap("flights", key, dry_run=True)
    assert (planned.from_, planned.to, planned.obstacle) == (old, key, None)
    assert flights.describe_table("flights").kms_key == old
    assert flights.rewrap("flights", key, from_=old).to == key
    flights.create_table("planes")
    moved = flights.rewrap_all(other, from_=key)
    assert list(moved) == ["flights"] and moved["flights"].to == other
    planned = flights.rewrap_all(key, dry_run=True)
    assert sorted(planned) == ["flights", "planes"]
    local.disable_key(key)
    refused = flights.rewrap_all(key)
    assert {type(answer) for answer in refused.values()} == {tablecrypt.KeyDisabled}
    planned = flights.rewrap("flights", key, dry_run=True)
    assert type(planned.obstacle) is tablecrypt.KeyDisabled
    with pytest.raises(tablecrypt.NoSuchKmsKey) as refusal:
        flights.rewrap("flights", other, from_=old)
    assert refusal.value.key == old
    local.enable_key(key)
    assert flights.switch_key("flights", key).kms_key == key
    # Neither the data nor who has it open has noticed.
    assert base.open(b"k", record) == b"text"
    for gone in [old, other]:
        local.disable_key(gone)
    assert flights.open_table("flights").base().open(b"k", record) == b"text"


def test_any_of_a_tables_kms_keys_opens_it(local, make, flights):
    second, third = local.create_key().arn, local.create_key().arn
    description = flights.create_table("planes", kms_key=second, other_kms_keys=[third])
    assert (description.kms_key, description.other_kms_keys) == (second, (third,))
    assert flights.add_kms_key("planes", flights.default_key()).other_kms_keys == (third, flights.default_key())
    with pytest.raises(tablecrypt.AlreadyUnderKmsKey) as refusal:
        flights.rewrap("planes", third, from_=second)
    assert refusal.value.key == third
    record = flights.open_table("planes").base().seal(b"k", b"text")
    assert flights.remove_kms_key("planes", second).kms_key == third
    with pytest.raises(tablecrypt.NoSuchKmsKey):
        flights.remove_kms_key("planes", second)
    flights.remove_kms_key("planes", third)
    with pytest.raises(tablecrypt.Indispensable, match="KMS key"):
        flights.remove_kms_key("planes", flights.default_key())
    with pytest.raises(tablecrypt.Indispensable):
        flights.switch_key("planes")
    assert flights.open_table("planes").base().open(b"k", record) == b"text"


def test_metrics_count_what_was_done(flights):
    base = flights.open_table("flights").base()
    before = flights.metrics()
    record = base.seal(b"k", b"text")
    base.open(b"k", record)
    base.seal_many([(b"k", b"12345")] * 10)
    with pytest.raises(tablecrypt.Unauthentic):
        base.open(b"other", record)
    now = flights.metrics()
    assert (now.sealed - before.sealed, now.sealed_bytes - before.sealed_bytes) == (11, 54)
    assert (now.opened, now.opened_bytes, now.refused) == (1, 4, 1)
    assert (now.misses, now.permissions, now.generations) == (1, 1, 2)
    assert now.stale_for == timedelta() and now.audit_lost == 0
    calls = {(calls.call, calls.outcome): calls.calls for calls in now.kms}
    assert calls[("Decrypt", "ok")] == 1 and sum(calls.values()) == now.kms_calls == before.kms_calls
    assert all(calls.time > timedelta() for calls in now.kms)
    assert now != before and flights.metrics() == now
    assert "sealed=11" in repr(now) and "Decrypt" in repr(now.kms)


def test_an_audit_log_is_written_rotated_and_has_a_head(make, tmp_path):
    log = tablecrypt.AuditLog(tmp_path / "audit")
    assert log.head() is None
    service = make(audit=log)
    service.create_table("flights")
    number, _, chain = log.head().partition(":")
    assert int(number) >= 3 and re.fullmatch(r"[0-9a-f]{64}", chain)
    log.rotate(tmp_path / "audit.1")
    assert (tmp_path / "audit.1").exists() and (tmp_path / "audit").exists()
    with pytest.raises(tablecrypt.Io) as refusal:
        log.rotate(tmp_path / "audit.1")
    assert isinstance(refusal.value, OSError)
    # A key that cannot be recorded is not used.
    (tmp_path / "audit").unlink()
    (tmp_path / "audit").mkdir()
    with pytest.raises(tablecrypt.Io):
        service.create_table("planes")
    assert service.tables() == ["flights"]


def test_many_outputs_are_written_in_place(flights):
    base = flights.open_table("flights").base()
    texts = [bytes([i]) * (i * 37 % 700) for i in range(150)]
    place = bytearray(sum(len(text) + OVERHEAD for text in texts))
    view, at, items = memoryview(place), 0, []
    for i, text in enumerate(texts):
        items.append((b"%d" % i, text, view[at : at + len(text) + OVERHEAD]))
        at += len(text) + OVERHEAD
    lengths = base.seal_many_into(items)
    assert lengths == [len(text) + OVERHEAD for text in texts]
    outs = [bytearray(len(text) + 3) for text in texts]
    opened = base.open_many_into([(context, record, out) for (context, _, record), out in zip(items, outs)])
    assert opened == [len(text) for text in texts]
    assert [bytes(out) for out in outs] == [text + bytes(3) for text in texts]
    items[7][2][-1] ^= 1
    refused = base.open_many_into([(context, record, out) for (context, _, record), out in zip(items, outs)])
    assert type(refused[7]) is tablecrypt.Unauthentic and outs[7][:-3] == bytes(len(texts[7]))
    assert refused[:7] + refused[8:] == opened[:7] + opened[8:]
    assert base.seal_many_into([]) == base.open_many_into(iter([])) == []


def test_outputs_of_a_batch_that_overlap_are_refused_untouched(flights):
    base = flights.open_table("flights").base()
    memory = bytearray(range(256)) * 4
    view, before = memoryview(memory), bytes(memory)
    whole = OVERHEAD + 10
    text = b"0123456789"
    for first, second in [(0, 0), (0, 1), (0, whole - 1), (100, 101), (100, 60), (500, 500 + whole // 2)]:
        items = [(b"1", text, view[first : first + whole]), (b"2", text, view[second : second + whole])]
        for order in [items, items[::-1]]:
            with pytest.raises(tablecrypt.Overlap):
                base.seal_many_into(order)
    # An input of one item under the output of another.
    for start in [300, 300 + whole - 1, 291]:
        with pytest.raises(tablecrypt.Overlap):
            base.seal_many_into([(b"1", text, view[300 : 300 + whole]), (view[start : start + 10], text, view[:whole])])
        with pytest.raises(tablecrypt.Overlap):
            base.seal_many_into([(b"1", view[start : start + 10], view[600:]), (b"2", text, view[300 : 300 + whole])])
    with pytest.raises(tablecrypt.OutputTooShort):
        base.seal_many_into([(b"1", text, view[:whole]), (b"2", text, view[whole : 2 * whole - 1])])
    with pytest.raises(TypeError):
        base.seal_many_into([(b"1", text, view[:whole]), (b"2", text, b"constant" * 10)])
    with pytest.raises(TypeError, match="three"):
        base.seal_many_into([[b"1", text, view]])
    assert memory == before
    # The control: neighbours are apart, and an input may lie behind what is written.
    base.seal_many_into([(b"1", view[whole * 2 : whole * 2 + 10], view[:]), (b"2", text, view[whole : 2 * whole])])
    assert memory != before


def test_outputs_of_a_batch_are_refused_just_where_one_overlaps(flights):
    base, chance = flights.open_table("flights").base(), random.Random(7)
    memory = bytearray(2000)
    view = memoryview(memory)
    done = [0, 0]

    def overlap(a, b):
        return a[0] < a[1] and b[0] < b[1] and a[0] < b[1] and b[0] < a[1]

    for _ in range(2000):
        items, inputs, outs = [], [], []
        for _ in range(chance.randint(1, 5)):
            places = []
            for _ in range(2):
                start = chance.randrange(1800)
                places.append((start, start + chance.randrange(40)))
            start = chance.randrange(1800)
            length = places[1][1] - places[1][0] + OVERHEAD
            # Behind what is written there may be more.
            items.append(tuple(view[a:b] for a, b in [*places, (start, start + length + chance.randrange(50))]))
            inputs.extend(places)
            outs.append((start, start + length))
        collide = any(overlap(a, b) for a, b in combinations(outs, 2)) or any(overlap(a, b) for a in outs for b in inputs)
        before = bytes(memory)
        if collide:
            with pytest.raises(tablecrypt.Overlap):
                base.seal_many_into(items)
            assert memory == before
        else:
            given = [(bytes(context), bytes(text)) for context, text, _ in items]
            lengths = base.seal_many_into(items)
            for (context, text), (_, _, out), length in zip(given, items, lengths, strict=True):
                assert base.open(context, out[:length]) == text
        done[collide] += 1
    assert min(done) > 200


def test_what_never_waits_raises_where_it_would(flights):
    table = flights.open_table("flights")
    base, now = table.base(), table.base().never_waiting()
    record = now.seal(b"k", b"text")
    assert now.open(b"k", record) == b"text"
    table.lock()
    table.unlock()
    calls = flights.metrics().kms_calls
    for operation in [
        lambda: now.seal(b"k", b"text"),
        lambda: now.open(b"k", record),
        lambda: now.seal_many([(b"k", b"text")]),
        lambda: now.open_many_into([(b"k", record, bytearray(9))]),
    ]:
        with pytest.raises(BlockingIOError):
            operation()
    assert flights.metrics().kms_calls == calls
    assert base.open(b"k", record) == b"text"
    assert now.open(b"k", record) == b"text"


def test_every_error_of_rust_has_its_class_and_says_what_to_do():
    rust = (Path(__file__).parents[2] / "envelope" / "src" / "error.rs").read_text()
    enum = rust[rust.index("pub enum Error") : rust.index("impl Error")]
    variants = re.findall(r"^    ([A-Z]\w+)(?: \{|,|\()", enum, re.MULTILINE)
    assert len(variants) > 25
    for name in variants:
        kind = getattr(tablecrypt, name)
        assert issubclass(kind, tablecrypt.TablecryptError)
        assert re.search(r"[;,] |repairs|take|give|tr[yi]|choose", kind.__doc__), name


def test_a_wheel_without_the_aws_client_says_what_to_do_instead():
    try:
        tablecrypt.AwsKms(region="eu-west-1")
    except tablecrypt.NotBuilt as refusal:
        assert isinstance(refusal, NotImplementedError)
        assert "boto3.client" in str(refusal) and "make wheel ARGS=aws" in str(refusal)
    else:
        assert repr(tablecrypt.AwsKms(region="eu-west-1")) == 'AwsKms(region="eu-west-1")'
