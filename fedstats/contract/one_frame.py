"""What results have in common whose whole answer is one table."""

import pandas as pd


class OneFrame:
    """A result with one table, ``frame``; what its columns are its own class says."""

    frame: pd.DataFrame

    def tidy(self) -> pd.DataFrame:
        """The table, one row an estimate."""
        return self.frame.copy()

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

    def _summary(self) -> dict[str, object]:
        return {}
