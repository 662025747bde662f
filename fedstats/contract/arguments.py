"""What an analysis may be given; anything else is one sentence that says what to give instead."""

from collections.abc import Iterable, Mapping
from typing import get_args

import numpy as np

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.query import QueryError
from fedstats.contract.values import check_choice, check_level, kind_of, shown
from fedstats.contract.variable import Variable
from fedstats.numerics.survival_table import ConfType


def check_federation(federation: object) -> None:
    """An analysis asks a federation, not a frame.

    Raises
    ------
    TypeError
    """
    if not isinstance(federation, Federation):
        raise TypeError(
            f"An analysis asks a federation, not {kind_of(federation)}: wrap the sites' tables as "
            'fs.InProcess({"north": frame, "south": frame}).'
        )


def check_terms_left(federation: Federation, formula: str, design: Design) -> None:
    """Every term of a model has a column among the patients that are asked of: a factor has two levels or more.

    Raises
    ------
    FormulaError
    """
    if federation.codebook is federation.agreed:
        return
    _, whole = parse(formula, federation.agreed, intercept=design.intercept)
    gone = [term for term in dict.fromkeys(whole.term_of_each) if term not in design.term_of_each]
    if gone:
        raise FormulaError(
            f"{gone[0]} compares nothing: among the patients that are asked of, one level of it is left. Leave it out, or ask of more patients."
        )


def check_names(name: str, value: object) -> None:
    """Names of columns in a list, each a text.

    Raises
    ------
    FormulaError
    """
    if not isinstance(value, list | tuple):
        raise FormulaError(f"{name} is {shown(value)}; give a list of columns, as in ['age', 'sex'].")
    if strange := [one for one in value if not isinstance(one, str)]:
        raise FormulaError(f"{name} names {shown(strange[0])}; give the names of columns as texts.")


def check_survival_interval(conf_type: object, level: object) -> None:
    """Scale and coverage of the intervals of a survival curve.

    Raises
    ------
    FormulaError, ValueError
    """
    check_level(level)
    check_choice("conf_type", conf_type, get_args(ConfType))


def known_column(name: object, codebook: Codebook, what: str) -> Variable:
    """A column of the codebook.

    Raises
    ------
    FormulaError
        Its name is no text, or not in the codebook; a near one is offered.
    """
    if not isinstance(name, str):
        raise FormulaError(f"{what} is {shown(name)}; give the name of a column as a text.")
    if name in codebook:
        return codebook[name]
    raise FormulaError(codebook.has_no(name))


def number_column(name: object, codebook: Codebook, what: str) -> Variable:
    """A column of the codebook that holds numbers, as weights and offsets do.

    Raises
    ------
    FormulaError
        As :func:`known_column`; or it holds levels or labels.
    """
    variable = known_column(name, codebook, what)
    if variable.kind in ("factor", "label"):
        raise FormulaError(f"{what} is {name!r}, which {variable.in_words()}; give a column of numbers.")
    return variable


def checked_edges(grid: Iterable[object]) -> tuple[float, ...]:
    """Right edges of the cells of a time grid, as they were given.

    Raises
    ------
    ValueError
        They are not numbers, not above zero, or do not increase.
    """
    wanted = "a grid is a cell width, or right edges above zero that increase, as in [3, 6, 12]"
    if isinstance(grid, str | bytes | Mapping):
        raise ValueError(f"grid is {shown(grid)}; {wanted}.")  # noqa: TRY004 (one class for a wrong grid)
    try:
        edges = np.array([float(edge) for edge in grid])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"grid is {shown(grid)}; {wanted}.") from None
    if not len(edges) or not np.isfinite(edges).all() or edges[0] <= 0 or (np.diff(edges) <= 0).any():
        raise ValueError(f"grid is {shown(grid)}; {wanted}.")
    return tuple(edges.tolist())


def check_patients(
    counts: Mapping[str, int], formula: str, weights: str | None, *, needs_event: bool = True
) -> None:
    """A model of nobody, or without an event, has no estimate.

    Parameters
    ----------
    counts : mapping         n, n_event, dropped: patients, events among them, and rows with an empty cell
    weights : str or None    the column of weights
    needs_event : bool       whether the model is of events, and not of a measurement

    Raises
    ------
    QueryError
    """
    n, weighted = counts["n"], f" with a weight ({weights}) above zero" if weights else ""
    if n < 1 and counts["dropped"] < 1:
        raise QueryError(
            f"There are no patients{weighted} for {formula!r}: give other weights, or ask about a wider subset."
            if weights
            else f"Nobody meets the condition of the subset: there are no patients for {formula!r}. Ask about a wider one."
        )
    if n < 1:
        other = f", or the weight ({weights}) is zero" if weights else ""
        raise QueryError(
            f"There are no patients with complete values for {formula!r}: in every row one of its columns, strata or weights is "
            f"empty{other}."
        )
    if needs_event and counts["n_event"] < 1:
        raise QueryError(f"There are no events{weighted} among the {n:g} patients of {formula!r}.")
