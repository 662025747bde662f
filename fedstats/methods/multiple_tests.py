"""A family of tests out of several results, with p-values adjusted for their number."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fedstats.contract.arguments import kind_of
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.numerics.multiplicity import ADJUSTMENTS, Adjustment, adjusted

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
        Fits, tests, or anything whose ``tidy()`` has the columns term and p_value; or such a frame.  The intercept is no test.
    terms : mapping of name to sequence of str, optional
        Of a result, the terms (with all their levels) or single rows that belong to the family; all of them unless given.
    method : {"holm", "hochberg", "bonferroni", "BH", "BY"}
        As R's ``p.adjust`` names them.
    joint : bool
        One test a term of a fit, of all its coefficients together, in place of one a coefficient.
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
    if method not in ADJUSTMENTS:
        raise FormulaError(f"method is {method!r}; choose one of {list(ADJUSTMENTS)}.")
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
    is_fit = isinstance(result, Fit)
    if is_fit and joint:
        frame = result.joint_tests()
    else:
        if not isinstance(result, pd.DataFrame) and not hasattr(result, "tidy"):
            raise FormulaError(
                f"{name} is {kind_of(result)}; give a fit, a test, or a frame with term and p_value."
            )
        frame = result if isinstance(result, pd.DataFrame) else result.tidy()
    if not {"term", "p_value"} <= set(frame.columns):
        raise FormulaError(f"{name} has no p-values by term.")
    if is_fit and not result.has_std_errors:
        raise FormulaError(f"{name} has no p-values: of a lasso or an elastic net there are none.")
    written = dict(zip(result.names, result.terms, strict=False)) if is_fit else {}
    frame = frame.loc[frame["term"] != "Intercept", ["term", "p_value"]].assign(analysis=name)
    if terms is None:
        return frame
    if isinstance(terms, str):
        raise FormulaError(f"terms of {name} is {terms!r}; give a list.")
    own = {term: {term, written.get(term, term)} for term in frame["term"]}
    for wanted in terms:
        if not any(wanted in names for names in own.values()):
            raise FormulaError(f"{name} has no term {wanted!r}; it has {', '.join(own)}.")
    return frame[[bool(own[term] & set(terms)) for term in frame["term"]]]
