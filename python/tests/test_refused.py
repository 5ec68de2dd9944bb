"""Bad input: the typed error of each, nothing half-written, output cleared."""

import errno
import json
import os
import resource
import shutil
import tempfile

import pytest

import tablecrypt
from tablecrypt import OVERHEAD

CONTEXT = b"2013-01-01 UA 1545 EWR"
TEXT = b"11 minutes late"


@pytest.fixture
def record(table):
    return table.base().seal(CONTEXT, TEXT)


@pytest.fixture
def key_file(folder, table):
    return folder / "tables" / "flights" / "keys.json"


def test_a_record_with_another_context_is_refused(table, record):
    for context in [b"", CONTEXT + b" ", CONTEXT[:-1], bytes(300)]:
        with pytest.raises(tablecrypt.Unauthentic):
            table.base().open(context, record)


def test_a_record_of_another_structure_table_or_service_is_refused(tmp_path, service, table, record):
    for structure in [table.local("by-delay"), table.global_("by-tail")]:
        with pytest.raises(tablecrypt.UnknownKey) as refusal:
            structure.open(CONTEXT, record)
        assert refusal.value.number == 1
        # With that structure's own number it is a forgery.
        own = structure.seal(CONTEXT, TEXT)
        with pytest.raises(tablecrypt.Unauthentic):
            structure.open(CONTEXT, own[:8] + record[8:])
    service.create_table("planes")
    elsewhere = tablecrypt.Service.local(tmp_path / "elsewhere")
    elsewhere.create_table("flights")
    for base in [service.connect().open_table("planes").base(), elsewhere.connect().open_table("flights").base()]:
        with pytest.raises(tablecrypt.Unauthentic):
            base.open(CONTEXT, record)


def test_a_record_of_another_version_is_refused(table, record):
    with pytest.raises(tablecrypt.UnknownVersion) as refusal:
        table.base().open(CONTEXT, b"\x02" + record[1:])
    assert refusal.value.version == 2


def test_short_outputs_are_refused_untouched(table, record):
    for length in range(len(record)):
        out = bytearray(b"\xee" * length)
        with pytest.raises(tablecrypt.OutputTooShort) as refusal:
            table.base().seal_into(CONTEXT, TEXT, out)
        assert refusal.value.needed == len(record)
        assert out == b"\xee" * length
    for length in range(len(TEXT)):
        out = bytearray(b"\xee" * length)
        with pytest.raises(ValueError, match=f"{len(TEXT)} bytes are needed"):
            table.base().open_into(CONTEXT, record, out)
        assert out == b"\xee" * length


def test_overlapping_buffers_are_refused_untouched(table, record):
    base = table.base()
    memory = bytearray(range(200))
    view, before = memoryview(memory), bytes(memory)
    for start in [0, 1, 16, 32, 99]:
        for call in [base.seal_into, base.open_into]:
            with pytest.raises(tablecrypt.Overlap):
                call(CONTEXT, view[start : start + 100], view[99:])
            with pytest.raises(ValueError):
                call(view[start : start + 100], record, view[99:])
    assert memory == before
    # Neighbours do not overlap, nor does what lies behind the bytes that are written.
    memory[: len(record)] = record
    assert base.open_into(CONTEXT, view[: len(record)], view[len(record) :]) == len(TEXT)
    text = bytes(view[100:115])
    assert base.seal_into(CONTEXT, view[100:115], view[:]) == 15 + OVERHEAD
    assert base.open(CONTEXT, view[: 15 + OVERHEAD]) == text


def test_empty_buffers_are_texts_like_others(table):
    empty = [b"", bytearray(), memoryview(b""), memoryview(bytearray(8))[4:4]]
    for context in empty:
        for text in empty:
            assert table.base().open(context, table.base().seal(context, text)) == b""
        with pytest.raises(tablecrypt.Truncated):
            table.base().open(context, context)
        with pytest.raises(tablecrypt.OutputTooShort):
            table.base().seal_into(b"", context, bytearray())


