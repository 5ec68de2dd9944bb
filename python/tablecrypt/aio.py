"""The same for asyncio: what may wait for the KMS or for a file waits on another thread, and the event loop goes on.

    service = tablecrypt.aio.Service(boto3.client("kms"), "tables")
    await service.create_table("flights")
    async with service.connect() as connection:
        base = (await connection.open_table("flights")).base()
        record = await base.seal(b"2013-01-01 UA 1545 EWR", b"11 minutes late")

Sealing and opening wait for nothing while the keys are there, as they are for as long as there is traffic. Then `await base.seal(...)`
is done at once, on the loop's own thread, without a switch of tasks. Only where the keys are locked, before the first operation in
330 s or in a forked child, it waits for the KMS elsewhere. `base.structure` is the plain Structure, for code that seals or opens many
without an await each.

A text of many MiB takes its time on the loop as any computation does; asyncio.to_thread(structure.seal, ...) has it done elsewhere,
without the GIL if its buffers are bytes. Whoever stops waiting for a call does not stop the call.
"""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypedDict, Unpack, final

import tablecrypt
from tablecrypt import (
    AuditLog,
    Generation,
    Metrics,
    Rewrapping,
    RotationPolicy,
    TableDescription,
    TablecryptError,
)

if TYPE_CHECKING:
    from os import PathLike

    from _typeshed import ReadableBuffer, WriteableBuffer

    from tablecrypt._tablecrypt import _AnyKms, _Seconds

__all__ = ["Connection", "Service", "Structure", "Table"]


class _Settings(TypedDict, total=False):
    """Those of tablecrypt.Service."""

    subscriber: str
    default_key: str
    require_default_key: bool
    refresh: tuple[_Seconds, _Seconds]
    jitter: _Seconds
    outage_grace: _Seconds
    drain: _Seconds
    scope: Literal["connection", "principal", "process"]
    principals: Callable[[str], _AnyKms]
    rotate_after: RotationPolicy
    audit: str | PathLike[str] | AuditLog
    names_in_log: bool


@final
class Service:
    """As tablecrypt.Service, with the same arguments. `service` is the plain one."""

    def __init__(self, kms: _AnyKms, tables: str | PathLike[str], **settings: Unpack[_Settings]) -> None:
        self.service = tablecrypt.Service(kms, tables, **settings)

    @classmethod
    def local(cls, folder: str | PathLike[str]) -> Self:
        return cls.of(tablecrypt.Service.local(folder))

    @classmethod
    def of(cls, service: tablecrypt.Service) -> Self:
        """The face of a service that is there already."""
        made = cls.__new__(cls)
        made.service = service
        return made

    def connect(self, principal: str | None = None) -> Connection:
        return Connection(self.service.connect(principal))

    async def open_table(self, name: str) -> Table:
        return Table(await to_thread(self.service.open_table, name))

    async def create_table(
        self,
        name: str,
        *,
        local_indexes: Sequence[str] = (),
        global_indexes: Sequence[str] = (),
        kms_key: str | None = None,
        other_kms_keys: Sequence[str] = (),
    ) -> TableDescription:
        return await to_thread(
            self.service.create_table,
            name,
            local_indexes=local_indexes,
            global_indexes=global_indexes,
            kms_key=kms_key,
            other_kms_keys=other_kms_keys,
        )

    async def default_key(self) -> str:
        return await to_thread(self.service.default_key)

    async def describe_table(self, name: str) -> TableDescription:
        return await to_thread(self.service.describe_table, name)

    async def tables(self) -> list[str]:
        return await to_thread(self.service.tables)

    def metrics(self) -> Metrics:
        return self.service.metrics()

    def lock(self) -> None:
        self.service.lock()

    def unlock(self) -> None:
        self.service.unlock()

    async def add_structure(self, table: str, structure: str) -> None:
        await to_thread(self.service.add_structure, table, structure)

    async def drop_structure(self, table: str, structure: str) -> None:
        await to_thread(self.service.drop_structure, table, structure)

    async def delete_table(self, name: str) -> None:
        await to_thread(self.service.delete_table, name)

    async def rotate(self, table: str, structure: str | None = None) -> list[Generation]:
        return await to_thread(self.service.rotate, table, structure)

    async def generations(self, table: str) -> list[Generation]:
        return await to_thread(self.service.generations, table)

    async def retire_generation(self, table: str, number: int) -> None:
        await to_thread(self.service.retire_generation, table, number)

    async def rewrap(self, table: str, to: str, *, from_: str | None = None, dry_run: bool = False) -> Rewrapping:
        return await to_thread(self.service.rewrap, table, to, from_=from_, dry_run=dry_run)

    async def rewrap_all(
        self, to: str, *, from_: str | None = None, dry_run: bool = False
    ) -> dict[str, Rewrapping | TablecryptError]:
        return await to_thread(self.service.rewrap_all, to, from_=from_, dry_run=dry_run)

    async def switch_key(self, table: str, *kms_keys: str) -> TableDescription:
        return await to_thread(self.service.switch_key, table, *kms_keys)

    async def add_kms_key(self, table: str, kms_key: str) -> TableDescription:
        return await to_thread(self.service.add_kms_key, table, kms_key)

    async def remove_kms_key(self, table: str, kms_key: str) -> TableDescription:
        return await to_thread(self.service.remove_kms_key, table, kms_key)

    def __repr__(self) -> str:
        return f"aio.{self.service!r}"


