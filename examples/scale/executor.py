"""What an executor does: a worker process with one connection, and the tasks that seal and open partitions by it.

    the driver                     an executor, a process each                     the KMS
    flights.py -- task: "3" -->    Executor.connection, opened by its first   -->  one Decrypt an executor and five minutes
                                   task, kept for all that follow
                                   seal_many, open_many                            never one a row

A connection, a table and a structure stay in the process that made them: they cannot be pickled, so no task carries one by
mistake. What travels is the Executor, which has a folder's name and settings, and Dask calls its setup in each worker.

Nothing here is of Dask but those two methods and `get_worker`: spark.py does the same with a module's cache.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet
from distributed import Worker, WorkerPlugin, get_worker

import tablecrypt

TABLE, INDEX = "flights", "by-tail"
TAIL, DATE = 11, slice(0, 3)


class Executor(WorkerPlugin):
    """The keys of a worker: a service, and one connection that is opened by the first task."""

    name = "tablecrypt"

    def __init__(self, folder: Path, careless: bool = False) -> None:
        self.folder = folder
        self.careless = careless

    def setup(self, worker: Worker) -> None:
        self.service = service(self.folder)
        self.connection = self.service.connect()

    def teardown(self, worker: Worker) -> None:
        self.connection.close()

    def table(self) -> tablecrypt.Table:
        """The first call costs one KMS call, and those that follow none: the connection has the table."""
        if self.careless:
            self.connection = self.service.connect()
        return self.connection.open_table(TABLE)


def service(folder: Path) -> tablecrypt.Service:
    """The same in the driver and in each executor. In earnest: Service(boto3.client("kms"), tables=...)."""
    return tablecrypt.Service.local(folder)


def warm(dask_worker: Worker) -> int:
    """Opens the table in an executor before its time is taken, and gives the process's number: what Client.run calls gets its worker."""
    dask_worker.plugins["tablecrypt"].table()
    return os.getpid()


def seal(csv: Path, span: tuple[int, int], folder: Path, number: int) -> int:
    """Seals the rows of these bytes of the file into a partition of the table and of its index; gives how many they are."""
    table = executor().table()
    texts = rows(csv, span)
    # What a record is: its place. A record that is moved to another place does not open there.
    places = [place(number, row) for row in range(len(texts))]
    write(base_file(folder, number), table.base().seal_many(zip(places, texts, strict=True)))
    # Of each flight its tail number, and where it is in the base table.
    entries = [text.split(b",")[TAIL] + b"," + where for where, text in zip(places, texts, strict=True)]
    write(index_file(folder, number), table.global_(INDEX).seal_many(zip(places, entries, strict=True)))
    return len(texts)


def open_(folder: Path, number: int) -> tuple[int, str]:
    """Opens a partition of the table and of its index: how many rows, and a hash of them. Raises what a record raises."""
    table = executor().table()
    texts = opened(table.base(), read(base_file(folder, number)), number)
    entries = opened(table.global_(INDEX), read(index_file(folder, number)), number)
    for where, (text, entry) in enumerate(zip(texts, entries, strict=True)):
        if entry != text.split(b",")[TAIL] + b"," + place(number, where):
            raise RuntimeError(f"the index of partition {number} has another entry for row {where}")
    return len(texts), digest(texts)


def copy_in_plain(csv: Path, span: tuple[int, int], folder: Path, number: int) -> int:
    """The same job without sealing, to compare with."""
    texts = rows(csv, span)
    places = [place(number, row) for row in range(len(texts))]
    write(base_file(folder, number), texts)
    write(
        index_file(folder, number),
        [text.split(b",")[TAIL] + b"," + where for where, text in zip(places, texts, strict=True)],
    )
    return len(texts)


def kms_calls(dask_worker: Worker) -> dict[str, int]:
    """The KMS calls of this executor by what was asked for, from its metrics."""
    calls: dict[str, int] = {}
    for call in dask_worker.plugins["tablecrypt"].service.metrics().kms:
        calls[call.call] = calls.get(call.call, 0) + call.calls
    return calls


def executor() -> Executor:
    plugin = get_worker().plugins["tablecrypt"]
    assert isinstance(plugin, Executor)
    return plugin


def opened(structure: tablecrypt.Structure, records: Iterable[pyarrow.Buffer], number: int) -> list[bytes]:
    """The texts of these records: all of them, or the first one's exception."""
    texts = structure.open_many((place(number, row), record) for row, record in enumerate(records))
    for text in texts:
        if isinstance(text, tablecrypt.TablecryptError):
            raise text
    return texts


def rows(csv: Path, span: tuple[int, int]) -> list[bytes]:
    with csv.open("rb") as file:
        file.seek(span[0])
        return file.read(span[1] - span[0]).splitlines()


def place(number: int, row: int) -> bytes:
    return b"%d/%d" % (number, row)


def digest(texts: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(texts)).hexdigest()


def write(file: Path, records: list[bytes]) -> None:
    # Sealed bytes have no pattern to compress.
    table = pyarrow.table({"record": pyarrow.array(records, pyarrow.binary())})
    pyarrow.parquet.write_table(table, file, compression="none", use_dictionary=False)


def read(file: Path) -> Iterator[pyarrow.Buffer]:
    """The records where Parquet's reader put them: nothing is copied before it is opened."""
    column = pyarrow.parquet.read_table(file)["record"]
    return (record.as_buffer() for record in column)


def base_file(folder: Path, number: int) -> Path:
    return folder / "data" / f"base-{number:03}.parquet"


def index_file(folder: Path, number: int) -> Path:
    return folder / "data" / f"{INDEX}-{number:03}.parquet"