def test_wrong_types_are_type_errors(service, table, record):
    base = table.base()
    for wrong in ["text", None, 7, 1.5, [1, 2], object()]:
        for call in [
            lambda: base.seal(wrong, TEXT),
            lambda: base.seal(CONTEXT, wrong),
            lambda: base.open(wrong, record),
            lambda: base.open(CONTEXT, wrong),
            lambda: base.seal_into(CONTEXT, TEXT, wrong),
            lambda: base.open_into(CONTEXT, record, wrong),
            lambda: base.seal_many([(CONTEXT, wrong)]),
            lambda: base.open_many([(CONTEXT, record), (wrong, record)]),
            lambda: base.seal_many([wrong]),
        ]:
            with pytest.raises(TypeError):
                call()
    for wrong in [b"flights", None, 7, ["flights"]]:
        for call in [
            lambda: service.create_table(wrong),
            lambda: service.connect().open_table(wrong),
            lambda: table.local(wrong),
            lambda: service.create_table("t", kms_key=wrong or 0),
            lambda: service.create_table("t", local_indexes=wrong if wrong != ["flights"] else "flights"),
        ]:
            with pytest.raises(TypeError):
                call()
    for call in [
        lambda: tablecrypt.Service(),
        lambda: tablecrypt.Service.local(7),
        lambda: base.seal(CONTEXT),
        lambda: base.seal_many(7),
        lambda: base.open_into(CONTEXT, record, b"read-only"),
        lambda: base.open_into(CONTEXT, record, memoryview(bytes(100))),
    ]:
        with pytest.raises(TypeError):
            call()
    assert service.tables() == ["flights"]


def test_what_is_not_contiguous_is_a_buffer_error(table, record):
    view = memoryview(bytearray(200))[::2]
    for call in [
        lambda: table.base().seal(CONTEXT, view),
        lambda: table.base().seal_into(CONTEXT, TEXT, view),
        lambda: table.base().open_into(view, record, bytearray(100)),
    ]:
        with pytest.raises(BufferError):
            call()


def test_a_table_that_exists_is_not_created_again(service, table, record):
    with pytest.raises(tablecrypt.TableExists) as refusal:
        service.create_table("flights")
    assert refusal.value.table == "flights"
    assert service.connect().open_table("flights").base().open(CONTEXT, record) == TEXT


def test_what_does_not_exist_is_named(service, table):
    with pytest.raises(tablecrypt.NoSuchTable) as refusal:
        service.connect().open_table("planes")
    assert refusal.value.table == "planes"
    for call in [lambda: table.local("by-tail"), lambda: table.global_("by-delay"), lambda: table.local("")]:
        with pytest.raises(tablecrypt.NoSuchStructure):
            call()
    with pytest.raises(tablecrypt.NoSuchTable):
        service.describe_table("planes")


def test_names_that_cannot_be_used_are_refused(service):
    for name in ["", ".", "..", "a/b", "a b", "ä", "a\0b", "n" * 256]:
        for call in [
            lambda: service.create_table(name),
            lambda: service.create_table("t", local_indexes=[name]),
            lambda: service.create_table("t", global_indexes=("fine", name)),
            lambda: service.connect().open_table(name),
            lambda: service.describe_table(name),
        ]:
            with pytest.raises(tablecrypt.InvalidName) as refusal:
                call()
            assert refusal.value.name == name
    with pytest.raises(ValueError):
        service.create_table("t", local_indexes=["twice", "twice"])
    assert service.tables() == []


def test_a_folder_that_is_a_file_is_an_io_error(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    for make in [tablecrypt.Service.local, tablecrypt.LocalKms]:
        with pytest.raises(tablecrypt.Io) as refusal:
            make(file)
        assert isinstance(refusal.value, OSError)
        assert refusal.value.errno in (errno.ENOTDIR, errno.EEXIST)
        assert refusal.value.filename.startswith(str(file))


def test_a_read_only_folder_is_an_io_error():
    # Not below tmp_path, which its owner alone may enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        child = os.fork()
        if child == 0:
            answer = 1
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)  # nobody: no mode binds root
                tablecrypt.Service.local(f"{folder}/demo")
            except tablecrypt.Io as refusal:
                answer = 0 if refusal.errno == errno.EACCES else 2
            finally:
                os._exit(answer)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_that_cannot_be_written_leaves_no_table(folder, service):
    shutil.rmtree(folder / "tables")
    (folder / "tables").write_bytes(b"")
    with pytest.raises(tablecrypt.Io):
        service.create_table("flights")
    (folder / "tables").unlink()
    (folder / "tables").mkdir()
    assert service.tables() == []


