"""Estimates of several groups put together: fixed and random effects, heterogeneity, and what a new group may show."""

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

Array = NDArray[np.float64]
Tau2 = Literal["REML", "DL", "PM"]
METHODS: tuple[str, ...] = get_args(Tau2)

#: A step of Fisher's scoring, relative to a typical variance, below which REML has converged.
_CLOSE, _MOST_STEPS = 1e-14, 10_000

#: A group's share of all information about a coefficient (of a direction of several, on the scale of each) below which it tells
#: nothing: sums of a column that does not vary leave 1e-15 of it, the only patient of a level among 10,000 leaves 1e-8.
LEAST_TOLD = 1e-11


class Pooled(NamedTuple):
    """A mean of effects with its standard error; ``df`` of Student's t, infinite for the normal."""

    estimate: float
    std_error: float
    df: float

    def interval(self, level: float) -> tuple[float, float]:
        """Its confidence interval."""
        half = _quantile(level, self.df) * self.std_error
        return self.estimate - half, self.estimate + half

    @property
    def p_value(self) -> float:
        """That the mean is zero, two-sided."""
        z = abs(self.estimate / self.std_error) if self.std_error > 0 else np.nan
        return float(2 * (norm.sf(z) if np.isinf(self.df) else t.sf(z, self.df)))


class MetaAnalysis(NamedTuple):
    """What k estimates say together.

    Attributes
    ----------
    fixed, random : Pooled
    q, df, p_value : Cochran's test that the groups' effects are the same
    tau2, tau2_interval : variance between groups, and the ends of its Q-profile interval
    i2, h2 : share of the variance that is between groups (0 to 1), and its ratio to what is expected within
    prediction : interval in which the effect of a new group lies
    """

    fixed: Pooled
    random: Pooled
    q: float
    df: int
    p_value: float
    tau2: float
    tau2_interval: tuple[float, float]
    i2: float
    h2: float
    prediction: tuple[float, float]


def meta_analysis(
    y: Array, v: Array, method: str = "REML", *, hartung_knapp: bool = True, level: float = 0.95
) -> MetaAnalysis:
    """Fixed and random effects of independent estimates.

    Parameters
    ----------
    y, v : (k,)             estimates and their variances
    method : {"REML", "DL", "PM"}
        Of the variance between groups: restricted maximum likelihood, DerSimonian & Laird, Paule & Mandel.
    hartung_knapp : bool    standard error and Student's t of Hartung & Knapp (2001) for the mean of random effects
    level : float           coverage of the intervals

    Notes
    -----
    Viechtbauer (2005, 2007); I2 is that of Higgins & Thompson (2002) from tau2 and the typical variance within, as ``rma`` of R's
    metafor has it.  The prediction interval is that of ``predict.rma``: mean +- quantile sqrt(se^2 + tau2).
    Of one group nothing is known of others: NaN.
    """
    k, w = len(y), 1.0 / v
    fixed = Pooled(float(w @ y / w.sum()), float(1 / np.sqrt(w.sum())), np.inf)
    q = float(w @ (y - fixed.estimate) ** 2)
    if k < 2:
        nothing = Pooled(fixed.estimate, np.nan, np.nan)
        nan = (np.nan, np.nan)
        return MetaAnalysis(fixed, nothing, q, 0, np.nan, np.nan, nan, np.nan, np.nan, nan)
    typical = float((k - 1) / (w.sum() - (w**2).sum() / w.sum()))
    tau2 = between_groups(y, v, method)
    random = _random(y, v, tau2, hartung_knapp=hartung_knapp)
    half = _quantile(level, random.df) * np.sqrt(random.std_error**2 + tau2)
    return MetaAnalysis(
        fixed,
        random,
        q,
        k - 1,
        float(chi2.sf(q, k - 1)),
        tau2,
        _q_profile(y, v, level),
        tau2 / (tau2 + typical),
        tau2 / typical + 1.0,
        (random.estimate - half, random.estimate + half),
    )


def between_groups(y: Array, v: Array, method: str) -> float:
    """The variance between groups, never below zero."""
    w = 1.0 / v
    k, mean = len(y), w @ y / w.sum()
    moment = (w @ (y - mean) ** 2 - (k - 1)) / (w.sum() - (w**2).sum() / w.sum())
    if method == "DL":
        return float(max(moment, 0.0))
    if method == "PM":
        return _root(lambda tau2: _q(y, v, tau2) - (k - 1), float(np.var(y) + v.max()))
    return _reml(y, v, float(max(np.var(y, ddof=1) - v.mean(), 0.0)))


