"""Write the network's study tables: ``python -m data_synth --out DIR [--truth clinical] [--biases all] [--scale 1.0]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_synth.assumptions import NETWORK, SITES
from data_synth.files import BLOCK, write_network
from data_synth.plan import Plan, Switches
from data_synth.table_writers import WRITERS


def _switches(words: Sequence[str]) -> Switches:
    return Switches.all_on() if list(words) == ["all"] else Switches.only(*words)


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
    parser = argparse.ArgumentParser(
        prog="python -m data_synth", description="Write the synthetic lung-cancer network."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for one folder of tables a site")
    parser.add_argument("--truth", default="clinical", help="clinical (classes, hazards cross) or ph")
    parser.add_argument(
        "--biases", nargs="*", default=[], help="names of switches, or all; none: clean records"
    )
    parser.add_argument("--sites", nargs="+", default=NETWORK["default"], help=f"of {', '.join(SITES)}")
    parser.add_argument("--seed", type=int, default=NETWORK["seed"], help="same seed, same rows")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of patients")
    parser.add_argument("--block", type=int, default=BLOCK, help="patients in memory at a time")
    parser.add_argument(
        "--format", choices=list(WRITERS), default="csv", help="what the tables are written as"
    )
    given = parser.parse_args(arguments)
    try:
        plan = Plan(given.truth, given.seed, given.scale, tuple(given.sites), _switches(given.biases))
        written = write_network(plan, given.out, given.block, given.format)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
