"""A plug-in of pytest: puts a class in the place of cryptography's AESGCM before its tests are imported, and tells how each
test ended in one line of JSON. Which class, STAND_IN says: run.py has the list."""

import json
import os
import resource
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

import tablecrypt

THEIRS, OURS = aead.AESGCM, tablecrypt.AESGCM
WHAT = os.environ["STAND_IN"]

ended: dict[str, str] = {}
count = {"tests": 0, "vectors": 0, "refused": 0}


class Keys256:
    """tablecrypt.AESGCM, with a key of 256 bits for each that is asked to be smaller."""

    def __new__(cls, key):
        if isinstance(key, bytes) and len(key) in (16, 24):
            # One of their vectors, within their `with subtests.test()`, which takes a skip for what it is.
            with pytest.raises(ValueError, match="AES-256 and no smaller key"):
                OURS(key)
            count["refused"] += 1
            pytest.skip("a smaller key")
        return Planted(OURS(key)) if WHAT == "planted" else OURS(key)

    @staticmethod
    def generate_key(bit_length):
        if bit_length in (128, 192):
            with pytest.raises(ValueError, match="AES-256 and no smaller key"):
                OURS.generate_key(bit_length)
            bit_length = 256
        return OURS.generate_key(bit_length)


class Planted:
    """The same with a mistake: decrypt_into takes any tag."""

    def __init__(self, cipher):
        self.cipher = cipher

    def __getattr__(self, name):
        return getattr(self.cipher, name)

    def decrypt_into(self, nonce, data, associated_data, buf):
        try:
            return self.cipher.decrypt_into(nonce, data, associated_data, buf)
        except InvalidTag:
            return len(buf)


aead.AESGCM = {"control": THEIRS, "as_it_is": OURS}.get(WHAT, Keys256)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    module = item.module
    assert module.AESGCM is aead.AESGCM, "the module has another class"
    if item.name == "test_vectors":
        # What they load, counted as it is walked: one that does not hold ends the test.
        load = module._load_gcm_vectors
        module._load_gcm_vectors = lambda: walk(load())
    if item.name == "test_data_too_large" and WHAT != "control":
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 5 * 1024**3, resource.RLIM_INFINITY))


def walk(vectors):
    for vector in vectors:
        yield vector
        count["vectors"] += 1


def pytest_runtest_teardown(item):
    if item.name == "test_data_too_large":
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.when == "call":
        count["tests"] += 1
    if call.excinfo is not None:
        ended[item.name] = call.excinfo.typename
    return (yield)


def pytest_sessionfinish():
    vectors = count["vectors"] - count["refused"] if "test_vectors" not in ended else 0
    print("\nstand-in: " + json.dumps({**count, "vectors": vectors, "ended": ended}))
