"""Coverage of intervals after multiple imputation, and the bias of complete cases beside it.

    python benchmarks/imputation_coverage.py > benchmarks/imputation_coverage.md

500 seeded studies of 400 patients, with all rows at one site, for more sites give the same numbers (tests/properties/test_imputation.py).  A number x
(and, in the last model, a factor g) has gaps that depend on what was observed, the outcome among it: missing at random, and complete cases are no fair
sample.  The imputation models hold the outcome, of survival the event and the cumulative hazard.  10 copies; with two variables 2 cycles.  Truths are the
coefficients that the data were made with.
"""

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

import fedstats as fs

REPLICATES, N, COPIES, CYCLES = 500, 400, 10, 2
TRUTH = {"x": 0.4, "g[yes]": 0.5, "z": 0.3}
Analysis = Callable[[fs.Federation], fs.Fit]


def _linear(sites: fs.Federation) -> fs.Fit:
    return fs.glm(sites, "y ~ x + g + z", family="gaussian")


def _cox(sites: fs.Federation) -> fs.Fit:
    return fs.cox(sites, "Surv(time, status) ~ x + g + z")


ANALYSES: dict[str, Analysis] = {"linear": _linear, "Cox": _cox, "linear, x and g": _linear}
MODELS = {
    "linear": {"x": "g + z + y"},
    "Cox": {"x": "g + z + status + cumhaz"},
    "linear, x and g": {"x": "g + z + y", "g": "x + z + y"},
}


def _expit(eta: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-eta)))


def patients(random: np.random.Generator, n: int) -> pd.DataFrame:
    """Everything observed."""
    z = (random.random(n) < 0.5).astype(float)
    x = 0.3 * z + random.normal(size=n)
    g = (random.random(n) < _expit(-0.3 + 0.5 * x + 0.3 * z)).astype(float)
    risk = TRUTH["x"] * x + TRUTH["g[yes]"] * g + TRUTH["z"] * z
    time, stop = random.exponential(10 / np.exp(risk)), random.uniform(4, 30, n)
    followed = {"time": np.minimum(time, stop) + 0.01, "status": (time <= stop).astype(int)}
    names = np.where(g > 0, "yes", "no")
    return pd.DataFrame({"x": x, "g": names, "z": z, "y": risk + random.normal(size=n)} | followed)


def with_gaps(frame: pd.DataFrame, random: np.random.Generator, outcome: str) -> pd.DataFrame:
    """Gaps in x, and in g where that is imputed, that depend on z and the outcome."""
    z = frame["z"].to_numpy()
    known = 2.0 * frame["status"] - 0.12 * frame["time"] if outcome == "Cox" else frame["y"]
    no_x = random.random(len(frame)) < _expit(-1.4 + 0.8 * known.to_numpy() + 0.4 * z)
    no_g = random.random(len(frame)) < _expit(-1.9 + 0.6 * known.to_numpy() - 0.4 * z)
    return frame.assign(x=frame["x"].mask(no_x), g=frame["g"].mask(no_g & ("g" in MODELS[outcome])))


def sites(frame: pd.DataFrame) -> fs.Federation:
    """All rows at one site."""
    return fs.InProcess({"all": frame}, policy=fs.DisclosurePolicy.none())


def replicate(outcome: str, seed: int) -> dict[str, pd.DataFrame]:
    """Estimates with intervals of all data, complete cases and imputation."""
    random, analysis = np.random.default_rng(seed), ANALYSES[outcome]
    frame = patients(random, N)
    gaps = sites(with_gaps(frame, random, outcome))
    copies = fs.impute(
        gaps, MODELS[outcome], m=COPIES, cycles=CYCLES, survival="Surv(time, status)", seed=seed
    )
    fits = {
        "all data": analysis(sites(frame)),
        "complete cases": analysis(gaps),
        "imputed": copies.fit(analysis),
    }
    return {name: fit.tidy().set_index("term") for name, fit in fits.items()}


def main(outcomes: list[str]) -> None:
    """Print the table."""
    print(
        f"{REPLICATES} studies of {N} patients, {COPIES} copies; seeds 1 to {REPLICATES}; nominal coverage 0.95, its Monte Carlo error 0.01.\n"
    )
    print("| model | coefficient | truth | analysis | mean | bias | SD of estimates | mean SE | coverage |")
    print("|---|---|---|---|---|---|---|---|---|")
    for outcome in outcomes or list(ANALYSES):
        found = [replicate(outcome, 1 + i) for i in range(REPLICATES)]
        for term, truth in TRUTH.items():
            for name in found[0]:
                rows = pd.DataFrame([one[name].loc[term] for one in found])
                inside = (rows["conf_low"] <= truth) & (truth <= rows["conf_high"])
                b = rows["estimate"]
                figures = (b.mean(), b.mean() - truth, b.std(), rows["std_error"].mean(), inside.mean())
                print(
                    f"| {outcome} | {term} | {truth} | {name} | "
                    + " | ".join(f"{f:.3f}" for f in figures)
                    + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
