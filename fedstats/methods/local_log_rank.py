"""Log-rank sums within strata whose labels stay at a site: groups are compared there, and the sums of all strata add up.

As under a Cox model's own baseline hazards no time leaves, so no grid is needed.  Without a gate the test is exact, and past one its
sums are rounded to what a test needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.dominance import dominance_in_pairs
from fedstats.contract.entries import Entries, each, listed, one, pairs
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.formula import FormulaError, design, parse_groups
from fedstats.contract.query import Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_rows import CoxRows
from fedstats.methods.survival_counts import compared_groups
from fedstats.numerics.weighted_log_rank import LogRankSums, log_rank_sums, rounded

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Exponents rho and gamma of a question: with any numbers the sums of a few would tell the group of each event in its order.
EXPONENTS = (0.0, 0.5, 1.0)
#: Those of a site with a gate: roots give sums that no others determine, and every such sum tells more of that order.
GATED_EXPONENTS = (0.0, 1.0)
#: Tests of one question.
MOST_TESTS = 8
#: Coefficients that a test of one contrast of groups counts as: rounded, it tells up to twenty yes or no's of the events' order, and
#: that of 25 events, at most one in five under ``strict``, has more.
OF_A_TEST = 5
#: The status of a result to which a site with a gate has answered.
ROUNDED = "rounded to a thousandth of a standard deviation"


@dataclass(frozen=True)
class LocalLogRank(Query):
    """Weighted events of each group within a site's own strata, those expected under equal hazards, and their covariance.

    ``model`` is the Cox model whose score, at coefficients of zero, the log-rank test is: its columns are the levels of one factor but
    the first.  ``exponents`` are pairs (rho, gamma).  Past a gate the sums leave rounded (:func:`rounded`): with all their digits a
    few of them tell in which order the events of the groups were.
    """

    model: CoxModel
    exponents: tuple[tuple[float, ...], ...]

    asks = "events by group, those expected, and their covariance"
    #: The order of the events' groups is all that there is to find out, and half the patients may have none.
    counts_numbers = 2.0

    def subject(self) -> str:
        """Outcome, groups and strata."""
        model = self.model
        weights = listed([f"S^{rho:g} (1 - S)^{gamma:g}" for rho, gamma in map(tuple, self.exponents)])
        within = f" within {listed(model.strata)}" if model.strata else ""
        return f"Log-rank test of {listed(model.outcome.variables)} by {listed(model.design.terms)}{within}, weights {weights}"

    def entries(self) -> dict[str, Entries]:
        """Two numbers a group and weight, a matrix, and how many patients there are, and are left out."""
        levels = self.model.design.described
        groups = ("all others", *levels)
        tests = tuple(f"rho {pair[0]:g}, gamma {pair[-1]:g}" for pair in self.exponents)
        names = tuple(f"{level} ({test})" for test in tests for level in levels)
        return {
            "n": each("patients", groups, count="g"),
            "dropped": one("rows with an empty cell"),
            "rounded": one("patients of a site that rounds its sums"),
            "observed": each("weighted events", tests, groups, count="m g"),
            "expected": each("weighted events expected under equal hazards", tests, groups, count="m g"),
            "covariance": replace(
                pairs("covariance of two of these under equal hazards", names), count="m p (m p + 1) / 2"
            ),
        }

    def beforehand(self, data: SiteData) -> tuple[Evidence, ...]:
        """Of the rows: those of the Cox model."""
        return self._score.beforehand(data)

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 + g (1 + 2 m) + m p (m p + 1) / 2 sums over patients, of m tests and g = p + 1 groups."""
        self._require_groups(GATED_EXPONENTS if data.is_gated else EXPONENTS)
        score = self._score
        answer = score.exact(data)  # its sums leave rounded
        cox, _, _ = score.at_point(data)
        levels = np.nan_to_num(self.model.design.raw(cox.rows.frame))
        group = np.rint(levels @ np.arange(1, levels.shape[1] + 1)).astype(np.int64)
        n_groups = levels.shape[1] + 1
        found = _local_sums(cox, group, n_groups, self.exponents)
        found = rounded(found) if data.is_gated else found
        n = np.bincount(group, minlength=n_groups)
        rounds = np.array([n.sum() if data.is_gated else 0])
        tests, behind = len(self.exponents), np.minimum(n[1:, None], n[1:])
        moved = found.covariance[:, :, 1:, 1:].transpose(0, 2, 1, 3)
        size = tests * (n_groups - 1)
        sums = {
            "n": Sum(n.astype(float), n),
            "dropped": answer.sums["dropped"],
            "rounded": Sum(rounds, rounds),
            "observed": Sum(found.observed, np.tile(n, (tests, 1))),
            "expected": Sum(found.expected, np.tile(n, (tests, 1))),
            "covariance": Sum.triangle(moved.reshape(size, size), np.tile(behind, (tests, tests))),
        }
        ratio = OF_A_TEST * size / max(len(cox.sets.death), 1)
        scarce = Evidence("parameters per event", np.array([ratio]), "five of a test, by events")
        return replace(answer, sums=sums).with_evidence(scarce, *_weighing(cox, self.exponents))

    @property
    def _score(self) -> CoxDerivatives:
        return CoxDerivatives(self.model, (0.0,) * len(self.model.design.names))

    def _require_groups(self, allowed: Sequence[float]) -> None:
        model = self.model
        parts = [part for column in model.design.columns for part in column.parts]
        one_each = all(len(column.parts) == 1 and column.period is None for column in model.design.columns)
        if (
            not parts
            or not one_each
            or len({p.column for p in parts}) > 1
            or len({p.level for p in parts}) < len(parts)
        ):
            raise QueryError("Groups are the levels of one factor, each once.")
        if any(p.level is None for p in parts) or any(c.scale != 1 for c in model.design.columns):
            raise QueryError("Groups are the levels of one factor, as 0 and 1.")
        if model.grid or model.weights or model.offset or model.cluster:
            raise QueryError(
                "A log-rank test within a site's own strata has no grid, weights, offset or cluster."
            )
        pairs_given = all(len(pair) == 2 and {*pair} <= {*allowed} for pair in self.exponents)
        if not 0 < len(self.exponents) <= MOST_TESTS or not pairs_given:
            raise QueryError(
                f"rho and gamma are among {listed([f'{e:g}' for e in allowed])}, of up to {MOST_TESTS} tests."
            )


