"""A service in a folder of its own, and a table in it."""

from pathlib import Path

import pytest

import tablecrypt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo"


@pytest.fixture
def service(folder: Path) -> tablecrypt.Service:
    return tablecrypt.Service.local(folder)


@pytest.fixture
def table(service: tablecrypt.Service) -> tablecrypt.Table:
    service.create_table("flights", local_indexes=["by-delay"], global_indexes=["by-tail"])
    return service.connect().open_table("flights")


@pytest.fixture
def kms(folder: Path, service: tablecrypt.Service) -> tablecrypt.LocalKms:
    return tablecrypt.LocalKms(folder / "kms")
