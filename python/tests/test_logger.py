"""What services tell the logger "tablecrypt" of logging."""

import logging
import subprocess
import sys
from queue import Queue

import pytest

import tablecrypt

PATIENCE = 60


class Told(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = Queue()

    def emit(self, record):
        self.records.put(record)

    def next(self, words):
        """The next record with these words, and those before it."""
        before = []
        while True:
            record = self.records.get(timeout=PATIENCE)
            if words in record.getMessage():
                return record, before
            before.append(record)


@pytest.fixture
def told():
    handler, logger = Told(), logging.getLogger("tablecrypt")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def make(tmp_path):
    local = tablecrypt.LocalKms(tmp_path / "kms")
    return lambda **settings: tablecrypt.Service(local, tmp_path / "tables", **settings)


def test_a_service_tells_what_happens_to_its_keys(make, told):
    service = make(names_in_log=True)
    service.create_table("flights")
    with service.connect() as connection:
        table = connection.open_table("flights")
        table.lock()
        record, before = told.next("locked by hand")
    assert (record.name, record.levelno) == ("tablecrypt", logging.INFO)
    assert record.getMessage().endswith("table=flights")
    # Each answer of the KMS.
    assert {record.levelno for record in before} == {logging.DEBUG} and len(before) >= 2


def test_a_table_is_told_by_its_id_unless_its_name_may_be(make, told):
    service = make()
    table_id = service.create_table("flights").table_id
    with service.connect() as connection:
        connection.open_table("flights").lock()
        record, before = told.next("locked by hand")
    assert record.getMessage().endswith(f"table={table_id}")
    assert not any("flights" in record.getMessage() for record in [record, *before])


def test_a_handler_may_use_the_service_and_may_raise(make, monkeypatch):
    """It runs with none of the service's locks held."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    service, used = make(names_in_log=True), Queue()

    class Uses(logging.Handler):
        def handle(self, record):
            if "locked by hand" in record.getMessage():
                used.put(service.describe_table("flights").name)
                raise ValueError(record)

    handler, logger = Uses(), logging.getLogger("tablecrypt")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        service.create_table("flights")
        for _ in range(2):
            with service.connect() as connection:
                connection.open_table("flights").lock()
                assert used.get(timeout=PATIENCE) == "flights"
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_program_ends_while_events_are_told(tmp_path):
    program = """
import logging, sys, tablecrypt
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
service = tablecrypt.Service(tablecrypt.LocalKms("kms"), "tables")
service.create_table("flights")
for _ in range(200):
    with service.connect() as connection:
        connection.open_table("flights").lock()
"""
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, timeout=PATIENCE, check=False)
        assert (ended.returncode, ended.stderr) == (0, b"")