def _at_risk(cox: CoxRows, who: NDArray[np.bool_]) -> Array:
    """Patients at risk in each event cell of every stratum, (D,)."""
    sets = cox.sets
    ends = (np.bincount(cell[who], minlength=sets.n_cells + 1) for cell in (sets.first, sets.last))
    return np.asarray(np.cumsum(next(ends) - next(ends))[: sets.n_cells], dtype=float)


def _local_sums(
    cox: CoxRows, group: Index, n_groups: int, exponents: Sequence[tuple[float, ...]]
) -> LogRankSums:
    sets, tests = cox.sets, [(rho, gamma) for rho, gamma in exponents]
    n_risk = np.array([_at_risk(cox, group == g) for g in range(n_groups)])
    flat = group[sets.death] * sets.n_cells + sets.death_cell
    n_event = np.bincount(flat, minlength=n_groups * sets.n_cells).reshape(n_groups, -1).astype(float)
    found = log_rank_sums(n_risk[:, :0], n_event[:, :0], tests)
    for first, last in pairwise(sets.bounds):
        found = found.plus(log_rank_sums(n_risk[:, first:last], n_event[:, first:last], tests))
    return found


def _weighing(cox: CoxRows, exponents: Sequence[tuple[float, ...]]) -> list[Evidence]:
    """For the gate: who weighs among the events, and among those who are at risk, under weights that change with time.

    A weight that is nothing before the last events makes a sum that of a few patients.
    """
    sets, found = cox.sets, []
    everybody = _at_risk(cox, np.ones(cox.rows.n, dtype=bool))
    deaths = np.bincount(sets.death_cell, minlength=sets.n_cells).astype(float)
    before = np.ones(sets.n_cells)
    for first, last in pairwise(sets.bounds):
        left = np.cumprod(1.0 - deaths[first:last] / everybody[first:last])
        before[first:last] = np.append(1.0, left)[: last - first]
    weights = [before**rho * (1.0 - before) ** gamma for rho, gamma in exponents]
    products = [a * b for a, b in combinations_with_replacement(weights, 2)]
    for w in (*weights, *products):
        if not np.allclose(w, 1.0):
            events = np.zeros(cox.rows.n)
            events[sets.death] = w[sets.death_cell]
            told = np.append(0.0, np.cumsum(w * deaths / everybody))
            at_risk = np.where(cox.informative, told[sets.last] - told[sets.first], 0.0)
            for effect, about in ((events, "weighted events"), (at_risk, "weighted by time")):
                found += [*cox.rows.effective_sizes(effect, f", {about}")]
                found += [*dominance_in_pairs(effect, cox.rows.levels)]
    return found


