"""What a missingness profile returns: a frozen result with tidy frames."""

from dataclasses import dataclass

import pandas as pd

from fedstats.contract.one_frame import WithStatus

#: What is printed in place of a count that a site does not show.
UNSEEN = "not shown"


@dataclass(frozen=True, repr=False)
class Missingness(WithStatus):
    """Empty cells by variable and group.

    Attributes
    ----------
    frame : DataFrame       variable group n missing percent; empty where a site does not show so few, or all but so few
    together : DataFrame    variable other n missing_both expected: two variables that are empty together, and how many would be by chance
    by : str or None        ``"site"``, a column, or nobody's groups
    status, rounds, n_bytes, sites
    """

    frame: pd.DataFrame
    together: pd.DataFrame
    by: str | None
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    title = "Empty cells"

    def pairs(self) -> pd.DataFrame:
        """Two variables that are empty together, one row a pair."""
        return self.together.copy()

    @property
    def hidden(self) -> tuple[str, ...]:
        """Variables of which some count is not shown."""
        return tuple(dict.fromkeys(self.frame.loc[self.frame["missing"].isna(), "variable"]))

    def _summary(self) -> dict[str, object]:
        return {"variables": self.frame["variable"].nunique(), "not_shown": len(self.hidden)}

    def _printed(self) -> pd.DataFrame:
        shown = {name: self.frame[name].map(_count, na_action=None) for name in ("missing", "percent")}
        return self.frame.assign(**shown)


def _count(value: float) -> str:
    return UNSEEN if pd.isna(value) else f"{value:.4g}"