def _reml(y: Array, v: Array, tau2: float) -> float:
    """Fisher's scoring; a step below zero is halved, and one that stays there ends at zero."""
    scale = float(v.mean())
    for _ in range(_MOST_STEPS):
        w = 1.0 / (v + tau2)
        total = w.sum()
        residual = y - w @ y / total
        slope = w**2 @ residual**2 - (total - (w**2).sum() / total)
        curvature = (w**2).sum() - 2 * (w**3).sum() / total + ((w**2).sum() / total) ** 2
        step = float(slope / curvature)
        new = max(tau2 + step, 0.0)
        if abs(new - tau2) <= _CLOSE * (tau2 + scale):
            return new
        tau2 = new
    return tau2


def _q(y: Array, v: Array, tau2: float) -> float:
    """Cochran's Q with the variance between groups in the weights; it falls as that grows."""
    w = 1.0 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _root(falls: Callable[[float], float], high: float) -> float:
    """Where a function of a variance that falls reaches zero; zero where it begins below."""
    if falls(0.0) <= 0:
        return 0.0
    while falls(high) > 0:
        high *= 2
    return float(brentq(falls, 0.0, high, xtol=1e-300, rtol=1e-14, maxiter=500))


def _q_profile(y: Array, v: Array, level: float) -> tuple[float, float]:
    """Viechtbauer (2007): variances between groups at which Q is no quantile out of the ordinary."""
    k, high = len(y), float(np.var(y) + v.max())
    ends = (chi2.isf((1 - level) / 2, k - 1), chi2.ppf((1 - level) / 2, k - 1))
    low, up = (_root(lambda tau2, end=end: _q(y, v, tau2) - end, high) for end in ends)  # type: ignore[misc]
    return low, up


def _random(y: Array, v: Array, tau2: float, *, hartung_knapp: bool) -> Pooled:
    w = 1.0 / (v + tau2)
    mean, k = float(w @ y / w.sum()), len(y)
    if not hartung_knapp:
        return Pooled(mean, float(1 / np.sqrt(w.sum())), np.inf)
    return Pooled(mean, float(np.sqrt(w @ (y - mean) ** 2 / ((k - 1) * w.sum()))), float(k - 1))


def _quantile(level: float, df: float) -> float:
    upper = (1 - level) / 2
    return float(norm.isf(upper) if np.isinf(df) else t.isf(upper, df))


def one_stage_score_test(score: Array, own: Array, cross: Array, common: Array) -> tuple[float, int, float]:
    """Score test that coefficients do not differ between groups, at the fit in which they do not.

    Parameters
    ----------
    score : (g, k)         slopes of each group's log-likelihood in the coefficients
    own : (g, k, k)        its information about them
    cross : (g, k, q)      and about these and the others
    common : (q, q)        information of all groups about the others

    Returns
    -------
    statistic, df, p_value

    Notes
    -----
    Rao (1948): u' I^-1 u with the information of the model in which every group has coefficients of its own and the others are common;
    of the others the slope is zero at the fit.  The Schur complement of the others is inverted, where it can be: a group in which
    a column does not vary, or nobody has the event, tells nothing about its own coefficient.  As R does with aliased columns, such
    directions are left out, and each takes a degree of freedom with it.
    """
    g, k, q = cross.shape
    scale = np.sqrt(np.einsum("gjj->j", own))
    if not (scale > 0).all():
        return np.nan, 0, np.nan
    information = np.zeros((g * k, g * k))
    for i in range(g):
        information[i * k : (i + 1) * k, i * k : (i + 1) * k] = own[i]
    if q:
        stacked = cross.reshape(g * k, q)
        information -= stacked @ np.linalg.solve(common, stacked.T)
    of_each = np.tile(scale, g)
    left, axes = np.linalg.eigh(information / np.outer(of_each, of_each))
    told = left > LEAST_TOLD
    df = int(told.sum()) - k
    if df < 1:
        return np.nan, 0, np.nan
    along = axes[:, told].T @ (score.ravel() / of_each)
    statistic = float(np.sum(along**2 / left[told]))
    return statistic, df, float(chi2.sf(statistic, df))
