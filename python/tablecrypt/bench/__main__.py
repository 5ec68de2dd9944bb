"""python -m tablecrypt.bench"""

import sys

from tablecrypt.bench import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
