"""What the evaluation of a prediction returns: frozen results with tidy frames."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from scipy.stats import norm

from fedstats.contract.fit import Fit
from fedstats.contract.one_frame import WithStatus
from fedstats.contract.printed import Printed, with_heading


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

    def _heading(self) -> str:
        return f"{self.measure} of {self.formula} ({self.status}, {self.level * 100:g} % interval)"


@dataclass(frozen=True, repr=False)
class Calibration(WithStatus):
    """Predicted risks beside what happened, by cells of the predicted risk.

    Attributes
    ----------
    frame : DataFrame      time low high n n_event predicted observed std_error conf_low conf_high: a row a cell, from ``low`` to
                           ``high``; ``predicted`` is the mean risk there, ``observed`` the share with the event, or one less
                           the Kaplan-Meier estimate at ``time``
    overall : DataFrame    time measure estimate std_error conf_low conf_high: of ``"in the large"`` (the intercept beside the predicted
                           logit as an offset), ``"slope"`` (of the linear predictor; both are 0 and 1 of a perfect prediction)
                           and ``"observed / expected"``; NaN where it has no estimate
    notes : tuple of str   why something has none
    """

    formula: str
    frame: pd.DataFrame
    overall: pd.DataFrame
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    level: float = 0.95
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        heading = f"Calibration of {self.formula} ({self.status}, {self.level * 100:g} % intervals)"
        parts = [
            with_heading(heading, self.overall),
            with_heading("By cells of the predicted risk:", self.frame),
            *self.notes,
        ]
        return "\n".join(parts)


@dataclass(frozen=True, repr=False)
class PredictionError(WithStatus):
    """Brier scores: mean squared differences between outcome and predicted risk.

    Attributes
    ----------
    frame : DataFrame    time n n_event estimate std_error conf_low conf_high null scaled: ``null`` is the score of one risk for
                         all, that of everybody, and ``scaled`` one less their ratio (the index of prediction accuracy)
    """

    formula: str
    frame: pd.DataFrame
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    level: float = 0.95

    def _heading(self) -> str:
        return f"Brier score of {self.formula} ({self.status}, {self.level * 100:g} % intervals)"


@dataclass(frozen=True, repr=False)
class NetBenefit(WithStatus):
    """Decision curves: what treating those with a predicted risk above a threshold brings.

    Attributes
    ----------
    frame : DataFrame    time threshold share_above risk_above model treat_all treat_none: net benefits by threshold, in
                         true positives by patient
    """

    formula: str
    frame: pd.DataFrame
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]

    def _heading(self) -> str:
        return f"Net benefit of {self.formula} ({self.status})"


@dataclass(frozen=True, repr=False)
class LeftOutSites(Printed):
    """Predictions fitted without each site in turn, and held against its patients.

    Attributes
    ----------
    groups : DataFrame     measure group n n_event estimate std_error conf_low conf_high note: a row a site and measure; where a measure
                           has no estimate, ``note`` says why
    summaries : DataFrame  measure groups estimate conf_low conf_high prediction_low prediction_high tau2 i2: random effects, and the
                           interval in which the measure of a new site lies
    fits : mapping         by site, the fit without it
    """

    formula: str
    groups: pd.DataFrame
    summaries: pd.DataFrame
    fits: Mapping[str, Fit]
    status: str
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    level: float = 0.95

    def tidy(self) -> pd.DataFrame:
        """One row a site and measure."""
        return self.groups.copy()

    def pooled(self) -> pd.DataFrame:
        """One row a measure: what the sites say together."""
        return self.summaries.copy()

    def __str__(self) -> str:
        head = f"{self.formula}, fitted without each of {len(self.sites)} sites and evaluated there ({self.status})"
        return "\n".join([with_heading(head, self.summaries), with_heading("By site:", self.groups)])

    def _repr_html_(self) -> str:
        frames = (self.summaries, self.groups)
        return "".join(str(f.to_html(index=False, float_format="%.4g", na_rep="")) for f in frames)
