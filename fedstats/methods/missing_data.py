"""The missingness profile: empty cells by variable, site and practice, and two variables that are empty together."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.formula import FormulaError
from fedstats.contract.missingness_results import Missingness
from fedstats.contract.results import OVERALL
from fedstats.contract.values import shown
from fedstats.methods.empty_cells import MOST_VARIABLES, EmptyCells, EmptyCellsOfGroups
from fedstats.methods.own_sums import OwnSums
from fedstats.methods.patient_groups import SITE

Array = NDArray[np.float64]


def missingness(
    federation: Federation, variables: Sequence[str] | None = None, by: str | None = None
) -> Missingness:
    """How many patients have an empty cell, by variable, and in two variables together.

    Parameters
    ----------
    federation : Federation
    variables : sequence of str, optional
        Columns; unless given, all of the codebook that may be empty.
    by : str, optional
        ``"site"``, where sites show their own numbers, or a column of practices: small ones are merged at the site.

    Returns
    -------
    Missingness

    Raises
    ------
    FormulaError, SiteRefused

    Notes
    -----
    A site does not show a count of a few, or of all but a few; a total to which such a site belongs is not shown either.
    """
    check_federation(federation)
    chosen, grouped = check_profile(federation.codebook, variables, by)
    meter = Meter(federation)
    question = EmptyCells(chosen)
    total = meter.sum(question)
    rows = _rows(chosen, OVERALL, float(total["n"][0]), total["missing"], total["hidden"])
    if grouped == SITE and SITE not in federation.codebook:
        for site, own in meter.each(OwnSums(question)).items():
            rows += _rows(chosen, site, float(own["n"][0]), own["missing"], own["hidden"])
    elif grouped is not None:
        for site, own in meter.each(EmptyCellsOfGroups(chosen, grouped)).items():
            rows += _of_practices(chosen, site, own)
    order = {name: k for k, name in enumerate(chosen)}
    frame = pd.DataFrame(rows).sort_values("variable", key=lambda names: names.map(order), kind="stable")
    status = "exact" if not np.any(total["hidden"]) else "exact; small counts not shown"
    pairs = _pairs(chosen, total)
    return Missingness(
        frame.reset_index(drop=True), pairs, grouped, status, meter.rounds, meter.n_bytes, federation.sites
    )


def check_profile(codebook: Codebook, variables: object, by: object) -> tuple[tuple[str, ...], str | None]:
    """Variables and groups of a profile.

    Raises
    ------
    FormulaError
    """
    return _variables(codebook, variables), None if by is None else _by(codebook, by)


def _variables(codebook: Codebook, variables: object) -> tuple[str, ...]:
    if variables is None:
        chosen = tuple(v.name for v in codebook.variables if v.missing)
        if not chosen:
            raise FormulaError("By the codebook no column may be empty: there is no missingness to describe.")
    elif isinstance(variables, str) or not isinstance(variables, Sequence) or not variables:
        raise FormulaError(
            f'variables is {shown(variables)}; give names of columns in a list, as ["albumin", "ecog"].'
        )
    else:
        chosen = tuple(known_column(name, codebook, "variables").name for name in variables)
    if len(set(chosen)) < len(chosen):
        raise FormulaError(f"variables names {shown(list(chosen))}; give each column once.")
    if len(chosen) > MOST_VARIABLES:
        raise FormulaError(
            f"{len(chosen)} columns are too many for one profile; give at most {MOST_VARIABLES}."
        )
    return chosen


def _by(codebook: Codebook, by: object) -> str:
    if by == SITE and SITE not in codebook:
        return SITE
    variable = known_column(by, codebook, "by")
    if variable.kind not in ("label", "factor"):
        raise FormulaError(
            f"by is {variable.name!r}, which {variable.in_words()}; give 'site' or a column of practices."
        )
    return variable.name


def _rows(
    names: tuple[str, ...], group: str, n: float, missing: Array, hidden: Array
) -> list[dict[str, object]]:
    counts = np.where(hidden > 0, np.nan, missing)
    return [
        {
            "variable": name,
            "group": group,
            "n": round(n),
            "missing": count,
            "percent": 100 * count / n if n else np.nan,
        }
        for name, count in zip(names, counts, strict=True)
    ]


def _of_practices(names: tuple[str, ...], site: str, own: Total) -> list[dict[str, object]]:
    """Practices have no names outside their site."""
    rows: list[dict[str, object]] = []
    for number, (n, count, missing) in enumerate(
        zip(own["n"], own["practices"], own["missing"], strict=True), start=1
    ):
        said = f"practice {number}" if count == 1 else f"{count:.0f} practices together"
        rows += _rows(names, f"{site}, {said}", float(n), missing, own["hidden"])
    return rows


def _pairs(names: tuple[str, ...], total: Total) -> pd.DataFrame:
    """Two variables together, with the number that chance alone would give."""
    n, share = float(total["n"][0]), total["missing"] / max(float(total["n"][0]), 1.0)
    both = np.where(total["both_hidden"] > 0, np.nan, total["both"])
    rows = [
        {
            "variable": names[i],
            "other": names[j],
            "n": round(n),
            "missing_both": count,
            "expected": n * share[i] * share[j] if np.isfinite(count) else np.nan,
        }
        for (i, j), count in zip(combinations(range(len(names)), 2), both, strict=True)
    ]
    return pd.DataFrame(rows, columns=["variable", "other", "n", "missing_both", "expected"])
