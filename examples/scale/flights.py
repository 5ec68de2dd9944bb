"""A year of flights sealed and opened on all executors of a Dask cluster, and moved to other KMS keys while they run.

    pip install tablecrypt -r examples/scale/requirements.txt
    python examples/scale/flights.py [--executors 1 2] [--partitions 16] [--items N] [--json]

For each number of executors: a new cluster of that many processes seals the table, partition by partition, and opens it; all
rows come back. The KMS keeps a log of its calls, which is what they are counted from: one an executor and five minutes. Then
the table is moved: `rewrap` to a second KMS key, `switch_key` to a third. No file of data changes, the executors that
run open what was sealed before, and so do new ones, when the first key and the second are disabled. The last check is the
control: with the third one disabled, nobody gets in.
"""

import argparse
import hashlib
import json
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import executor
from distributed import Client, LocalCluster
from executor import INDEX, TABLE, Executor

import tablecrypt

DATA = Path(__file__).parents[2] / ".data" / "nycflights13" / "flights.csv"
# After so many seconds at the earliest a connection asks the KMS again: 300, and up to 30 less for the first time.
REFRESH = 270


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="flights.csv, which `admin/setup data` fetches")
    parser.add_argument("--executors", type=int, nargs="+", default=[1, 2], help="clusters of so many processes, one after another")
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--items", type=int, help="only the first so many flights")
    parser.add_argument("--careless", action="store_true", help="a connection a task, which is wrong: the count of KMS calls says so")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and nothing else")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="tablecrypt-scale-") as name:
        figures = run(options.data, Path(name), options.executors, options.partitions, options.items, options.careless)
    print(json.dumps(figures) if options.json else table(figures))
    return 0


def run(csv: Path, folder: Path, executors: list[int], partitions: int, items: int | None, careless: bool) -> dict[str, object]:
    spans = partition(csv, partitions, items)
    clusters: dict[str, object] = {}
    for count in executors:
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "data").mkdir()
        here = folder / f"{count}-executors"
        executor.service(here).create_table(TABLE, global_indexes=[INDEX])
        (here / "data").mkdir()
        with cluster(count, here, careless) as client:
            clusters[str(count)] = seal_and_open(client, csv, spans, here, count)
            if count == executors[-1]:
                moved = move(client, spans, here, count)
    return {"partitions": partitions, "executors": clusters, "moved": moved}


def seal_and_open(client: Client, csv: Path, spans: list[tuple[int, int]], folder: Path, count: int) -> dict[str, object]:
    """Each row goes in and comes out, at so many a second, and the KMS hears of it once an executor."""
    numbers = range(len(spans))
    before, began = calls(folder), time.monotonic()
    processes = client.run(executor.warm)
    opening_cold = time.monotonic() - began
    expect(len(set(processes.values())) == count, f"{count} executors are {len(set(processes.values()))} processes")

    plain_folder = folder / "plain"
    (plain_folder / "data").mkdir(parents=True)
    # The same job in plain first: whatever an executor does but once falls on that. Of each job the faster pass counts.
    _, copying = timed(client, executor.copy_in_plain, [(csv, span, plain_folder, number) for span, number in zip(spans, numbers)])
    rows, sealing = timed(client, executor.seal, [(csv, span, folder, number) for span, number in zip(spans, numbers)])
    opened, opening = timed(client, executor.open_, [(folder, number) for number in numbers])
    after = calls(folder) - before

    for number, (span, (found, digest)) in enumerate(zip(spans, opened)):
        texts = executor.rows(csv, span)
        expect((found, digest) == (len(texts), executor.digest(texts)), f"partition {number} did not come back as it was")
    # Rows that can be read in the files. In those of the plain job, the control, all of them can.
    samples = executor.rows(csv, spans[0])[:50]
    hits, control = (readable(samples, where) for where in [folder, plain_folder])
    expect((hits, control) == (0, len(samples)), f"{hits} rows are in the files in plain, and {control} in the plain ones")
    shutil.rmtree(plain_folder)

    allowed = count * (1 + int((time.monotonic() - began) / REFRESH))
    expect(0 < after.total() <= allowed, f"{after} KMS calls by {count} executors")
    own = sum((Counter(told) for told in client.run(executor.kms_calls).values()), Counter())
    expect(own.total() == after.total(), f"the executors tell of {own} KMS calls, the KMS of {after}")

    total = sum(rows)
    return {
        "rows": total,
        "seal_rows_per_second": round(total / sealing),
        "open_rows_per_second": round(total / opening),
        "write_in_plain_rows_per_second": round(total / copying),
        "records": 2 * total,
        "open_table_in_all_executors_seconds": round(opening_cold, 3),
        "kms_calls": dict(after),
        "kms_calls_per_executor": after.total() / count,
        "plaintext_hits": hits,
    }


