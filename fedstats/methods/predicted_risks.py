"""Predicted risks of a model of a 0/1 outcome at a site: patients and events by cells of the risk, and squared errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Evidence, Sum
from fedstats.contract.dominance import shares_of_groups
from fedstats.contract.entries import Entries, between, each, one
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import QueryError, candidate
from fedstats.contract.site_data import SiteData
from fedstats.contract.threads import one_blas_thread
from fedstats.methods import glm_fit
from fedstats.methods.glm_model import GlmModel, GlmQuery, by_outcome

Array = NDArray[np.float64]
Index = NDArray[np.int64]
T = TypeVar("T")

#: Edges between which a site with a gate counts risks: cells between any others could be slid from one patient to the next.
LATTICE = (0.0, 0.01, 0.02, *(round(k / 20, 2) for k in range(1, 20)), 0.98, 0.99, 1.0)
#: Marks the edges of a question.
RISK_EDGES = candidate("wider cells of the predicted risk")
#: Refusals that wider cells can cure.
CELL_RULES = (
    "entry",
    "level by outcome",
    "leavers of a time cell",
    "dominance",
    "dominance of two",
    "pair of levels",
)
#: Widths of cells, and by how many standard deviations of the risk they reach to both sides of its mean; finest first.
WIDTHS, REACHES = (0.05, 0.1, 0.2), (2.0, 1.5, 1.0, 0.5)
#: Points at which cells of risks, and squared errors, are answered about one model: a fit, a penalised and a recalibrated one.
POINTS = 4


# The site's half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class RiskCells(GlmQuery):
    """Patients, those of them with the event, and their predicted risks, by cells of the predicted risk.

    Past a gate edges are among the agreed ones, and sums of risks leave rounded.
    """

    edges: tuple[float, ...] = field(metadata=RISK_EDGES)

    asks = "patients and events by cells of the predicted risk"
    most_points = POINTS

    def entries(self) -> dict[str, Entries]:
        """Three numbers a cell."""
        cells = between(self.edges[1:], beyond=False)
        return {
            "n": each("patients with a risk in the cell", cells, count="b"),
            "n_event": each("those of them with the event", cells, count="b"),
            "expected": each("sum of their predicted risks", cells, count="b"),
            "dropped": one("rows with an empty cell"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """3 sums a cell of the risk."""
        check_edges(self.edges, gated=data.is_gated)
        rows, y, risk = _risks(self, data)
        cell, cells = cells_of_risk(risk, self.edges), len(self.edges) - 1
        n = np.bincount(cell, minlength=cells)
        events = np.bincount(cell[y == 1], minlength=cells)
        expected = sums_by_cell(risk, cell, cells, rounds=data.is_gated)
        sums = {
            "n": Sum(n, n),
            "n_event": Sum(events, events),
            "expected": Sum(expected, n),
            "dropped": Sum(np.array([rows.dropped]), np.array([rows.n + rows.dropped])),
        }
        answer = self._answer(data, rows, (risk * (1 - risk),), sums)
        point = replace(self, edges=(0.0, 1.0), where=()).digest()
        answer = with_cells(answer, point, self.edges, 2 * cell + (y == 1), data)
        if not rows.is_judged:
            return answer
        without = Evidence("level by outcome", n - events, "patients of a cell of the risk without the event")
        return answer.with_evidence(without, *dominance_of_cells(risk, cell, cells))


@dataclass(frozen=True)
class SquaredErrors(GlmQuery):
    """Sums of squared differences between outcomes and predicted risks.  Past a gate they leave with four digits."""

    asks = "sums of squared errors of prediction"
    most_points = POINTS

    def entries(self) -> dict[str, Entries]:
        """Eight numbers."""
        return {
            "n": one("patients with a weight"),
            "n_event": one("events"),
            "dropped": one("rows with an empty cell"),
            "rounded": one("patients of a site that rounds its sums"),
            "risks": each("sums of predicted risks", ("risk", "its square"), count="2"),
            "squares": each("sums of powers of errors", ("square", "its square"), count="2"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """8 sums over patients."""
        rows, y, risk = _risks(self, data)
        errors = (y - risk) ** 2
        n, events = np.array([rows.n]), np.array([int(y.sum())])
        digits = four_digits if data.is_gated else np.asarray
        sums = {
            "n": Sum(n, n),
            "n_event": Sum(events, events),
            "dropped": Sum(np.array([rows.dropped]), n + rows.dropped),
            "rounded": Sum(n if data.is_gated else 0 * n, n),
            "risks": Sum(digits(np.array([risk.sum(), risk @ risk])), n),
            "squares": Sum(digits(np.array([errors.sum(), errors @ errors])), n),
        }
        answer = self._answer(data, rows, (risk * (1 - risk),), sums)
        if not rows.is_judged:
            return answer
        more = rows.predictor_groups(self._predictor(data), by_outcome(rows))
        return answer.with_evidence(*rows.effective_sizes(errors), *more)


def _risks(query: GlmQuery, data: SiteData) -> tuple[ModelRows, Array, Array]:
    """Rows, outcomes and predicted risks, (n,) each."""
    m = query.model
    if m.intercepts is not None or not m.distribution.counts_outcomes or m.weights is not None:
        raise QueryError("Risks are those of a 0/1 outcome, with one intercept for all and without weights.")
    at = query._at(data)
    eta = predictor(at.rows, np.array(query.beta), m.scale)
    return at.rows, at.y, m.distribution.mean(eta)


def predictor(rows: ModelRows, gamma: Array, unit: float = 1.0) -> Array:
    """The linear predictor, (n,), column by column: of equal patients it has equal digits, which a product of matrices does not promise."""
    score = np.zeros(rows.n)
    for column, coefficient in zip(rows.x.T, gamma, strict=True):
        score = score + column * coefficient
    return score if rows.offset is None else score + rows.offset / unit


def check_edges(edges: tuple[float, ...], *, gated: bool) -> None:
    """Edges from 0 to 1 that increase; at a site with a gate, agreed ones."""
    if len(edges) < 2 or (edges[0], edges[-1]) != (0.0, 1.0) or (np.diff(edges) <= 0).any():
        raise QueryError("Edges of predicted risks increase from 0 to 1.")
    if gated and not {*edges} <= {*LATTICE}:
        raise QueryError(
            "Predicted risks are counted between agreed edges: multiples of 0.05, 0.01, 0.02, 0.98 and 0.99."
        )


def cells_of_risk(risk: Array, edges: Sequence[float]) -> Index:
    """The cell (left, right] of each risk, (n,)."""
    return np.asarray(np.searchsorted(np.array(edges[1:-1]), risk, side="left"), dtype=np.int64)


def sums_by_cell(risk: Array, cell: Index, cells: int, *, rounds: bool) -> Array:
    """Sums of risks by cell; rounded to a thousandth of a patient's whole risk, so that a mean has three digits."""
    sums = np.bincount(cell, risk, cells)
    unit = 2.0 ** np.floor(np.log2(np.maximum(np.bincount(cell, minlength=cells), 1) / 1000))
    return np.asarray(np.round(sums / unit) * unit if rounds else sums)


