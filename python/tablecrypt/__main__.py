"""python -m tablecrypt selftest | bench"""

import sys

from tablecrypt import bench, selftest

USAGE = """usage: python -m tablecrypt selftest [--json]      whether this machine seals and opens as it should
       python -m tablecrypt bench [--help]         how fast, beside what else is installed"""


def main(arguments: list[str]) -> int:
    match arguments:
        case ["selftest", *rest]:
            return selftest.main(rest)
        case ["bench", *rest]:
            return bench.main(rest)
        case ["-h" | "--help"]:
            print(USAGE)
            return 0
        case _:
            print(USAGE, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
