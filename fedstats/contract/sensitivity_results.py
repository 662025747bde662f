"""What an analysis over several assumptions about missing values returns."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fedstats.contract.one_frame import WithStatus


@dataclass(frozen=True, repr=False)
class TippingPoint(WithStatus):
    """Estimates of one coefficient under shifts of the draws of a variable, from the smallest shift to the largest.

    Attributes
    ----------
    frame : DataFrame    delta term estimate std_error statistic p_value conf_low conf_high df missing_information
    variable : str       whose draws were shifted
    term, effect : str   the coefficient, and what its exponential is called
    level : float        coverage of the intervals
    """

    frame: pd.DataFrame
    variable: str
    term: str
    effect: str
    level: float
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    title = "Tipping point"

    @property
    def is_ratio(self) -> bool:
        """Whether estimates are logarithms of ratios."""
        return self.effect.endswith("ratio")

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a shift.

        Raises
        ------
        ValueError
            ``exponentiate`` of differences of means.
        """
        if exponentiate and not self.is_ratio:
            raise ValueError("Differences of means are no logarithms: ask for them without exponentiate.")
        scaled = ("estimate", "conf_low", "conf_high") if exponentiate else ()
        return self.frame.assign(**{name: np.exp(self.frame[name]) for name in scaled})

    @property
    def tipping(self) -> tuple[float, ...]:
        """Shifts at which the interval begins or ceases to hold no effect, each interpolated between two that were tried; none: it does not change."""
        delta, low, high = (
            self.frame[name].to_numpy(dtype=float) for name in ("delta", "conf_low", "conf_high")
        )
        found: list[float] = []
        for end in (low, high):
            for k in np.flatnonzero(np.sign(end[:-1]) * np.sign(end[1:]) < 0):
                found.append(float(delta[k] + (delta[k + 1] - delta[k]) * end[k] / (end[k] - end[k + 1])))  # noqa: PERF401
        return tuple(sorted(found))

    def _summary(self) -> dict[str, object]:
        return {"variable": self.variable, "term": self.term, "tipping": self.tipping}

    def _heading(self) -> str:
        said = ", ".join(f"{value:.3g}" for value in self.tipping)
        changes = (
            f"the interval comes to hold no effect, or ceases to, at {said}"
            if said
            else "the conclusion stays"
        )
        return f"Tipping point of {self.term}, draws of {self.variable} shifted ({self.status}): {changes}"