def dominance_of_cells(risk: Array, cell: Index, cells: int) -> tuple[Evidence, ...]:
    """For the gate: shares of the largest patients in the sums of risks of a cell, and of what they fall short of one by."""
    names = ("the risks of a cell", "what these fall short of one by")
    one_share, two_shares = shares_of_groups(np.column_stack([risk, 1.0 - risk]), cell, cells)
    about = names * cells
    return Evidence("dominance", one_share.ravel(), about), Evidence(
        "dominance of two", two_shares.ravel(), about
    )


def with_cells(
    answer: Aggregate, point: str, edges: tuple[float, ...], codes: Index, data: SiteData
) -> Aggregate:
    """The answer with its cells as a column that the question made: those of other edges, or of another fit, are laid beside it.

    ``point`` is a digest of the model and its coefficients, ``codes`` are cells by outcome, (n,).
    """
    if not data.judged:
        return answer
    made = (f"cells of the risk {point} at {', '.join(map(repr, edges))}", codes, True)
    first, *others = answer.rows
    return replace(answer, rows=(replace(first, made=(*first.made, made)), *others))


def four_digits(values: Array) -> Array:
    """Each rounded to a power of two near its four-thousandth."""
    unit = 2.0 ** np.floor(np.log2(np.maximum(np.abs(values), 2.0**-60) / 4096))
    return np.asarray(np.round(values / unit) * unit)


