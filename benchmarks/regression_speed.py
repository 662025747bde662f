"""How fast the regressions are beside other software: ``python benchmarks/regression_speed.py [--rows 10000 100000]``.

Every figure is a ratio within one run on one machine: seconds of the others by seconds of fedstats, whole calls from a
DataFrame (R: from a data.frame, R's own ``coxph.fit`` and ``glm.fit`` from a matrix).  One evaluation (log-likelihood, score and
information) is set against one product X'X of the same shape on one thread.  R and packages that are not installed are left out.

Prints Markdown tables; ``regression_speed.md`` keeps one with its machine and versions.
"""

import argparse
import importlib.metadata
import platform
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import fedstats as fs
from fedstats.numerics import partial_likelihood as pl
from fedstats.numerics import risk_sets as rs
from fedstats.numerics.families import LOGIT

#: Above so many rows with delayed entry, or with times of their own, the Python packages take longer than anybody waits.
MOST_WAITED_FOR = 100_000

R_SCRIPT = """
suppressMessages(library(survival))
a <- commandArgs(TRUE); folder <- a[1]; n <- as.integer(a[2]); p <- as.integer(a[3]); what <- a[4]; entered <- a[5] == "1"
read <- function(name, k) readBin(file.path(folder, name), "double", n * k)
x <- matrix(read("x", p), n, p); colnames(x) <- paste0("x", seq_len(p) - 1)
d <- as.data.frame(x); d$y <- read("y", 1); d$time <- read("time", 1); d$entry <- read("entry", 1); d$g <- read("g", 1)
right <- paste(colnames(x), collapse = " + ")
if (what == "cox") {
  left <- if (entered) "Surv(entry, time, y)" else "Surv(time, y)"
  one <- length(unique(d$g)) == 1
  by <- if (one) "" else "+ strata(g)"
  whole <- system.time(coxph(as.formula(paste(left, "~", right, by)), d))[["elapsed"]]
  s <- if (entered) Surv(d$entry, d$time, d$y) else Surv(d$time, d$y)
  fit <- if (entered) survival:::agreg.fit else coxph.fit
  strata <- if (one) NULL else as.integer(d$g)
  bare <- system.time(fit(x, s, strata, NULL, NULL, coxph.control(), rep(1, n), "efron", NULL, nocenter = NULL))[["elapsed"]]
} else {
  whole <- system.time(glm(as.formula(paste("y ~", right)), binomial, d))[["elapsed"]]
  bare <- system.time(glm.fit(cbind(1, x), d$y, family = binomial()))[["elapsed"]]
}
cat(whole, bare, paste0("R ", getRversion(), ", survival ", packageVersion("survival")), sep = "\\n")
"""


def cohort(n: int, p: int, *, days: bool, strata: int = 1, seed: int = 1) -> pd.DataFrame:
    """Standard normal columns, exponential times with a third censored, an outcome of them, and strata."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    eta = x @ (random.normal(size=p) * 0.1)
    event, censored = random.exponential(400 * np.exp(-eta)), random.uniform(0, 1200, n)
    time_ = np.minimum(event, censored)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(p)])
    frame["time"] = np.ceil(time_).clip(1) if days else time_
    frame["entry"] = (
        np.floor(random.uniform(0, 0.5, n) * time_) if days else random.uniform(0, 0.5, n) * time_
    )
    frame["status"] = (event <= censored).astype(int)
    frame["y"] = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["g"] = random.integers(0, strata, n)
    return frame


def terms(p: int) -> str:
    """The right-hand side."""
    return " + ".join(f"x{i}" for i in range(p))


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest of several calls."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        times.append(time.perf_counter() - began)
    return min(times)


def in_r(frame: pd.DataFrame, p: int, what: str, *, entered: bool = False) -> tuple[float, float, str] | None:
    """Seconds of R's whole call and of its bare fit, and the versions; None without R."""
    if shutil.which("Rscript") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        outcome = "status" if what == "cox" else "y"
        frame[[f"x{i}" for i in range(p)]].to_numpy().T.astype(float).tofile(here / "x")
        for name, column in (("y", outcome), ("time", "time"), ("entry", "entry"), ("g", "g")):
            frame[column].to_numpy(dtype=float).tofile(here / name)
        (here / "run.R").write_text(R_SCRIPT)
        command = ["Rscript", "run.R", folder, str(len(frame)), str(p), what, str(int(entered))]
        said = subprocess.run(command, cwd=here, check=True, capture_output=True, text=True).stdout.split(
            "\n"
        )
    return float(said[0]), float(said[1]), said[2]


