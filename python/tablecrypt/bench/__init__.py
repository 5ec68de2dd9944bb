"""python -m tablecrypt.bench: how fast, beside what else is installed.

    aead.py     AES-256-GCM and its rivals at each size; Structure.seal with them      timing.py  how a call is timed
    kms.py      1,000 items of 1 KiB under a KMS, beside AWS's Encryption SDK and Tink (--kms)
    targets.py  the figures that this project wants to reach, and whether they are      plot.py    by matplotlib, if installed

What is not installed is left out, and said. All of it: `pip install -r python/requirements-bench.txt`.
"""

import argparse
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import tablecrypt
from tablecrypt.bench import aead, kms, plot, targets


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tablecrypt.bench", description="Tablecrypt's speed beside its rivals'")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and shorter runs: about 10 s, not 60")
    parser.add_argument("--kms", action="store_true", help="items under a KMS as well: needs boto3 and moto")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and nothing else")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the speeds into this file, .svg or .png")
    options = parser.parse_args(arguments)

    figures: dict[str, object] = {"about": about()}
    speeds, skipped = aead.measure(options.quick)
    rows = targets.measure()
    figures |= {"speeds": speeds, "skipped": skipped, "targets": rows}
    if options.kms:
        items, left_out = kms.measure(options.quick)
        figures |= {"kms": items, "kms_skipped": left_out}
    if options.json:
        print(json.dumps(figures))
    else:
        print(*(f"{name}: {value}" for name, value in about().items()), sep="\n")
        print(aead.table(speeds, skipped), targets.table(rows), sep="\n\n")
        if options.kms:
            print("\n" + kms.table(items, left_out))
    if options.plot:
        plot.draw(speeds, options.plot)
    return 0


def about() -> dict[str, str]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "tablecrypt": f"{tablecrypt.__version__} on {tablecrypt.backends()[0]}",
    }


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
