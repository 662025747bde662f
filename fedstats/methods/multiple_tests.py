"""A family of tests out of several results, with p-values adjusted for their number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.survival_results import (
    LogRankTest,
    MaxComboTest,
    PeriodHazardRatios,
    RestrictedMeans,
)
from fedstats.contract.values import check_choice, check_flag, kind_of, shown
from fedstats.numerics.multiplicity import ADJUSTMENTS, Adjustment, adjusted

#: Results that compare groups by curves.
COMPARISONS = (LogRankTest, MaxComboTest, RestrictedMeans, PeriodHazardRatios)
COLUMNS = ("family", "analysis", "term", "p_value", "p_adjusted", "method")


def adjusted_p_values(
    results: Mapping[str, Any],
    *,
    terms: Mapping[str, Sequence[str]] | None = None,
    method: Adjustment = "holm",
    joint: bool = False,
    family: str = "",
) -> pd.DataFrame:
    """P-values of one family, raw and adjusted.

    Parameters
    ----------
    results : mapping of name to result
        Fits, comparisons of curves (:func:`logrank`, :func:`max_combo`, :func:`rmst`, :func:`period_hazard_ratios`), or anything
        whose ``tidy()`` has the columns term and p_value; or such a frame.  The intercept is no test.
    terms : mapping of name to sequence of str, optional
        Of a result, the terms (with all their levels) or single rows that belong to the family; all of them unless given.  Of
        restricted means groups (their differences), ``"difference"`` (the default) or ``"ratio"``; of ratios by period groups.
    method : {"holm", "hochberg", "bonferroni", "BH", "BY"}
        As R's ``p.adjust`` names them.
    joint : bool
        One test a term of a fit, of all its coefficients together, in place of one a coefficient.  Ratios by period and
        differences of several groups stay one test each.
    family : str
        What the tests have in common; it stands in the table.

    Returns
    -------
    DataFrame
        family analysis term p_value p_adjusted method, one row a test.

    Raises
    ------
    FormulaError
        No such method or term, or a result without p-values.
    """
    check_choice("method", method, ADJUSTMENTS)
    check_flag("joint", joint)
    if not isinstance(family, str):
        raise FormulaError(f"family is {shown(family)}; give what the tests have in common, as a text.")
    for what, given in (("results", results), ("terms", {} if terms is None else terms)):
        if not isinstance(given, Mapping):
            raise FormulaError(f'{what} is {kind_of(given)}; give it by name, as {{"os": ...}}.')
    frames = [_tests(name, result, (terms or {}).get(name), joint=joint) for name, result in results.items()]
    if not frames:
        raise FormulaError("A family has at least one result: pass {name: fit}.")
    unknown = set(terms or {}) - set(results)
    if unknown:
        raise FormulaError(f"terms names {min(unknown)!r}, which is none of the results.")
    frame = pd.concat(frames, ignore_index=True)
    frame["p_adjusted"] = adjusted(frame["p_value"].to_numpy(dtype=float), method)
    return frame.assign(family=family, method=method)[list(COLUMNS)]


def _tests(name: str, result: Any, terms: Sequence[str] | None, *, joint: bool) -> pd.DataFrame:
    """analysis, term, p_value of the chosen tests."""
    if isinstance(result, Fit) and not result.has_std_errors:
        raise FormulaError(f"{name} has no p-values: of a lasso or an elastic net there are none.")
    found = list(_all_tests(name, result, joint=joint))
    if terms is None:
        found = [test for test in found if test.by_itself]
    elif isinstance(terms, str):
        raise FormulaError(f"terms of {name} is {terms!r}; give a list.")
    else:
        known = {said: None for test in found for said in (test.term, *test.said_by)}
        for wanted in terms:
            if wanted not in known:
                raise FormulaError(f"{name} has no term {wanted!r}; it has {', '.join(known)}.")
        found = [test for test in found if {test.term, *test.said_by} & set(terms)]
    return pd.DataFrame([{"analysis": name, "term": t.term, "p_value": t.p_value} for t in found])


class _Test(NamedTuple):
    """One test: its name, other words that choose it with others, and whether it belongs to a family that names none."""

    term: str
    p_value: float
    said_by: tuple[str, ...] = ()
    by_itself: bool = True


def _all_tests(name: str, result: Any, *, joint: bool) -> Iterator[_Test]:
    if isinstance(result, LogRankTest):
        weighted = f", rho {result.rho:g}, gamma {result.gamma:g}" if result.rho or result.gamma else ""
        yield _Test(f"log-rank test{weighted}", result.p_value)
    elif isinstance(result, MaxComboTest):
        yield _Test("MaxCombo test", result.p_value)
    elif isinstance(result, RestrictedMeans):
        compared = result.frame[result.frame["measure"] != "mean"]
        if compared.empty:
            raise FormulaError(f"{name} compares no groups, so it has no p-values.")
        for row in compared.to_dict("records"):
            group, measure = str(row["group"]), str(row["measure"])
            term = f"{group} to {row['reference']}: {measure} of restricted means"
            apart = measure == "difference"
            yield _Test(term, row["p_value"], (group, measure) if apart else (measure,), apart)
    elif isinstance(result, PeriodHazardRatios):
        for row in result.frame.to_dict("records"):
            yield _Test(f"{row['term']}, {row['period']}", row["p_value"], (str(row["term"]),))
    else:
        yield from _of_terms(name, result, joint=joint)


def _of_terms(name: str, result: Any, *, joint: bool) -> Iterator[_Test]:
    is_fit = isinstance(result, Fit)
    if isinstance(result, pd.DataFrame):
        frame = result
    elif hasattr(result, "tidy"):
        frame = result.joint_tests() if is_fit and joint else result.tidy()
    else:
        raise FormulaError(
            f"{name} is {kind_of(result)}; give a fit, a test, or a frame with term and p_value."
        )
    if not {"term", "p_value"} <= set(frame.columns):
        raise FormulaError(f"{name} has no p-values by term.")
    _check_p_values(name, frame, own=isinstance(result, pd.DataFrame))
    written = dict(zip(result.names, result.terms, strict=False)) if is_fit else {}
    for row in frame[frame["term"] != "Intercept"].to_dict("records"):
        term = str(row["term"])
        yield _Test(term, row["p_value"], (written[term],) if term in written else ())


def _check_p_values(name: str, frame: pd.DataFrame, *, own: bool) -> None:
    """Between 0 and 1; none is missing of a frame of one's ``own``, where in a result's table a row may be no test."""
    found = pd.to_numeric(frame["p_value"], errors="coerce")
    wrong = frame[~found.between(0, 1) & (own | frame["p_value"].notna())]
    if len(wrong):
        term, p_value = wrong[["term", "p_value"]].iloc[0]
        raise FormulaError(
            f"{name} has the p-value {shown(p_value)} of {term}: a p-value is a number from 0 to 1; leave out a row that is no test."
        )
