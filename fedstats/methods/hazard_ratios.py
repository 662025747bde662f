"""Hazard ratios of groups by period, from the table of counts that the curves are drawn from."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError
from fedstats.contract.hypotheses import coefficient_table, wald_test
from fedstats.contract.query import QueryError
from fedstats.contract.survival_results import PeriodHazardRatios
from fedstats.contract.values import check_choice, check_level, is_number, shown
from fedstats.methods.survival_counts import Grid, SurvivalCounts, compared_groups, survival_counts
from fedstats.numerics.group_hazards import group_derivatives
from fedstats.numerics.newton import Derivatives, Solution, newton
from fedstats.numerics.partial_likelihood import Ties

Array = NDArray[np.float64]


def period_hazard_ratios(
    federation: Federation,
    formula: str,
    *,
    cuts: float | Sequence[float] | None = None,
    ties: Ties = "efron",
    strata: str | Sequence[str] | None = None,
    grid: Grid = None,
    level: float = 0.95,
) -> PeriodHazardRatios:
    """Hazard ratios to the first group in each period of follow-up, where one ratio for all of it would average over a crossing.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, event) ~ group"``.
    cuts : number or several, optional
        Where periods end, an edge of the grid each; None: the codebook's.
    ties : {"efron", "breslow"}
        On a grid the events of a cell are tied.
    strata : str or several, optional
        Factors of the codebook, each combination of levels with a baseline hazard of its own.
    grid : number or sequence, optional
        As of :func:`fedstats.kaplan_meier`, and of the same table.
    level : float

    Returns
    -------
    PeriodHazardRatios
        Those of R's ``coxph(... ~ group:strata(period))`` on rows split at the cuts, with one baseline hazard for all sites and
        times moved to the right edges of their cells where there is a grid.

    Raises
    ------
    FormulaError, QueryError, SiteRefused, ValueError
    NotConverged
        A group without an event in a period.

    Notes
    -----
    With groups alone the partial likelihood is a function of the counts at risk and of events, so that no round follows.  A Cox
    model with more columns is ``fs.cox(..., time_varying=)``.
    """
    check_level(level)
    check_choice("ties", ties, get_args(Ties))
    counts = survival_counts(federation, formula, grid=grid, strata=strata)
    compared_groups(counts.names, counts.empty, formula)
    agreed = federation.codebook.grid
    ends = _checked_cuts(cuts, agreed.cuts if agreed else (), counts)
    period = np.searchsorted(ends, counts.edges * (1 - 1e-9), side="left")
    titles = _titles(ends, counts.unit)
    frames, solutions = [], []
    for k, title in enumerate(titles):
        n_risk, n_event = _side_by_side(counts, period == k)
        names = [f"{name}: {title}" for name in counts.names[1:]]
        solution = newton(_likelihood(n_risk, n_event, ties), np.zeros(len(names)), names)
        solutions.append(solution)
        table = coefficient_table(
            counts.names[1:],
            solution.beta,
            _covariance(solution),
            np.zeros(len(names)),
            level,
            exponentiate=False,
        )
        table.insert(1, "period", title)
        table.insert(2, "n_event", int(n_event.sum()))
        frames.append(table)
    return PeriodHazardRatios(
        **counts.common,
        frame=pd.concat(frames, ignore_index=True).sort_values(
            "term", kind="stable", ignore_index=True, key=_order(counts)
        ),
        constancy=_constancy(counts.names[1:], solutions),
        ties=ties,
        strata=(strata,) if isinstance(strata, str) else tuple(strata or ()),
        level=level,
        cuts=ends,
    )


def _checked_cuts(
    cuts: float | Sequence[float] | None, agreed: tuple[float, ...], counts: SurvivalCounts
) -> tuple[float, ...]:
    given: list[Any] = list(agreed if cuts is None else cuts if isinstance(cuts, list | tuple) else [cuts])
    if not given:
        raise FormulaError("The codebook agrees on no cuts between periods: name them, as in cuts=[6, 12].")
    if not all(is_number(c) and c > 0 for c in given) or given != sorted(set(given)):
        raise ValueError(f"cuts is {shown(cuts)}; give times above 0 in increasing order.")
    edges = counts.edges[:-1]
    beyond = [c for c in given if c >= counts.edges[-1]]
    strange = [] if counts.is_exact else [c for c in given if not np.isclose(edges, c, rtol=1e-9).any()]
    if beyond or strange:
        raise QueryError(
            f"cuts has {(beyond or strange)[0]:g}; a period ends on an edge of the grid that the sites let out, before its end: "
            f"{', '.join(f'{edge:g}' for edge in edges[:24])}."
        )
    return tuple(float(c) for c in given)


def _titles(ends: tuple[float, ...], unit: str) -> list[str]:
    words = [f"{a:.12g}-{b:.12g} {unit}" for a, b in zip((0.0, *ends[:-1]), ends, strict=True)]
    return [title.rstrip() for title in (*words, f"{ends[-1]:.12g}+ {unit}")]


def _side_by_side(counts: SurvivalCounts, chosen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """At risk and events of every group in the cells of a period, of all strata one after the other."""
    groups = len(counts.names)
    n_event = counts.n_event.sum(axis=0)
    return tuple(v[..., chosen].reshape(groups, -1) for v in (counts.n_risk, n_event))  # type: ignore[return-value]


def _likelihood(n_risk: Array, n_event: Array, ties: Ties) -> Callable[[Array], Derivatives]:
    if not n_event.any():
        raise QueryError("A period has no event: choose other cuts.")
    return partial(_finite, n_risk, n_event, ties)


def _finite(n_risk: Array, n_event: Array, ties: Ties, beta: Array) -> Derivatives:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return group_derivatives(n_risk, n_event, beta, ties)
    except FloatingPointError:
        return Derivatives.not_finite(beta)


def _covariance(solution: Solution) -> Array:
    return np.asarray(np.linalg.inv(solution.at.information))


def _constancy(names: tuple[str, ...], solutions: list[Solution]) -> pd.DataFrame:
    """Wald tests that the ratios of all periods are equal, each group by itself and, if several, all together."""
    beta = np.array([s.beta for s in solutions])
    covariances = [_covariance(s) for s in solutions]
    chosen = {name: [j] for j, name in enumerate(names)}
    if len(names) > 1:
        chosen["GLOBAL"] = list(range(len(names)))
    rows = []
    for name, columns in chosen.items():
        apart = (beta[1:, columns] - beta[0, columns]).ravel()
        own = [c[np.ix_(columns, columns)] for c in covariances]
        first = np.kron(np.ones((len(own) - 1, len(own) - 1)), own[0])
        for k, block in enumerate(own[1:]):
            here = slice(k * len(columns), (k + 1) * len(columns))
            first[here, here] += block
        statistic, df = wald_test(apart, np.asarray(first, dtype=float))
        rows.append(
            {"term": name, "df": df, "statistic": statistic, "p_value": float(chi2.sf(statistic, df))}
        )
    return pd.DataFrame(rows)


def _order(counts: SurvivalCounts) -> Callable[["pd.Series[str]"], "pd.Series[int]"]:
    place = {name: i for i, name in enumerate(counts.names)}
    return lambda terms: terms.map(place)
