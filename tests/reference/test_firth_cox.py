"""Firth's penalised Cox fits are those of a slow maximiser in R on the pooled rows, split anyhow into sites of whole strata.

1e-9 of a standard error as elsewhere: R's difference quotients are exact to about 1e-11 of one.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from tests.datasets import DATASETS
from tests.reference.comparison import FIT_TOLERANCE, agrees, coefficient_differences, federation, numbers

CASES = json.loads(Path(__file__).with_name("firth_cox.json").read_text(encoding="utf-8"))["cases"]
LAYOUTS = [(1, None), (1, 20), (2, 20), (5, None), (17, 3)]


def layouts():
    """Every case at every number of sites that its strata can be dealt to."""
    for name, case in CASES.items():
        strata = DATASETS[case["data"]]()[case["strata"]].nunique()
        for k, seed in LAYOUTS:
            if k <= strata:
                yield pytest.param(case, k, seed, id=f"{name} | {k} sites | {seed}")


@pytest.mark.parametrize(("case", "k", "seed"), list(layouts()))
def test_fits_are_those_of_r(case, k, seed):
    asked = {option: case[option] for option in ("strata", "ties", "weights")}
    fit = fs.cox(federation(case, k, seed), case["formula"], penalty=fs.Firth(), **asked)
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    std_error = fit.tidy().set_index("term")["std_error"][case["terms"]].to_numpy()
    np.testing.assert_allclose(std_error, numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert agrees(fit.loglik, case["loglik"])
    assert fit.is_penalised


def test_the_monotone_case_has_no_maximum_without_the_penalty():
    case = CASES["leukemia, monotone"]
    with pytest.raises(fs.NotConverged, match=r"monotone \(towards minus infinity\)"):
        fs.cox(federation(case, 2, None), case["formula"], strata=case["strata"])


@pytest.mark.parametrize(("k", "seed"), [(1, None), (2, 20)])
@pytest.mark.parametrize("name", CASES)
def test_ends_of_profiles_are_those_of_r(name, k, seed):
    case = CASES[name]
    asked = {option: case[option] for option in ("strata", "ties", "weights")}
    columns = [term for term in case["terms"] if term != "Intercept"]
    fit = fs.cox(federation(case, k, seed), case["formula"], penalty=fs.Firth(), profile=columns, **asked)
    table = fit.tidy().set_index("term").loc[case["terms"]]
    there = np.isin(case["terms"], columns)
    for end, expected in (("conf_low", case["low"]), ("conf_high", case["high"])):
        differences = np.abs(table[end].to_numpy() - numbers(expected)) / numbers(case["se"])
        assert differences[there].max() <= FIT_TOLERANCE
    assert fit.rounds <= 2 * (fit.steps + 2) + 1 + 2 * 2 * 6 * len(
        columns
    )  # some four points an end, two rounds each
