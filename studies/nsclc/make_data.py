"""Write the NSCLC study's tables: the synthetic network of ``data_synth``, one folder a site.

Run ``python studies/nsclc/make_data.py --out DIR``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # a script finds its own folder only
from data_synth.files import write_network
from data_synth.plan import Plan, Switches

#: What the records of a network are like. Left out: faults of units, which validation refuses; practices of 15 patients; a variable
#: that a whole site does not have. README.md says why.
SWITCHES = Switches.only(
    *("missing", "interval", "delayed_entry", "missed_deaths", "confounding", "practice_effects"),
    *("immortal_time", "lost"),
)
PLANS = (
    Plan(sites=("us_network",), switches=SWITCHES),
    Plan(sites=("eu_hospital",), switches=SWITCHES, scale=1.5),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the command; those of the process by default.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Write the NSCLC study's tables, one folder a site.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the sites' folders")
    out = parser.parse_args(arguments).out
    for plan in PLANS:
        folder, _ = write_network(plan, out)  # what was planted stands in data_synth/README.md
        sys.stdout.write(f"{folder}\n")
    (out / "planted.json").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