@dataclass(frozen=True)
class LocalSums:
    """What the sites' strata add up to.

    Attributes
    ----------
    names : tuple of str     groups
    n : (G,)
    sums : LogRankSums
    common : dict            the fields that every result of a table of counts has
    """

    names: tuple[str, ...]
    n: Array
    sums: LogRankSums
    common: dict[str, Any]


def check_exponents(tests: Sequence[tuple[float, float]], allowed: Sequence[float] = EXPONENTS) -> None:
    """Pairs (rho, gamma) that a question may have.

    Raises
    ------
    FormulaError
    """
    if strange := [e for pair in tests for e in pair if e not in allowed]:
        gated = " of sites with a gate" if tuple(allowed) == GATED_EXPONENTS else ""
        raise FormulaError(
            f"rho or gamma is {strange[0]:g}; within strata that stay at the sites{gated} they are among "
            f"{listed([f'{e:g}' for e in allowed])}."
        )


def local_sums(
    federation: Federation, formula: str, strata: tuple[str, ...], tests: Sequence[tuple[float, float]]
) -> LocalSums:
    """Ask every site for the sums of its own strata.

    Raises
    ------
    FormulaError, QueryError, SiteRefused
    """
    book = federation.codebook
    outcome, group = parse_groups(formula, book)
    if group is None:
        raise FormulaError(
            f"A test compares groups, and {formula!r} has none: write Surv(time, event) ~ group."
        )
    check_exponents(tests)
    names = tuple(book[group].level_label(v) for v in book[group].levels)
    compared_groups(names, (), formula)
    levels = design(f"C({group})", book, intercept=False)
    model = CoxModel(
        outcome.entry, outcome.time or "", outcome.event, levels, strata, "breslow", None, None, 0.0, None,
        event_level=outcome.event_level,
    )  # fmt: skip
    meter = Meter(federation)
    total = meter.sum(LocalLogRank(model, tuple(tests)))
    if not total["n"].any():
        raise QueryError(f"There are no patients with complete values for {formula!r}.")
    shape = (len(tests), len(names))
    observed, expected = (total[key].reshape(shape) for key in ("observed", "expected"))
    covariance = np.zeros((shape[0], shape[0], shape[1], shape[1]))
    within = full_matrix(total["covariance"]).reshape(shape[0], shape[1] - 1, shape[0], shape[1] - 1)
    covariance[:, :, 1:, 1:] = within.transpose(0, 2, 1, 3)
    covariance[:, :, 0, 1:] = -covariance[:, :, 1:, 1:].sum(axis=2)
    covariance[:, :, :, 0] = -covariance[:, :, :, 1:].sum(axis=3)
    common: dict[str, Any] = {
        "formula": formula,
        "unit": book[outcome.time or ""].unit or (book.grid.unit if book.grid else ""),
        "status": ROUNDED if total["rounded"][0] else "exact",
        "rounds": meter.rounds,
        "n_bytes": meter.n_bytes,
        "sites": federation.sites,
        "dropped": round(float(total["dropped"][0])),
    }
    there = total["n"] > 0  # the others are no groups, as after R's droplevels
    common["empty"] = tuple(name for name, is_there in zip(names, there, strict=True) if not is_there)
    sums = LogRankSums(observed[:, there], expected[:, there], covariance[:, :, there][:, :, :, there])
    return LocalSums(tuple(n for n in names if n not in common["empty"]), total["n"][there], sums, common)
