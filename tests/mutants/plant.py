"""Plants each fault of faults.toml in a copy of the sources and runs the core's tests on it: every one has to fail.

A fault that does not compile, or stands in a backend that this CPU has not got, shows nothing and is said to be skipped or
wrong. Usage: plant.py COPY [WORD...]; COPY is a folder that may be changed, WORDs choose faults by their names. With --check in
place of COPY it says which faults no longer have their place in the sources, and plants nothing.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

TESTS = ["--lib", "--test", "known_answers", "--test", "gcm", "--test", "batch", "--test", "sweep", "--test", "forgery"]
# Minutes for nothing: what they would notice, the others do.
SKIPPED = ["--skip", "xaes_gives_the_accumulated_hash_of_1_000_000_messages"]


def cargo(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["cargo", "test", "-q", "--locked", "-p", "tablecrypt-core", *TESTS, *words]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=900)


def caught_by(tree: Path) -> str | None:
    """The first test that fails, if one does."""
    built = cargo(tree, "--no-run")
    if built.returncode != 0:
        sys.exit(f"does not compile:\n{built.stderr}")
    run = cargo(tree, "--", *SKIPPED)
    if run.returncode == 0:
        return None
    failed = re.search(r"^    (\w[\w:]*)$", run.stdout, re.MULTILINE)
    return failed[1] if failed else "the end of its process"


def places(tree: Path, faults: list[dict[str, str]]) -> None:
    """Ends this where a fault has not its place, once."""
    wrong = [
        f"{fault['name']}: {fault['file']} has not got it once: {fault['find']}"
        for fault in faults
        if (tree / fault["file"]).read_text().count(fault["find"]) != 1
    ]
    if wrong:
        sys.exit("\n".join(["tests/mutants/faults.toml is to be changed with the sources:", *wrong]))


def main() -> None:
    faults = tomllib.loads(Path(__file__).with_name("faults.toml").read_text())["fault"]
    if sys.argv[1] == "--check":
        places(Path(__file__).parents[2], faults)
        print(f"{len(faults)} faults have their places")
        return
    tree, words = Path(sys.argv[1]), sys.argv[2:]
    places(tree, faults)
    faults = [fault for fault in faults if all(word in fault["name"] for word in words)]
    flags = Path("/proc/cpuinfo").read_text()
    here = {
        "aesni": " pclmulqdq " in flags,
        "vaes256": " vpclmulqdq " in flags,
        "vaes512": " vpclmulqdq " in flags and " avx512vl " in flags,
    }

    if (failed := caught_by(tree)) is not None:
        sys.exit(f"{failed} fails without any fault")
    caught = survived = skipped = 0
    for fault in faults:
        name, file = fault["name"], tree / fault["file"]
        if not here.get(fault.get("needs", ""), True):
            print(f"SKIPPED, no {fault['needs']} here: {name}", flush=True)
            skipped += 1
            continue
        source = file.read_text()
        file.write_text(source.replace(fault["find"], fault["plant"]))
        test = caught_by(tree)
        file.write_text(source)
        print(f"{'caught' if test else 'SURVIVED'}: {name}{f' ({test})' if test else ''}", flush=True)
        caught, survived = (caught + 1, survived) if test else (caught, survived + 1)
    print(f"faults planted: {caught} caught, {survived} survived, {skipped} skipped")
    sys.exit(survived > 0 or caught == 0)


if __name__ == "__main__":
    main()
