"""What was worked out of tables of counts, federated against pooled: with all rows at one site, and a log-rank test by lifelines."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.curve import Curve
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.formula import parse_groups
from fedstats.contract.survival_results import CountedResult, LogRankTest, MaxComboTest
from fedstats.federations.in_process import InProcess
from fedstats.methods.follow_up import follow_up
from fedstats.methods.local_log_rank import ROUNDED
from fedstats.reporting.coarsening import curve_rows
from fedstats.reporting.pooled_fits import SITE
from fedstats.study.curve_follow_ups import curve_follow_ups, curve_of, incidence_follow_ups, incidence_of
from fedstats.study.definition import Study
from fedstats.study.follow_ups import Analysis

ONE_SITE = "fedstats, all rows at one site"
#: Sums of counts are exact, and what follows from them is worked out in the same way.
NEAR = 1e-12
#: Weights by a propensity that is modelled anew: it travels to twelve digits, and a fit ends 1e-10 of a standard error from its maximum.
NEAR_WEIGHTED = 1e-9
#: Statistics of sums that sites with a gate round: each by half a thousandth of its standard deviation, and its variance by a 512th.
NEAR_ROUNDED = 1e-2


def counted_rows(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for everything that a study asks of its tables of counts but plain curves, which others can draw."""
    labels = [v.name for v in study.codebook.variables if v.kind == "label" and not v.unique]
    apart = {
        name: (pooled[SITE].astype(str) + " " + pooled[name].astype(str)).where(pooled[name].notna(), None)
        for name in labels
    }
    rows = pooled.assign(**apart)  # a practice is one of its site, whatever it is called
    here = InProcess({"pooled": rows}, study.codebook, DisclosurePolicy.none())
    found = []
    for name, analysis, near in _analyses(study):
        result = results.get(name)
        if not isinstance(result, CountedResult | Curve) or (isinstance(result, Curve) and result.is_plain):
            continue
        again = analysis(here, grid=result.grid or None)
        found.append({"analysis": name} | _difference(result, again, near))
        if isinstance(result, LogRankTest) and (row := _by_lifelines(study, result, pooled)):
            found.append({"analysis": name} | row)
    return found


def _analyses(study: Study) -> Iterator[tuple[str, Analysis, float]]:
    """Name, analysis, and how near it comes."""
    for curve in study.curves:
        near = NEAR if curve.weighting is None else NEAR_WEIGHTED
        yield curve.name, curve_of(curve), near
        yield from ((asked.name, asked.analysis, near) for asked in curve_follow_ups(curve))
    for incidence in study.incidences:
        yield incidence.name, incidence_of(incidence), NEAR
        yield from ((asked.name, asked.analysis, NEAR) for asked in incidence_follow_ups(incidence))


def _difference(ours: CountedResult | Curve, theirs: Any, near: float) -> dict[str, Any]:
    if isinstance(ours, LogRankTest | MaxComboTest) and ours.status == ROUNDED:
        off = abs(ours.statistic - theirs.statistic)
        kept = off <= NEAR_ROUNDED * max(1.0, abs(theirs.statistic))
        return _row("test statistic of rounded sums", ONE_SITE, _patients(ours), off, kept)
    if list(ours.frame.columns) != list(theirs.frame.columns) or len(ours.frame) != len(theirs.frame):
        raise ValueError("The pooled counts are not in the cells of the federated ones.")
    a, b = (f.select_dtypes("number").to_numpy(dtype=float) for f in (ours.frame, theirs.frame))
    gap = np.abs(np.where(np.isnan(a) & np.isnan(b) | (a == b), 0.0, a - b))
    words = "survival probabilities" if isinstance(ours, Curve) else "what follows from counts"
    kept = bool((gap <= near * np.fmax(1.0, np.nan_to_num(np.abs(b), posinf=1.0))).all())
    return _row(words, ONE_SITE, _patients(ours), float(gap.max()), kept)


def _by_lifelines(study: Study, found: LogRankTest, pooled: pd.DataFrame) -> dict[str, Any] | None:
    outcome, _ = parse_groups(found.formula, study.codebook)
    if found.rho or found.gamma or found.strata or found.landmark or outcome.entry is not None:
        return None
    import lifelines  # noqa: PLC0415 (three seconds to import, and only this page needs it)
    from lifelines.statistics import multivariate_logrank_test  # noqa: PLC0415

    frame, labels, _ = curve_rows(study, found, pooled)
    times = follow_up(frame, outcome)
    if found.grid:
        moved = times.on_grid(np.array(found.grid))
        late = np.minimum(moved.time, found.grid[-1] * 2)  # beyond the grid: followed, without an event on it
        test = multivariate_logrank_test(late, labels.to_numpy(), moved.event)
    else:
        test = multivariate_logrank_test(times.time, labels.to_numpy(), times.event)
    gap = abs(float(test.test_statistic) - found.statistic)
    software = f"lifelines {lifelines.__version__}"
    return _row("log-rank statistic", software, len(frame), gap, gap <= 1e-9 * max(1.0, found.statistic))


def _patients(found: CountedResult | Curve) -> float:
    """Patients, where the frame says how many."""
    frame = found.frame
    if "n_risk" in frame:
        first = frame.groupby(["group", *(["cause"] if "cause" in frame else [])], sort=False).first()
        return float(first.groupby("group")["n_risk"].first().sum())
    return float(frame["n"].sum()) if "n" in frame else float("nan")


def _row(compared: str, software: str, patients: float, gap: float, kept: bool) -> dict[str, Any]:
    found = {"compared": compared, "software": software, "patients": patients, "largest difference": gap}
    return found | {"in standard errors": np.nan, "kept": kept}
