"""What the tests over HTTP share: the faults of our KMS server."""

import os
import urllib.request

import pytest

CONTROL = os.environ["TABLECRYPT_KMS_CONTROL"]


def switch(words):
    request = urllib.request.Request(CONTROL, data=words.encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode().strip()


@pytest.fixture
def fault():
    yield switch
    switch("none")
