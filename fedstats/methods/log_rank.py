"""Log-rank tests, weighted and combined, of the table of counts that the curves are drawn from."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.entries import listed
from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError, parse_groups
from fedstats.contract.query import QueryError
from fedstats.contract.survival_results import LogRankTest, MaxComboTest
from fedstats.contract.values import check_choice, is_number, shown
from fedstats.methods.local_log_rank import LocalSums, local_sums
from fedstats.methods.survival_counts import (
    Grid,
    SurvivalCounts,
    check_strata,
    compared_groups,
    stays_at_sites,
    survival_counts,
)
from fedstats.numerics.weighted_log_rank import (
    Alternative,
    LogRankSums,
    chi_squared,
    chi_squared_p_value,
    log_rank_sums,
    max_combo_p_value,
    z_values,
)

#: The members of Karrison's (2016) MaxCombo: constant, early, late and middle differences.
COMBINED = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))


def logrank(
    federation: Federation,
    formula: str,
    *,
    strata: str | Sequence[str] | None = None,
    rho: float = 0,
    gamma: float = 0,
    grid: Grid = None,
    landmark: float | None = None,
) -> LogRankTest:
    """Test that groups have the same hazard, by the log-rank test or one of Fleming and Harrington's family.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ group"`` with two or more groups.
    strata : str or several, optional
        Factors of the codebook: groups are compared within each combination of their levels, and the sums of
        all strata are tested together.  With a column among them that has no agreed levels, such as a practice, strata stay at the
        sites and lie within them, as under a Cox model's own baseline hazards: times are exact, and rho and gamma 0, 0.5 or 1.  Sites
        with a gate take 0 and 1 alone and round their sums, by which a chi-squared changes by less than 1 %; ``status`` says so.
    rho, gamma : float
        Weights S(t-)^rho (1 - S(t-))^gamma with the Kaplan-Meier curve of all groups of a stratum: (0, 0) the log-rank test,
        (1, 0) Peto and Peto's modification of the Gehan-Wilcoxon test, (0, 1) for late differences.
    grid : number or sequence, optional
        As of :func:`fedstats.kaplan_meier`.
    landmark : number, optional
        Compare from this time on, those who are still at risk then.

    Returns
    -------
    LogRankTest
        R's ``survdiff`` on the pooled rows, groups without a patient left out (``empty``), with times moved to the right edges of their cells where there is a grid: the
        variance is the hypergeometric one, so ties that the grid makes are taken account of.

    Raises
    ------
    FormulaError, QueryError, SiteRefused, ValueError

    Notes
    -----
    Mantel (1966); Harrington & Fleming (1982).  The table is that of the curves: with the same outcome, groups and strata
    sites are asked nothing new.
    """
    tests = [(_exponent("rho", rho), _exponent("gamma", gamma))]
    found = _compared(federation, formula, tests, strata, grid, landmark)
    sums = found.sums
    try:
        statistic, df = chi_squared(sums)
    except np.linalg.LinAlgError:  # groups that are never at risk together in a stratum
        raise QueryError(
            "There are groups that are nowhere at risk together when an event happens, so that nothing compares them: take fewer "
            "strata, or a subset of the groups."
        ) from None
    columns = {"group": found.names, "n": np.rint(found.n).astype(int)}
    return LogRankTest(
        **found.common,
        frame=pd.DataFrame(columns | {"observed": sums.observed[0], "expected": sums.expected[0]}),
        statistic=statistic,
        df=df,
        p_value=chi_squared_p_value(statistic, df),
        rho=float(rho),
        gamma=float(gamma),
        strata=_named(strata),
    )


def max_combo(
    federation: Federation,
    formula: str,
    *,
    weights: Sequence[tuple[float, float]] = COMBINED,
    alternative: Alternative = "two-sided",
    strata: str | Sequence[str] | None = None,
    grid: Grid = None,
    landmark: float | None = None,
) -> MaxComboTest:
    """Compare two groups whose hazards may cross: the most extreme of several weighted log-rank tests.

    Parameters
    ----------
    weights : sequence of (rho, gamma)
        Of the tests, as of :func:`fedstats.logrank`.
    alternative : {"two-sided", "less", "greater"}
        "less": fewer events in the second group than expected.
    strata, grid, landmark
        As of :func:`fedstats.logrank`, and of the same table.

    Returns
    -------
    MaxComboTest
        The p-value takes account of the correlation of the tests; it has the same digits on every run and a relative error
        of 1e-5, or 3e-4 with weights whose scores span more than three dimensions.

    Raises
    ------
    FormulaError, QueryError, SiteRefused, ValueError

    Notes
    -----
    Karrison (2016); Lin, Lin, Roychoudhury et al. (2020).  A combination of tests says that the curves differ somewhere; read
    it together with restricted means or hazard ratios by period, which say how.
    """
    pairs = check_weights(weights)
    check_choice("alternative", alternative, get_args(Alternative))
    found = _compared(federation, formula, pairs, strata, grid, landmark)
    if len(found.names) != 2:
        raise FormulaError(
            f"MaxCombo compares two groups, and there are patients in {listed(found.names)}: ask for logrank, or of the patients of two, as in "
            "sites.where(\"arm != 'C'\")."
        )
    sums = found.sums
    if not (np.diag(sums.covariance[:, :, 1, 1]) > 0).all():
        raise QueryError("No events can be compared under one of the weights: leave it out.")
    z, correlation = z_values(sums)
    tails = {"two-sided": 2 * norm.sf(np.abs(z)), "less": norm.cdf(z), "greater": norm.sf(z)}[alternative]
    most = {"two-sided": np.argmax(np.abs(z)), "less": np.argmin(z), "greater": np.argmax(z)}[alternative]
    rho, gamma = np.array(pairs).T
    return MaxComboTest(
        **found.common,
        frame=pd.DataFrame({"rho": rho, "gamma": gamma, "statistic": z, "p_value": tails}),
        statistic=float(z[most]),
        p_value=max_combo_p_value(z, correlation, alternative),
        alternative=alternative,
        strata=_named(strata),
    )


def _compared(
    federation: Federation,
    formula: str,
    tests: Sequence[tuple[float, float]],
    strata: str | Sequence[str] | None,
    grid: Grid,
    landmark: float | None,
) -> LocalSums:
    """Groups with the sums of the tests: of the table of counts, or of the sites' own strata."""
    check_federation(federation)
    _, group = parse_groups(formula, federation.codebook)
    columns = check_strata(strata, group, federation.codebook, local=True)
    if not stays_at_sites(columns, federation.codebook):
        counts = survival_counts(federation, formula, grid=grid, strata=strata).after(landmark)
        _check_groups(counts, formula)
        n = np.array([counts.group(i).n for i in range(len(counts.names))])
        return LocalSums(counts.names, n, _sums(counts, tests), counts.common)
    if grid is not None or landmark is not None:
        raise FormulaError(
            f"{listed(columns)}: strata that stay at the sites are compared on exact times from the beginning: leave out grid and "
            'landmark, or ask of sites.where("time > 6").'
        )
    found = local_sums(federation, formula, columns, tests)
    compared_groups(found.names, found.common["empty"], formula)
    if not found.sums.observed.any():
        raise QueryError(f"There are no events among the patients of {formula!r}.")
    return found


