"""Internal-external cross-validation: a prediction is fitted without each site in turn and held against its patients."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from fedstats.contract.arguments import check_federation
from fedstats.contract.evaluation_results import LeftOutSites
from fedstats.contract.federation import Federation, Meter, SiteRefused, Total
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.query import Query
from fedstats.contract.some_sites import SomeSites
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_level
from fedstats.methods import cox_fit, glm_fit
from fedstats.methods.cox_regression import CoxDerivatives, cox_model
from fedstats.methods.discrimination import ROUNDED, CoxPairs, GlmPairs
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.glm_regression import glm_model
from fedstats.methods.group_effects import FEWEST_SITES
from fedstats.methods.group_estimates import read_groups
from fedstats.methods.own_sums import OwnSums
from fedstats.methods.practice_estimates import PracticeEstimates
from fedstats.methods.predicted_risks import SquaredErrors, risk_model
from fedstats.methods.recalibration import SCORE
from fedstats.numerics.concordance_index import PairSums, concordance_index
from fedstats.numerics.meta_analysis import meta_analysis

Array = NDArray[np.float64]

SLOPE, RATIO = "slope", "observed / expected"


class _Scale(NamedTuple):
    """Where a measure is put together and has its intervals: there, and back."""

    there: Callable[[float], float]
    slope: Callable[[float], float]
    back: Callable[[Array], Array]


#: Logits of areas, logarithms of ratios, slopes as they are (Snell et al. 2018, Statistical Methods in Medical Research 27: 3505-22).
_SCALES = {
    "AUC": _Scale(lambda a: float(logit(a)), lambda a: 1.0 / (a * (1.0 - a)), expit),
    "C": _Scale(lambda a: float(logit(a)), lambda a: 1.0 / (a * (1.0 - a)), expit),
    SLOPE: _Scale(float, lambda _: 1.0, np.asarray),
    RATIO: _Scale(lambda a: float(np.log(a)), lambda a: 1.0 / a, np.exp),
}


class _Found(NamedTuple):
    """A measure at a site: as it is, with its standard error; or why there is none."""

    estimate: float
    std_error: float
    note: str = ""
    sizes: tuple[int, int] = (0, 0)
    cost: tuple[int, int] = (0, 0)
    rounded: bool = False


def internal_external_validation(
    federation: Federation, fitter: Callable[[Federation], Fit], *, level: float = 0.95
) -> LeftOutSites:
    """Fit a prediction without each site in turn, and hold it against the patients of that site.

    Parameters
    ----------
    federation : Federation
        Of three sites or more, which permit numbers of their own (``per_site_estimates``).
    fitter : callable
        Makes the fit of a federation: ``lambda sites: fs.logistic(sites, "y ~ age")``.  Of :func:`logistic` without weights, or
        :func:`cox`; penalised or not.
    level : float
        Coverage of the intervals.

    Returns
    -------
    LeftOutSites
        Of a 0/1 outcome the area under the ROC curve, the calibration slope and the ratio of observed to expected events; of a Cox model
        the index of concordance and the slope.  A site in which a measure has no estimate, for all its patients have the event for
        instance, is in the table with the reason, and in no summary.

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    Steyerberg & Harrell (2016), Journal of Clinical Epidemiology 69: 245-7; random effects by restricted maximum likelihood with the standard
    error of Hartung & Knapp, of logits, logarithms and slopes, and the prediction interval of a new site (Debray et al. 2019, Statistical
    Methods in Medical Research 28: 2768-86).  Every site is asked whatever is asked of one, as a carrier puts a question to all.
    """
    check_federation(federation)
    check_level(level)
    if len(federation.sites) < FEWEST_SITES and not federation.rehearses:
        raise FormulaError(
            f"There are {len(federation.sites)} sites; to leave each out in turn takes {FEWEST_SITES}."
        )
    if not callable(fitter):
        raise FormulaError(
            "fitter makes the fit of a federation, as lambda sites: fs.logistic(sites, 'y ~ age')."
        )
    fits: dict[str, Fit] = {}
    rows, cost = [], [0, 0]
    rounded = False
    for site in federation.sites:
        others = [name for name in federation.sites if name != site]
        fits[site] = fit = fitter(SomeSites(federation, others))
        if fit.kind not in _MEASURES:
            raise FormulaError("Sites are left out of a prediction of fs.logistic or fs.cox.")
        there = SomeSites(federation, [site])
        with one_blas_thread():
            found = [_unless_refused(measure, there, fit) for measure in _MEASURES[fit.kind]]
        n, events = max((one.sizes for one in found), key=lambda sizes: sizes[0])
        rounded |= any(one.rounded for one in found)
        cost = [c + added for c, added in zip(cost, np.sum([one.cost for one in found], axis=0), strict=True)]
        cost = [cost[0] + fit.rounds, cost[1] + fit.n_bytes]
        rows += [
            _row(name, site, (n, events), one, level)
            for name, one in zip(_NAMES[fit.kind], found, strict=True)
        ]
    groups = pd.DataFrame(rows)
    measures = list(dict.fromkeys(groups["measure"]))
    summaries = pd.DataFrame([_together(groups[groups["measure"] == m], m, level) for m in measures])
    first = next(iter(fits.values()))
    return LeftOutSites(
        first.formula,
        groups,
        summaries,
        fits,
        ROUNDED if rounded else "exact",
        int(cost[0]),
        int(cost[1]),
        federation.sites,
        level,
    )


def _unless_refused(measure: Callable[[Federation, Fit], _Found], there: Federation, fit: Fit) -> _Found:
    """A measure, or by which rule the site does not let it out."""
    try:
        return measure(there, fit)
    except SiteRefused as refused:
        return _Found(np.nan, np.nan, f"not released: {refused.rule}")


def _index(there: Federation, fit: Fit) -> _Found:
    model, beta = cox_fit.model_of(there, fit)
    return _area(there, CoxPairs(model.without_grid(), beta))


def _area_under_curve(there: Federation, fit: Fit) -> _Found:
    return _area(there, GlmPairs(*glm_fit.model_of(there, fit)))


def _area(there: Federation, question: CoxPairs | GlmPairs) -> _Found:
    total, cost = _own(there, question)
    about = (round(float(total["n"][0])), 0), cost, bool(total["rounded"][0])
    sums = PairSums(total["pairs"], total["squares"])
    if not sums.counts[1] > 0:
        return _Found(np.nan, np.nan, "no two patients of the site can be compared", *about)
    estimate, std_error = concordance_index(sums)
    note = "" if 0.0 < estimate < 1.0 and std_error > 0 else "all pairs are ordered alike: no standard error"
    return _Found(estimate, std_error, note, *about)


def _observed_by_expected(there: Federation, fit: Fit) -> _Found:
    errors, cost = _own(there, SquaredErrors(*risk_model(there, fit)))
    n, events = (round(float(errors[name][0])) for name in ("n", "n_event"))
    ratio = events / float(errors["risks"][0])
    if not 0 < events < n:
        which = "without" if events else "with"
        return _Found(ratio, np.nan, f"no patient {which} the event: no standard error", (n, events), cost)
    return _Found(ratio, ratio * float(np.sqrt((1.0 - events / n) / events)), "", (n, events), cost)


def _slope(there: Federation, fit: Fit) -> _Found:
    """The site's own slope of the linear predictor."""
    sites = there.with_linear_predictor(SCORE, fit)
    formula, where = f"{fit.formula.split('~')[0].strip()} ~ {SCORE}", 0
    question: CoxDerivatives | GlmDerivatives
    if fit.kind == "cox":
        strata = tuple(fit.options["strata"])
        question = CoxDerivatives(cox_model(sites, formula, strata, fit.options["ties"]), (0.0,))
    else:
        question, where = (
            GlmDerivatives(glm_model(sites, formula, "binomial", None, None, None), (0.0, 0.0)),
            1,
        )
    meter = Meter(sites)
    answers = meter.each(PracticeEstimates(question, None, (), (where,)))
    (group,) = read_groups(answers, question.model.design, (where,), ())
    about = (group.n, group.n_event), (meter.rounds, meter.n_bytes)
    estimate, variance = float(group.estimate[0]), float(group.variance[0])
    note = "" if np.isfinite(estimate) else "the patients of the site tell no finite slope"
    return _Found(estimate, float(np.sqrt(variance)), note, *about)


