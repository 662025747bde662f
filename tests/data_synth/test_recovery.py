"""A pooled fit by other software to 80,000 patients finds the truth that is exact by construction."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import CoxPHFitter

from data_synth.generate import generate, truth


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return pd.concat(generate(scale=20).values(), ignore_index=True)


def _flat(effects: dict[str, Any]) -> pd.Series:
    pairs = [
        (c, level, b)
        for c, e in effects.items()
        for level, b in (e.items() if isinstance(e, dict) else [("", e)])
    ]
    return pd.Series({f"{column}.{level}": value for column, level, value in pairs})


def _design(frame: pd.DataFrame, effects: dict[str, Any]) -> pd.DataFrame:
    centre = truth()["reference"]
    columns = {}
    for term in _flat(effects).index:
        name, level = term.split(".", 1)
        columns[term] = (frame[name] == level).astype(float) if level else frame[name] - centre[name]
    return pd.DataFrame(columns)


def _z(estimate: pd.Series, error: pd.Series, stated: pd.Series) -> pd.Series:
    return (estimate.reindex(stated.index) - stated) / error.reindex(stated.index)


def _cox(frame: pd.DataFrame, outcome: str, effects: dict[str, Any]) -> tuple[pd.Series, pd.Series]:
    table = _design(frame, effects)
    table["time"], table["event"] = frame[f"{outcome}_months"], frame[f"{outcome}_event"]
    table["practice"] = frame["practice"]
    fit = CoxPHFitter().fit(table, "time", "event", strata=["practice"])
    return fit.params_, fit.standard_errors_


def test_cox_for_survival_recovers_the_stated_log_hazard_ratios(patients: pd.DataFrame) -> None:
    effects = truth()["os"]["coefficients"]
    z = _z(*_cox(patients, "os", effects), _flat(effects))
    assert z.abs().max() < 3
    assert 0.2 < np.mean(z**2) < 2.2


def test_logistic_for_resistance_recovers_the_stated_log_odds_ratios(patients: pd.DataFrame) -> None:
    effects = truth()["resistant"]["coefficients"]
    frame = patients[patients["resistant"].notna()]
    fit = sm.Logit(frame["resistant"].astype(float), sm.add_constant(_design(frame, effects))).fit(disp=False)
    stated = pd.concat([_flat(effects), pd.Series({"const": np.log(0.15 / 0.85)})])
    z = _z(fit.params, fit.bse, stated)
    assert z.abs().max() < 3
    assert 0.2 < np.mean(z**2) < 2.2


def test_cox_for_progression_lies_near_the_large_sample_fit(patients: pd.DataFrame) -> None:
    stated = truth()["pfs"]
    estimate, error = _cox(patients, "pfs", stated["coefficients"])
    both = np.sqrt(error**2 + stated["largest_standard_error"] ** 2)
    assert _z(estimate, both, _flat(stated["coefficients"])).abs().max() < 4


def test_early_loss_has_nothing_to_do_with_prognosis(patients: pd.DataFrame) -> None:
    lost = patients["resistant"].isna()
    for column in ("albumin", "nlr", "age"):
        spread = patients[column].std() / np.sqrt(lost.sum())
        within = [
            group.loc[lost, column].mean() - group.loc[~lost, column].mean()
            for _, group in patients.groupby(patients["practice"].str[:2])
        ]
        assert np.max(np.abs(within)) < 6 * spread
