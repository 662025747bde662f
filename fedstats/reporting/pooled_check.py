"""Federated against pooled, where pooling is allowed: the same models by other people's software."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.condition import level_name
from fedstats.contract.curve import Curve
from fedstats.contract.design import Design, Period
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.fit import Fit
from fedstats.contract.periods import periods_of, within
from fedstats.contract.results import NOT_SHOWN, Table
from fedstats.contract.variable import Variable
from fedstats.federations.in_process import InProcess
from fedstats.methods.cox_regression import cox
from fedstats.methods.follow_up import follow_up
from fedstats.methods.glm_regression import glm
from fedstats.methods.weighting import recipe_of
from fedstats.reporting import formats
from fedstats.reporting.coarsening import curve_rows, groups_of
from fedstats.reporting.pooled_attrition import attrition_rows
from fedstats.reporting.pooled_counts import counted_rows
from fedstats.reporting.pooled_fits import SITE, complete_rows, glm_by_statsmodels, with_made_weights
from fedstats.reporting.pooled_follow_ups import follow_up_rows
from fedstats.reporting.pooled_weights import weights_rows
from fedstats.study.definition import Study

COLUMNS = (
    *("analysis", "compared", "software", "patients", "largest difference", "in standard errors", "kept"),
)
#: What a federated estimate may differ from the pooled one by, in words and as numbers.
TOLERANCE = (
    "10⁻⁹ of the larger of standard error and estimate for coefficients and what follows from them (10⁻⁷ for slopes, "
    "which are compared with difference quotients) and for curves that are weighted by a propensity, 10⁻¹² for all else"
)
COEFFICIENTS, OTHERS = 1e-9, 1e-12
_RATIO = {
    "Hazard ratio": "log hazard ratios",
    "Odds ratio": "log odds ratios",
    "Risk ratio": "log risk ratios",
    "Rate ratio": "log rate ratios",
    "Mean difference": "mean differences",
}


def compare(study: Study, results: Mapping[str, Any], pooled: pd.DataFrame) -> pd.DataFrame:
    """One row a checked analysis: the largest difference between the federated and the pooled estimate."""
    rows = []
    asked = {spec.name for spec in study.models}
    whole = pooled
    for name, result in results.items():
        pooled = _rows_of(study, name, whole)
        pooled = with_made_weights(result, pooled) if isinstance(result, Fit) else pooled
        if isinstance(result, Fit) and result.is_penalised and name not in asked:
            continue  # a result holds its penalty in words, the study as it is asked
        if isinstance(result, Fit) and result.options.get("baseline") != "shared":
            rows.append({"analysis": name} | _one_site(study, name, result, pooled))
        check = _check_for(result)
        if check is not None:
            rows.append({"analysis": name} | check(study, result, pooled))
    rows += attrition_rows(results, whole)
    rows += counted_rows(study, results, whole)
    rows += follow_up_rows(study, results, whole)
    rows += weights_rows(study, results, whole)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows_of(study: Study, name: str, whole: pd.DataFrame) -> pd.DataFrame:
    """Of a propensity those who have what it asks for besides its formula; else all."""
    asked = {f"weights_{key}": spec.complete for key, spec in study.weights.items()}.get(name, ())
    return whole.dropna(subset=list(asked)).reset_index(drop=True) if asked else whole


def headline(frame: pd.DataFrame) -> str:
    """The largest difference of each kind of estimate, and whether the tolerance is kept."""
    worst = frame.groupby("compared", sort=False)["largest difference"].max()
    listed = "; ".join(f"{kind} {formats.precise(gap, 2)}" for kind, gap in worst.items())
    kept = "kept" if frame["kept"].all() else "not kept by all"
    return f"Largest differences: {listed}. Tolerance ({TOLERANCE}): {kept}."


def differing(frame: pd.DataFrame) -> list[str]:
    """Analyses of which an estimate does not keep the tolerance, each once."""
    return list(dict.fromkeys(frame.loc[~frame["kept"].astype(bool), "analysis"]))


def verdict(frame: pd.DataFrame) -> str:
    """What stands above everything else: whether all that was compared with the pooled rows is what they give."""
    analyses = frame["analysis"].nunique()
    compared = f"{formats.count(analyses)} {'analysis' if analyses == 1 else 'analyses'}"
    if not len(frame):
        return "The pooled rows are at hand, and none of the analyses can be compared with them."
    if not (names := differing(frame)):
        return f"Compared with the pooled rows: {compared}, all within the tolerance."
    return (
        f"Differs from the pooled rows by more than the tolerance: {'; '.join(names)} ({len(names)} of {compared} compared). "
        "Do not use these estimates before the cause is known; “Federated against pooled”, near the end, has the numbers."
    )


def _one_site(study: Study, name: str, fit: Fit, pooled: pd.DataFrame) -> dict[str, Any]:
    """The same estimator with all rows at one site: what adding up over sites changes."""
    options = {k: v for k, v in fit.options.items() if v and not k.startswith("propensity")}
    options |= {"robust": True} if fit.variance == "stacked" else {}  # its weights are a column here
    # groups of two sites are two, whatever they are called
    within = {f"({k})": options[k] for k in ("cluster", "intercepts") if k in options}
    joined = {
        name: pooled[SITE].astype(str) + " " + pooled[column].astype(str) for name, column in within.items()
    }
    kept = {name: values.where(pooled[within[name]].notna(), None) for name, values in joined.items()}
    options |= {name.strip("()"): name for name in within}
    labels = [Variable(name, "label", missing=True) for name in (SITE, *within)]
    if (recipe := recipe_of(fit)) is not None:
        labels.append(Variable(recipe.name, "numeric", missing=True))
    codebook = replace(study.codebook, variables=(*study.codebook.variables, *labels))
    together = InProcess({"pooled": pooled.assign(**kept)}, codebook, DisclosurePolicy.none())
    if fit.is_penalised:
        options["penalty"] = next(spec.asked_penalty for spec in study.models if spec.name == name)
    if fit.kind == "cox":
        again = cox(together, fit.formula, **options | {"strata": (SITE, *fit.options["strata"])})
    else:
        again = glm(together, fit.formula, **options)
    std_error = np.sqrt(np.diag(again.covariance))
    return _difference(fit, again.beta, std_error, "fedstats, all rows at one site", again.n)


def _check_for(result: Any) -> Callable[[Study, Any, pd.DataFrame], dict[str, Any]] | None:
    if isinstance(result, Curve):
        return _curve if result.is_plain else None
    if isinstance(result, Table):
        return _table
    if not isinstance(result, Fit):
        return None
    if result.is_penalised:
        return None  # what other people's software calls a strength is on other scales
    if result.kind != "cox":
        return None if result.intercepts else _glm
    # lifelines has Efron's ties only, and no shared grid
    return _cox if result.options["ties"] == "efron" and result.options["baseline"] == "site" else None


def _difference(fit: Fit, beta: np.ndarray, std_error: np.ndarray, software: str, n: int) -> dict[str, Any]:
    gap = np.abs(fit.beta - beta)
    allowed = COEFFICIENTS * np.fmax(std_error, np.abs(beta))  # a lasso has no standard errors
    return {
        "compared": _RATIO[fit.effect],
        "software": software,
        "patients": n,
        "largest difference": float(gap.max()),
        "in standard errors": float((gap / std_error).max()),
        "kept": bool((gap <= allowed).all()),
    }


def _cox(study: Study, fit: Fit, pooled: pd.DataFrame) -> dict[str, Any]:
    import lifelines  # noqa: PLC0415 (three seconds to import, and only this page needs it)

    frame, outcome, design = complete_rows(study, fit, pooled)
    table = pd.DataFrame(design.raw(frame), columns=list(fit.names))
    times = follow_up(frame, outcome)
    table["(time)"], table["(event)"] = times.time, times.event.astype(int)
    table["(stratum)"] = frame.groupby([SITE, *fit.options["strata"]], observed=True).ngroup()
    optional = {}
    if times.entry is not None:
        table["(entry)"], optional["entry_col"] = times.entry, "(entry)"
    if fit.options["weights"]:
        table["(weight)"], optional["weights_col"] = frame[fit.options["weights"]].astype(float), "(weight)"
    strata = ["(stratum)"]
    if periods := periods_of(design):
        table, strata = _by_period(table, design, periods), ["(stratum)", "(period)"]
    # left to its defaults lifelines stops some 1e-6 short of the maximum; at half a squared step of 1e-21 (in
    # standard errors) 1e-10 is left, and the relative change of the log-likelihood must not end it before
    with (
        warnings.catch_warnings()
    ):  # of weights that are no counts it says that their variance is another: coefficients are compared
        warnings.simplefilter("ignore", lifelines.exceptions.StatisticalWarning)
        pooled_fit = lifelines.CoxPHFitter(alpha=1 - fit.level).fit(
            table,
            "(time)",
            "(event)",
            strata=strata,
            fit_options={"step_size": 1.0, "precision": 1e-21, "r_precision": 0.0},
            **optional,
        )
    beta = pooled_fit.params_[list(fit.names)].to_numpy()
    std_error = pooled_fit.standard_errors_[list(fit.names)].to_numpy()
    return _difference(fit, beta, std_error, f"lifelines {lifelines.__version__}", len(frame))


def _by_period(table: pd.DataFrame, design: Design, periods: tuple[Period, ...]) -> pd.DataFrame:
    """Rows of every patient in each period that he reaches: its events, and the columns that count there."""
    parts = []
    for number, period in enumerate(periods):
        part = table[table["(time)"] > period.after].assign(**{"(period)": number})
        part["(event)"] *= part["(time)"] <= period.end
        others = set(design.names) - {design.names[j] for j in within(design, period)[1]}
        parts.append(part.assign(**dict.fromkeys(others, 0.0)))
    return pd.concat(parts, ignore_index=True)


def _glm(study: Study, fit: Fit, pooled: pd.DataFrame) -> dict[str, Any]:
    found = glm_by_statsmodels(study, fit, pooled)
    return _difference(fit, found.beta, found.std_error, found.software, len(found.frame))


def _curve(study: Study, curve: Curve, pooled: pd.DataFrame) -> dict[str, Any]:
    import lifelines  # noqa: PLC0415

    frame, labels, outcome = curve_rows(study, curve, pooled)
    gap = 0.0
    for name, rows in curve.frame.groupby("group", sort=False):
        part = follow_up(frame[labels == name], outcome)
        edges = rows["time"].to_numpy()[1:]
        moved = part.on_grid(edges)
        late = np.minimum(moved.time, edges[-1] * 2)  # beyond the grid: followed, without an event on it
        fitter = lifelines.KaplanMeierFitter().fit(late, moved.event, entry=part.entry)
        expected = fitter.survival_function_at_times(edges).to_numpy()
        gap = max(gap, float(np.abs(rows["estimate"].to_numpy()[1:] - expected).max()))
    return {
        "compared": "survival probabilities",
        "software": f"lifelines {lifelines.__version__}",
        "patients": len(frame),
        "largest difference": gap,
        "in standard errors": np.nan,
        "kept": bool(gap <= OTHERS),
    }


def _table(study: Study, found: Table, pooled: pd.DataFrame) -> dict[str, Any]:
    """Counts, percentages, means and SDs, each relative to its size (a mean to its SD)."""
    gap = 0.0
    for group, frame in groups_of(study, found.by, pooled):
        for row in found.frame[found.frame["group"] == group].itertuples():
            column = frame[row.variable]
            if row.level == NOT_SHOWN or np.isnan(row.n):
                continue  # what is not shown is compared with nothing
            if row.level:
                level = column.dropna().map(level_name)
                pairs = [
                    (row.n, (level == row.level).sum(), 1.0),
                    (row.percent, 100 * (level == row.level).mean(), 100),
                ]
            else:
                sd = column.astype(float).std()
                pairs = [
                    (row.n, column.count(), 1.0),
                    (row.mean, column.astype(float).mean(), sd),
                    (row.sd, sd, sd),
                ]
            pairs.append((row.missing, column.isna().sum(), 1.0))
            known = (pair for pair in pairs if not np.isnan(pair[0]))
            gap = max(gap, *(abs(ours - theirs) / size for ours, theirs, size in known))
    return {
        "compared": "counts, percentages, means and SDs",
        "software": f"pandas {pd.__version__}",
        "patients": len(pooled),
        "largest difference": float(gap),
        "in standard errors": np.nan,
        "kept": bool(gap <= OTHERS),
    }
