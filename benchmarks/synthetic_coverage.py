"""Do federated fits recover what the synthetic network states?  Coverage of 95 % intervals under the truth `ph`, all biases off.

    python benchmarks/synthetic_coverage.py > benchmarks/synthetic_coverage.md

1,000 seeded networks of two sites at 0.35 of the default size (about 1,750 eligible patients each); three fits a network:
overall survival (Cox, stratified by practice), progression-free survival after day 183 (the same, entered at the landmark),
primary resistance (logistic).  Then another 1,000 of other seeds: is what lies outside [0.93, 0.97] the same coefficients again?
"""

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

import fedstats as fs
from data_synth.network import network_rows
from data_synth.plan import Plan
from data_synth.stated import OUTCOMES, coefficients, design

REPLICATES, SCALE = 1000, 0.35
FIRST_SEED, OTHER_SEED = 5000, 105_000
BAND = (0.93, 0.97)
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


def compared(outcome: str, fits: list[pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors, each (networks, coefficients)."""
    terms = coefficients(outcome).index
    return tuple(
        np.array([one.loc[terms, what] for one in fits], dtype=float) for what in ("estimate", "std_error")
    )


def covered(outcome: str, fits: list[pd.DataFrame]) -> np.ndarray:
    """Whether each interval holds the stated coefficient, (networks, coefficients)."""
    estimates, errors = compared(outcome, fits)
    return np.abs(estimates - coefficients(outcome).to_numpy()) <= norm.ppf(0.975) * errors


def spread(outcome: str, fits: list[pd.DataFrame]) -> float:
    """Standard deviation of the estimates over their mean standard error, mean of the coefficients."""
    estimates, errors = compared(outcome, fits)
    return float((estimates.std(axis=0, ddof=1) / errors.mean(axis=0)).mean())


def table(outcome: str, fits: list[pd.DataFrame]) -> list[str]:
    """Write the lines of one outcome; the last one is of all coefficients together."""
    truth, (estimates, errors) = coefficients(outcome), compared(outcome, fits)
    inside = covered(outcome, fits)
    lines = [
        f"| {name} | {truth[name]:.3f} | {estimates[:, i].mean():.3f} | {estimates[:, i].std(ddof=1):.3f} | "
        f"{errors[:, i].mean():.3f} | {inside[:, i].mean():.3f} |"
        for i, name in enumerate(truth.index)
    ]
    return [*lines, f"| *all* | | | | | **{inside.mean():.4f}** |"]


def outside(networks: str, fits: list[dict[str, pd.DataFrame]]) -> str:
    """Write the line of some networks: how many coefficients lie outside the band, which, and how many chance would give."""
    shares = pd.concat(
        pd.Series(
            covered(outcome, [one[outcome] for one in fits]).mean(axis=0),
            index=f"{outcome}: " + coefficients(outcome).index,
        )
        for outcome in OUTCOMES
    )
    below, above = shares[shares < BAND[0]], shares[shares > BAND[1]]
    n, mean = len(fits), float(shares.mean())
    chance = binom.cdf(np.ceil(BAND[0] * n) - 1, n, mean) + binom.sf(np.floor(BAND[1] * n), n, mean)
    named = "; ".join(f"{name} {share:.3f}" for name, share in pd.concat([below, above]).items()) or "none"
    return f"| {networks} | {mean:.4f} | {shares.min():.3f} | {shares.max():.3f} | {len(below) + len(above)} | {len(shares) * chance:.1f} | {named} |"


def main() -> None:
    """Print the tables."""
    fits, others = (
        [replicate(seed + number) for number in range(REPLICATES)] for seed in (FIRST_SEED, OTHER_SEED)
    )
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
    half = REPLICATES // 2
    print("\n## Chance, or a fault?\n")
    short = ", ".join(
        f"{title.split(' (')[0]} {100 * (spread(outcome, [one[outcome] for one in (*fits, *others)]) - 1):.1f} %"
        for outcome, title in TITLES.items()
    )
    print(
        "A fault would show in the same coefficients again. The mean below 0.95 is that of standard errors which are a little short of"
    )
    print(
        f"the spread of the estimates, as in samples of this size they are ({short}, mean of the coefficients).\n"
    )
    print(
        "| networks | mean coverage | lowest | highest | outside 0.93 to 0.97 | by chance at that mean | which |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, some in (("first", fits), ("second", others)):
        print(outside(f"{name} series, {half}", some[:half]))
        print(outside(f"{name} series, {REPLICATES}", some))
    print(outside("both", [*fits, *others]))


if __name__ == "__main__":
    main()
