"""``python -m fedstats``."""

import sys

from fedstats.cli import main

if __name__ == "__main__":
    sys.exit(main())
