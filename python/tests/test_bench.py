"""python -m tablecrypt.bench: what it prints, what it leaves out, and that it checks what it times. No figure is judged here."""

import json
import os

import pytest

import tablecrypt
from tablecrypt import bench
from tablecrypt.bench import aead, kms, plot, targets, timing


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(timing, "BATCH", 1e-6)
    monkeypatch.setattr(timing, "QUICK_ROUNDS", 2)
    monkeypatch.setattr(timing, "ROUNDS", 2)


def without(monkeypatch, *packages):
    """As where these are not installed."""

    def refuse(name, *rest):
        if name.partition(".")[0] in packages:
            raise ImportError(f"No module named {name}", name=name)
        return found(name, *rest)

    found = aead.import_module
    for module in [aead, kms, targets, plot]:
        monkeypatch.setattr(module, "import_module", refuse)


def test_each_library_has_a_figure_at_each_size_and_the_others_are_named(monkeypatch, capsys):
    without(monkeypatch, "nacl", "tink")
    assert bench.main(["--quick", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["skipped"] == {"PyNaCl": "not installed (nacl.bindings)", "Tink": "not installed (tink)"}
    for direction in ["seal", "open"]:
        names = [name.partition(",")[0].split(" 5")[0] for name in figures["speeds"][direction]]
        assert names == ["tablecrypt Structure", "tablecrypt AESGCM", "tablecrypt AESGCM", "cryptography"]
        for taken in figures["speeds"][direction].values():
            assert list(taken) == [str(size) for size in aead.QUICK_SIZES] and all(seconds > 0 for seconds in taken.values())
    assert len(figures["targets"]) == 7 and all(row["reached"] is not None for row in figures["targets"])
    assert figures["about"].keys() == {"when", "cpu", "python", "tablecrypt"}


def test_without_cryptography_there_are_no_ratios_and_nothing_is_claimed(monkeypatch, capsys):
    without(monkeypatch, "nacl", "tink", "cryptography")
    assert bench.main(["--quick"]) == 0
    said = capsys.readouterr().out
    assert "cryptography: left out, not installed" in said
    assert said.count("not measured") == 2 and "1 MiB, GB/s" in said


def test_what_does_not_seal_is_not_timed():
    cipher = tablecrypt.AESGCM(aead.KEY)
    text = os.urandom(64)
    assert aead.checked(aead.with_nonce("right", cipher.encrypt, cipher.decrypt), text)
    for seal, open_ in [
        (lambda nonce, data, aad: data, lambda nonce, data, aad: data),
        (lambda nonce, data, aad: b"tag" * 6 + data, lambda nonce, data, aad: data[18:]),
        (cipher.encrypt, lambda nonce, data, aad: bytes(64)),
    ]:
        with pytest.raises(RuntimeError, match="does not"):
            aead.checked(aead.with_nonce("wrong", seal, open_), text)


def test_a_target_that_is_missed_is_said(monkeypatch):
    for ours, theirs, reached in [(1e-7, 3.1e-7, True), (1e-7, 2.9e-7, False)]:
        monkeypatch.setattr(
            targets, "time_calls", lambda calls, quick: dict.fromkeys(calls, ours) | {"theirs": theirs}, raising=True
        )
        rows = targets.measure()
        assert rows[0]["reached"] is reached and ("NOT REACHED" in targets.table(rows[:1])) is not reached
        assert rows[0]["measured"].startswith("100 ns against")
    monkeypatch.setattr(targets, "time_calls", lambda calls, quick: dict.fromkeys(calls, 451e-9))
    assert targets.measure()[2]["reached"] is False


def test_memory_that_a_call_takes_is_seen(table):
    text = os.urandom(1 << 20)
    base, out = table.base(), bytearray((1 << 20) + 48)
    assert targets.taken_by(lambda: base.seal_into(b"", text, out)) < 200
    assert targets.taken_by(lambda: base.seal(b"", text)) > 1 << 20
    assert targets.taken_by(lambda: out.copy()) > 1 << 20


def test_a_call_is_timed_with_its_arguments_as_often_as_was_said():
    calls = []
    taken = timing.measure({"one": (lambda *given: calls.append(given), (1, "two"))}, quick=True)
    assert set(calls) == {(1, "two")} and taken.keys() == {"one"} and taken["one"] > 0


def test_a_plot_is_drawn_or_said_to_be_missing(monkeypatch, capsys, tmp_path):
    speeds = {"seal": {"one": {16: 1e-7, 1 << 20: 1e-4}}, "open": {"one": {16: 1e-7, 1 << 20: 1e-4}}}
    file = tmp_path / "speeds.svg"
    if plot.draw(speeds, file):
        assert b"<svg" in file.read_bytes()
    without(monkeypatch, "matplotlib")
    assert not plot.draw(speeds, tmp_path / "none.svg")
    assert "matplotlib is not installed" in capsys.readouterr().err and not (tmp_path / "none.svg").exists()


def test_items_under_a_kms_cost_one_call_and_calls_are_counted_where_they_are_sent(monkeypatch, capsys):
    without(monkeypatch, "nacl", "tink", "aws_encryption_sdk", "aws_cryptographic_material_providers")
    before = dict(os.environ)
    assert bench.main(["--quick", "--kms", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    ours, theirs = figures["kms"]
    assert (ours["kms_calls"], ours["bytes_out"], ours["items"]) == ([1, 0], 1024 + tablecrypt.OVERHEAD, 1000)
    assert (theirs["kms_calls"], theirs["bytes_out"]) == ([0, 0], 1024 + 12 + 16)
    assert len(figures["kms_skipped"]) == 4 and dict(os.environ) == before
    # The control: whoever asks for each item is counted for each.
    with kms.moto() as moto:

        def wrap(context, text):
            moto.client.generate_random(NumberOfBytes=1)
            return text

        def unwrap(context, sealed):
            moto.client.generate_random(NumberOfBytes=1)
            moto.client.generate_random(NumberOfBytes=1)
            return sealed

        asking = kms.row("asking", kms.Items(wrap, unwrap), moto, 7, each=True)
        assert asking["kms_calls"] == (7, 14)
        with pytest.raises(RuntimeError, match="does not open what it sealed"):
            kms.row("wrong", kms.Items(wrap, lambda context, sealed: b""), moto, 1, each=False)
    assert "7 + 14 for 7 items" in kms.table([asking], {})