@final
class Connection:
    """As tablecrypt.Connection: `async with service.connect() as connection` closes it. `connection` is the plain one."""

    def __init__(self, connection: tablecrypt.Connection) -> None:
        self.connection = connection

    async def open_table(self, name: str) -> Table:
        return Table(await to_thread(self.connection.open_table, name))

    @property
    def principal(self) -> str | None:
        return self.connection.principal

    def lock(self) -> None:
        self.connection.lock()

    def unlock(self) -> None:
        self.connection.unlock()

    async def close(self) -> None:
        self.connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.connection.close()

    def __repr__(self) -> str:
        return f"aio.{self.connection!r}"


@final
class Table:
    """As tablecrypt.Table. `table` is the plain one."""

    def __init__(self, table: tablecrypt.Table) -> None:
        self.table = table

    def base(self) -> Structure:
        return Structure(self.table.base())

    def local(self, name: str) -> Structure:
        return Structure(self.table.local(name))

    def global_(self, name: str) -> Structure:
        return Structure(self.table.global_(name))

    def structure(self, name: str) -> Structure:
        return Structure(self.table.structure(name))

    @property
    def structures(self) -> tuple[str, ...]:
        return self.table.structures

    @property
    def permitted_for(self) -> timedelta | None:
        return self.table.permitted_for

    async def describe(self) -> TableDescription:
        return await to_thread(self.table.describe)

    def lock(self) -> None:
        self.table.lock()

    def unlock(self) -> None:
        self.table.unlock()

    def __repr__(self) -> str:
        return f"aio.{self.table!r}"


@final
class Structure:
    """As tablecrypt.Structure. `structure` is the plain one."""

    def __init__(self, structure: tablecrypt.Structure) -> None:
        self.structure = structure
        # Raises BlockingIOError where the plain one would wait for the KMS.
        self._now = structure.never_waiting()

    async def seal(self, context: ReadableBuffer, text: ReadableBuffer) -> bytes:
        try:
            return self._now.seal(context, text)
        except BlockingIOError:
            return await to_thread(self.structure.seal, context, text)

    async def open(self, context: ReadableBuffer, record: ReadableBuffer) -> bytes:
        try:
            return self._now.open(context, record)
        except BlockingIOError:
            return await to_thread(self.structure.open, context, record)

    async def seal_into(self, context: ReadableBuffer, text: ReadableBuffer, out: WriteableBuffer) -> int:
        try:
            return self._now.seal_into(context, text, out)
        except BlockingIOError:
            return await to_thread(self.structure.seal_into, context, text, out)

    async def open_into(self, context: ReadableBuffer, record: ReadableBuffer, out: WriteableBuffer) -> int:
        try:
            return self._now.open_into(context, record, out)
        except BlockingIOError:
            return await to_thread(self.structure.open_into, context, record, out)

    async def seal_many(self, items: Iterable[tuple[ReadableBuffer, ReadableBuffer]]) -> list[bytes]:
        # An iterator can be read once only.
        items = list(items)
        try:
            return self._now.seal_many(items)
        except BlockingIOError:
            return await to_thread(self.structure.seal_many, items)

    async def open_many(
        self, items: Iterable[tuple[ReadableBuffer, ReadableBuffer]]
    ) -> list[bytes | TablecryptError]:
        items = list(items)
        try:
            return self._now.open_many(items)
        except BlockingIOError:
            return await to_thread(self.structure.open_many, items)

    async def seal_many_into(
        self, items: Iterable[tuple[ReadableBuffer, ReadableBuffer, WriteableBuffer]]
    ) -> list[int]:
        items = list(items)
        try:
            return self._now.seal_many_into(items)
        except BlockingIOError:
            return await to_thread(self.structure.seal_many_into, items)

    async def open_many_into(
        self, items: Iterable[tuple[ReadableBuffer, ReadableBuffer, WriteableBuffer]]
    ) -> list[int | TablecryptError]:
        items = list(items)
        try:
            return self._now.open_many_into(items)
        except BlockingIOError:
            return await to_thread(self.structure.open_many_into, items)

    @property
    def is_unlocked(self) -> bool:
        return self.structure.is_unlocked

    def __repr__(self) -> str:
        return f"aio.{self.structure!r}"
