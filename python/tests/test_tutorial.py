"""docs/python.md: its blocks, in order, as one program, against AWS's client and moto; and that the test notices a block that
fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "python.md"
DATA = REPOSITORY / ".data"


def blocks(page):
    """Each block of Python, on the lines that it has in the page: a traceback names them."""
    text = page.read_text()
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield "\n" * text.count("\n", 0, match.start(1)) + match[1]


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def run(folder, moto, code):
    (folder / ".data").symlink_to(DATA)
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_KMS": moto,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, env=environment, timeout=300
    )


PROGRAM = """
import sys
space = {{"__name__": "__main__"}}
for block in {blocks!r}:
    exec(compile(block, "docs/python.md", "exec"), space)
print("blocks:", {count})
"""


def test_every_block_of_the_page_runs(tmp_path, moto):
    code = list(blocks(PAGE))
    result = run(tmp_path, moto, PROGRAM.format(blocks=code, count=len(code)))
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(f"blocks: {len(code)}\n")
    # One each of: what is said when a place is wrong, a key is disabled, a table is locked, a tag is wrong.
    for said in ["not here:", "enable", "its keys are wiped", "N14228 went to", "the tag does not match"]:
        assert said in result.stdout, result.stdout
    assert PAGE.read_text().count("```python") == len(code) >= 15


def test_a_block_that_fails_is_noticed_with_its_line(tmp_path, moto):
    code = list(blocks(PAGE))[:3]
    broken = code[2].replace("stored[primary_key(flight)] = base.seal", "stored[primary_key(flight)] = base.sael")
    assert broken != code[2]
    result = run(tmp_path, moto, PROGRAM.format(blocks=[*code[:2], broken], count=3))
    line = PAGE.read_text()[: PAGE.read_text().index("stored[primary_key(flight)] = base.seal")].count("\n") + 1
    assert result.returncode == 1 and f'"docs/python.md", line {line}' in result.stderr and "sael" in result.stderr
