"""Strengths of a path of penalties: what may be asked, what it takes, and which they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.formula import FormulaError
from fedstats.methods.fitting import check_points
from fedstats.methods.penalised_model import PenalisedModel
from fedstats.numerics.path_of_penalties import strongest

Array = NDArray[np.float64]

#: Points of a path, as a site counts them: of the null model, the moments and a first strength far from it, then of each, the
#: mean of the references' rounded up.
FIRST_POINTS, POINTS_A_STRENGTH, GAUSSIAN_POINTS = 7, 4, 4
FAMILIES = ("binomial", "gaussian", "poisson", "cox")


@dataclass(frozen=True)
class Strengths:
    """Penalties from strong to weak, as :func:`penalty_path` takes them.

    Attributes
    ----------
    mixing : float                           glmnet's alpha
    given : sequence of float, optional      glmnet's lambda; None: ``number`` of them, evenly on the log scale
    number : int
    smallest : float                         the last one, as a share of the first

    Raises
    ------
    FormulaError
    """

    mixing: float
    given: Sequence[float] | None = None
    number: int = 20
    smallest: float = 0.001

    def __post_init__(self) -> None:
        if not 0 <= self.mixing <= 1:
            raise FormulaError(f"mixing is {self.mixing!r}; give a number from 0 (ridge) to 1 (lasso).")
        if self.given is not None:
            values = np.asarray(self.given, dtype=float)
            if values.ndim != 1 or not len(values) or not ((values > 0) & np.isfinite(values)).all():
                raise FormulaError(f"strengths is {self.given!r}; give numbers above zero.")
        elif not self.number >= 2 or self.number != int(self.number):
            raise FormulaError(f"n_strengths is {self.number!r}; give a whole number of at least 2.")
        elif not 0 < self.smallest < 1:
            raise FormulaError(
                f"smallest is {self.smallest!r}; give the last strength as a share of the first."
            )

    @property
    def course(self) -> str:
        """The name of a course of rounds: fits of one model along different paths do not mix."""
        asked = (self.number, self.smallest) if self.given is None else tuple(map(float, self.given))
        return f"path {float(self.mixing)!r}, {asked!r}"

    def check_cost(self, most: int | None, family: str, baseline: str = "site") -> None:
        """Refuse what would take more points than the ``most`` that sites answer one model at, before anything is asked.

        A Gaussian log-likelihood is a quadratic, known everywhere from one point; a shared baseline hazard is asked for in two
        questions a point.

        Raises
        ------
        FormulaError
        """
        number = self.number if self.given is None else len(set(self.given))
        points = GAUSSIAN_POINTS if family == "gaussian" else FIRST_POINTS + POINTS_A_STRENGTH * number
        if baseline == "shared":
            points *= 2
        check_points(most, points, f"A path of {number} strengths takes")

    def of(self, model: PenalisedModel, weight: float, spread: Array) -> Array:
        """Falling strengths, (k,): those given, or from the one that lets the first coefficient in."""
        if self.given is not None:
            return np.unique(np.asarray(self.given, dtype=float))[::-1]
        first = strongest(model.null, weight, spread, self.mixing) * model.scale
        if not first > 0:
            raise FormulaError("No column tells anything of the outcome: there is no path to follow.")
        return np.asarray(np.geomspace(first, first * self.smallest, self.number))


def check_family(family: str, strata: object, baseline: str = "site") -> None:
    """A family that has a path, and strata or a shared baseline hazard where there are some.

    Raises
    ------
    FormulaError
    """
    if family not in FAMILIES:
        raise FormulaError(f"family is {family!r}; choose one of {list(FAMILIES)}.")
    if family != "cox" and (strata is not None or baseline != "site"):
        raise FormulaError('Strata and baseline hazards are those of a Cox model: family="cox".')