def _sums(counts: SurvivalCounts, weights: Sequence[tuple[float, float]]) -> LogRankSums:
    n_event = counts.n_event.sum(axis=0)
    of_each = [log_rank_sums(counts.n_risk[:, s], n_event[:, s], weights) for s in range(n_event.shape[1])]
    found = of_each[0]
    for sums in of_each[1:]:
        found = found.plus(sums)
    return found


def _check_groups(counts: SurvivalCounts, formula: str) -> None:
    compared_groups(counts.names, counts.empty, formula)
    if not counts.n_event.any():
        raise QueryError(f"There are no events among the patients of {formula!r}.")


def _exponent(name: str, value: float) -> float:
    if not is_number(value) or value < 0:
        raise ValueError(f"{name} is {shown(value)}; give a number from 0 on.")
    return float(value)


def check_weights(weights: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Pairs (rho, gamma) of a combination of tests.

    Raises
    ------
    ValueError
    """
    try:
        pairs = [(rho, gamma) for rho, gamma in weights]
    except (TypeError, ValueError):
        pairs = []
    found = [(_exponent("rho", rho), _exponent("gamma", gamma)) for rho, gamma in pairs]
    if not found or len(set(found)) < len(found) or len(found) > 8:
        raise ValueError(
            f"weights is {shown(weights)}; give up to eight different pairs (rho, gamma), as [(0, 0), (0, 1)]."
        )
    return found


def _named(strata: str | Sequence[str] | None) -> tuple[str, ...]:
    return (strata,) if isinstance(strata, str) else tuple(strata or ())
