"""Who left at which step of eligibility: the table behind a CONSORT diagram."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.federation import Meter
from fedstats.contract.one_frame import WithStatus

#: What the column is called that says at which step a patient left, and its level for those who stay.
ATTRITION, ELIGIBLE = "attrition", "eligible"


@dataclass(frozen=True, repr=False)
class Attrition(WithStatus):
    """Patients of all sites who leave at each step of eligibility.

    Attributes
    ----------
    frame : DataFrame       step, title, left (those who leave at it), stay (those after it); the first line is everybody
                            screened.  Empty where a site does not show a step by itself, and where the sum runs over one.
    together : float        those who leave at the steps that are not shown, all of them
    status, rounds, n_bytes, sites
    """

    frame: pd.DataFrame
    together: float
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    title = "Who left at which step of eligibility"

    @classmethod
    def of(
        cls,
        steps: Mapping[str, str],
        left: NDArray[np.float64],
        together: float,
        eligible: float,
        meter: Meter,
    ) -> Self:
        """From the number who leave at each step (steps,), not a number where it is not shown, and those who stay."""
        hidden = np.flatnonzero(np.isnan(left))
        screened = eligible + together + float(np.nansum(left))
        stay = screened - np.cumsum(np.nan_to_num(left))
        if len(hidden):  # between the first hidden step and the last, nobody knows
            stay[hidden[-1] :] -= together
            stay[hidden[0] : hidden[-1]] = np.nan
        lines = [("screened", "Screened", np.nan, screened)]
        lines += list(zip(steps, steps.values(), left.tolist(), stay.tolist(), strict=True))
        frame = pd.DataFrame(lines, columns=["step", "title", "left", "stay"])
        status = "exact; small steps together" if len(hidden) else "exact"
        return cls(frame, together, status, meter.rounds, meter.n_bytes, tuple(meter.federation.sites))
