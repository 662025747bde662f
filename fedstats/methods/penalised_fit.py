"""Ridge, lasso and elastic net of a regression: the penalty is added at the coordinator, on columns standardised by
their pooled standard deviation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import Aggregate, Sum
from fedstats.contract.design import Design
from fedstats.contract.entries import Entries, each, one
from fedstats.contract.federation import Meter
from fedstats.contract.formula import FormulaError
from fedstats.contract.model_rows import ModelRows
from fedstats.contract.query import Query
from fedstats.contract.site_data import SiteData
from fedstats.contract.values import shown
from fedstats.numerics.firth import Firth
from fedstats.numerics.newton import Derivatives, Solution, newton
from fedstats.numerics.penalties import ElasticNet, Weighted, penalised

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DesignMoments(Query):
    """Sums and sums of squares of the columns of a model, to standardise them.

    ``question`` is the derivatives query of the model, whose rows and rules count.
    """

    question: Query

    asks = "sums and sums of squares of the columns"

    def subject(self) -> str:
        """The model in words."""
        return self.question.subject()

    def entries(self) -> dict[str, Entries]:
        """Two vectors with a number a column, and the weight."""
        model = getattr(self.question, "model", None)
        if model is None:
            return {}
        said = {"sum": "sum of a column around its agreed centre", "squares": "sum of its squares"}
        vectors = {name: each(means, model.design.described, count="p") for name, means in said.items()}
        return vectors | {"weight": one("sum of the weights of all patients")}

    def aggregate(self, data: SiteData) -> Aggregate:
        """2 p + 1 sums over patients."""
        question: Any = self.question
        rows: ModelRows = question.model_rows(data)
        judged = question.aggregate(data)
        weights = rows.counted.astype(float) if rows.weights is None else rows.weights
        with np.errstate(over="ignore", invalid="ignore"):  # whether a sum is finite is said after the gate
            x = rows.x + rows.origin  # around the agreed centre, the same at every site
            sums = {
                "sum": rows.vector(weights @ x),
                "squares": rows.vector(weights @ x**2),
                "weight": Sum(np.array([weights.sum()]), np.array([rows.n])),
            }
        return replace(judged, sums=sums)


def check_penalty(penalty: object, *, robust: bool, profile: tuple[str, ...]) -> ElasticNet | None:
    """The penalty of a model, or None.

    Raises
    ------
    FormulaError
        No penalty, or one together with what a penalised fit does not have.
    """
    if penalty is None:
        return None
    if isinstance(penalty, Firth):
        raise FormulaError(
            "Firth's penalty is for logistic and Poisson regression, and Cox models with baselines of the sites' own; here "
            "give fs.Ridge(...) or fs.ElasticNet(...)."
        )
    if not isinstance(penalty, ElasticNet):
        raise FormulaError(
            f"penalty is {shown(penalty)}; give fs.Ridge(...), fs.ElasticNet(...) or fs.Firth()."
        )
    if profile:
        raise FormulaError(
            "A ridge, lasso or elastic net has no profile-likelihood interval: ask without penalty, with fs.Firth(), or without it."
        )
    _check_not_robust(robust=robust)
    return penalty


def check_penalty_or_firth(
    penalty: object, *, robust: bool, profile: tuple[str, ...]
) -> ElasticNet | Firth | None:
    """The same of a model that may have Firth's penalty, whose likelihood has a profile."""
    if not isinstance(penalty, Firth):
        return check_penalty(penalty, robust=robust, profile=profile)
    _check_not_robust(robust=robust)
    return penalty


def course_of(start: str, penalty: ElasticNet | Firth | None) -> str:
    """The name of a course of rounds: fits of one model under several penalties go other ways."""
    return start if penalty is None else f"{start}, {penalty!r}".removeprefix(", ")


def _check_not_robust(*, robust: bool) -> None:
    if robust:
        raise FormulaError("A penalised fit has no robust variance: ask without penalty, or without it.")


def maximum(
    evaluate: Callable[[Array], Derivatives],
    start: Array,
    design: Design,
    penalty: ElasticNet | None,
    meter: Meter,
    question: Query,
    outcome: tuple[float, float] = (1.0, 1.0),
) -> tuple[Solution, Weighted | None]:
    """Where the log-likelihood, less the penalty if there is one, is largest; ``outcome`` as of :meth:`Weighted.of`."""
    if penalty is None:
        return newton(evaluate, start, design.names), None
    weight, spread = weight_and_spread(meter.sum(DesignMoments(question)), design)
    weighted = Weighted.of(penalty, weight, spread, outcome)
    return penalised(evaluate, start, design.names, weighted), weighted


def weight_and_spread(total: Mapping[str, Array], design: Design) -> tuple[float, Array]:
    """From :class:`DesignMoments`: the sum of weights, and each column's standard deviation; 0 of the intercept."""
    weight = float(total["weight"][0])
    mean = total["sum"] / weight
    spread = np.sqrt(np.maximum(total["squares"] / weight - mean**2, 0.0))  # around the codebook's centre
    if design.intercept:
        spread[0] = 0.0
    return weight, spread
