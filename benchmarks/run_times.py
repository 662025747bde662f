"""Whole-process times of each study's run: ``python benchmarks/run_times.py [--runs 5]``.

Writes a table to the terminal; ``run_times.md`` keeps one with its machine.  Times are of the second
and later starts: the environment is there.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]


def seconds(study: str) -> float:
    """One run of a study from its data to its report, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fedstats", "run", "--study", study, "--runs", folder, "--quiet"]
        began = time.perf_counter()
        subprocess.run(command, cwd=HOME, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main() -> None:
    """Time every study and print median, smallest and largest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--studies", nargs="*", default=["lung", "nsclc"])
    chosen = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    for study in chosen.studies:
        times = sorted(seconds(study) for _ in range(chosen.runs))
        print(
            f"{study}: median {statistics.median(times):.1f} s, {times[0]:.1f} to {times[-1]:.1f} s, {len(times)} runs"
        )


if __name__ == "__main__":
    main()
