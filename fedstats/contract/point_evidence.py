"""What the gate judges of a model's rows at one point: its coefficients, and who weighs in the sums there."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.dominance import dominance_in_pairs
from fedstats.contract.joint_cells import is_number, where_numbers_are_flat
from fedstats.contract.model_evidence import UNJUDGED

if TYPE_CHECKING:
    from fedstats.contract.model_rows import ModelRows

Array = NDArray[np.float64]


class PointEvidence:
    """A model's rows at a point.

    Parameters
    ----------
    rows : ModelRows
    gamma : (k,)       coefficients of the rows' columns
    """

    def __init__(self, rows: "ModelRows", gamma: Array) -> None:
        self._rows, self._gamma = rows, gamma

    @cached_property
    def predictor(self) -> Array:
        """x gamma + offset, (n,)."""
        eta = self._rows.x @ self._gamma
        return eta if self._rows.offset is None else eta + self._rows.offset

    def beforehand(self, unit: float = 1.0) -> tuple[Evidence, ...]:
        """What the gate judges of the rows, and then of the coefficients, before any sum is made.

        The rows come first: where they do not pass, no coefficient makes another refusal of it.

        Parameters
        ----------
        unit : float     what coefficients count in, of an outcome that is a measurement
        """
        rows, gamma = self._rows, self._gamma
        if rows.terms is None or len(gamma) != rows.x.shape[1]:
            return rows.evidence
        first = rows.x.shape[1] - len(rows.terms.alone)  # an intercept's size is nobody's
        x, slopes = rows.x[:, first:], gamma[first:]
        return (*rows.evidence, *self._where_flat(x, slopes), rows.terms.sizes(x, slopes, unit))

    def evidence(self, *effects: Array, unit: float = 1.0) -> tuple[Evidence, ...]:
        """The same with who weighs in the sums, (n,) each, and whose predictors are alike."""
        rows = self._rows
        if not rows.is_judged:
            return UNJUDGED
        found = [*self.beforehand(unit)]
        for effect in effects:
            found += [*rows.effective_sizes(effect), *dominance_in_pairs(effect, rows.levels)]
        return (*found, *rows.predictor_groups(self.predictor))

    def _where_flat(self, x: Array, slopes: Array) -> tuple[Evidence, ...]:
        """The joint table of levels at slopes where the model's numbers do not hide it; a site's own weights of many values always do."""
        rows = self._rows
        number, who = rows.of_numbers, rows.counted
        own = rows.weights is not None and not rows.made and is_number(rows.weights[who])
        if own or not (rows.curved and number.any() and who.any()):
            return ()
        by_number, by_level = x @ np.where(number, slopes, 0.0), x @ np.where(number, 0.0, slopes)
        if rows.offset is not None:
            part = by_number if is_number(rows.offset[who]) else by_level
            part += rows.offset
        mixed = any(c.multiplies_a_number and c.levels for c in rows.judged.columns[: len(slopes)])
        halves = rows.levels[who] if mixed else np.zeros((int(who.sum()), 0))
        return where_numbers_are_flat(by_level[who], by_number[who], halves)
