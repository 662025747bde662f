"""Do federated fits recover what the synthetic network states?  Coverage of 95 % intervals under the truth `ph`, all biases off.

    python benchmarks/synthetic_coverage.py > benchmarks/synthetic_coverage.md

1,000 seeded networks of two sites at 0.35 of the default size (about 1,750 eligible patients each); three fits a network:
overall survival (Cox, stratified by practice), progression-free survival after day 183 (the same, entered at the landmark),
primary resistance (logistic).
"""

import numpy as np
import pandas as pd
from scipy.stats import norm

import fedstats as fs
from data_synth.network import network_rows
from data_synth.plan import Plan
from data_synth.stated import OUTCOMES, coefficients, design

REPLICATES, SCALE, FIRST_SEED = 1000, 0.35, 5000
TITLES = {
    "os": "death (log hazard ratio)",
    "late": "progression or death after day 183 (log hazard ratio)",
    "resistant": "primary resistance (log odds ratio)",
}


def fit(sites: fs.Federation, outcome: str) -> fs.Fit:
    """Fit the model that is true."""
    formula = f"{OUTCOMES[outcome]} ~ " + " + ".join(coefficients(outcome).index)
    if outcome == "resistant":
        return fs.logistic(sites, formula)
    return fs.cox(sites, formula, strata="practice_id")


def replicate(seed: int) -> dict[str, pd.DataFrame]:
    """Fit one network."""
    rows = network_rows(Plan(truth="ph", seed=seed, scale=SCALE))
    frames = {site: design(frame) for site, frame in rows.items()}
    free = {site: frame[frame["pfs_months"] > frame["landmark"]] for site, frame in frames.items()}
    federations = {
        chosen: fs.InProcess(held, policy=fs.DisclosurePolicy.none())
        for chosen, held in (("all", frames), ("free", free))
    }
    return {
        outcome: fit(federations["free" if outcome == "late" else "all"], outcome).tidy().set_index("term")
        for outcome in OUTCOMES
    }


def table(outcome: str, fits: list[pd.DataFrame]) -> list[str]:
    """Write the lines of one outcome; the last one is of all coefficients together."""
    truth = coefficients(outcome)
    estimates, errors = (
        np.array([one.loc[truth.index, column] for one in fits], dtype=float)
        for column in ("estimate", "std_error")
    )
    inside = np.abs(estimates - truth.to_numpy()) <= norm.ppf(0.975) * errors
    lines = [
        f"| {name} | {truth[name]:.3f} | {estimates[:, i].mean():.3f} | {estimates[:, i].std(ddof=1):.3f} | "
        f"{errors[:, i].mean():.3f} | {inside[:, i].mean():.3f} |"
        for i, name in enumerate(truth.index)
    ]
    return [*lines, f"| *all* | | | | | **{inside.mean():.4f}** |"]


def main() -> None:
    """Print the tables."""
    fits = [replicate(FIRST_SEED + number) for number in range(REPLICATES)]
    print("# Recovery of the stated truth\n")
    print(
        f"{REPLICATES} seeded networks (`ph`, all switches off) of two sites; `python benchmarks/synthetic_coverage.py`."
    )
    print("Nominal coverage 0.95; the Monte Carlo error of one coefficient's coverage is 0.007.")
    for outcome, title in TITLES.items():
        print(f"\n## {title[0].upper()}{title[1:]}\n")
        print("| term | stated | mean | SD of estimates | mean SE | coverage |")
        print("|---|---|---|---|---|---|")
        print("\n".join(table(outcome, [one[outcome] for one in fits])))


if __name__ == "__main__":
    main()