def test_a_full_disk_is_an_io_error_and_leaves_no_table(service):
    service.default_key()
    spec = {"local_indexes": [f"index-{i}" for i in range(200)]}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the KMS's log and not for the key file, and room for nothing.
    for room in [8192, 0]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            with pytest.raises(tablecrypt.Io) as refusal:
                service.create_table("flights", **spec)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refusal.value.errno == errno.EFBIG
        assert service.tables() == []
    service.create_table("flights", **spec)
    service.connect().open_table("flights").local("index-199")


def test_a_changed_or_cut_key_file_is_refused(service, key_file):
    whole = key_file.read_bytes()
    assert json.loads(whole)["version"] == 2

    def refused(content):
        key_file.write_bytes(content)
        with pytest.raises((tablecrypt.KeyFileCorrupt, tablecrypt.UnknownVersion)) as refusal:
            service.connect().open_table("flights")
        return refusal.value

    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        corrupt = refused(whole[:length])
        assert type(corrupt) is tablecrypt.KeyFileCorrupt
        assert corrupt.path == str(key_file)
    assert refused(whole.replace(b'"version": 2', b'"version": 3')).version == 3
    mac = whole.rindex(b'"mac": "') + 8
    flipped = b"1" if whole[mac : mac + 1] == b"0" else b"0"
    refused(whole[:mac] + flipped + whole[mac + 1 :])
    refused(whole.replace(b"by-delay", b"by-delax"))
    refused(whole.replace(b"\n", b"\r\n"))
    refused(b"\xff" * len(whole))
    key_file.write_bytes(whole)
    service.connect().open_table("flights")


def test_the_key_file_of_another_table_or_service_is_refused(tmp_path, folder, service, key_file):
    service.create_table("planes")
    shutil.copy(key_file, folder / "tables" / "planes" / "keys.json")
    with pytest.raises(tablecrypt.WrongContext):
        service.connect().open_table("planes")
    elsewhere = tablecrypt.Service.local(tmp_path / "elsewhere")
    elsewhere.create_table("flights")
    shutil.copy(key_file, tmp_path / "elsewhere" / "tables" / "flights" / "keys.json")
    # Its KMS key is not in that KMS.
    with pytest.raises(tablecrypt.KeyNotFound):
        elsewhere.connect().open_table("flights")
    key_file.unlink()
    with pytest.raises(tablecrypt.NoSuchTable):
        service.connect().open_table("flights")


def test_a_disabled_key_opens_nothing_cold_until_it_is_enabled(service, table, kms, record):
    key = service.default_key()
    kms.disable_key(key)
    with pytest.raises(tablecrypt.KeyDisabled, match="enable"):
        service.connect().open_table("flights")
    with pytest.raises(tablecrypt.KeyDisabled):
        service.create_table("planes")
    assert service.tables() == ["flights"]
    # A warm connection works until its deadline.
    assert table.base().open(CONTEXT, record) == TEXT
    kms.enable_key(key)
    assert service.connect().open_table("flights").base().open(CONTEXT, record) == TEXT


def test_a_key_that_waits_for_its_destruction_opens_nothing_cold(service, table, kms):
    key = service.default_key()
    kms.schedule_key_deletion(key, 7)
    with pytest.raises(tablecrypt.KeyPendingDeletion):
        service.connect().open_table("flights")
    kms.cancel_key_deletion(key)
    kms.enable_key(key)
    service.connect().open_table("flights")


def test_a_missing_key_is_named_as_that(folder, service, table):
    with pytest.raises(tablecrypt.KeyNotFound):
        service.create_table("planes", kms_key="alias/nobody")
    assert service.tables() == ["flights"]
    for key in (folder / "kms" / "keys").iterdir():
        key.unlink()
    with pytest.raises(tablecrypt.KeyNotFound):
        service.connect().open_table("flights")
