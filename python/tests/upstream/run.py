"""cryptography's own tests of its AESGCM, against tablecrypt's: run.py <folder of its sdist> <folder of its vectors>.

Its module is run as it is, four times, each in a process of its own:

    control           against cryptography's own class, as this harness calls it: everything passes
    as it is          against tablecrypt.AESGCM; differences.toml lists what does not pass, and why
    keys of 256 bits  with a key of 256 bits where a test generates one of 128, so that the rest of each test is reached
    planted           the same with a class that is wrong in one thing: it must be seen

Fails where a test ends otherwise than differences.toml says, where a test is more or less, or vectors are.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    sources, vectors = (Path(argument).resolve() for argument in sys.argv[1:])
    lists = tomllib.loads((HERE / "differences.toml").read_text())

    def run(what: str) -> dict:
        # Their package is named tests, and its tests/utils.py imports the vectors' package.
        paths = os.pathsep.join(map(str, [HERE, sources, vectors]))
        module = sources / "tests" / "hazmat" / "primitives" / "test_aead.py"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stand_in"]
        command += ["-c", os.devnull, "--rootdir", str(sources), f"{module}::TestAESGCM"]
        environment = {**os.environ, "PYTHONPATH": paths, "STAND_IN": what, "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(command, env=environment, cwd=sources, capture_output=True, text=True, timeout=300)
        lines = [line for line in result.stdout.splitlines() if line.startswith("stand-in: ")]
        if len(lines) != 1:
            sys.exit(f"{what}: no result\n{result.stdout}{result.stderr}")
        return json.loads(lines[0].removeprefix("stand-in: "))

    wrong = []
    control = run("control")
    if control["ended"] or not control["vectors"]:
        wrong.append(f"cryptography's own class does not pass: {control}")
    else:
        print(f"cryptography's tests, its own class: {control['tests']} pass, {control['vectors']} vectors hold")
    for what in ["as_it_is", "keys_of_256_bits"]:
        listed = {test: entry["raises"] for entry in lists[what]["difference"] for test in entry["tests"]}
        seen = run(what)
        for name in ["tests", "vectors"]:
            if seen[name] != lists[what][name]:
                wrong.append(f"{what}: {seen[name]} {name}, and differences.toml says {lists[what][name]}")
        for test in sorted({*listed, *seen["ended"]}):
            was, expected = seen["ended"].get(test, "nothing: it passed"), listed.get(test, "nothing: it should pass")
            if was != expected:
                wrong.append(f"{what}: {test} ended with {was}; differences.toml says {expected}")
        print(
            f"cryptography's tests, {what.replace('_', ' ')}: {seen['tests'] - len(seen['ended'])} of {seen['tests']} pass, "
            f"{len(seen['ended'])} differ as listed, {seen['vectors']} vectors hold, "
            f"{seen['refused']} for smaller keys are refused"
        )
    planted = run("planted")
    if "test_decrypt_into_invalid_tag" not in planted["ended"]:
        wrong.append(f"a class whose decrypt_into takes any tag went through: {planted}")
    else:
        print("cryptography's tests, against a class whose decrypt_into takes any tag: seen")
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
