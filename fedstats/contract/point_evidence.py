"""What the gate judges of a model's rows at one point: its coefficients, and who weighs in the sums there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.dominance import dominance_in_pairs
from fedstats.contract.model_evidence import UNJUDGED

if TYPE_CHECKING:
    from fedstats.contract.model_rows import ModelRows

Array = NDArray[np.float64]


@dataclass
class Kept:
    """What was worked out at a point, for the questions that are asked there one after the other."""

    product: Array | None = None
    beforehand: tuple[Evidence, ...] | None = None


class PointEvidence:
    """A model's rows at a point.

    Parameters
    ----------
    rows : ModelRows
    gamma : (k,)       coefficients of the rows' columns
    unit : float       what coefficients count in, of an outcome that is a measurement
    kept : Kept        of the same point
    """

    def __init__(self, rows: "ModelRows", gamma: Array, unit: float, kept: Kept) -> None:
        self._rows, self._gamma, self._unit, self._kept = rows, gamma, unit, kept

    @property
    def product(self) -> Array:
        """x gamma, (n,); not to be written into."""
        if self._kept.product is None:
            self._kept.product = np.asarray(self._rows.x @ self._gamma)
            self._kept.product.flags.writeable = False
        return self._kept.product

    @property
    def predictor(self) -> Array:
        """x gamma + offset, (n,); not to be written into."""
        return self.product if self._rows.offset is None else self.product + self._rows.offset

    def beforehand(self) -> tuple[Evidence, ...]:
        """What the gate judges of the rows, and then of the coefficients, before any sum is made.

        The rows come first: where they do not pass, no coefficient makes another refusal of it.
        """
        if self._kept.beforehand is None:
            self._kept.beforehand = (*self._rows.evidence, *self._of_coefficients())
        return self._kept.beforehand

    def evidence(self, *effects: Array) -> tuple[Evidence, ...]:
        """The same with who weighs in the sums, (n,) each, and whose predictors are alike."""
        rows = self._rows
        if not rows.is_judged:
            return UNJUDGED
        found = [*self.beforehand()]
        for effect in effects:
            found += [*rows.effective_sizes(effect), *dominance_in_pairs(effect, rows.levels)]
        return (*found, *rows.predictor_groups(self.predictor))

    def _of_coefficients(self) -> tuple[Evidence, ...]:
        rows, gamma = self._rows, self._gamma
        if rows.terms is None or len(gamma) != rows.x.shape[1]:
            return ()
        first = rows.x.shape[1] - len(rows.terms.alone)  # an intercept's size is nobody's
        x, slopes = rows.x[:, first:], gamma[first:]
        return (*rows.flat_numbers.at(slopes, self.product), rows.terms.sizes(x, slopes, self._unit))
