"""Small random cohorts for the public interface, and how a property test is run."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import Phase, settings

import fedstats as fs

#: The same examples every time, nothing is written beside the tests, and no smaller seed is sought.
LAW = settings(
    max_examples=10, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate]
)
SEEDS = st.integers(0, 10_000)


def open_sites(frames: dict[str, pd.DataFrame]) -> fs.InProcess:
    """A federation without a gate: these tests are about numbers."""
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


def one(frame: pd.DataFrame) -> fs.InProcess:
    return open_sites({"all": frame})


def cohort(seed: int, n: int = 90) -> pd.DataFrame:
    """Tied times, delayed entry, whole and broken weights, strata, clusters, a factor with a rare level."""
    rng = np.random.default_rng(seed)
    age, sex = rng.normal(60, 10, n), rng.integers(0, 2, n)
    time = np.ceil(8 * rng.exponential(size=n) * np.exp(-0.03 * (age - 60) - 0.4 * sex)) + 1
    return pd.DataFrame(
        {
            "age": age,
            "sex": sex,
            "ecog": rng.choice(["0", "1", "2"], n, p=[0.5, 0.3, 0.2]),
            "time": time,
            "entry": np.floor(time * rng.random(n) * (rng.random(n) < 0.5)),
            "event": (rng.random(n) < 0.7).astype(int),
            "response": (rng.random(n) < 1 / (1 + np.exp(-0.05 * (age - 60) + 0.5 * sex))).astype(int),
            "copies": rng.integers(1, 4, n),
            "weight": rng.uniform(0.3, 2.5, n),
            "practice": rng.choice(["p", "q", "r", "s", "t"], n),
            "clinic": rng.choice([f"c{i}" for i in range(12)], n),
            "site": rng.integers(0, 3, n),
            "known": 0.02 * rng.normal(size=n),
        }
    )


def by(frame: pd.DataFrame, key) -> dict[str, pd.DataFrame]:
    """One site for each value of a key."""
    return {f"site{k}": part.reset_index(drop=True) for k, part in frame.groupby(key)}


def deal(frame: pd.DataFrame, seed: int, unit: str | None = None, most: int = 4) -> dict[str, pd.DataFrame]:
    """Rows, or whole groups of ``unit``, to one to ``most`` sites at random, each in random order."""
    rng = np.random.default_rng(seed)
    units = np.arange(len(frame)) if unit is None else pd.factorize(frame[unit])[0]
    site = rng.integers(0, rng.integers(1, most + 1), units.max() + 1)[units]
    order = rng.permutation(len(frame))
    return by(frame.iloc[order], site[order])


def same_fit(a: fs.cox, b: fs.cox, accuracy: float = 1e-10) -> None:
    """Estimates within ``accuracy`` standard errors, covariances and log-likelihoods as closely."""
    se = np.sqrt(np.diag(b.vcov))
    assert list(a.coef.index) == list(b.coef.index)
    np.testing.assert_allclose(a.coef / se, b.coef / se, atol=accuracy, rtol=accuracy)
    np.testing.assert_allclose(a.vcov / np.outer(se, se), b.vcov / np.outer(se, se), atol=accuracy)
    np.testing.assert_allclose([a.loglik, a.loglik_null], [b.loglik, b.loglik_null], rtol=1e-12)
    assert (a.n, a.n_event, a.dropped) == (b.n, b.n_event, b.dropped)
