"""Digits of published covariances, as equations for a table of patients.

A covariance turned around is the information: of a logistic model of factors, sums over patients of weights that depend on the cell of
levels alone, and the coefficients give these weights.  Four outcomes of the same patients are more equations than six factors
have cells, and a reader of the results solves them for how many patients, of all sites together, are in each.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

FACTORS = [f"f{j}" for j in range(6)]
CELLS = np.array(list(product((0, 1), repeat=6)))
OUTCOMES = [f"y{j}" for j in range(4)]


def patients(n=800):
    random = np.random.default_rng(2)
    levels = (random.random((n, 6)) < [0.4, 0.3, 0.5, 0.25, 0.35, 0.45]).astype(int)
    columns = dict(zip(FACTORS, levels.T, strict=True))
    for name in OUTCOMES:
        risk = 1 / (1 + np.exp(0.3 - levels @ random.normal(0, 1.2, 6)))
        columns[name] = (random.random(n) < risk).astype(int)
    return pd.DataFrame(columns)


def fits(frame):
    sites = fs.InProcess({"a": frame[:500], "b": frame[500:]}, policy=fs.DisclosurePolicy.none())
    return {name: fs.logistic(sites, f"{name} ~ {' + '.join(FACTORS)}") for name in OUTCOMES}


def counts(results):
    """Patients in each cell, (64,), as a reader of the results works them out."""
    design = np.column_stack([np.ones(len(CELLS)), CELLS])
    rows, sums = [np.ones(len(CELLS))], [float(results[OUTCOMES[0]].n)]
    for fit in results.values():
        risk = 1 / (1 + np.exp(-design @ fit.beta))
        information = np.linalg.inv(fit.covariance)
        for i, j in zip(*np.tril_indices(7), strict=True):
            rows.append(risk * (1 - risk) * design[:, i] * design[:, j])
            sums.append(information[i, j])
    return np.rint(np.linalg.lstsq(np.array(rows), np.array(sums), rcond=1e-15)[0])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Patients in each cell, and results with and without the digits that no reader needs."""
    frame, folder = patients(), tmp_path_factory.mktemp("published")
    found = fits(frame)
    for name, full in (("full", True), ("published", False)):
        fs.save_results(found, folder / f"{name}.json", full_digits=full)
    true = np.bincount(frame[FACTORS].to_numpy() @ 2 ** np.arange(6)[::-1], minlength=64)
    return true, *(fs.load_results(folder / f"{name}.json") for name in ("full", "published"))


def test_covariances_with_all_their_digits_tell_the_table_of_six_factors(published):
    true, full, _ = published
    assert (counts(full) == true).all()
    assert (true == 1).any()


def test_those_of_results_for_readers_do_not(published):
    true, _, shown = published
    found = counts(shown)
    assert (found == true).mean() < 0.5
    assert (found < 0).any()  # a reader sees that they are wrong


def test_estimates_and_standard_errors_keep_their_digits(published):
    _, full, shown = published
    for name, fit in full.items():
        pd.testing.assert_frame_equal(shown[name].tidy(), fit.tidy(), check_exact=True)
