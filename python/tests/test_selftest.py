"""python -m tablecrypt selftest, and that it notices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tablecrypt
from tablecrypt import selftest

VECTORS = Path(__file__).parents[2] / "tests" / "vectors" / "gcm-spec.txt"


def run(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tablecrypt", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )


def test_it_passes_here_and_says_with_what(tmp_path):
    result = run(tmp_path, "selftest")
    assert result.returncode == 0, result.stdout + result.stderr
    for name in tablecrypt.backends():
        assert f"backend {name}: ok: 6 published answers" in result.stdout
    assert f"backend: {tablecrypt.backends()[0]}" in result.stdout
    assert "15 records opened, 60 forged or moved ones refused, shut under a disabled key; 9 keys in " in result.stdout
    assert result.stdout.endswith("selftest: passed\n")
    assert list(tmp_path.iterdir()) == []


def test_its_json_is_the_same(tmp_path):
    result = run(tmp_path, "selftest", "--json")
    report = json.loads(result.stdout)
    assert result.returncode == 0 and report["passed"] and report["version"] == tablecrypt.__version__
    assert set(report["checks"]) == {"table", *(f"backend {name}" for name in tablecrypt.backends())}


def test_whatever_else_is_said_prints_the_usage(tmp_path):
    assert run(tmp_path, "--help").stdout.startswith("usage: python -m tablecrypt selftest")
    for arguments in [[], ["self-test"], ["selftest", "--what"]]:
        result = run(tmp_path, *arguments)
        assert result.returncode == 2 and "usage: python -m tablecrypt" in result.stderr


def test_its_answers_are_the_published_ones():
    fields = ["key", "nonce", "text", "aad", "ciphertext", "tag"]
    published = []
    for line in VECTORS.read_text().splitlines():
        if line.startswith("key"):
            published.append({})
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=")
            published[-1][name.strip()] = value.strip()
    assert [dict(zip(fields, answer, strict=True)) for answer in selftest.ANSWERS] == published


@pytest.mark.parametrize("part", range(6))
def test_an_answer_that_is_another_fails(monkeypatch, capsys, part):
    answer = list(selftest.ANSWERS[3])
    answer[part] = ("00" if answer[part][:2] != "00" else "01") + answer[part][2:]
    monkeypatch.setattr(selftest, "ANSWERS", [*selftest.ANSWERS, tuple(answer)])
    assert selftest.main([]) == 1
    said = capsys.readouterr().out
    for name in tablecrypt.backends():
        assert f"backend {name}: FAILED: RuntimeError: a published answer is another" in said
    assert "\ntable: ok" in said and "\nselftest: FAILED: backend " in said


def test_a_kms_that_lets_everybody_in_fails(monkeypatch, capsys):
    class Obliging:
        def __init__(self, folder):
            self.kms = tablecrypt_local_kms(folder)

        def disable_key(self, key):
            assert self.kms.describe_key(key).state == "Enabled"

        def enable_key(self, key):
            self.kms.enable_key(key)

    tablecrypt_local_kms = tablecrypt.LocalKms
    monkeypatch.setattr(tablecrypt, "LocalKms", Obliging)
    assert selftest.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["checks"]["table"] == "FAILED: RuntimeError: a table opens under a disabled KMS key"
    assert not report["passed"]


def test_a_folder_that_cannot_be_written_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert selftest.main([]) == 1
    assert "table: FAILED: FileNotFoundError" in capsys.readouterr().out
