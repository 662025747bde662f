"""The counts of a table as the coordinator reads them: one question behind curves, tests, areas and incidences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, known_column, number_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.entries import listed
from fedstats.contract.federation import Federation, Meter, Total
from fedstats.contract.formula import FormulaError, Outcome, parse_groups
from fedstats.contract.query import QueryError
from fedstats.contract.values import check_flag, is_number, shown
from fedstats.methods.longest_grid import on_longest_grid
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.weighting import PropensityWeights, Weighting, weighted

Array = NDArray[np.float64]
Grid = float | Sequence[float] | None
#: The one group of a formula without any.
EVERYBODY = ("all",)


@dataclass(frozen=True)
class GroupCounts:
    """Counts of one group, (T,) each, in time order.

    Attributes
    ----------
    time, start : (T,)     right and left ends of the cells; on distinct times both are the time
    n_risk, n_event : (T,)
    n_censor : (T,)        whose follow-up ends in the cell without the event
    n_enter : (T,)         at risk from the cell on, of those who enter late
    n_beyond : float       followed beyond the last cell
    squares, event_squares : (T,) or None     of the weights of who is at risk, and of who has the event
    """

    time: Array
    start: Array
    n_risk: Array
    n_event: Array
    n_censor: Array
    n_enter: Array
    n_beyond: float
    squares: Array | None = None
    event_squares: Array | None = None

    @property
    def n_left(self) -> Array:
        """At risk for a part of their cell alone; nobody on distinct times."""
        on_grid = self.start < self.time
        return np.where(on_grid, self.n_censor + self.n_enter, 0.0)

    @property
    def n(self) -> float:
        """Patients at the beginning, or entering later."""
        return float(self.n_risk[0] + self.n_enter[1:].sum()) if len(self.n_risk) else 0.0

    def chosen(self, rows: NDArray[np.bool_]) -> "GroupCounts":
        """Some of the rows."""
        columns = ("time", "start", "n_risk", "n_event", "n_censor", "n_enter", "squares", "event_squares")
        found = {name: getattr(self, name) for name in columns}
        cut: dict[str, Any] = {k: v if v is None else v[rows] for k, v in found.items()}
        return replace(self, **cut)

    def reversed(self) -> "GroupCounts":
        """Ends of follow-up as events, and events as ends (Schemper & Smith 1996); a patient is followed until he has either."""
        return replace(self, n_event=self.n_censor, n_censor=self.n_event)


@dataclass(frozen=True)
class SurvivalCounts:
    """What the sites' tables add up to.

    Attributes
    ----------
    formula : str
    names : tuple of str       groups
    strata : tuple of str      combinations of levels; one, unnamed, without strata
    edges : (T,)
    n_risk, n_enter : (G, S, T)
    n_event : (K, G, S, T)     by cause; one without causes
    n_beyond : (G, S)
    squares, event_squares : (G, S, T) or None
    late : bool                whether patients may enter after the beginning
    status, unit : str
    meter : Meter
    asked : tuple              edges of the question, before a landmark too
    dropped : int              rows with an empty cell in a column of the question
    start : float              the landmark; 0 without one
    empty : tuple of str       groups of which nobody is at risk, which are none of the others
    """

    formula: str
    names: tuple[str, ...]
    strata: tuple[str, ...]
    edges: Array
    n_risk: Array
    n_enter: Array
    n_event: Array
    n_beyond: Array
    squares: Array | None
    event_squares: Array | None
    late: bool
    status: str
    unit: str
    meter: Meter
    asked: tuple[float, ...] = ()
    dropped: int = 0
    start: float = 0.0
    empty: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """At distinct times, not in cells."""
        return self.status.startswith("exact") and "grid" not in self.status

    @property
    def common(self) -> dict[str, Any]:
        """What every result that is worked out of the counts says of them."""
        return {
            "formula": self.formula,
            "unit": self.unit,
            "status": self.status,
            "rounds": self.meter.rounds,
            "n_bytes": self.meter.n_bytes,
            "sites": self.meter.federation.sites,
            "grid": self.grid,
            "landmark": self.start,
            "dropped": self.dropped,
            "empty": self.empty,
        }

    def of_groups_there(self) -> "SurvivalCounts":
        """The counts without groups of which nobody is at risk, as R's are after ``droplevels``.

        Raises
        ------
        QueryError
            Nobody is at risk at all.
        """
        there = np.array([n_risk.any() for n_risk in self.n_risk], dtype=bool)
        if there.all():
            return self
        if not there.any():
            since = f" after {self.start:g}" if self.start else ""
            raise QueryError(f"Nobody is at risk{since} for {self.formula!r}.")
        one_each = {"n_risk": self.n_risk, "n_enter": self.n_enter, "n_beyond": self.n_beyond}
        one_each |= {k: v for k in ("squares", "event_squares") if (v := getattr(self, k)) is not None}
        cut: dict[str, Any] = {name: values[there] for name, values in one_each.items()}
        cut |= {"n_event": self.n_event[:, there]}
        names, empty = (
            tuple(n for n, is_there in zip(self.names, there.tolist(), strict=True) if is_there is of)
            for of in (True, False)
        )
        return replace(self, names=names, empty=(*self.empty, *empty), **cut)

    @property
    def grid(self) -> tuple[float, ...]:
        """Right edges of the cells of the question; none on distinct times."""
        return () if self.is_exact else self.asked

    def group(self, i: int) -> GroupCounts:
        """Counts of one group over all strata, any event."""
        n_risk, n_enter = self.n_risk[i].sum(axis=0), self.n_enter[i].sum(axis=0)
        n_event, beyond = self.n_event[:, i].sum(axis=(0, 1)), float(self.n_beyond[i].sum())
        after = np.append(n_risk[1:] - n_enter[1:], beyond)
        starts = self.edges if self.is_exact else np.append(self.start, self.edges[:-1])
        squares = None if self.squares is None else self.squares[i].sum(axis=0)
        event_squares = None if self.event_squares is None else self.event_squares[i].sum(axis=0)
        return GroupCounts(
            self.edges,
            starts,
            n_risk,
            n_event,
            n_risk - n_event - after,
            n_enter,
            beyond,
            squares,
            event_squares,
        )

    def after(self, landmark: float | None) -> "SurvivalCounts":
        """The counts beyond a landmark: of those who are still at risk there, and of who enters later.

        Raises
        ------
        ValueError
            It is no time above zero.
        QueryError
            It lies beyond the counts that the sites let out, or on no edge of their grid.
        """
        if landmark is None:
            return self
        if not is_number(landmark) or landmark <= 0:
            raise ValueError(f"landmark is {shown(landmark)}; give a time above 0.")
        near = np.isclose(self.edges, landmark, rtol=1e-9)
        if landmark >= self.edges[-1] or near[-1]:
            raise QueryError(
                f"landmark is {landmark:g}, and the counts that the sites let out end at {self.edges[-1]:g}."
            )
        if not self.is_exact and not near.any():
            raise QueryError(
                f"landmark is {landmark:g}, which is no edge of the grid that the sites let out: choose one of "
                f"{', '.join(f'{edge:g}' for edge in self.edges[:-1])}."
            )
        later = (self.edges > landmark) & ~near
        cut = {"n_risk": self.n_risk, "n_enter": self.n_enter, "n_event": self.n_event}
        cut |= {k: v for k in ("squares", "event_squares") if (v := getattr(self, k)) is not None}
        kept: dict[str, Any] = {name: values[..., later] for name, values in cut.items()}
        return replace(self, edges=self.edges[later], start=float(landmark), **kept).of_groups_there()


def survival_counts(
    federation: Federation,
    formula: str,
    *,
    grid: Grid = None,
    strata: str | Sequence[str] | None = None,
    causes: bool = False,
    censored: str | None = None,
    weights: Weighting = None,
) -> SurvivalCounts:
    """Ask for the table, with the finest grid that every site lets out.

    Parameters
    ----------
    formula : str        ``"Surv(time, event) ~ group"``; with ``causes`` the event is a factor
    grid : number or sequence, optional
    strata, weights : columns
    causes : bool        whether events are counted by code
    censored : str       the code that is no event; None: the first level

    Raises
    ------
    FormulaError, QueryError, SiteRefused

    Notes
    -----
    What is asked depends on outcome, groups, strata, causes and weights alone: whatever else is worked out of it, the
    question is the same, and sites that keep account are asked once.
    """
    check_federation(federation)
    federation, weights, _ = weighted(federation, weights)
    book = federation.codebook
    outcome, group = parse_groups(formula, book, causes=causes)
    assert outcome.time is not None
    columns = check_strata(strata, group, book)
    codes = causes_of(outcome, book, censored) if causes else ()
    if weights is not None:
        number_column(weights, book, "weights")
    levels = book[group].levels if group else ()
    strata_levels = tuple(book[c].levels for c in columns)
    meter = Meter(federation)

    def ask(edges: tuple[float, ...]) -> Total:
        return meter.sum(
            RiskTable(
                outcome.entry, outcome.time or "", outcome.event, group, levels, edges, (), outcome.event_level,
                columns, strata_levels, codes, weights,
            )
        )  # fmt: skip

    total, edges, status = on_longest_grid(federation, meter, outcome, grid, ask)
    names = tuple(book[group].level_label(v) for v in levels) if group else EVERYBODY
    strata_names = _combined([[book[c].level_label(v) for v in book[c].levels] for c in columns])
    shape = (len(names), len(strata_names), len(edges))
    counts = {k: v if weights else np.rint(v) for k, v in total.items()}
    if not counts["n_risk"].any():
        raise QueryError(f"There are no patients with complete values for {formula!r}.")
    agreed = book.grid
    return SurvivalCounts(
        formula,
        names,
        strata_names,
        np.array(edges),
        counts["n_risk"].reshape(shape),
        counts["n_enter"].reshape(shape) if outcome.entry else np.zeros(shape),
        counts["n_event"].reshape(max(1, len(codes)), *shape),
        counts["n_beyond"].reshape(shape[:2]),
        counts["squares"].reshape(shape) if weights else None,
        counts["event_squares"].reshape(shape) if weights else None,
        outcome.entry is not None,
        status,
        book[outcome.time].unit or (agreed.unit if agreed else ""),
        meter,
        edges,
        round(float(total["dropped"][0])),
    ).of_groups_there()


def compared_groups(names: tuple[str, ...], empty: tuple[str, ...], formula: str) -> None:
    """Two groups or more are there to be compared.

    Raises
    ------
    FormulaError
        The formula has no groups.
    QueryError
        All patients are in one of them.
    """
    if names == EVERYBODY and not empty:
        raise FormulaError(
            f"A test compares groups, and {formula!r} has none: write Surv(time, event) ~ group."
        )
    if len(names) < 2:
        gone = f"nobody is at risk in {listed(empty)}, and " if empty else ""
        raise QueryError(
            f"Nothing is compared by {formula!r}: {gone}all are in {listed(names)}. Ask of patients of two groups or more."
        )


def robust_errors(federation: Federation, formula: str, weights: Weighting, robust: bool | None) -> bool:
    """Whether standard errors are those of the infinitesimal jackknife; where nothing is said, of weights by a propensity.

    Greenwood's take a weight of 2 for two patients: of weights that add up to twice the patients they are too small.

    Raises
    ------
    FormulaError
    """
    check_federation(federation)
    late = parse_groups(formula, federation.codebook)[0].entry is not None
    if robust is None:
        return isinstance(weights, PropensityWeights) and not late
    check_flag("robust", robust)
    if robust and weights is None:
        raise FormulaError(
            "robust standard errors are those of a weighted curve: give weights, or leave out robust."
        )
    if robust and late:
        raise FormulaError(
            "Where patients enter late a table has no robust standard errors: leave out robust."
        )
    return robust


def check_strata(
    strata: str | Sequence[str] | None, group: str | None, codebook: Codebook, *, local: bool = False
) -> tuple[str, ...]:
    """Columns of the strata of a table; with ``local`` also those whose values stay at the sites.

    Raises
    ------
    FormulaError
    """
    if strata is not None and not isinstance(strata, str | list | tuple):
        raise FormulaError(f"strata is {shown(strata)}; give the name of a column, or several in a list.")
    columns = (strata,) if isinstance(strata, str) else tuple(strata or ())
    for column in columns:
        if not known_column(column, codebook, "strata").levels and not local:
            raise FormulaError(
                f"{column} cannot be strata of a table of counts, whose levels all sites agree on: give a factor of the codebook."
            )
    if len(set(columns)) < len(columns) or group in columns:
        raise FormulaError("A column is a group or a stratum, and is named once.")
    return columns


def stays_at_sites(columns: tuple[str, ...], codebook: Codebook) -> bool:
    """Whether one of the strata is a column without agreed levels, such as a practice, of which sites do not tell the values."""
    return any(not codebook[column].levels for column in columns)


def causes_of(outcome: Outcome, codebook: Codebook, censored: object = None) -> tuple[str, ...]:
    """The codes of an outcome that are events: all levels but the one that ends follow-up without one (None: the first).

    Raises
    ------
    FormulaError
    """
    levels = codebook[outcome.event].levels
    if outcome.event_level is not None:
        raise FormulaError(
            f"Causes are all levels of a factor, and {outcome.event} is asked for one of them: write "
            f"Surv({outcome.time}, {outcome.event}), and say with censored= which level is no event."
        )
    if len(levels) < 2:
        raise FormulaError(
            f"Causes are the levels of a factor; {outcome.event} has no levels in the codebook."
        )
    if censored is not None and not (isinstance(censored, str) and censored in levels):
        raise FormulaError(f"{outcome.event} has no level {shown(censored)}; it has {', '.join(levels)}.")
    return tuple(level for level in levels if level != (levels[0] if censored is None else censored))


def _combined(labels: list[list[str]]) -> tuple[str, ...]:
    found = [""]
    for of_column in labels:
        found = [", ".join(filter(None, (before, label))) for before in found for label in of_column]
    return tuple(found)
