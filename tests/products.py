"""Fails if git has, or would take, what a build leaves, or a file over 1 MB.

`rustc --crate-type staticlib --print native-static-libs -` leaves 21 MB, librust_out.a, where it is called; it takes --out-dir.
"""

import subprocess
import sys
from pathlib import Path

LARGEST = 1_000_000
# An executable, an object or a shared library; an archive, and a thin one; a crate's metadata.
STARTS = (b"\x7fELF", b"!<arch>\n", b"!<thin>\n", b"rust\0")
SUFFIXES = (".pyc", ".whl")


def reason(name: str, size: int, start: bytes) -> str | None:
    if start.startswith(STARTS) or name.endswith(SUFFIXES):
        return "a build leaves it"
    return f"{size} bytes" if size > LARGEST else None


def main() -> None:
    # The controls.
    assert reason("librust_out.a", 9, b"!<arch>\nx") and reason("flights.csv", LARGEST + 1, b"year,mon")
    assert reason("README.md", 9, b"# Table") is None
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True)
    wrong = []
    for path in map(Path, filter(None, listed.stdout.decode().split("\0"))):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                start = file.read(8)
            if why := reason(path.name, path.stat().st_size, start):
                wrong.append(f"{path}: {why}; it is nothing to commit")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
