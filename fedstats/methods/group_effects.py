"""Whether an effect is the same in all practices or sites: each group's own estimate, put together, and a one-stage test."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fedstats.contract.arguments import check_federation, known_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.heterogeneity_results import Heterogeneity
from fedstats.contract.query import Query
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_choice, check_flag, check_level, shown
from fedstats.methods.cox_fit import model_of as cox_model_of
from fedstats.methods.cox_regression import CoxDerivatives, cox, strata_columns
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.glm_regression import glm, glm_model
from fedstats.methods.group_estimates import one_stage_test, read_groups, tables_of_coefficient
from fedstats.methods.patient_groups import SITE
from fedstats.methods.practice_estimates import PracticeEstimates
from fedstats.methods.weighting import PropensityWeights
from fedstats.numerics.meta_analysis import METHODS, Tau2

Array = NDArray[np.float64]

#: What to ask instead of effects of groups with weights by a propensity, whose variance is not the inverse information.
UNWEIGHTED = (
    "Effects of groups have the standard errors of a likelihood, which weights by an estimated propensity have not: leave the weights out and "
    "give the columns of the propensity as terms of the formula; or fit a model with these weights and the product of the term and a "
    "factor of the groups, as arm * hospital, whose standard errors account for them."
)
#: Sites below which they are no groups to compare.
FEWEST_SITES = 3


def heterogeneity(
    federation: Federation,
    formula: str,
    *,
    term: str,
    by: str = SITE,
    family: str = "binomial",
    strata: str | Sequence[str] | None = None,
    ties: Literal["efron", "breslow"] = "efron",
    weights: str | None = None,
    offset: str | None = None,
    method: Tau2 = "REML",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> Heterogeneity:
    """Effects of a term by practice or site: fixed and random effects, and whether they differ.

    Parameters
    ----------
    federation : Federation
    formula : str
        As of :func:`cox` or, without ``Surv()``, of :func:`glm`.
    term : str
        A term as it stands in the formula (all its levels), or one coefficient.
    by : str
        Column of practices within the sites, a label or a factor; ``"site"``, where no column is called so, is the site itself,
        of which there have to be three.
    family : {"binomial", "poisson"}
        Of a model without ``Surv()``.
    strata, ties, weights, offset
        As of :func:`cox`; the practices are strata besides, or have intercepts of their own.  Weights are a column's.
    method : {"REML", "DL", "PM"}
        Of the variance between groups: restricted maximum likelihood, DerSimonian & Laird, or Paule & Mandel.
    hartung_knapp : bool
        Standard error and Student's t of Hartung & Knapp for the mean of random effects and the prediction interval.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Heterogeneity

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    A group is a practice that its site's gate would let out alone, or several merged; every patient of the model is in one, and
    the site has to permit estimates of its own (``per_site_estimates``).  A group's estimate is that of the model on its patients
    alone, other coefficients, baseline hazards and intercepts included.  As R's ``coxph`` and ``glm`` do, its fit leaves out columns that
    its patients do not tell, such as a level that none of them has (``aliased`` in ``tidy()``).  Where the term itself is
    one of these, or cannot be told from other columns in whichever order they are written, or a coefficient is infinite, the group has no
    estimate and is named in ``notes``.  The one-stage test is the score test of the model in which
    the term's coefficients differ between groups and the other coefficients do not (Debray et al. 2013), with a baseline hazard or an
    intercept for every practice.
    """
    check_federation(federation)
    check_level(level)
    check_choice("method", method, METHODS)
    check_flag("hartung_knapp", hartung_knapp)
    if isinstance(weights, PropensityWeights):
        raise FormulaError(UNWEIGHTED)
    n_sites = FEWEST_SITES if federation.rehearses else len(federation.sites)
    column = practices_of(by, federation.codebook, n_sites)
    options: dict[str, Any] = {"weights": weights, "offset": offset}
    _, asked = parse(formula, federation.codebook, intercept=False)
    columns_of(term, asked)
    check_within(asked, federation.codebook)
    if formula.partition("~")[0].strip().startswith("Surv("):
        fit, question, design = _cox(federation, formula, column, strata, ties, options)
    else:
        if strata is not None:
            raise FormulaError("Strata are those of a Cox model; the practices have intercepts of their own.")
        fit, question, design = _glm(federation, formula, column, family, options)
    columns = columns_of(term, design)
    meter = Meter(federation)
    levels = federation.agreed[column].levels if column is not None else ()
    with one_blas_thread():
        answers = meter.each(PracticeEstimates(question, column, levels, columns))
        groups = list(read_groups(answers, design, columns, levels))
        test = one_stage_test(groups, fit, design, columns)
        named = [(i, design.names[j]) for i, j in enumerate(columns)]
        parts = [tables_of_coefficient(groups, i, name, method, hartung_knapp, level) for i, name in named]
    tables, summaries, statistics, without = (
        pd.concat(found, ignore_index=True) for found in zip(*parts, strict=True)
    )
    if fit.kind != "cox" and family == "poisson":  # an outcome that is a number has no events to count
        tables["n_event"] = np.nan
    return Heterogeneity(
        formula,
        term,
        by,
        tables,
        summaries,
        statistics,
        without,
        test,
        method,
        hartung_knapp,
        fit.effect,
        level,
        "exact",
        meter.rounds + fit.rounds,
        meter.n_bytes + fit.n_bytes,
        federation.sites,
    )


def _cox(
    federation: Federation,
    formula: str,
    column: str | None,
    strata: str | Sequence[str] | None,
    ties: Literal["efron", "breslow"],
    options: dict[str, Any],
) -> tuple[Fit, Query, Design]:
    """The fit in which the term is the same in all groups, each with its own baseline hazard, and what is asked there."""
    within = strata_columns(strata)
    own = () if column is None or column in within else (column,)
    fit = cox(federation, formula, strata=(*own, *within), ties=ties, **options)
    model, gamma = cox_model_of(federation, fit)
    return fit, CoxDerivatives(model, gamma), model.design


def _glm(
    federation: Federation, formula: str, column: str | None, family: str, options: dict[str, Any]
) -> tuple[Fit, Query, Design]:
    """The same with an intercept for each group."""
    check_choice("family", family, ("binomial", "poisson"))
    of_family: Any = family
    fit = glm(federation, formula, family=of_family, intercepts=column or SITE, **options)
    weights, offset = options["weights"], options["offset"]
    model = glm_model(federation, formula, family, None, weights, offset, None, column or SITE)
    gamma = np.linalg.solve(model.design.unscaling(), fit.beta)
    return fit, GlmDerivatives(model, tuple(gamma.tolist())), model.design


def practices_of(by: object, codebook: Codebook, n_sites: int) -> str | None:
    """The column of practices; None: the sites themselves, of which there have to be enough.

    Raises
    ------
    FormulaError
    """
    if isinstance(by, str) and by == SITE and SITE not in codebook:
        if n_sites < FEWEST_SITES:
            raise FormulaError(
                f"There are {n_sites} sites, and effects by site take {FEWEST_SITES}: name a column of practices, as in by='practice'."
            )
        return None
    variable = known_column(by, codebook, "by")
    if variable.kind not in ("factor", "label"):
        raise FormulaError(
            f"Practices are a label or a factor; {variable.name!r} is neither in the codebook."
        )
    return variable.name


def columns_of(term: object, design: Design) -> tuple[int, ...]:
    """Positions of the coefficients of a term, or of one.

    Raises
    ------
    FormulaError
    """
    wanted = term if isinstance(term, str) else None
    found = tuple(j for j, name in enumerate(design.names) if wanted in (name, design.term_of_each[j]))
    if not found:
        terms = dict.fromkeys(t for t in design.term_of_each if t != "Intercept")
        raise FormulaError(f"term is {shown(term)}; the model has {', '.join(terms)}.")
    return found


def check_within(design: Design, codebook: Codebook) -> None:
    """No column that is the same for all patients of a group.

    Raises
    ------
    FormulaError
    """
    if own := [name for name in design.variables if codebook[name].of_site]:
        raise FormulaError(f"{own[0]} is the site, the same for all patients of a group: leave it out.")
