"""Cases of R's answers, the sites that their rows are dealt to, and how close an answer has to be.

Every test against R takes its cases from ``layouts``: each is fitted at 1, 2, 5 and 17 sites of very unequal size with
shuffled rows, one of them without an event where rows may go anywhere.  Which options of the package that covers is
read off the cases by ``tests/reference/options.py``, for docs/validation-table.md.

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
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import fedstats as fs
from fedstats.contract.agreement import codebook_of
from fedstats.contract.fit import Fit
from tests.datasets import DATASETS, split, split_unevenly

FIT_TOLERANCE = 1e-9
JOINT_TOLERANCE = 1e-7
CURVE_TOLERANCE = 1e-12
#: Numbers of sites that every case is dealt to, as far as it has groups that stay together.
SITES = (1, 2, 5, 17)

Case = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """A case of an R script at a number of sites; a key under which tests may keep its fit."""

    source: str
    kind: str
    name: str
    k: int
    case: Case = field(compare=False, repr=False)

    @property
    def sites(self) -> fs.InProcess:
        """The rows, dealt unevenly and shuffled, without disclosure rules: the arithmetic alone is compared here."""
        outcome = re.split(r"[\s,()]+", self.case["formula"].partition("~")[0].strip(" )"))[-1]
        levels = json.dumps(self.case.get("levels"))
        return dealt(self.case["data"], self.k, self.case.get("split"), outcome, levels)


@cache
def cases(source: str, kind: str = "cases") -> dict[str, Case]:
    """What ``make_<source>_reference.R`` has written, by name."""
    return json.loads(Path(__file__).with_name(f"{source}.json").read_text(encoding="utf-8"))[kind]


def layouts(source: str, kind: str = "cases", chosen: Callable[[Case], object] | None = None) -> list[Any]:
    """Parameters for pytest: every chosen case at every number of sites that its groups can be dealt to."""
    return [
        pytest.param(Layout(source, kind, name, k, case), id=f"{name} | {k} sites")
        for name, case in cases(source, kind).items()
        for k in case.get("sites") or SITES
        if k <= groups(case) and (chosen is None or chosen(case))
    ]


def groups(case: Case) -> int:
    """Units that can be dealt to sites."""
    frame, by = DATASETS[case["data"]](), case.get("split")
    return len(frame) if by is None else frame[by].nunique()


@cache
def dealt(data: str, k: int, split: str | None, outcome: str, levels: str) -> fs.InProcess:
    """A data set at ``k`` sites, with factors' levels in another order where there is one; one for all cases alike."""
    frame, agreed = DATASETS[data](), json.loads(levels) or {}
    frames = split_unevenly(frame, k, split, outcome if outcome in frame else None)
    book = codebook_of(frames.values())
    variables = [
        replace(v, levels=tuple(agreed.get(v.name, v.levels)), level_labels=()) for v in book.variables
    ]
    return fs.InProcess(frames, fs.Codebook(tuple(variables)), policy=fs.DisclosurePolicy.none())


def federation(case: Case, k: int, seed: int | None = None) -> fs.InProcess:
    """The case's data at ``k`` sites of equal size and of its own, for what is no comparison with R."""
    frames = split(DATASETS[case["data"]](), k, seed, case.get("split"))
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


def options(case: Case, *names: str) -> dict[str, Any]:
    """What a case asks for, by the names of fedstats' arguments."""
    return {name: case[name] for name in names if name in case}


def numbers(values: ArrayLike) -> NDArray[np.float64]:
    """JSON numbers as an array; null is NaN."""
    return np.array(values, dtype=float)


def coefficient_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """|beta - R's beta| in units of the larger of R's standard error and R's |beta|, by R's terms."""
    beta = numbers(case["coef"])
    unit = np.maximum(numbers(case["se"]), np.abs(beta))
    return np.abs(fit.coef[case["terms"]].to_numpy() - beta) / unit


def std_errors(fit: Fit, case: Case) -> NDArray[np.float64]:
    """Standard errors in the order of R's terms."""
    return fit.tidy().set_index("term")["std_error"][case["terms"]].to_numpy()


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


def hypothesis_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """Relative differences of the statistic and the p-value of a linear hypothesis."""
    found, expected = fit.linear_hypothesis(case["hypothesis"]["weights"]), case["hypothesis"]
    return np.abs([found.statistic / expected["statistic"] - 1, found.p_value / expected["p_value"] - 1])


def limit_differences(fit: Fit, case: Case) -> NDArray[np.float64]:
    """Differences of the ends of the profiles from R's ``low`` and ``high``, in units of R's standard errors."""
    table = fit.tidy().set_index("term").loc[case["terms"], ["conf_low", "conf_high"]].to_numpy()
    away = np.abs(table - np.column_stack([case["low"], case["high"]])) / numbers(case["se"])[:, None]
    return away[[term in fit.profile_limits for term in case["terms"]]]


def agrees(value: float, reference: float) -> bool:
    """Equal to FIT_TOLERANCE, relative."""
    return bool(abs(value - reference) <= FIT_TOLERANCE * abs(reference))
