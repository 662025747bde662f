"""What a study asks of its weights, federated against pooled: the same with all rows at one site."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.effect_results import StandardisedRisks
from fedstats.contract.weight_results import ALL_SITES, Balance, EffectiveSizes, Overlap
from fedstats.federations.in_process import InProcess
from fedstats.reporting.pooled_follow_ups import NEAR, ONE_SITE, comparison
from fedstats.study.definition import Study
from fedstats.study.weights_spec import weights_analyses


def weights_rows(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for the effective sizes, the overlap, the balance and the doubly robust effects of every weight of the study."""
    checks: dict[type, Callable[[Any, Any], dict[str, Any]]] = {
        EffectiveSizes: _sizes,
        Overlap: _overlap,
        Balance: _balance,
        StandardisedRisks: _effect,
    }
    here = InProcess({"pooled": pooled}, study.codebook, DisclosurePolicy.none())
    found = []
    for name, spec in study.weights.items():
        for asked in weights_analyses(name, spec):
            result = results.get(asked.name)
            if (check := checks.get(type(result))) is not None:
                found.append({"analysis": asked.name} | check(result, asked.analysis(here)))
    return found


def _of_all(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["site"] == ALL_SITES].drop(columns="site").reset_index(drop=True)


def _sizes(ours: EffectiveSizes, theirs: EffectiveSizes) -> dict[str, Any]:
    a, b = (_of_all(f.frame).set_index("group")[["n", "weight", "effective"]] for f in (ours, theirs))
    return _numbers("effective sample sizes", a.to_numpy(float), b.loc[a.index].to_numpy(float), b["n"].sum())


def _overlap(ours: Overlap, theirs: Overlap) -> dict[str, Any]:
    """Counts, between the edges that the sites let out: those of all rows at one site are parts of these."""
    own, finest = _of_all(ours.frame), _of_all(theirs.frame)
    counts = [
        finest.query("group == @row.group and low >= @row.low and high <= @row.high")["n"].sum()
        for row in own.itertuples()
    ]
    gap = np.abs(own["n"].to_numpy(float) - np.array(counts, dtype=float))
    return comparison("propensities by arm", ONE_SITE, int(finest["n"].sum()), gap, np.zeros(len(gap)))


def _balance(ours: Balance, theirs: Balance) -> dict[str, Any]:
    """Of the variables that every site let out."""
    by = ["variable", "level"]
    a, b = (_of_all(found.frame).set_index(by) for found in (ours, theirs))
    b = b.loc[a.index, a.columns]
    return _numbers("means and differences of arms", a.to_numpy(float), b.to_numpy(float), np.nan)


def _effect(ours: StandardisedRisks, theirs: StandardisedRisks) -> dict[str, Any]:
    error = np.sqrt(np.diag(theirs.covariance))
    gap, allowed = np.abs(ours.estimates - theirs.estimates), NEAR * np.fmax(error, np.abs(theirs.estimates))
    return comparison("doubly robust risks", ONE_SITE, np.nan, gap, allowed, error)


def _numbers(compared: str, a: Any, b: Any, n: float) -> dict[str, Any]:
    """Numbers that follow from a propensity whose coefficients are as near as 1e-10 of their standard errors."""
    known = ~(np.isnan(a) & np.isnan(b))
    gap = np.abs(a - b)[known]
    return comparison(compared, ONE_SITE, n, gap, NEAR * np.fmax(1.0, np.abs(b[known])))
