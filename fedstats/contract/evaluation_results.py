"""What the evaluation of a prediction returns: frozen results with tidy frames."""

from dataclasses import dataclass

import pandas as pd
from scipy.stats import norm

from fedstats.contract.one_frame import WithStatus


@dataclass(frozen=True, repr=False)
class Concordance(WithStatus):
    """How well a score orders patients: the share of comparable pairs in which the higher score has the worse outcome.

    Attributes
    ----------
    measure : str          ``"C"`` of a time to an event, ``"AUC"`` of a 0/1 outcome
    estimate : float       pairs of equal scores count a half
    std_error : float      of the infinitesimal jackknife, clusters as one patient each
    concordant, discordant, tied : float    comparable pairs, weighted; ``tied`` are those of equal scores
    n, dropped : int       patients, and rows with an empty cell
    error_bound : float    by how much the estimate may be off for pairs within one score bin; 0 without bins
    status : str           how the estimate relates to that of all pairs
    """

    measure: str
    formula: str
    estimate: float
    std_error: float
    concordant: float
    discordant: float
    tied: float
    n: int
    dropped: int
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    level: float = 0.95
    error_bound: float = 0.0

    @property
    def conf_low(self) -> float:
        """Lower end of the interval, no lower than 0."""
        return max(0.0, self.estimate - self._half_width)

    @property
    def conf_high(self) -> float:
        """Upper end, no higher than 1."""
        return min(1.0, self.estimate + self._half_width)

    @property
    def _half_width(self) -> float:
        return float(norm.ppf(0.5 + self.level / 2.0)) * self.std_error

    @property
    def frame(self) -> pd.DataFrame:
        """One row: measure estimate std_error conf_low conf_high error_bound, the pairs and the patients."""
        of_it = ("measure", "estimate", "std_error", "conf_low", "conf_high", "error_bound")
        of_pairs = ("concordant", "discordant", "tied", "n", "dropped")
        return pd.DataFrame([{name: getattr(self, name) for name in (*of_it, *of_pairs)}])

    def __str__(self) -> str:
        interval = f"{self.level * 100:g} % interval {self.conf_low:.4g} to {self.conf_high:.4g}"
        within = f", off by at most {self.error_bound:.2g} for the bins" if self.error_bound else ""
        return f"{self.measure} of {self.formula}: {self.estimate:.4g} ({interval}; {self.status}{within})"