def _own(there: Federation, question: Query) -> tuple[Total, tuple[int, int]]:
    """A site's own sums, and the rounds and bytes that they took."""
    meter = Meter(there)
    (answer,) = meter.each(OwnSums(question)).values()
    return answer, (meter.rounds, meter.n_bytes)


#: Of each kind of fit the measures, and what they are called.
_MEASURES = {"cox": (_index, _slope), "logistic": (_area_under_curve, _slope, _observed_by_expected)}
_NAMES = {"cox": ("C", SLOPE), "logistic": ("AUC", SLOPE, RATIO)}


def _row(measure: str, site: str, sizes: tuple[int, int], found: _Found, level: float) -> dict[str, object]:
    low = high = np.nan
    if not found.note:
        scale, z = _SCALES[measure], float(norm.ppf(0.5 + level / 2.0))
        half = z * found.std_error * scale.slope(found.estimate)
        low, high = (float(scale.back(np.asarray(scale.there(found.estimate) + s * half))) for s in (-1, 1))
    row = {"measure": measure, "group": site, "n": sizes[0], "n_event": sizes[1], "estimate": found.estimate}
    return row | {"std_error": found.std_error, "conf_low": low, "conf_high": high, "note": found.note}


def _together(groups: pd.DataFrame, measure: str, level: float) -> dict[str, object]:
    """Random effects of a measure, on its scale and back."""
    known = groups[groups["note"] == ""]
    row: dict[str, object] = {"measure": measure, "groups": len(known)}
    names = ("estimate", "conf_low", "conf_high", "prediction_low", "prediction_high", "tau2", "i2")
    if len(known) < 2:
        return row | dict.fromkeys(names, np.nan)
    scale = _SCALES[measure]
    y = np.array([scale.there(v) for v in known["estimate"]])
    se = known["std_error"].to_numpy() * np.array([scale.slope(v) for v in known["estimate"]])
    whole = meta_analysis(y, se**2, level=level)
    ends = (whole.random.estimate, *whole.random.interval(level), *whole.prediction)
    return row | dict(
        zip(names, (*(float(scale.back(np.asarray(v))) for v in ends), whole.tau2, whole.i2), strict=True)
    )
