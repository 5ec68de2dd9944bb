"""multiprocessing: a service is no thing to send, and is one to inherit."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

import tablecrypt


def in_a_child(folder, record):
    # Made there, as the exception of pickling says.
    base = tablecrypt.Service.local(folder).open_table("flights").base()
    return base.open(b"k", record), base.seal(b"k", b"of a child")


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_a_worker_makes_its_own_service(folder, table, method):
    record = table.base().seal(b"k", b"text")
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        answers = list(pool.map(in_a_child, [folder] * 4, [record] * 4))
    assert [text for text, _ in answers] == [b"text"] * 4
    assert {table.base().open(b"k", sealed) for _, sealed in answers} == {b"of a child"}
    assert len({sealed[8:32] for _, sealed in answers}) == 4


inherited = {}


def with_what_is_inherited(record):
    base = inherited["table"].base()
    text = base.open(b"k", record)
    metrics = inherited["service"].metrics()
    return text, base.seal(b"k", b"of a child")[8:32], metrics.kms_calls


def test_a_worker_that_is_forked_uses_what_it_inherited_and_asks_the_kms_for_itself(service, table):
    record = table.base().seal(b"k", b"text")
    inherited.update(service=service, table=table)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        answers = [pool.submit(with_what_is_inherited, record).result(60) for _ in range(4)]
    assert {text for text, _, _ in answers} == {b"text"}
    assert {calls for _, _, calls in answers} == {1}
    assert len({nonce for _, nonce, _ in answers}) == 4


def test_what_leads_to_a_key_says_that_it_cannot_be_sent(tmp_path, service, table):
    things = [
        service,
        service.connect(),
        table,
        table.base(),
        table.base().never_waiting(),
        tablecrypt.LocalKms(tmp_path / "kms"),
        tablecrypt.Routes(tablecrypt.LocalKms(tmp_path / "kms"), {}),
        tablecrypt.AuditLog(tmp_path / "audit"),
        tablecrypt.AESGCM(bytes(32)),
    ]
    for thing in things:
        with pytest.raises(TypeError, match="make another there"):
            pickle.dumps(thing)
        assert "0x" not in repr(thing)


def test_what_a_service_tells_is_shown_whole_and_says_no_key(service, table):
    table.base().seal(b"k", b"text")
    for told in [table.describe(), service.metrics(), service.generations("flights")[0]]:
        assert type(told).__name__ in repr(told)
