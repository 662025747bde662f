"""What is printed of a fit: its call, sizes, tests, and what one has to know to read the numbers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import chi2

from fedstats.contract.hypotheses import wald_p_value, wald_test
from fedstats.contract.printed import dropped_in_words
from fedstats.numerics.newton import NEARLY_COLLINEAR

if TYPE_CHECKING:
    from fedstats.contract.fit import Fit

#: Arguments of a call that are printed where they were given, in this order.
_ARGUMENTS = (
    "family",
    "link",
    "strata",
    "baseline",
    "ties",
    "weights",
    "offset",
    "cluster",
    "intercepts",
    "penalty",
)
_OF_TESTS = {"lr": "Likelihood-ratio test", "wald": "Wald test", "score": "Score test"}


def glance_row(fit: "Fit") -> pd.DataFrame:
    """One row: sizes, log-likelihoods, tests and what the fit cost in rounds and bytes."""
    slopes = np.array([name != "Intercept" for name in fit.names])
    parameters = fit.df if np.isfinite(fit.df) else float(len(fit.names))
    parameters += np.isfinite(fit.df_residual)  # the dispersion is one more
    parameters += fit.intercepts
    likelihood_ratio, wald, aic, bic = np.nan, np.nan, np.nan, np.nan
    df = fit.df - float(np.count_nonzero(~slopes))  # as glmnet counts, and as the tests do
    counted = fit.n_event if fit.kind == "cox" else fit.n  # BIC of a Cox model counts events
    has_firth = np.isfinite(fit.penalised_loglik)
    if not has_firth:  # a likelihood with a penalty of the columns compares no models of other columns
        aic = -2 * fit.loglik + 2 * parameters
        bic = -2 * fit.loglik + parameters * np.log(counted) if counted else np.nan
    if has_firth:
        likelihood_ratio = 2 * (fit.penalised_loglik - fit.penalised_loglik_null)
    elif not fit.is_penalised:
        likelihood_ratio = 2 * (fit.loglik - fit.loglik_null)
    if has_firth or not fit.is_penalised:
        wald, df = wald_test(fit.beta[slopes], fit.covariance[np.ix_(slopes, slopes)])
    row = {
        "n": fit.n,
        "n_event": fit.n_event,
        "dropped": fit.dropped,
        "loglik": fit.loglik,
        "loglik_null": fit.loglik_null,
        "lr_statistic": likelihood_ratio,
        "lr_p_value": float(chi2.sf(likelihood_ratio, df)),
        "wald_statistic": wald,
        "wald_p_value": wald_p_value(wald, df, fit.df_residual),
        "score_statistic": fit.score_test,
        "score_p_value": float(chi2.sf(fit.score_test, df)),
        "df": df,
        "aic": aic,
        "bic": bic,
        "condition": fit.condition,
        "steps": fit.steps,
        "rounds": fit.rounds,
        "bytes": fit.n_bytes,
        "sites": len(fit.sites),
        **_deviances(fit),
        **({"intercepts": fit.intercepts, "uninformative": fit.uninformative} if fit.intercepts else {}),
        "converged": fit.converged,
        "status": fit.status,
    }
    return pd.DataFrame([row])


def _deviances(fit: "Fit") -> dict[str, float]:
    if np.isnan(fit.deviance):
        return {}
    left = fit.df_residual if np.isfinite(fit.df_residual) else fit.n - len(fit.names) - fit.intercepts
    return {
        "deviance": fit.deviance,
        "null_deviance": fit.null_deviance,
        "dispersion": fit.dispersion,
        "df_residual": left,
    }


def notes(fit: "Fit") -> tuple[str, ...]:
    """What one has to know to read the numbers, in sentences: groups of two sites are two, whatever they are called."""
    return tuple(_notes(fit))


def _notes(fit: "Fit") -> Iterator[str]:
    options = fit.options
    for what, option in (("Clusters", "cluster"), ("Intercepts", "intercepts")):
        column = options.get(option)
        if column and column != "site" and len(fit.sites) > 1:
            yield f"{what} are those of {column} within a site: one name at two sites is two groups."
    if options.get("propensity_scores") == "expected":
        yield "The propensity's squared scores were not let out: their expectation, its information, stands in their place."
    grid = options.get("grid")
    if grid and fit.status != "exact":
        yield (
            f"Follow-up ends with the time cells, at {grid[-1]:g}: who is followed longer is censored there, and later events do not count."
        )
    if (
        options.get("weights")
        and fit.variance == "model"
        and not fit.is_penalised
        and "propensity" not in options
    ):
        yield _about_weights(fit)
    if fit.condition > NEARLY_COLLINEAR:
        yield (
            f"Nearly collinear: {', '.join(fit.nearly_collinear)}. The information has a condition of {fit.condition:.0e}, so that standard "
            f"errors keep about {15 - np.log10(fit.condition):.0f} of their 15 digits."
        )


def _about_weights(fit: "Fit") -> str:
    if fit.options.get("family") == "gaussian":
        return "Weights count as precisions, as in lm: of sampling weights ask for robust=True."
    said = "Weights count as numbers of patients: standard errors are model-based. "
    if abs(fit.weight - round(fit.weight)) > 1e-6:
        return f"{said}They add up to {fit.weight:.6g} and are no such numbers, so ask for robust=True."
    by_itself = ", which coxph does by itself where a weight is not whole" if fit.kind == "cox" else ""
    return f"{said}Of other weights ask for robust=True{by_itself}."


def variance_in_words(fit: "Fit") -> str:
    """``model-based``, ``robust (sandwich), clusters of inst``."""
    cluster = f", clusters of {fit.options['cluster']}" if fit.options.get("cluster") else ""
    words = {
        "model": "model-based",
        "robust": "robust (sandwich)",
        "stacked": "robust, with the propensity's estimation (stacked equations)",
    }
    if not fit.has_std_errors:
        return "none under this penalty"
    if fit.is_penalised and np.isnan(fit.penalised_loglik):
        return "of the penalised information"
    return words[fit.variance] + cluster


def call_in_words(fit: "Fit") -> str:
    """``cox(Surv(time, status) ~ age, strata=inst, baseline=site, ties=efron)``."""
    said = [fit.formula]
    for name in _ARGUMENTS:
        value = fit.options.get(name)
        if value:
            said.append(f"{name}={value if isinstance(value, str) else '+'.join(map(str, value))}")
    if fit.options.get("time_varying"):
        said.append(f"time_varying={'+'.join(fit.options['time_varying'])}")
    return f"{fit.kind}({', '.join(said)})"


def sizes_in_words(fit: "Fit") -> str:
    """``226 patients, 163 events, 2 rows dropped for an empty cell, 3 sites``."""
    said = [f"{fit.n} patients"]
    said += [] if fit.kind == "glm" and fit.n_event == 0 else [f"{fit.n_event} events"]
    said += [dropped_in_words(fit.dropped)] if fit.dropped else []
    return ", ".join([*said, f"{len(fit.sites)} site{'' if len(fit.sites) == 1 else 's'}"])


def tests_in_words(fit: "Fit") -> list[str]:
    """The tests of all coefficients together, a line each; of a robust fit Wald's alone, for the others take a likelihood."""
    facts, found = glance_row(fit).iloc[0], []
    if all(name == "Intercept" for name in fit.names):
        return []  # nothing but the intercept: there is no coefficient to test
    for key, name in _OF_TESTS.items():
        statistic, p_value = facts[f"{key}_statistic"], facts[f"{key}_p_value"]
        if np.isfinite(statistic) and (fit.variance == "model" or key == "wald"):
            said = f"Penalised {name.lower()}" if key == "lr" and fit.is_penalised else name
            found.append(f"{said} = {statistic:.4g} on {facts['df']:.0f} df, p = {p_value:.3g}")
    return found


def summary(fit: "Fit") -> str:
    """The printed summary: call, sizes, variance, table, tests, notes."""
    table = fit.tidy().to_string(index=False)
    end = f"Log-likelihood = {fit.loglik:.4f}"
    head = [call_in_words(fit), sizes_in_words(fit), f"Standard errors: {variance_in_words(fit)}"]
    return "\n".join([*head, table, *tests_in_words(fit), end, *notes(fit)])
