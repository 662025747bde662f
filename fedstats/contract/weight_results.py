"""What is told about weights: how many patients they are worth, where propensities overlap, how well arms are balanced."""

from dataclasses import dataclass

import pandas as pd

from fedstats.contract.one_frame import OneFrame

#: The row of a frame that is about all sites together.
ALL_SITES = "all"


@dataclass(frozen=True, repr=False)
class EffectiveSizes(OneFrame):
    """Patients of each arm, and how many equally weighted ones they are worth: Kish's (sum w)^2 / sum w^2.

    Attributes
    ----------
    frame : DataFrame     site group n weight effective; the site ``"all"`` is all of them together
    """

    frame: pd.DataFrame
    rounds: int
    n_bytes: int

    title = "Effective sample sizes by arm"


@dataclass(frozen=True, repr=False)
class Overlap(OneFrame):
    """Patients of each arm by their propensity, in cells of agreed edges.

    Attributes
    ----------
    frame : DataFrame     site group low high n
    """

    frame: pd.DataFrame
    rounds: int
    n_bytes: int

    title = "Patients of each arm by their propensity"


@dataclass(frozen=True, repr=False)
class Balance(OneFrame):
    """Standardised mean differences of covariates between two arms, before weighting and after.

    Attributes
    ----------
    frame : DataFrame     site variable level mean_control mean_treated sd smd, with weights also weighted_control
                          weighted_treated weighted_smd; a love plot draws ``smd`` and ``weighted_smd``
    groups : tuple of str   the arms, the untreated first
    denominator : str     whose standard deviation divides: ``"pooled"``, ``"treated"``
    refused : tuple       (variable, rule) that a site did not let out
    """

    frame: pd.DataFrame
    groups: tuple[str, str]
    denominator: str
    refused: tuple[tuple[str, str], ...]
    rounds: int
    n_bytes: int

    title = "Standardised mean differences"

    def _heading(self) -> str:
        untreated, treated = self.groups
        return f"{super()._heading()}: {treated} less {untreated}, {self.denominator} standard deviations"

    def largest(self) -> pd.DataFrame:
        """The largest absolute difference of each site, before and after: site smd weighted_smd."""
        columns = [c for c in ("smd", "weighted_smd") if c in self.frame]
        return self.frame.groupby("site", sort=False)[columns].agg(lambda x: x.abs().max()).reset_index()
