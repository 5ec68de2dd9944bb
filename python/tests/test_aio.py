"""tablecrypt.aio: the event loop never waits for the KMS."""

import asyncio
import inspect
import threading

import pytest
from test_python_kms import Memory

import tablecrypt
from tablecrypt import OVERHEAD, aio


class Slow(Memory):
    """Answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()

    def _ask(self, *asked):
        assert threading.current_thread() is not threading.main_thread(), "the loop's own thread waits for the KMS"
        assert self.go_on.wait(60)
        super()._ask(*asked)


@pytest.fixture
def kms():
    return Slow()


@pytest.fixture
def service(kms, tmp_path):
    return aio.Service(kms, tmp_path, scope="connection")


def run(work):
    return asyncio.run(asyncio.wait_for(work, 120))


def test_a_table_is_made_opened_sealed_and_opened(service):
    async def work():
        assert (await service.create_table("flights", local_indexes=["by-delay"])).structures == ("base", "local:by-delay")
        async with service.connect("alice") as connection:
            assert connection.principal == "alice"
            table = await connection.open_table("flights")
            for structure in [table.base(), table.local("by-delay"), table.structure("base")]:
                record = await structure.seal(b"k", b"text")
                assert await structure.open(b"k", record) == b"text"
                out, back = bytearray(4 + OVERHEAD), bytearray(4)
                assert await structure.seal_into(b"k", b"text", out) == 4 + OVERHEAD
                assert await structure.open_into(b"k", out, back) == 4 and back == b"text"
                records = await structure.seal_many((b"%d" % i, b"text") for i in range(3))
                answers = await structure.open_many((b"%d" % i, record) for i, record in enumerate(records))
                assert answers == [b"text"] * 3
                outs = [bytearray(4 + OVERHEAD) for _ in range(3)]
                assert await structure.seal_many_into((b"k", b"text", out) for out in outs) == [4 + OVERHEAD] * 3
                backs = [bytearray(4) for _ in range(3)]
                assert await structure.open_many_into(
                    (b"k", out, back) for out, back in zip(outs, backs, strict=True)
                ) == [4] * 3
                with pytest.raises(tablecrypt.Unauthentic):
                    await structure.open(b"other", record)
            assert (await table.describe()).name == "flights" and table.permitted_for is not None
            plain = table.base().structure
            assert isinstance(plain, tablecrypt.Structure) and plain.open(b"k", record) == b"text"
        with pytest.raises(tablecrypt.Closed):
            await structure.seal(b"k", b"text")
        with pytest.raises(tablecrypt.Closed):
            await connection.open_table("flights")

    run(work())


def test_the_loop_goes_on_while_operations_wait_for_the_kms(service, kms):
    async def work():
        await service.create_table("flights")
        table = await service.open_table("flights")
        base = table.base()
        record = await base.seal(b"k", b"text")
        outs = [bytearray(100), bytearray(100)]
        for operation in [
            lambda: service.open_table("flights"),
            lambda: base.seal(b"k", b"text"),
            lambda: base.open(b"k", record),
            lambda: base.seal_into(b"k", b"text", outs[0]),
            lambda: base.open_into(b"k", record, outs[0]),
            lambda: base.seal_many(iter([(b"k", b"text")])),
            lambda: base.open_many(iter([(b"k", record)])),
            lambda: base.seal_many_into(iter([(b"k", b"text", outs[0])])),
            lambda: base.open_many_into(iter([(b"k", record, outs[0])])),
        ]:
            table.lock()
            table.unlock()
            assert not base.is_unlocked
            kms.go_on.clear()
            waiting = asyncio.create_task(operation())
            # What the loop does meanwhile is what lets the KMS answer.
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            kms.go_on.set()
            assert await waiting

    run(work())


def test_an_operation_that_finds_its_keys_is_done_at_once(service):
    async def work():
        await service.create_table("flights")
        base = (await service.open_table("flights")).base()
        operation = base.seal(b"k", b"text")
        with pytest.raises(StopIteration) as done:
            # One step, and no future to wait for.
            operation.send(None)
        assert await base.open(b"k", done.value.value) == b"text"

    run(work())


def test_many_that_come_at_once_share_a_call(service, kms):
    async def work():
        await service.create_table("flights")
        connection = service.connect()
        before = service.metrics().kms_calls
        tables = await asyncio.gather(*(connection.open_table("flights") for _ in range(100)))
        assert len(tables) == 100
        assert service.metrics().kms_calls - before == 1

    run(work())


def test_who_stops_waiting_is_let_go_and_the_call_ends_well(service, kms):
    async def work():
        await service.create_table("flights")
        connection = service.connect()
        kms.go_on.clear()
        waiting = asyncio.create_task(connection.open_table("flights"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        kms.go_on.set()
        await connection.open_table("flights")

    run(work())


def test_everything_that_a_service_can_do_it_can_do_here(service, kms):
    async def work():
        await service.create_table("flights")
        assert await service.default_key() == (await service.describe_table("flights")).kms_key
        assert await service.tables() == ["flights"]
        await service.add_structure("flights", "local:a")
        await service.drop_structure("flights", "local:a")
        assert len(await service.rotate("flights")) == 1 and len(await service.generations("flights")) == 2
        with pytest.raises(tablecrypt.GenerationInUse):
            await service.retire_generation("flights", 1)
        other = await asyncio.to_thread(lambda: kms.ensure_key("alias/other", "").arn)
        third = await asyncio.to_thread(lambda: kms.ensure_key("alias/third", "").arn)
        assert (await service.rewrap("flights", other)).to == other
        assert list(await service.rewrap_all(third, from_=other)) == ["flights"]
        assert (await service.switch_key("flights", other)).kms_key == other
        assert (await service.add_kms_key("flights", third)).other_kms_keys == (third,)
        assert (await service.remove_kms_key("flights", third)).other_kms_keys == ()
        service.lock()
        with pytest.raises(tablecrypt.Locked):
            await service.open_table("flights")
        service.unlock()
        await service.delete_table("flights")

    run(work())


def test_the_faces_have_the_same_words():
    pairs = [
        (tablecrypt.Service, aio.Service),
        (tablecrypt.Connection, aio.Connection),
        (tablecrypt.Table, aio.Table),
        (tablecrypt.Structure, aio.Structure),
    ]
    for plain, face in pairs:
        words = {name for name in dir(plain) if not name.startswith("_")} - {"never_waiting"}
        missing = words - set(dir(face))
        assert not missing, (face, missing)
        for name in words:
            ours, theirs = getattr(face, name), getattr(plain, name)
            if inspect.isfunction(ours) and name != "close":
                parameters = [list(inspect.signature(what).parameters.values())[1:] for what in (ours, theirs)]
                names = [[(one.name, one.kind) for one in some] for some in parameters]
                assert names[0] == names[1], (face, name)
    settings = set(inspect.signature(tablecrypt.Service).parameters) - {"kms", "tables"}
    assert set(aio._Settings.__annotations__) == settings
