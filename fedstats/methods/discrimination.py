"""How well a model orders patients: pairs within a site's own strata, whose counts add up over the sites.

Without a gate the estimate and its standard error are those of R's ``concordance`` with sites as strata; past one the sums
are rounded to what an interval needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.arguments import check_federation
from fedstats.contract.dominance import dominance_in_pairs, dominance_of_sums, scores_of_clusters
from fedstats.contract.entries import Entries, each, one
from fedstats.contract.evaluation_results import Concordance
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_choice, check_level, is_number, shown
from fedstats.methods import cox_fit, glm_fit
from fedstats.methods.cox_model import CoxQuery
from fedstats.methods.follow_up import agreed_until, follow_up, grid_evidence
from fedstats.methods.glm_model import GlmQuery, by_outcome
from fedstats.methods.milestone_risks import absolute_model, by_risk, counted_until
from fedstats.methods.predicted_risks import counted_risks, predictor, risk_model
from fedstats.methods.weighting import with_weights_of
from fedstats.numerics.binned_risks import binned_pairs
from fedstats.numerics.concordance_index import PairSums, concordance_index, pair_sums, rounded
from fedstats.numerics.concordant_pairs import Pairs, TimeWeights, influences

Array = NDArray[np.float64]

#: Coefficients that the pairs of one score count as, against the events: rounded they tell some thirty yes or no's of the order
#: in which patients of two scores had theirs, and that of 50 events, at most one in five under ``strict``, has more.
OF_A_SCORE = 10
#: The status of a result to which a site with a gate has answered, and of others.
ROUNDED, EXACT = "pairs within sites, rounded to a 128th of a standard error", "exact, of pairs within sites"


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class CoxPairs(CoxQuery):
    """Pairs of patients of one stratum that the score of a Cox model orders as their events came, or the other way round.

    A stratum is one of the site's own, whatever baseline the model was fitted with.  ``timewt`` is ``"n"`` (Harrell's index) or
    ``"n/G2"`` (Uno's); events after ``ymax`` are not counted.  Past a gate the sums leave rounded.
    """

    timewt: Literal["n", "n/G2"] = "n"
    ymax: float | None = None

    asks = "pairs that the score orders as the events came"
    #: Of the order of the events' scores, which is all there is to find out: a question tells as much of it as two log-rank tests.
    counts_numbers = 4.0

    def entries(self) -> dict[str, Entries]:
        """Nine numbers."""
        return PAIR_ENTRIES

    def cut_at(self) -> tuple[float, ...]:
        """The end of what is counted."""
        return () if self.ymax is None else (self.ymax,)

    def aggregate(self, data: SiteData) -> Aggregate:
        """Nine sums over patients."""
        if self.model.grid:
            raise QueryError(
                "Pairs are those of a site's own strata, which no grid of a shared baseline has."
            )
        if self.timewt == "n/G2" and self.model.entry is not None:
            raise QueryError(
                "Weights by the chance of being censored are not defined for patients who enter late."
            )
        cox, _, r = self.at_point(data)
        rows = cox.rows
        times = follow_up(rows.frame, self.model.outcome)
        w = np.ones(rows.n) if rows.weights is None else rows.weights
        score = predictor(rows, np.array(self.beta))
        event = times.event & rows.counted
        found = influences(cox.stratum, times.entry, times.time, event, score, w, self.timewt, self.ymax)
        counted = event if self.ymax is None else event & (times.time <= self.ymax)
        sums, evidence = _told(data, rows, found, w, self.model.cluster, int(counted.sum()))
        evidence += rows.predictor_groups(score, event.astype(float)[:, None])
        if self.ymax is not None:
            whole = np.zeros(rows.n, dtype=np.int64)
            edges = agreed_until(self.ymax, data.codebook.grid)
            evidence += grid_evidence(data, times, whole, 1, edges, ends_early=True)
        return self.answer(cox, r, sums).with_evidence(*evidence)


@dataclass(frozen=True)
class GlmPairs(GlmQuery):
    """Pairs of a patient with the event and one without that the score of a model orders so, or the other way round.

    Past a gate the sums leave rounded.
    """

    asks = "pairs with and without the event that the score orders so"
    #: As of the pairs of a Cox model.
    counts_numbers = 4.0

    def entries(self) -> dict[str, Entries]:
        """Nine numbers."""
        return PAIR_ENTRIES

    def aggregate(self, data: SiteData) -> Aggregate:
        """Nine sums over patients."""
        if self.model.intercepts is not None or not self.model.distribution.counts_outcomes:
            raise QueryError(
                "Pairs are with and without an event, of a 0/1 outcome and one intercept for all."
            )
        at = self._at(data)
        rows, w = at.rows, at.w
        score = predictor(rows, np.array(self.beta), self.model.scale)
        whole, everybody = np.zeros(rows.n, dtype=np.int64), np.ones(rows.n, dtype=bool)
        found = influences(whole, None, 1.0 - at.y, everybody, score, w)
        rarer = int(min((at.y[rows.counted] == value).sum() for value in (0.0, 1.0)))
        sums, evidence = _told(data, rows, found, w, self.model.cluster, rarer)
        evidence += rows.predictor_groups(score, by_outcome(rows))
        slope = w * self.model.distribution.expected(at.eta)
        return self._answer(data, rows, (slope,), sums).with_evidence(*evidence)


PAIR_ENTRIES = {
    "n": one("patients with a weight"),
    "dropped": one("rows with an empty cell"),
    "rounded": one("patients of a site that rounds its sums"),
    "pairs": each(
        "pairs of patients", ("concordant less discordant", "comparable", "of equal scores"), count="3"
    ),
    "squares": each("products of patients' parts in them", ("u u", "u v", "v v"), count="3"),
}


def _told(
    data: SiteData, rows: ModelRows, found: Pairs, w: Array, cluster: str | None, events: int
) -> tuple[dict[str, Sum], tuple[Evidence, ...]]:
    """The sums, and what the gate judges of who makes them up."""
    parts = np.column_stack([w * found.beyond, w * found.comparable])
    evidence: tuple[Evidence, ...] = ()
    behind = np.array([(parts[:, 1] > 0).sum()])
    if rows.is_judged:
        evidence += (*rows.effective_sizes(parts[:, 1]), *dominance_in_pairs(parts[:, 1], rows.levels))
        evidence += dominance_of_sums(parts**2, ("squares of concordant pairs", "squares of pairs"))
        evidence += (
            Evidence(
                "parameters per event", np.array([OF_A_SCORE / max(events, 1)]), "ten of a score, by events"
            ),
        )
    if cluster is not None:
        parts, more = scores_of_clusters(parts, rows.codes((cluster,)))
        evidence += more
    sums = pair_sums(found.totals(w), parts)
    sums = rounded(sums) if data.is_gated else sums
    n = np.array([rows.counted.sum()])
    rounds = n if data.is_gated else np.zeros_like(n)
    return {
        "n": Sum(n, n),
        "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
        "rounded": Sum(rounds, rounds),
        "pairs": Sum(sums.counts, behind),
        "squares": Sum(sums.squares, behind),
    }, evidence


# The coordinator's half ------------------------------------------------------------------------


def concordance(
    federation: Federation,
    fit: Fit,
    *,
    pooled: bool = False,
    timewt: TimeWeights = "n",
    ymax: float | None = None,
    bins: Sequence[float] | None = None,
    level: float = 0.95,
) -> Concordance:
    """How well a Cox model orders patients by the time to their event: Harrell's or Uno's index of concordance.

    Parameters
    ----------
    federation : Federation
        Whose patients are ordered: those of the fit, or others with the columns of the model, as in an external validation.
    fit : Fit
        Of :func:`cox`, penalised or not; its strata, weights and clusters are those of the evaluation too.
    pooled : bool
        Whether patients are compared across sites and strata, too: from counts by time cells of the agreed grid and by cells of the score,
        two patients in one cell of it being as equal.  ``error_bound`` says by how much that may move the index on the grid.
        Harrell's, until ``ymax`` or the end of the grid.
    timewt : {"n", "n/G2"}
        Harrell's index, or Uno's, in which an event counts by the inverse square of the chance of not having been censored before it,
        by the Kaplan-Meier estimate of the site's own stratum.
    ymax : float, optional
        Events after it are not counted.  Behind a gate one of the agreed edges of the time grid.
    bins : sequence of float, optional
        Of pairs across sites edges of the cells of the score, as a risk between 0 and 1: that of a patient by the time at which one at the agreed
        centres has a risk of a half.
    level : float
        Coverage of the interval.

    Returns
    -------
    Concordance
        Patients are compared within sites, and within the strata of the model there, as in R's ``concordance`` of a
        fit with ``strata(site, ...)``.

    Raises
    ------
    FormulaError, QueryError, SiteRefused
        No Cox model; weights by censoring of patients who enter late; no pair that could be compared.
    """
    check_federation(federation)
    check_level(level)
    check_choice("timewt", timewt, get_args(TimeWeights))
    if ymax is not None and not (is_number(ymax) and ymax > 0):
        raise FormulaError(f"ymax is {shown(ymax)}; give a time above zero, or nothing.")
    federation = with_weights_of(federation, fit)
    model, beta = cox_fit.model_of(federation, fit)
    if timewt == "n/G2" and model.entry is not None:
        raise FormulaError(
            f"timewt is 'n/G2', and patients enter at {model.entry}: the chance of being censored is not that of all then. "
            "Ask for timewt='n'."
        )
    end = None if ymax is None else float(ymax)
    if pooled:
        if timewt != "n":
            raise FormulaError("Pairs across sites are those of Harrell's index: ask for timewt='n'.")
        return _pooled_index(federation, fit, bins, end, level)
    if bins is not None:
        raise FormulaError("bins are of pairs across sites: ask with pooled=True.")
    return _concordance(federation, fit, CoxPairs(model.without_grid(), beta, timewt, end), "C", level)


def _pooled_index(
    federation: Federation, fit: Fit, bins: Sequence[float] | None, end: float | None, level: float
) -> Concordance:
    meter = Meter(federation)
    model, beta = absolute_model(federation, fit)
    one_stratum = replace(model, strata=(), strata_levels=())
    with one_blas_thread():
        whole = counted_until(meter, one_stratum, beta, (float(np.log(2.0)),), end)
    found = by_risk(meter, whole, bins)
    cells, times = found.n_risk.shape
    later = np.column_stack([found.n_risk[:, 1:], found.n_beyond])
    censored = found.n_risk - found.n_event - later
    counts = np.concatenate([found.n_event.ravel(), censored.ravel(), found.n_beyond])
    time = np.concatenate([np.tile(np.arange(times), 2 * cells), np.full(cells, times)]).astype(float)
    event = np.arange(len(counts)) < cells * times
    cell = np.concatenate([np.tile(np.repeat(np.arange(cells), times), 2), np.arange(cells)]).astype(float)
    sums = binned_pairs(time, event, cell, counts)
    n = round(float(found.n.sum()))
    if not sums.counts[1] > 0:
        raise QueryError(
            f"Of {n} patients no two could be compared: no event came while another was at risk."
        )
    status = f"pairs of all sites, in {cells} cells of the score, {found.status}"
    bound = float(sums.counts[2] / sums.counts[1] / 2.0)
    return _result(federation, fit, meter, sums, ("C", status, n, found.dropped), level, bound)


def auc(
    federation: Federation,
    fit: Fit,
    *,
    pooled: bool = False,
    bins: Sequence[float] | None = None,
    level: float = 0.95,
) -> Concordance:
    """How well a model of a 0/1 outcome tells patients with the event from those without: the area under the ROC curve.

    Parameters
    ----------
    federation : Federation
        Whose patients are ordered, of the fit or others.
    fit : Fit
        Of :func:`logistic`, or of :func:`glm` with a 0/1 outcome; penalised or not.
    pooled : bool
        Whether patients are compared across sites, too: from counts by cells of the predicted risk, two patients in one cell being
        as equal.  ``error_bound`` says by how much that may move the estimate.  Of a fit without weights.
    bins : sequence of float, optional
        Edges of these cells; None: agreed ones, the finest that every site lets out.
    level : float
        Coverage of the interval.

    Returns
    -------
    Concordance
        The probability that of two patients of one site, of whom one has the event, he is the one with the higher score; R's
        ``concordance`` with sites as strata.  A site whose patients all have the event, or none, has no such pairs, and adds none.

    Raises
    ------
    FormulaError, QueryError, SiteRefused
        The outcome is a measurement or a count; no site has patients both with and without the event.
    """
    check_federation(federation)
    check_level(level)
    federation = with_weights_of(federation, fit)
    model, beta = glm_fit.model_of(federation, fit)
    if not model.distribution.counts_outcomes:
        raise FormulaError(
            f"An area under the ROC curve is that of a 0/1 outcome; this is a {model.family} model. Give a fit of fs.logistic."
        )
    if pooled:
        return _pooled_auc(federation, fit, bins, level)
    if bins is not None:
        raise FormulaError("bins are of pairs across sites: ask with pooled=True.")
    return _concordance(federation, fit, GlmPairs(model, beta), "AUC", level)


def _pooled_auc(federation: Federation, fit: Fit, bins: Sequence[float] | None, level: float) -> Concordance:
    meter = Meter(federation)
    found = counted_risks(meter, *risk_model(federation, fit), bins)
    cells = len(found.n)
    counts = np.concatenate([found.n_event, found.n - found.n_event])
    without = np.repeat([0.0, 1.0], cells)
    sums = binned_pairs(without, np.ones(2 * cells, dtype=bool), np.tile(np.arange(cells), 2), counts)
    n, dropped = (round(float(found.errors[name][0])) for name in ("n", "dropped"))
    if not sums.counts[1] > 0:
        raise QueryError(f"Of {n} patients all have the event, or none has: there are no two to compare.")
    status = f"pairs of all sites, in {cells} cells of the predicted risk"
    bound = float(sums.counts[2] / sums.counts[1] / 2.0)
    return _result(federation, fit, meter, sums, ("AUC", status, n, dropped), level, bound)


def _concordance(
    federation: Federation, fit: Fit, query: CoxPairs | GlmPairs, measure: str, level: float
) -> Concordance:
    meter = Meter(federation)
    with one_blas_thread():
        total = meter.sum(query)
    sums = PairSums(total["pairs"], total["squares"])
    if not sums.counts[1] > 0:
        raise QueryError(_nobody_to_compare(total, measure))
    n, dropped = (round(float(total[name][0])) for name in ("n", "dropped"))
    status = ROUNDED if total["rounded"][0] else EXACT
    return _result(federation, fit, meter, sums, (measure, status, n, dropped), level)


def _result(
    federation: Federation,
    fit: Fit,
    meter: Meter,
    sums: PairSums,
    about: tuple[str, str, int, int],
    level: float,
    error_bound: float = 0.0,
) -> Concordance:
    """The index of the pairs; ``about`` are measure, status, patients and rows dropped."""
    measure, status, n, dropped = about
    estimate, std_error = concordance_index(sums)
    beyond, comparable, tied = (float(v) for v in sums.counts)
    return Concordance(
        measure,
        fit.formula,
        estimate,
        std_error,
        (comparable - tied + beyond) / 2.0,
        (comparable - tied - beyond) / 2.0,
        tied,
        n,
        dropped,
        status,
        meter.rounds,
        meter.n_bytes,
        federation.sites,
        level,
        error_bound,
    )


def _nobody_to_compare(total: Total, measure: str) -> str:
    n = round(float(total["n"][0]))
    if measure == "AUC":
        return (
            f"Of {n} patients no two of one site could be compared: at every site all have the event, or none has. Compare across "
            "sites with pooled=True."
        )
    return f"Of {n} patients no two of one site and stratum could be compared: no event came while another was at risk there."
