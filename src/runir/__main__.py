"""`python -m runir` is `runir`."""

import sys

from runir.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
