"""A balancing weight as a column: a site makes it of its own rows for one question, and it never leaves.

What travels is a recipe: the treatment, the columns of a propensity model with their coefficients, the estimand, where it
is cut.  A weighted sum is a curved function of these columns; a few recipes tell what the columns' own sums by treatment
would.  So the gate judges the columns behind a weight as if they stood in the question themselves, and what the weights do.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.aggregate import Evidence
from fedstats.contract.codebook import Codebook
from fedstats.contract.coefficient_sizes import terms_of
from fedstats.contract.design import Column, Design, Part, level_codes
from fedstats.contract.dominance import dominance_in_pairs
from fedstats.contract.entries import listed
from fedstats.contract.few_predictors import in_groups
from fedstats.contract.linear_predictor import check_made_name
from fedstats.contract.model_evidence import effective_sizes, knots
from fedstats.contract.query import POINT, QueryError, Spec
from fedstats.contract.variable import Variable
from fedstats.numerics.balancing_weights import (
    Estimand,
    Truncation,
    Weights,
    balancing_weights,
    departures,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PropensityWeight(Spec):
    """The column ``name``: the weight of a patient by the treatment that was given and its propensity.

    Attributes
    ----------
    treatment : str            column of the treatment
    level : str or None        its level that counts as treated; None: it is 0 or 1
    design : Design            of the propensity model
    gamma : (k,)               its coefficients, of the scaled columns: they come from a fit, so they are a point
    estimand : {"ATE", "ATT", "overlap"}
    stabilised : bool          times the share of the patients with the same treatment ...
    share : float              ... which is this of the treated; a point as well
    low, high : float          where the propensity is cut; 0 and 1: nowhere
    lightest, heaviest : float or None   where the weight is cut; 0 and None: nowhere
    """

    name: str
    treatment: str
    level: str | None
    design: Design
    gamma: tuple[float, ...] = field(metadata=POINT)
    estimand: Estimand = "ATE"
    stabilised: bool = False
    share: float = field(default=0.5, metadata=POINT)
    low: float = 0.0
    high: float = 1.0
    lightest: float = 0.0
    heaviest: float | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of the data that it is made of."""
        return tuple(dict.fromkeys((self.treatment, *self.design.variables)))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns behind it: the treatment, and those of the propensity model."""
        treated = Part(self.treatment, self.level)
        return (Column(treated.in_words(), (treated,)), *self.design.columns)

    @property
    def of_propensity(self) -> Self:
        """The recipe that says the propensity alone: whatever is asked of it is one question for all weights by it."""
        return replace(
            self,
            estimand="overlap",
            stabilised=False,
            share=0.5,
            low=0.0,
            high=1.0,
            lightest=0.0,
            heaviest=None,
        )

    def in_words(self) -> str:
        """What it is made of: ``arm_weight is the ATE weight of arm by the propensity on age, sex``."""
        kind = f"stabilised {self.estimand}" if self.stabilised else self.estimand
        cut = []
        if (self.low, self.high) != (0.0, 1.0):
            cut.append(f"propensities cut at {self.low:g} and {self.high:g}")
        if self.lightest or self.heaviest is not None:
            end = "no end" if self.heaviest is None else f"{self.heaviest:g}"
            cut.append(f"weights cut at {self.lightest:g} and {end}")
        given = self.treatment if self.level is None else f"{self.treatment}[{self.level}]"
        said = f"{self.name} is the {kind} weight of {given} by its propensity on {listed(self.design.terms)}"
        return f"{said} ({listed(cut)})" if cut else said

    @property
    def ends(self) -> Truncation:
        """Where propensity and weight are cut."""
        return Truncation(
            self.low, self.high, self.lightest, np.inf if self.heaviest is None else self.heaviest
        )

    def variable(self, codebook: Codebook) -> Variable:
        """The column as a codebook has it.

        Raises
        ------
        QueryError
            A name that is taken, a column that is not agreed, or ends and coefficients that are none.
        """
        check_made_name(self.name, codebook, "weight")
        for name in self.variables:
            if name not in codebook:
                raise QueryError(f"The column {name!r} is not in the codebook that this site keeps to.")
            if codebook[name].kind == "label":
                raise QueryError(f"{name} groups patients inside a site; no weight is made of it.")
        if self.treatment in self.design.variables:
            raise QueryError(f"The propensity of {self.treatment} is modelled by itself.")
        heaviest = self.ends.heaviest
        if not (0 <= self.low < self.high <= 1 and 0 <= self.lightest < heaviest and 0 < self.share < 1):
            raise QueryError(
                "A propensity is cut between 0 and 1, a weight above 0, each at two ends in order."
            )
        if self.stabilised and self.estimand != "ATE":
            raise QueryError("Stabilised weights are those of the estimand ATE.")
        if len(self.gamma) != len(self.design.names):
            raise QueryError("A propensity has one coefficient for each column of its model.")
        if not all(c.scale > 0 and c.period is None for c in self.design.columns):
            raise QueryError("A column of a propensity model has no scale above zero, or a period.")
        return Variable(self.name, "numeric", centre=0.0, scale=1.0, missing=True)

    def evidence(self, frame: pd.DataFrame) -> Evidence:
        """What its terms add to the logits of a site's own patients: a huge coefficient makes the weights those of a few."""
        rows = frame[self.complete(frame)]
        raw = np.nan_to_num(self.design.raw(rows))
        found = terms_of(self.design, rows, raw, np.ones(len(rows), dtype=bool))
        slopes = np.array(self.gamma[int(self.design.intercept) :])
        x = self.design.scaled(raw)[:, int(self.design.intercept) :]
        return found.sizes(x, slopes)

    def complete(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows have every column that it is made of, (n,)."""
        return np.asarray(frame[list(self.variables)].notna().all(axis=1).to_numpy())

    def treated(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Who was treated, (n,), of complete rows."""
        values = frame[self.treatment]
        if self.level is not None:
            return np.asarray(level_codes(values, (self.level,)) == 0)
        return np.asarray(values.to_numpy(dtype=float) == 1.0)

    def scaled(self, frame: pd.DataFrame) -> Array:
        """Columns of the propensity model, (n, k), of complete rows."""
        return self.design.scaled_of(frame)

    def logit(self, frame: pd.DataFrame) -> Array:
        """Logit of the propensity, (n,), of complete rows."""
        return np.asarray(self.scaled(frame) @ np.array(self.gamma))

    def weights(self, frame: pd.DataFrame) -> Weights:
        """Weights and their slopes, of complete rows."""
        share = self.share if self.stabilised else None
        return balancing_weights(self.logit(frame), self.treated(frame), self.estimand, share, self.ends)

    def values(self, frame: pd.DataFrame) -> Array:
        """The column at a site, (n,); not a number where a column that it is made of is empty."""
        found, there = np.full(len(frame), np.nan), self.complete(frame)
        if there.any():
            found[there] = self.weights(frame[there]).weight
        return found

    def readings(self, frame: pd.DataFrame) -> tuple[tuple[str, NDArray[Any], bool], ...]:
        """What a memory compares with other weights of the same patients: the weight, and where it was cut.

        Of each its name, its values (n,) of complete rows, and whether these are counted one by one.
        """
        found = self.weights(frame)
        name = self.digest()
        side = np.where(self.treated(frame), 10.0, 0.0) + found.truncated
        return (f"weight {name}", found.weight, False), (f"cut of weight {name}", side, True)

    def judged(
        self, frame: pd.DataFrame, levels: Array, y: Array | None, codebook: Codebook, widened: float = 1.0
    ) -> tuple[Evidence, ...]:
        """What the gate judges of the weights of complete rows, whatever they are multiplied by.

        Parameters
        ----------
        levels : (n, c)      0/1, of the columns behind the weight among them
        y : (n,) or None     a 0/1 outcome, within which sums leave as well
        widened : float      by how much logits are judged as further apart than they are
        """
        found, eta, treated = self.weights(frame), self.logit(frame), self.treated(frame)
        share = self.share if self.stabilised else None
        vectors = [(found.weight, "weights")] + [
            (departure, "what tells weights from a constant")
            for departure in departures(eta, treated, found, self.estimand, share, self.ends)
        ]
        arms = np.column_stack([levels, treated])
        if y is not None:
            arms = np.column_stack([arms, y])
        evidence: list[Evidence] = []
        for vector, about in vectors:
            evidence += [*effective_sizes(vector, arms, f": {about}"), *dominance_in_pairs(vector, levels)]
        evidence += in_groups(
            eta * widened, np.column_stack([levels, treated]), np.ones(len(eta), dtype=bool)
        )
        return (*evidence, *knots(self.design, codebook))
