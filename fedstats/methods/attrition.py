"""Who leaves at which step of eligibility: counts of everybody screened, as a CONSORT diagram has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from fedstats.contract.aggregate import Aggregate, Cohort, Evidence, Sum
from fedstats.contract.arguments import check_federation
from fedstats.contract.attrition import ATTRITION, ELIGIBLE, Attrition
from fedstats.contract.design import level_codes
from fedstats.contract.entries import Entries, each, one
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import Query, QueryError
from fedstats.contract.site_data import SiteData
from fedstats.contract.values import shown
from fedstats.numerics.cell_suppression import shown_together


@dataclass(frozen=True)
class AttritionCounts(Query):
    """Patients who leave at each step of eligibility, and those who stay after all of them.

    Steps at which too few leave to be seen are added up, together with others where that takes them, by the site's own
    thresholds.  Those who stay are never among these: how many they are is told by every analysis.
    """

    column: str
    levels: tuple[str, ...]

    of_screened: ClassVar[bool] = True
    asks = "patients who leave at each step, and those who stay"

    def subject(self) -> str:
        """Everybody screened."""
        return f"Everybody screened, by {self.column}"

    def entries(self) -> dict[str, Entries]:
        """Leavers by step, those of steps that are not shown together, which these are, and those who stay."""
        steps = tuple(f"{self.column}={level}" for level in self.levels[:-1])
        return {
            "left": each("patients who leave at a step", steps, count="l"),
            "together": one("patients who leave at steps that are not shown"),
            "hidden": each("whether a step is not shown: 1 or 0", steps, count="l"),
            "stay": one("patients who stay after all steps"),
        }

    def aggregate(self, data: SiteData) -> Aggregate:
        """(steps,) counts, of which those of hidden steps leave added up, and the number who stay."""
        if (
            self.where or self.made
        ):  # of a part of them, small steps would be added up with others than of all
            raise QueryError(
                "Who leaves at which step is counted of everybody screened, and of no part of them."
            )
        data.require([self.column])
        level = level_codes(data.frame[self.column], self.levels)
        evidence: tuple[Evidence, ...] = ()
        if self.levels != data.codebook[self.column].levels:
            # with steps of its own a question would show alone what another one adds up
            evidence += (Evidence("agreed grid", np.array([1]), "steps of the question's own"),)
        evidence += (Evidence("dropped rows", np.array([(level < 0).sum()]), "patients without a step"),)
        counts = np.bincount(level[level >= 0], minlength=len(self.levels))
        left, stay = counts[:-1], counts[-1:]
        hidden = shown_together(left[None, :], partial(data.meets, "entry"))
        together = left[hidden].sum(keepdims=True)
        left = np.where(hidden, 0, left)
        everybody = Cohort(data.positions, (self.column,), levels=((self.column,),))
        sums = {
            "left": Sum(left, left),
            "together": Sum(together, together),
            "hidden": Sum(hidden.astype(float), np.array(len(level))),
            "stay": Sum(stay, stay),
        }
        return Aggregate(sums, len(level), evidence, (everybody,))


def attrition(federation: Federation, steps: Mapping[str, str], *, column: str = ATTRITION) -> Attrition:
    """Count who leaves at each step of eligibility, over all sites.

    Parameters
    ----------
    federation : Federation
        Of sites that build a cohort of their tables.
    steps : mapping of str to str
        Name and title of every step, in their order, as ``study.cohort.steps`` has them.
    column : str
        What the sites call the step at which a patient left.

    Returns
    -------
    Attrition

    Raises
    ------
    FormulaError
        Steps or a column that are none.
    QueryError
        Nobody left at one of the steps, or stayed.
    SiteRefused
        A site has no table of everybody screened, or in all so few leave that none may be seen.
    """
    check_federation(federation)
    _check_steps(steps)
    if not isinstance(column, str):
        raise FormulaError(f"column is {shown(column)}; give the name of a column as a text.")
    meter = Meter(federation)
    found = meter.sum(AttritionCounts(column, (*steps, ELIGIBLE)))
    left, hidden = np.rint(found["left"]), found["hidden"] > 0
    if not left.any() and not hidden.any() and not found["stay"].any():
        raise QueryError(
            f"Of nobody a site says at which of the steps {', '.join(steps)} they left, in {column}."
        )
    together = float(np.rint(found["together"]).sum() + left[hidden].sum())
    return Attrition.of(
        steps, np.where(hidden, np.nan, left), together, float(np.rint(found["stay"]).sum()), meter
    )


def _check_steps(steps: object) -> None:
    if (
        not isinstance(steps, Mapping)
        or not steps
        or not all(isinstance(said, str) for said in (*steps, *steps.values()))
    ):
        raise FormulaError(
            f"steps is {shown(steps)}; give the name and title of every step in their order, as study.cohort.steps has them."
        )
