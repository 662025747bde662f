"""How long 100,000 patients take as study tables, and how much memory.

python benchmarks/synthetic_speed.py > benchmarks/synthetic_speed.md
"""

import platform
import resource
import tempfile
import time
from pathlib import Path

from data_synth.assumptions import SITES
from data_synth.files import write_network
from data_synth.plan import Plan, Switches

DEFAULT = sum(SITES[site]["patients"] for site in Plan().sites)


def main() -> None:
    """Print the table."""
    print("# How fast the synthetic network is written\n")
    print(
        f"`python benchmarks/synthetic_speed.py`, {platform.system()} {platform.machine()}, Python {platform.python_version()}, one process."
    )
    print("Memory is the largest resident size of the process so far, libraries included.\n")
    print("| patients | switches | seconds | MB of CSV | MB of memory |")
    print("|---|---|---|---|---|")
    for number, switches, words in (
        (10_000, Switches(), "off"),
        (100_000, Switches(), "off"),
        (100_000, Switches.all_on(), "all on"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            write_network(Plan(scale=number / DEFAULT, switches=switches), Path(folder))
            seconds = time.perf_counter() - start
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.csv")) / 1e6
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {number:,} | {words} | {seconds:.0f} | {size:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