# The coordinator's half ------------------------------------------------------------------------


def risk_model(federation: Federation, fit: Fit) -> tuple[GlmModel, tuple[float, ...]]:
    """The model of a 0/1 outcome behind a fit, and its coefficients.

    Raises
    ------
    FormulaError
        No such model; or it has weights.
    """
    model, beta = glm_fit.model_of(federation, fit)
    if not model.distribution.counts_outcomes:
        raise FormulaError(
            f"Predicted risks are those of a 0/1 outcome; this is a {model.family} model. Give a fit of fs.logistic."
        )
    if model.weights is not None:
        raise FormulaError(
            "Predicted risks are compared with what happened to patients as they are: give a fit without weights."
        )
    return model, beta


def edges_of(bins: Sequence[float] | None, mean: float, sd: float) -> list[tuple[float, ...]]:
    """Edges to try, finest first: those given, or agreed ones around the mean risk.

    Parameters
    ----------
    bins : sequence of float, optional      edges between 0 and 1
    mean, sd : float                        of the predicted risks of all patients

    Raises
    ------
    FormulaError
        Edges that are not between 0 and 1, or do not increase.
    """
    if bins is not None:
        try:
            inner = [float(edge) for edge in bins]
        except (TypeError, ValueError):
            inner = [np.nan]
        inner = [edge for edge in inner if edge not in (0.0, 1.0)]
        whole = (0.0, *inner, 1.0)
        if not inner or not np.isfinite(inner).all() or (np.diff(whole) <= 0).any():
            raise FormulaError(
                f"bins is {bins!r}; give edges between 0 and 1 that increase, as in [0.1, 0.2, 0.5]."
            )
        return [whole]
    found = []
    for width in WIDTHS:
        for reach in REACHES:
            steps = [round(k * width, 2) for k in range(1, round(1 / width))]
            inner = [e for e in steps if mean - reach * sd <= e <= mean + reach * sd]
            found.append((0.0, *(inner or [min(steps, key=lambda e: abs(e - mean))]), 1.0))
    return sorted(dict.fromkeys(found), key=len, reverse=True)


def on_finest_cells(
    edges: Sequence[tuple[float, ...]], ask: Callable[[tuple[float, ...]], T]
) -> tuple[T, tuple[float, ...]]:
    """Ask with the finest cells that every site lets out.

    Raises
    ------
    SiteRefused
    """
    for number, each_of in enumerate(edges, start=1):
        try:
            return ask(each_of), each_of
        except SiteRefused as refused:
            if refused.rule not in CELL_RULES or number == len(edges):
                raise
    raise QueryError("There are no edges to try.")


@dataclass(frozen=True)
class CountedRisks:
    """What the sites' cells of the risk add up to, (b,) each.

    Attributes
    ----------
    edges : tuple of float     b + 1, from 0 to 1
    n, n_event, expected : (b,)
    errors : Total             of :class:`SquaredErrors`
    """

    edges: tuple[float, ...]
    n: Array
    n_event: Array
    expected: Array
    errors: Total


def counted_risks(
    meter: Meter, model: GlmModel, beta: tuple[float, ...], bins: Sequence[float] | None
) -> CountedRisks:
    """Ask for the cells of the predicted risk, the finest that every site lets out.

    Raises
    ------
    FormulaError, QueryError, SiteRefused
    """
    with one_blas_thread():
        errors = squared_errors(meter, model, beta)
        n, (risks, squares) = float(errors["n"][0]), errors["risks"]
        spread = float(np.sqrt(max(squares / n - (risks / n) ** 2, 0.0)))
        edges = edges_of(bins, float(risks / n), spread)
        total, chosen = on_finest_cells(edges, lambda some: meter.sum(RiskCells(model, beta, some)))
    return CountedRisks(chosen, total["n"], total["n_event"], total["expected"], errors)


def squared_errors(meter: Meter, model: GlmModel, beta: tuple[float, ...]) -> Total:
    """Ask for the squared errors.

    Raises
    ------
    QueryError, SiteRefused
    """
    errors = meter.sum(SquaredErrors(model, beta))
    if not errors["n"][0] > 0:
        raise QueryError("There are no patients with complete values whose risk could be predicted.")
    return errors
