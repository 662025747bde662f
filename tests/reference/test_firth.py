"""Firth's penalised fits are those of a slow maximiser in R on the pooled rows, split anyhow over sites.

1e-9 of a standard error as elsewhere: the R script lets no solution pass that one step would move by more than 1e-12.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import fedstats as fs
from tests.reference.comparison import FIT_TOLERANCE, agrees, coefficient_differences, federation, numbers

CASES = json.loads(Path(__file__).with_name("firth.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize(("k", "seed"), [(1, None), (2, 20), (5, None)])
@pytest.mark.parametrize("name", CASES)
def test_fits_are_those_of_r(name, k, seed):
    case = CASES[name]
    asked = {option: case[option] for option in ("family", "weights", "offset")}
    fit = fs.glm(federation(case, k, seed), case["formula"], penalty=fs.Firth(), **asked)
    assert coefficient_differences(fit, case).max() <= FIT_TOLERANCE
    std_error = fit.tidy().set_index("term")["std_error"][case["terms"]].to_numpy()
    np.testing.assert_allclose(std_error, numbers(case["se"]), rtol=FIT_TOLERANCE)
    assert agrees(fit.loglik, case["loglik"])
    assert fit.is_penalised


@pytest.mark.parametrize(("k", "seed"), [(1, None), (2, 20)])
@pytest.mark.parametrize("name", CASES)
def test_ends_of_profiles_are_those_of_r(name, k, seed):
    case = CASES[name]
    asked = {option: case[option] for option in ("family", "weights", "offset")}
    columns = [term for term in case["terms"] if term != "Intercept"]
    fit = fs.glm(federation(case, k, seed), case["formula"], penalty=fs.Firth(), profile=columns, **asked)
    table = fit.tidy().set_index("term").loc[case["terms"]]
    there = np.isin(case["terms"], columns)
    for end, expected in (("conf_low", case["low"]), ("conf_high", case["high"])):
        differences = np.abs(table[end].to_numpy() - numbers(expected)) / numbers(case["se"])
        assert differences[there].max() <= FIT_TOLERANCE
    assert fit.rounds <= 2 * (fit.steps + 2) + 1 + 2 * 2 * 6 * len(
        columns
    )  # some four points an end, two rounds each
