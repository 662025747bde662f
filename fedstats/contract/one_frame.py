"""What results have in common whose whole answer is one table."""

from typing import ClassVar

import pandas as pd

from fedstats.contract.printed import Printed, with_heading


class OneFrame(Printed):
    """A result with one table, ``frame``; what its columns are its own class says."""

    frame: pd.DataFrame
    #: What it is called where it is printed.
    title: ClassVar[str]

    def tidy(self) -> pd.DataFrame:
        """The table, one row an estimate."""
        return self.frame.copy()

    def _heading(self) -> str:
        return f"{self.title} (exact)"

    def _printed(self) -> pd.DataFrame:
        """The table that is printed."""
        return self.frame

    def __str__(self) -> str:
        return with_heading(self._heading(), self._printed())

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False, float_format="%.4g", na_rep=""))


class WithStatus(OneFrame):
    """One that says how its numbers were worked out, and what they cost."""

    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    def glance(self) -> pd.DataFrame:
        """One row: how it was worked out, and what it cost."""
        row = self._summary() | {"status": self.status, "rounds": self.rounds, "bytes": self.n_bytes}
        return pd.DataFrame([row | {"sites": len(self.sites)}])

    def _heading(self) -> str:
        return f"{self.title} ({self.status})"

    def _summary(self) -> dict[str, object]:
        return {}