def cox_peers(frame: pd.DataFrame, p: int, *, entered: bool) -> Iterator[tuple[str, Callable[[], object]]]:
    """Other packages' Efron fits, whole calls from the table."""
    columns = [f"x{i}" for i in range(p)]
    x, status = frame[columns], frame["status"].to_numpy()
    entry = {"entry": frame["entry"].to_numpy()} if entered else {}
    try:
        from lifelines import CoxPHFitter

        kept = [*columns, "time", "status", *entry]
        options = {"entry_col": "entry"} if entered else {}
        yield (
            "lifelines",
            lambda: CoxPHFitter().fit(frame[kept], "time", "status", robust=False, **options),
        )
    except ImportError:
        pass
    try:
        from statsmodels.duration.hazard_regression import PHReg

        yield (
            "statsmodels PHReg",
            lambda: PHReg(frame["time"], x, status=status, ties="efron", **entry).fit(),
        )
    except ImportError:
        pass
    try:
        from sksurv.linear_model import CoxPHSurvivalAnalysis

        outcome = np.array(
            list(zip(status == 1, frame["time"], strict=True)), dtype=[("e", bool), ("t", float)]
        )
        if not entered:
            yield "scikit-survival", lambda: CoxPHSurvivalAnalysis(ties="efron").fit(x, outcome)
    except ImportError:
        pass


