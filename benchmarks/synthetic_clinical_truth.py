"""What the truth `clinical` amounts to: fits to a large network with all switches off.

    python benchmarks/synthetic_clinical_truth.py > benchmarks/synthetic_clinical_truth.md

Nothing of this is stated in the generator, and hazards cross: a hazard ratio here is a mean over follow-up.
"""

import pandas as pd

import fedstats as fs
from data_synth.network import network_rows
from data_synth.plan import Plan
from data_synth.stated import coefficients, design

SCALE = 25
FITS = {"os": "Surv(os_months, os_event)", "pfs": "Surv(pfs_months, pfs_event)", "resistant": "resistant"}


def main() -> None:
    """Print the table."""
    frames = {site: design(rows) for site, rows in network_rows(Plan(scale=SCALE)).items()}
    sites = fs.InProcess(frames, policy=fs.DisclosurePolicy.none())
    right = " + ".join(coefficients("os").index)
    tables = {
        outcome: (
            fs.logistic(sites, f"{left} ~ {right}")
            if outcome == "resistant"
            else fs.cox(sites, f"{left} ~ {right}", strata="practice_id")
        )
        .tidy()
        .set_index("term")[["estimate", "std_error"]]
        for outcome, left in FITS.items()
    }
    table = pd.concat(tables, axis=1).loc[coefficients("os").index]
    print("# What the truth `clinical` amounts to\n")
    print(
        f"`python benchmarks/synthetic_clinical_truth.py`; {sum(map(len, frames.values())):,} eligible patients, all switches off."
    )
    print(
        "Log hazard ratios of death and of progression or death, log odds ratios of primary resistance (standard error).\n"
    )
    print("| term | death | progression or death | primary resistance |")
    print("|---|---|---|---|")
    for term, row in table.iterrows():
        cells = (f"{row[o, 'estimate']:.3f} ({row[o, 'std_error']:.3f})" for o in FITS)
        print(f"| {term} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
