"""Cumulative incidence of competing causes, from counts at risk and of events by cause."""

import numpy as np
import pandas as pd

from fedstats.contract.arguments import check_survival_interval
from fedstats.contract.federation import Federation
from fedstats.contract.formula import parse_groups
from fedstats.contract.survival_results import CumulativeIncidence
from fedstats.methods.survival_counts import Grid, GroupCounts, causes_of, survival_counts
from fedstats.numerics.cumulative_incidence import Array, aalen_johansen, incidence_bounds
from fedstats.numerics.survival_table import ConfType, lowest_estimate, survival_interval


def cumulative_incidence(
    federation: Federation,
    formula: str,
    *,
    censored: str | None = None,
    grid: Grid = None,
    conf_type: ConfType = "log",
    level: float = 0.95,
    landmark: float | None = None,
) -> CumulativeIncidence:
    """Probability of an event of each cause by a time, where patients who have had another one can have it no more.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"Surv(time, cause) ~ group"``, also with an entry; the cause is a factor of the codebook.
    censored : str, optional
        The level that ends follow-up without any event; None: the factor's first, as in R.
    grid, landmark
        As of :func:`fedstats.kaplan_meier`.
    conf_type : {"log", "log-log", "plain"}
        Scale of the intervals, of the incidence as R's ``survfit`` has it.
    level : float

    Returns
    -------
    CumulativeIncidence
        R's ``survfit`` for several states on the pooled rows, standard errors included, with times moved to the right edges of their
        cells where there is a grid.

    Raises
    ------
    FormulaError, QueryError, SiteRefused, ValueError

    Notes
    -----
    Aalen & Johansen (1978).  Standard errors are of Greenwood's type with multinomial increments (Andersen, Borgan, Gill & Keiding 1993,
    section 4.4), which the counts of a table are enough for; they equal ``etm``'s, and without late entries ``survfit``'s infinitesimal jackknife.  One minus
    Kaplan-Meier of a single cause, other causes taken for ends of follow-up, would be too high.
    """
    check_survival_interval(conf_type, level)
    counts = survival_counts(federation, formula, grid=grid, causes=True, censored=censored).after(landmark)
    outcome, _ = parse_groups(formula, federation.codebook, causes=True)
    variable = federation.codebook[outcome.event]
    causes = [variable.level_label(level) for level in causes_of(outcome, federation.codebook, censored)]
    parts = []
    for i, name in enumerate(counts.names):
        group = counts.group(i)
        of_causes = counts.n_event[:, i].sum(axis=1)
        parts += _curves(
            name, causes, group, of_causes, conf_type, level, start=counts.start, late=counts.late
        )
    return CumulativeIncidence(
        **counts.common,
        frame=pd.concat(parts, ignore_index=True),
        level=level,
        conf_type=conf_type,
    )


def _curves(
    name: str,
    causes: list[str],
    counts: GroupCounts,
    of_causes: Array,
    conf_type: ConfType,
    level: float,
    *,
    start: float,
    late: bool,
) -> list[pd.DataFrame]:
    """A curve for each cause in one group."""
    on_grid = bool((counts.start < counts.time).any())
    kept = counts.n_risk > 0
    if not on_grid:  # distinct times of every group: keep those at which someone of this one leaves
        kept &= counts.n_event + counts.n_censor > 0
    if not kept.any():
        return []
    counts, of_causes = counts.chosen(kept), of_causes[:, kept]
    incidence, error, _ = aalen_johansen(counts.n_risk, of_causes)
    low, high = incidence, incidence
    if on_grid:
        lowest = lowest_estimate(counts.n_risk, counts.n_event, counts.n_left)
        low, high = incidence_bounds(counts.n_risk, of_causes, lowest, late=late)
    frames = []
    for k, cause in enumerate(causes):
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = survival_interval(incidence[k], error[k] / incidence[k], conf_type, level)
        columns = {"group": name, "cause": cause, "time": counts.time, "n_risk": counts.n_risk.astype(int)}
        columns |= {"n_event": of_causes[k].astype(int), "estimate": incidence[k], "std_error": error[k]}
        columns |= {
            "conf_low": ends[0],
            "conf_high": ends[1],
            "start": counts.start,
            "low": low[k],
            "high": high[k],
        }
        frame = pd.DataFrame(columns)
        zero = dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high", "low", "high"), 0.0)
        first = frame.iloc[:1].assign(**zero, time=start, start=start, n_event=0)
        frames.append(pd.concat([first, frame], ignore_index=True))
    return frames