def logistic_peers(frame: pd.DataFrame, p: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Other packages' logistic fits."""
    x, y = frame[[f"x{i}" for i in range(p)]], frame["y"]
    try:
        import statsmodels.api as sm

        yield "statsmodels Logit", lambda: sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    except ImportError:
        pass
    try:
        from glum import GeneralizedLinearRegressor

        yield "glum", lambda: GeneralizedLinearRegressor(family="binomial", alpha=0).fit(x, y)
    except ImportError:
        pass
    try:
        from sklearn.linear_model import LogisticRegression

        yield (
            "scikit-learn newton-cholesky",
            lambda: LogisticRegression(C=np.inf, solver="newton-cholesky").fit(x, y),
        )
    except ImportError:
        pass


def evaluation(frame: pd.DataFrame, p: int, *, entered: bool, strata: int) -> float:
    """Seconds of one evaluation of a Cox model by seconds of one X'X, both on one thread; the smallest ratio of five pairs."""
    x = np.ascontiguousarray(frame[[f"x{i}" for i in range(p)]].to_numpy())
    stratum = frame["g"].to_numpy() if strata > 1 else np.zeros(len(frame), dtype=np.int64)
    event = frame["status"].to_numpy() == 1
    entry = frame["entry"].to_numpy() if entered else None
    sets = rs.risk_sets(stratum, entry, rs.tie_times(frame["time"].to_numpy()), event, None)
    w = event.astype(float)

    def evaluate() -> None:
        eta = x @ np.full(p, 0.05)
        r = np.exp(eta - eta.max())
        terms_ = pl.cell_terms(rs.cell_sizes(sets, r, None), "efron")
        v = pl.expected(sets, stratum, terms_.a, terms_.b)
        x.T @ (w - r * v)
        pl.weighted_gram(x, r * v)
        pl.second_product_at_site(sets, x, r, terms_)

    with threadpool_limits(1):
        return min(seconds(evaluate, 1) / seconds(lambda: x.T @ x, 1) for _ in range(5))


def logistic_evaluation(frame: pd.DataFrame, p: int) -> float:
    """The same of a logistic model."""
    x = np.column_stack([np.ones(len(frame)), frame[[f"x{i}" for i in range(p)]].to_numpy()])
    y = frame["y"].to_numpy(dtype=float)

    def evaluate() -> None:
        eta = x @ np.full(p + 1, 0.05)
        LOGIT.loglik(y, eta).sum()
        x.T @ LOGIT.residual(y, eta)
        pl.weighted_gram(x, LOGIT.curvature(y, eta))

    with threadpool_limits(1):
        return min(seconds(evaluate, 1) / seconds(lambda: x.T @ x, 1) for _ in range(5))


def compare(
    own: float, peers: Iterator[tuple[str, Callable[[], object]]], r: tuple[float, float, str] | None
) -> dict[str, float]:
    """How many times as long each of the others takes."""
    found = {"R": r[0] / own, "R, bare fit": r[1] / own} if r is not None else {}
    return found | {name: seconds(call, 1) / own for name, call in peers}


def sites_of(frame: pd.DataFrame) -> fs.InProcess:
    """All rows at one site, as the others have them."""
    return fs.InProcess({"one": frame}, policy=fs.DisclosurePolicy.none())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=lambda text: int(float(text)), nargs="*", default=[10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--columns", type=int, nargs="*", default=[10, 30])
    chosen = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    packages = (
        "numpy",
        "scipy",
        "pandas",
        "lifelines",
        "statsmodels",
        "scikit-survival",
        "glum",
        "scikit-learn",
    )
    print(", ".join(f"{p} {v}" for p in packages if (v := _version(p))))
    rows = []
    for n in chosen.rows:
        for p in chosen.columns:
            for label, days, entered, strata in (
                ("day ties", True, False, 1),
                ("day ties, 10 strata", True, False, 10),
                ("day ties, (entry, time]", True, True, 1),
                ("continuous", False, False, 1),
            ):
                frame = cohort(n, p, days=days, strata=strata)
                left = "Surv(entry, time, status)" if entered else "Surv(time, status)"
                kept = frame.drop(
                    columns=["y", *([] if entered else ["entry"]), *([] if strata > 1 else ["g"])]
                )
                formula, by = f"{left} ~ {terms(p)}", "g" if strata > 1 else None

                def whole(kept: pd.DataFrame = kept, formula: str = formula, by: str | None = by) -> object:
                    return fs.cox(sites_of(kept), formula, strata=by)

                own = seconds(whole, 3)
                waited_for = strata == 1 and (n <= MOST_WAITED_FOR or (days and not entered))
                peers = cox_peers(frame, p, entered=entered) if waited_for else iter(())
                found = compare(own, peers, in_r(frame, p, "cox", entered=entered))
                ratio = evaluation(frame, p, entered=entered, strata=strata)
                rows.append({"model": f"Cox, {label}", "n": n, "p": p, "seconds": own, "X'X": ratio, **found})
                print(f"done: Cox, {label}, {n} x {p}", flush=True)
            frame = cohort(n, p, days=True)
            kept = frame.drop(columns=["time", "entry", "status", "g"])
            own = seconds(lambda kept=kept, p=p: fs.logistic(sites_of(kept), f"y ~ {terms(p)}"), 3)
            found = compare(own, logistic_peers(frame, p), in_r(frame, p, "logistic"))
            rows.append(
                {
                    "model": "logistic",
                    "n": n,
                    "p": p,
                    "seconds": own,
                    "X'X": logistic_evaluation(frame, p),
                    **found,
                }
            )
            print(f"done: logistic, {n} x {p}", flush=True)
    table = pd.DataFrame(rows)
    table["n"] = table["n"].map("{:,}".format)
    table["seconds"] = table["seconds"].map("{:.3f}".format)
    print(
        table.to_markdown(index=False, floatfmt=".1f")
        if _version("tabulate")
        else table.to_string(index=False)
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
