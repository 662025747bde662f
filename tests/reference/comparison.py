"""Cases of regression.json, the splits they are fitted in, and how close an answer has to be.

Tolerances, each with its reason:

* A coefficient may differ from R's by 1e-9 of the larger of its standard error and itself. Both programs stand at the
  maximum to about 1e-12 (the R script checks its own side), so 1e-9 is room for another machine's last digits; it is far
  below anything a reader could see, and far above what a wrong tie, weight or risk set leaves standing.
* Standard errors, covariances (as correlations), log-likelihoods and test statistics are smooth functions of the
  coefficients and of sums: 1e-9 relative.
* The statistic of one term is a square of (a coefficient over its standard error), which may be near zero: 2 * 1e-9
  of the larger of both, over a z value of 0.02 in the smallest case, is 1e-7 relative.
* A Kaplan-Meier curve is a product of fractions of small whole numbers; nothing is iterated: 1e-12.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import fedstats as fs
from fedstats.contract.fit import Fit
from tests.datasets import DATASETS, split

REFERENCE: dict[str, Any] = json.loads(Path(__file__).with_name("regression.json").read_text(encoding="utf-8"))

FIT_TOLERANCE = 1e-9
JOINT_TOLERANCE = 1e-7
CURVE_TOLERANCE = 1e-12
#: Rows dealt in turn and left in order, or dealt at random and shuffled.
ROW_ORDERS = {"in order": None, "shuffled": 20}

Case = dict[str, Any]


def layouts(kind: str) -> Iterator[Any]:
    """Every case of a kind, in every number of sites and row order: (case, federation) parameters for pytest."""
    for name, case in REFERENCE[kind].items():
        for k in case["sites"]:
            for order, seed in ROW_ORDERS.items():
                yield pytest.param((case, k, seed), id=f"{name} | {k} sites | {order}")


def federation(case: Case, k: int, seed: int | None) -> fs.InProcess:
    """The case's data at ``k`` sites without disclosure rules: the arithmetic alone is compared here."""
    frames = split(DATASETS[case["data"]](), k, seed, case.get("split"))
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


def numbers(values: ArrayLike) -> NDArray[np.float64]:
    """JSON numbers as an array; null is NaN."""
    return np.array(values, dtype=float)


def coefficient_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """|beta - R's beta| in units of the larger of R's standard error and R's |beta|, by R's terms."""
    beta = numbers(case["coef"])
    unit = np.maximum(numbers(case["se"]), np.abs(beta))
    return np.abs(fit.coef[case["terms"]].to_numpy() - beta) / unit


def covariance_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """Differences of covariances in units of the product of R's standard errors."""
    se = numbers(case["se"])
    vcov = fit.vcov.loc[case["terms"], case["terms"]].to_numpy()
    return np.abs(vcov - numbers(case["vcov"])) / np.outer(se, se)


def joint_test_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """Relative differences of the Wald statistics of the terms, which are R's with R's degrees of freedom."""
    found, expected = fit.joint_tests().set_index("term"), case["joint_tests"]
    assert sorted(found.index) == sorted(expected["term"])
    found = found.loc[expected["term"]]
    assert found["df"].tolist() == expected["df"]
    return np.abs(found["statistic"].to_numpy() / numbers(expected["statistic"]) - 1)


def agrees(value: float, reference: float) -> bool:
    """Equal to FIT_TOLERANCE, relative."""
    return bool(abs(value - reference) <= FIT_TOLERANCE * abs(reference))
