"""Firth's penalty in a federation: the slope of the penalty as a sum over patients."""

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, full_matrix
from fedstats.contract.dominance import deviations, dominance_of_sums, dominance_of_triples
from fedstats.contract.entries import Entries, each
from fedstats.contract.federation import Meter
from fedstats.contract.model_cells import levels_in_threes, model_cells
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import POINT, QueryError
from fedstats.contract.shapes import Power
from fedstats.contract.site_data import SiteData
from fedstats.methods.glm_model import GlmModel, GlmQuery
from fedstats.numerics.newton import Derivatives

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FirthCorrection(GlmQuery):
    """The slope of Firth's penalty in every coefficient.

    With ``inverse``, the lower triangle of the inverse information of all sites, a site forms its patients' leverages;
    p numbers leave.  They are third moments of the columns, chosen by whoever names the inverse, and are judged as such.
    """

    inverse: tuple[float, ...] = field(metadata=POINT)

    asks = "correction of the score by Firth's penalty"

    def entries(self) -> dict[str, Entries]:
        """One vector."""
        means = "slope of Firth's penalty in a coefficient"
        return {"correction": each(means, self.model.design.described, count="p")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """P sums over patients.  Firth (1993), equation 3.

        Raises
        ------
        QueryError
            A family that has no such penalty, or an inverse of another size.
        """
        tilt, p = self.model.distribution.tilt, len(self.model.design.names)
        if tilt is None or len(self.inverse) != p * (p + 1) // 2:
            raise QueryError(
                "Firth's penalty needs a logistic or Poisson model, and its inverse information."
            )
        rows, _, w, eta = self._at(data)
        inverse = full_matrix(np.array(self.inverse))
        leverage = w * self.model.distribution.expected(eta) * np.einsum("ij,ij->i", rows.x @ inverse, rows.x)
        u = rows.x * (leverage * tilt(eta) / 2)[:, None]
        answer = self._answer(data, rows, np.abs(leverage), {"correction": rows.vector(u.sum(axis=0))})
        asked = replace(self, beta=(), inverse=())
        names = tuple(f"the correction in {name}" for name in self.model.design.names)
        more = (*data.prepared(asked, lambda: self._of_threes(rows)), *dominance_of_sums(np.abs(u), names))
        return replace(answer.with_evidence(*more), rows=(self._cohort(rows),))

    def _of_threes(self, rows: ModelRows) -> tuple[Evidence, ...]:
        """Three columns are multiplied in a sum: levels in threes, and numbers by their cubes."""
        design, frame = self.model.design, rows.frame[rows.counted]
        raw = np.nan_to_num(design.raw(frame), nan=0.0)
        cells = model_cells(design, frame, raw, order=3)
        columns = deviations(raw[:, cells.measured])
        if rows.weights is not None:
            columns = columns * np.cbrt(rows.weights[rows.counted])[:, None]
        names = tuple(design.columns[j].name for j in cells.measured)
        within = np.column_stack([cells.indicators, 1 - cells.indicators])
        where = (*cells.names, *(f"not {name}" for name in cells.names))
        return (
            *cells.evidence(design, None, False),
            *levels_in_threes(cells),
            *dominance_of_triples(columns, names, within, where),
        )

    def _cohort(self, rows: ModelRows) -> Cohort:
        """Beside what the model reads: levels of two columns together, and squares of numbers."""
        cohort, factors = rows.cohort, sorted({c for names in rows.cohort.levels for c in names})
        squares = ((name, Power(2).in_words(name)) for name, _ in cohort.functions)
        return replace(
            cohort,
            levels=tuple(sorted({*cohort.levels, *combinations(factors, 2)})),
            functions=tuple(sorted({*cohort.functions, *squares})),
        )


class Correction:
    """The slope of the penalty, as the sites' sum."""

    def __init__(self, meter: Meter, model: GlmModel, course: str) -> None:
        self.meter, self.model, self.course = meter, model, course

    def __call__(self, at: Derivatives, inverse: Array) -> Array:
        lower = inverse[np.tril_indices(len(inverse))]
        question = FirthCorrection(
            self.model, tuple(at.beta.tolist()), tuple(lower.tolist()), course=self.course
        )
        return np.asarray(self.meter.sum(question)["correction"])