def move(client: Client, spans: list[tuple[int, int]], folder: Path, count: int) -> dict[str, object]:
    """To two other KMS keys, under the executors that run: no data is touched, and all of it opens."""
    kms, service = tablecrypt.LocalKms(folder / "kms"), executor.service(folder)
    first = service.describe_table(TABLE).kms_key
    second, third = (kms.create_key(f"for the move, {number}").arn for number in [2, 3])
    work = [(folder, number) for number in range(len(spans))]
    sums, figures = checksums(folder), {}
    before_all, _ = timed(client, executor.open_, work)
    for name, to, old in [
        ("rewrap", second, first),
        ("switch_key", third, second),
    ]:
        before, began = calls(folder), time.monotonic()
        if name == "rewrap":
            service.rewrap(TABLE, to)
        else:
            service.switch_key(TABLE, to)
        took = time.monotonic() - began
        asked = calls(folder) - before
        expect(service.describe_table(TABLE).kms_key == to, f"after {name} the table is under another key")
        kms.disable_key(old)
        running, _ = timed(client, executor.open_, work)
        expect(running == before_all, f"after {name} the executors that run open something else")
        with cluster(count, folder) as new:
            renewed, _ = timed(new, executor.open_, work)
            expect(renewed == before_all, f"after {name} new executors open something else")
        changed = sum(checksums(folder)[file] != checksum for file, checksum in sums.items())
        expect(changed == 0 and checksums(folder).keys() == sums.keys(), f"{name} touched {changed} files of data")
        figures[name] = {"seconds": round(took, 3), "kms_calls": dict(asked), "files": len(sums), "files_changed": changed}
    kms.disable_key(third)
    with cluster(1, folder) as shut_out:
        try:
            timed(shut_out, executor.open_, work[:1])
        except tablecrypt.KeyDisabled:
            figures["shut_out_when_the_third_key_is_disabled"] = True
        else:
            expect(False, "a table opens under a disabled key")
    return figures


@contextmanager
def cluster(count: int, folder: Path, careless: bool = False) -> Iterator[Client]:
    """So many executors, each a process with one thread, that have come up and have their plug-in."""
    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            local_directory=str(folder / "dask"),
            # An executor that is shut out says so, and so does one that is told to go.
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local) as client,
    ):
        client.wait_for_workers(count)
        client.register_plugin(Executor(folder, careless))
        yield client


def timed(client: Client, task: Callable[..., object], work: list[tuple[object, ...]]) -> tuple[list, float]:
    """What the task gave for each of these arguments, and how long all of them took in the faster of two passes."""
    least = float("inf")
    for _ in range(2):
        began = time.monotonic()
        answers = client.gather([client.submit(task, *arguments, pure=False) for arguments in work])
        least = min(least, time.monotonic() - began)
    return answers, least


def calls(folder: Path) -> Counter[str]:
    """What the KMS was asked, by its own log: that a key is described, made or disabled is its administrator's business."""
    log = folder / "kms" / "audit.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    asked = Counter(json.loads(line)["operation"] for line in lines)
    return Counter({name: count for name, count in asked.items() if name in {"Decrypt", "GenerateDataKey", "ReEncrypt"}})


def readable(rows: list[bytes], folder: Path) -> int:
    """How many of these rows stand in the files of data as they are."""
    content = b"".join(file.read_bytes() for file in (folder / "data").iterdir())
    return sum(row in content for row in rows)


def checksums(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted((folder / "data").iterdir())}


def partition(csv: Path, partitions: int, items: int | None) -> list[tuple[int, int]]:
    """Spans of the file, each of whole lines, without its head."""
    content = csv.read_bytes()
    begin = content.index(b"\n") + 1
    end = len(content)
    if items is not None:
        end = begin
        for _ in range(items):
            end = content.index(b"\n", end) + 1
    cuts = [begin]
    for part in range(1, partitions):
        cuts.append(content.index(b"\n", begin + (end - begin) * part // partitions) + 1)
    return list(zip(cuts, [*cuts[1:], end]))


def table(figures: dict) -> str:
    lines = []
    for count, cluster in figures["executors"].items():
        lines.append(
            f"{count} executors: {cluster['rows']:,} rows, sealed {cluster['seal_rows_per_second']:,} a second "
            f"(in plain {cluster['write_in_plain_rows_per_second']:,}), opened {cluster['open_rows_per_second']:,} a second; "
            f"KMS calls: {cluster['kms_calls']}"
        )
    for name in ["rewrap", "switch_key"]:
        moved = figures["moved"][name]
        lines.append(
            f"{name}: {moved['seconds']} s, KMS calls {moved['kms_calls']}, {moved['files_changed']} of {moved['files']} files changed"
        )
    return "\n".join(lines)


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(f"scale: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
