"""The package: its names, its types, what it shows and what it does not."""

import copy
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tablecrypt

SAMPLE = '''
import tablecrypt
import tablecrypt.aio
from datetime import datetime, timedelta

service: tablecrypt.Service = tablecrypt.Service.local("demo")
description = service.create_table("t", local_indexes=["a"], global_indexes=("b",), kms_key=None)
created: datetime = description.created
with service.connect() as connection:
    table = connection.open_table("t")
    left: timedelta | None = table.permitted_for
    record: bytes = table.base().seal(b"k", bytearray(b"text"))
    length: int = table.global_("b").seal_into(b"k", memoryview(b"text"), bytearray(100))
    for answer in table.local("a").open_many([(b"k", record)]):
        if isinstance(answer, tablecrypt.TablecryptError):
            raise answer
        text: bytes = answer
sealed: bytes = tablecrypt.AESGCM(tablecrypt.AESGCM.generate_key()).encrypt(b"", b"", None)
try:
    tablecrypt.LocalKms("demo/kms").schedule_key_deletion("key", days=7)
except tablecrypt.KeyUnavailable as error:
    since: datetime = error.since
class Mine:
    def ensure_key(self, alias: str, description: str, /) -> tablecrypt.KeyMetadata:
        return tablecrypt.KeyMetadata("arn", "id")

    def describe_key(self, key: str, /) -> tablecrypt.KeyMetadata:
        return tablecrypt.KeyMetadata("arn", "id")

    def generate_data_key(self, key: str, context: dict[str, str], /) -> tuple[str, bytearray, bytes]:
        return "arn", bytearray(32), b""

    def decrypt(self, key: str, wrapped: bytes, context: dict[str, str], /) -> bytes:
        return bytes(32)

    def re_encrypt(self, key: str, wrapped: bytes, context: dict[str, str], to: str, /) -> tuple[str, bytes]:
        return to, wrapped

mine = tablecrypt.Service(Mine(), "tables", refresh=(300, timedelta(seconds=30)), scope="process", audit="audit")
routes = tablecrypt.Routes(Mine(), {"arn:aws:": tablecrypt.AwsKms(region="eu-west-1", tags={"a": "b"})})
of_each = tablecrypt.Service(routes, "tables", principals=lambda name: Mine(), rotate_after=tablecrypt.RotationPolicy(age=7))
for moved in mine.rewrap_all("alias/new", from_="alias/old").values():
    where: str = moved.to if isinstance(moved, tablecrypt.Rewrapping) else str(moved)
calls: int = sum(one.calls for one in mine.metrics().kms)

async def work() -> bytes:
    service = tablecrypt.aio.Service(Mine(), "tables", drain=60)
    async with service.connect() as connection:
        base = (await connection.open_table("t")).base()
        return await base.seal(b"k", b"text")

tablecrypt.Service(7, "tables")  # type: ignore[arg-type]
tablecrypt.Service(Mine(), "tables", scope="everybody")  # type: ignore[arg-type]
tablecrypt.aio.Service(Mine(), "tables", drain="soon")  # type: ignore[arg-type]
table.base().seal("text", b"")  # type: ignore[arg-type]
service.create_table(7)  # type: ignore[arg-type]
'''


def run(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, **options)


def test_the_stubs_say_what_the_module_has(tmp_path):
    result = run("-m", "mypy.stubtest", "tablecrypt", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_mypy_strict_takes_the_package_and_a_sample_and_sees_wrong_types(tmp_path):
    (tmp_path / "sample.py").write_text(SAMPLE)
    for what in [["sample.py"], ["-p", "tablecrypt"]]:
        result = run("-m", "mypy", "--strict", *what, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
    assert (Path(tablecrypt.__file__).parent / "py.typed").exists()


def test_an_import_has_no_side_effects(tmp_path):
    code = (
        "import sys, threading, os; before = set(os.environ.items()); import tablecrypt\n"
        "assert threading.active_count() == 1 and len(os.listdir('/proc/self/task')) == 1\n"
        "assert os.listdir() == [] and set(os.environ.items()) == before\n"
        "assert not {'cryptography', 'asyncio', 'ssl', 'numpy'} & set(sys.modules)"
    )
    result = run("-c", code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_every_public_name_is_there_and_every_exception_has_one_base():
    for name in tablecrypt.__all__:
        thing = getattr(tablecrypt, name)
        if inspect.isclass(thing):
            assert thing.__module__ == "tablecrypt"
            assert thing.__doc__
        if inspect.isclass(thing) and issubclass(thing, Exception):
            assert issubclass(thing, tablecrypt.TablecryptError)


def secrets(service, table):
    key = b"K" * 32
    return [service, service.connect(), table, table.base(), tablecrypt.AESGCM(key)]


def test_nothing_shows_a_key_and_nothing_that_has_one_is_copied_or_pickled(service, table, kms):
    for thing in [*secrets(service, table), kms]:
        for show in [repr, str, format]:
            assert "KKKK" not in show(thing) and "0x" not in show(thing)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError):
                pickle.dumps(thing, protocol)
        for duplicate in [copy.copy, copy.deepcopy]:
            with pytest.raises(TypeError):
                duplicate(thing)
        with pytest.raises((AttributeError, TypeError)):
            thing.key = 1
    assert repr(table.global_("by-tail")) == 'Structure("flights", "global:by-tail")'
    assert repr(table) == 'Table("flights")'
    assert repr(tablecrypt.AESGCM(bytes(32))) == "AESGCM(...)"


def test_an_exception_comes_through_pickle_whole(table):
    with pytest.raises(tablecrypt.OutputTooShort) as refusal:
        table.base().seal_into(b"", b"", bytearray())
    back = pickle.loads(pickle.dumps(refusal.value))
    assert type(back) is tablecrypt.OutputTooShort
    assert (back.needed, str(back)) == (48, str(refusal.value))


def test_the_example_of_the_readme_runs(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    result = run("-c", example, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
