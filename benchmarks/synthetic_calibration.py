"""Is the synthetic network inside the bands that were fixed before it was tuned?

    python benchmarks/synthetic_calibration.py > benchmarks/synthetic_calibration.md

Marginals on the default network ten times as large (sampling error is then small); sizes on the default one.
"""

import sys

import pandas as pd

from data_synth.measures import measure, targets
from data_synth.network import network_rows
from data_synth.plan import Plan, Switches

SCALE = 10


def main() -> int:
    """Print the table; the exit code says whether a value is outside its band."""
    rows: dict[tuple[str, str, float], dict[str, pd.DataFrame]] = {}
    lines, outside = [], 0
    for target in targets():
        of_size = target["measure"] == "number"
        key = (target.get("truth", "clinical"), target.get("switches", "none"), 1 if of_size else SCALE)
        if key not in rows:
            switches = Switches.all_on() if key[1] == "all" else Switches()
            rows[key] = network_rows(Plan(truth=key[0], switches=switches, scale=key[2]))
        held = rows[key]
        of = pd.concat(held.values(), ignore_index=True) if target["site"] == "both" else held[target["site"]]
        value = measure(of, target["measure"], target["of"])
        low, high = target["band"]
        inside = low <= value <= high
        outside += not inside
        unverified = " (unverified)" if "M" in target["mark"] else ""
        lines.append(
            f"| {target['measure'].replace('_', ' ')} | {target['of']} | {target['site']} | {target.get('truth', '')} | "
            f"{value:.4g} | {low:g} to {high:g} | {'yes' if inside else '**no**'} | {target['published']} | "
            f"{target['source']} [{target['mark']}]{unverified} |"
        )
    print("# The synthetic network against its target bands\n")
    print(
        f"`python benchmarks/synthetic_calibration.py`; {len(lines)} bands of `data_synth/truth.json`, {outside} missed."
    )
    print(
        "Nothing here is a finding about patients. [S] read, [R] computed by us, [M] from memory, [choice] ours.\n"
    )
    print("| measure | of | site | truth | generated | band | inside | published | source |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(lines))
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())
