"""Coverage of intervals around weighted estimates: the variance that accounts for the estimated propensity beside the robust one.

    python benchmarks/weighted_coverage.py > benchmarks/weighted_coverage.md

500 seeded studies of 600 patients, moderate confounding, with all rows at one site, for more sites give the same numbers
(tests/reference).  The truth is the same estimate among a million patients to whom treatment is given by a coin (of the treated
and of the overlap population: who are drawn by their propensity).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

import fedstats as fs

REPLICATES, N, LARGE = 500, 600, 1_000_000
OUTCOMES: dict[str, Callable[[fs.Federation, Any], fs.Fit]] = {
    "log odds ratio": lambda s, w: fs.logistic(s, "y ~ arm", weights=w),
    "log hazard ratio": lambda s, w: fs.cox(s, "Surv(time, status) ~ arm", weights=w),
}


def _expit(eta: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-eta)))


def patients(random: np.random.Generator, n: int, *, by_coin: str | None = None) -> pd.DataFrame:
    """Covariates that move treatment and outcomes; ``by_coin`` names the estimand of whose patients a trial is made."""
    x, z = random.normal(size=n), (random.random(n) < 0.4).astype(float)
    e = _expit(-0.2 + 0.8 * x + 0.6 * z)
    if by_coin is not None:
        target = {"ATE": np.ones(n), "ATT": e, "overlap": 4 * e * (1 - e)}[by_coin]
        kept = random.random(n) < target
        x, z, e = x[kept], z[kept], np.full(int(kept.sum()), 0.5)
    arm = (random.random(len(x)) < e).astype(float)
    risk = 0.7 * x + 0.5 * z - 0.5 * arm
    y = (random.random(len(x)) < _expit(-0.3 + risk)).astype(int)
    time, stop = (
        np.ceil(20 * random.exponential(1 / np.exp(risk))),
        np.ceil(20 * random.uniform(0.5, 3.0, len(x))),
    )
    followed = {"time": np.minimum(time, stop), "status": (time <= stop).astype(int)}
    return pd.DataFrame({"x": x, "z": z, "arm": arm, "y": y} | followed)


def truths(estimand: str) -> dict[str, float]:
    """Estimates of a very large trial."""
    frame = patients(np.random.default_rng(0), LARGE, by_coin=estimand)
    sites = fs.InProcess({"trial": frame}, policy=fs.DisclosurePolicy.none())
    odds = float(fs.logistic(sites, "y ~ arm").coef["arm"])
    hazards = float(fs.cox(sites, "Surv(time, status) ~ arm").coef["arm"])
    return {name: odds if "odds" in name else hazards for name in OUTCOMES}


def main() -> None:
    """Print the table."""
    print(f"{REPLICATES} studies of {N} patients; nominal coverage 0.95, its Monte Carlo error 0.01.\n")
    print(
        "| estimand | estimate | truth | mean | SD of estimates | mean SE, stacked | mean SE, robust | coverage, stacked | coverage, robust |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for estimand in ("ATE", "ATT", "overlap"):
        truth = truths(estimand)
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in OUTCOMES}
        for replicate in range(REPLICATES):
            frame = patients(np.random.default_rng(1000 + replicate), N)
            sites = fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())
            w = fs.propensity_weights(sites, "arm ~ x + z", estimand=estimand)  # type: ignore[arg-type]
            for name, estimate in OUTCOMES.items():
                fit = estimate(sites, w)
                errors = fit.std_errors().set_index("term").loc["arm"]
                found[name].append(
                    (float(fit.coef["arm"]), float(errors["stacked"]), float(errors["robust"]))
                )
        for name, rows in found.items():
            b, stacked, robust = np.array(rows).T
            inside = [np.mean(np.abs(b - truth[name]) <= norm.ppf(0.975) * se) for se in (stacked, robust)]
            figures = (truth[name], b.mean(), b.std(ddof=1), stacked.mean(), robust.mean(), *inside)
            print(f"| {estimand} | {name} | " + " | ".join(f"{f:.3f}" for f in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
