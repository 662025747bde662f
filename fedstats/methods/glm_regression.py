"""Generalised linear models by summed scores and information matrices: logistic regression and its siblings."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.arguments import (
    check_federation,
    check_terms_left,
    known_column,
    number_column,
)
from fedstats.contract.design import Design
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.threads import one_blas_thread
from fedstats.contract.values import check_choice, check_level
from fedstats.methods.firth_correction import Correction, FirthCorrection, penalised_null, penalised_value
from fedstats.methods.fitting import (
    check_cost,
    check_profile,
    degrees_of_freedom,
    fitted,
    naming_groups,
    pooled_start,
    profile_limits,
)
from fedstats.methods.glm_evaluation import Evaluation, null_model, outcome_units
from fedstats.methods.glm_fit import agreed_units, event_level_of
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.methods.penalised_fit import check_penalty, check_penalty_or_firth, course_of, maximum
from fedstats.methods.stacked_equations import GlmPropensityTerms
from fedstats.methods.weighting import Robust, Weighting, check_cohort, made_weights, variance_of, weighted
from fedstats.numerics.families import Family, family_of
from fedstats.numerics.firth import Firth, Penalised, firth
from fedstats.numerics.newton import Derivatives, NotConverged
from fedstats.numerics.penalties import ElasticNet

Array = NDArray[np.float64]


def logistic(
    federation: Federation,
    formula: str,
    *,
    weights: Weighting = None,
    offset: str | None = None,
    robust: Robust = None,
    cluster: str | None = None,
    start: Literal["zero", "pooled"] = "zero",
    level: float = 0.95,
    profile: str | Sequence[str] = (),
    penalty: ElasticNet | Firth | None = None,
    intercepts: str | None = None,
) -> Fit:
    """Logistic regression, equal to the pooled fit: :func:`glm` of a 0/1 outcome with the logit link.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"outcome ~ terms"`` with a 0/1 outcome.
    weights, offset, robust, cluster, start, level, profile, penalty, intercepts
        As in :func:`glm`.

    Returns
    -------
    Fit

    Raises
    ------
    FormulaError, SiteRefused, NotConverged
    """
    columns = {"weights": weights, "offset": offset, "cluster": cluster, "intercepts": intercepts}
    options = {"robust": robust, "start": start, "level": level, "profile": profile, "penalty": penalty}
    return glm(federation, formula, **columns, **options)  # type: ignore[arg-type]


def glm(
    federation: Federation,
    formula: str,
    *,
    family: Literal["binomial", "gaussian", "poisson"] = "binomial",
    link: Literal["logit", "log", "identity"] | None = None,
    weights: Weighting = None,
    offset: str | None = None,
    robust: Robust = None,
    cluster: str | None = None,
    start: Literal["zero", "pooled"] = "zero",
    level: float = 0.95,
    profile: str | Sequence[str] = (),
    penalty: ElasticNet | Firth | None = None,
    intercepts: str | None = None,
) -> Fit:
    """A generalised linear model, equal to the pooled fit.

    Parameters
    ----------
    federation : Federation
    formula : str
        ``"outcome ~ terms"``.
    family : {"binomial", "gaussian", "poisson"}
        Of a 0/1 outcome, a measurement, or a count.
    link : {"logit", "log", "identity"}, optional
        The family's canonical link unless given; ``"log"`` of a binomial outcome gives risk ratios.
    weights, offset : str, optional
        Columns: case weights; a term of the linear predictor with coefficient one (of a rate, the logarithm of the time).
        Weights may be the result of :func:`propensity_weights`, which sites make.  A column of weights leaves standard errors
        model-based, as in R's ``glm``: of weights that are no numbers of patients ask for ``robust=True``.
    robust : bool or "stacked", optional
        The sandwich HC0 of ``sandwich::sandwich`` in place of the inverse information; ``"stacked"``, and of weights by an
        estimated propensity what is done unless another is asked for: the sandwich of the equations of both models, with HC0 beside
        it (``fit.std_errors()``).
    cluster : str, optional
        Column whose groups the sandwich adds up, without small-sample factor; implies ``robust``.  Clusters never span sites:
        one label at two sites, agreed in the codebook or not, is two clusters.
    start : {"zero", "pooled"}
        Begin at the fit of the intercept alone, or at the inverse-variance mean of the sites' own fits.
    level : float
        Coverage of the intervals.
    profile : str or sequence of str
        Coefficients whose intervals are those of the profile likelihood, at some five rounds an end (with Firth's penalty of
        the penalised one, at twice as many).  Of a Gaussian outcome they are those of R's ``confint``, by normal quantiles; the others
        are exact, by Student's t, and a little wider.
    penalty : ElasticNet or Firth, optional
        ``fs.Ridge(strength)`` or ``fs.ElasticNet(strength, mixing)``: the strength is the ``lambda`` given to ``glmnet``,
        in the units of a Gaussian outcome; the intercept is not penalised.  Standard errors of a ridge are those of the
        penalised information; a lasso has none.
        ``fs.Firth()`` of a logistic or Poisson model gives finite coefficients where the outcome is separated; its standard
        errors are those of the information at the estimate, its likelihood-ratio test that of ``logistf``, against the penalised null model.
    intercepts : str, optional
        Column whose groups (practices) have intercepts of their own: the fit is that of ``glm`` with a 0/1 column for
        each, but a site finds them and keeps them, and they are not printed.  Groups lie within a site: one name at two sites
        is two groups.  Those without an event, or with events alone, say nothing of the coefficients: ``glance`` counts their
        patients.  The null model is that of the intercepts alone.  ``"site"``, where no column is called so: one a site.

    Returns
    -------
    Fit
        Of a Gaussian outcome the variance is estimated with n - p in its denominator, and tests are of Student's t,
        as ``summary(glm)`` has them.

    Raises
    ------
    FormulaError, SiteRefused, NotConverged

    Notes
    -----
    McCullagh & Nelder (1989), chapters 2 and 4.  ``loglik_null`` is of the intercept (with the offset)
    alone, or of a linear predictor of zero where the model has no intercept.  With intercepts of groups the log-likelihood is
    the profile one, its information the Schur complement of theirs (Pawitan 2001, section 3.4); a sandwich is the part of
    that of all coefficients.
    """
    check_federation(federation)
    check_level(level)
    check_choice("start", start, ("zero", "pooled"))
    federation, weights, propensity = weighted(federation, weights)
    variance = variance_of(robust, cluster, propensity, likelihood=bool(penalty is not None or profile))
    model = glm_model(federation, formula, family, link, weights, offset, cluster, intercepts)
    chosen, design, scale = model.distribution, model.design, model.scale
    is_robust = variance != "model"
    names = check_profile(profile, design, robust=is_robust)
    check = check_penalty if chosen.tilt is None else check_penalty_or_firth
    penalty = check(penalty, robust=is_robust, profile=names)
    _check_supported(chosen, design, penalty, start, intercepts)
    is_gaussian = chosen.name == "gaussian"
    check_cost(federation.max_points, () if is_gaussian else names)
    meter = Meter(federation)
    course = course_of(start, penalty)
    evaluate = Evaluation(meter, model, formula, course)
    objective: Callable[[Array], Derivatives] = evaluate
    own_intercepts = naming_groups(
        () if intercepts is None else (intercepts or "site",),
        "the intercepts",
        "ask with one intercept for all",
        design,
        federation.codebook,
    )
    with one_blas_thread(), own_intercepts:
        null = null_model(evaluate)
        begin = null.beta
        # anywhere where the model is defined: of a log-binomial one that is not zero, a risk of one
        anywhere = tuple((model.begin(federation.codebook) if chosen.canonical else begin).tolist())
        if start == "pooled":
            begin = pooled_start(meter, GlmDerivatives(model, anywhere))
        question = GlmDerivatives(model, anywhere, course=course)
        under_null = float("nan")
        with _named_boundary(chosen):
            if isinstance(penalty, Firth):
                correction = Correction(meter, partial(FirthCorrection, model, course=course))
                objective = with_firth = Penalised(evaluate, correction)
                solution, weighting = firth(with_firth, begin, design.names), None
                under_null = (
                    penalised_null(evaluate, null, correction if offset is not None else None)
                    if design.intercept
                    else penalised_value(null)
                )
            else:
                units = outcome_units(model, null, evaluate.weight)
                solution, weighting = maximum(evaluate, begin, design, penalty, meter, question, units)
        solution = solution._replace(at=evaluate(solution.beta))
        meat, other_meats = None, dict[str, Array]()
        how = dict[str, str]()
        if is_robust:
            at = tuple(solution.beta.tolist())
            meat = full_matrix(meter.sum(GlmMeat(model, at))["meat"]) * scale**2
            if variance == "stacked" and propensity is not None:
                check_cohort(propensity, evaluate.counts["n"])
                terms = meter.sum(GlmPropensityTerms(model, at))
                other_meats = {"robust": meat}
                meat, how = propensity.stacked(meter, meat, terms, cluster, scale)
        limits = profile_limits(objective, solution, design, () if is_gaussian else names, level)
    options: dict[str, object] = {
        "weights": weights,
        "offset": offset,
        "robust": variance if variance == "stacked" else is_robust,
        "cluster": cluster,
        "intercepts": intercepts,
        **made_weights(propensity),
        **how,
    }
    is_logistic = (chosen.name, chosen.link) == ("binomial", "logit")
    if not is_logistic:
        options |= {"family": chosen.name, "link": chosen.link}
    fit = fitted(
        "logistic" if is_logistic else "glm",
        formula,
        design,
        evaluate.as_written(solution),
        evaluate.for_tests(null),
        meat,
        evaluate.counts,
        meter,
        federation,
        options,
        level=level,
        limits=limits,
        status="exact",
        penalty=penalty,
        weighted=weighting,
        residual=evaluate.residual(solution.at, null, degrees_of_freedom(solution, weighting)),
        other_meats=other_meats,
        weight=evaluate.weight,
        penalised_null=under_null,
    )
    return replace(fit, profile_limits=_of_parabolas(fit, names)) if is_gaussian else fit


def _of_parabolas(fit: Fit, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Ends of the profiles of a deviance that is a parabola, which ``confint.glm`` cuts as if its dispersion were known."""
    half = norm.isf((1 - fit.level) / 2) * np.sqrt(np.diag(fit.covariance))
    at = [fit.names.index(name) for name in names]
    return {fit.names[j]: (float(fit.beta[j] - half[j]), float(fit.beta[j] + half[j])) for j in at}


def glm_model(
    federation: Federation,
    formula: str,
    family: str,
    link: str | None,
    weights: str | None = None,
    offset: str | None = None,
    cluster: str | None = None,
    intercepts: str | None = None,
) -> GlmModel:
    """What is modelled, as the arguments say it.

    Raises
    ------
    FormulaError
    """
    chosen = _family(family, link)
    outcome, design = parse(formula, federation.codebook, intercept=intercepts is None)
    check_terms_left(federation, formula, design)
    if outcome.time is not None:
        raise FormulaError(
            f"A {chosen.name} model needs one column on the left of its formula, not Surv()."
            if chosen.link != "logit"
            else "A logistic model needs one 0/1 column on the left of its formula, not Surv()."
        )
    if str(intercepts) == "site" and "site" not in federation.codebook:
        intercepts = ""  # the sites themselves
    for what, numbers in (("weights", weights), ("offset", offset)):
        if numbers is not None:
            number_column(numbers, federation.codebook, what)
    if not design.names and intercepts is None:
        raise FormulaError(
            f"{formula!r} has neither an intercept nor a term: write 'outcome ~ 1' for the intercept alone."
        )
    for what, column in (("cluster", cluster), ("intercepts", intercepts)):
        if column is not None and str(column):
            known_column(column, federation.codebook, what)
    centred = design.intercept or intercepts is not None
    centre, scale = agreed_units(federation, outcome.event, chosen, centred=centred)
    columns = (weights, offset, cluster)
    event = event_level_of(federation, outcome.event, chosen)
    if event is not None and intercepts is not None:
        raise FormulaError(
            f"An outcome with intercepts of groups is 0 or 1, and {outcome.event} is a factor; make it 0 or 1 in the data."
        )
    return GlmModel(
        outcome.event, design, *columns, chosen.name, chosen.link, centre, scale, intercepts, event
    )


def _family(name: str, link: str | None) -> Family:
    try:
        return family_of(name, link)
    except ValueError as problem:
        raise FormulaError(str(problem)) from None


def _check_supported(
    family: Family, design: Design, penalty: ElasticNet | Firth | None, start: str, intercepts: str | None
) -> None:
    if intercepts is not None:
        check_intercepts(family, design, penalty)
    elif not family.canonical and not design.intercept:
        raise FormulaError(
            "A log-binomial model needs an intercept: without one a fit begins at a risk of one."
        )
    if not family.canonical and start == "pooled":
        raise FormulaError("A log-binomial model begins at its intercept: ask for start='zero'.")


def check_intercepts(family: Family, design: Design, penalty: ElasticNet | Firth | None) -> None:
    """Intercepts of practices, and what a model with them does not have.

    Raises
    ------
    FormulaError
    """
    if not family.canonical:
        raise FormulaError(
            "A log-binomial model has one intercept for all: its expected information has no profile of that of the groups'."
        )
    if penalty is not None:
        raise FormulaError(
            "A penalised fit has one intercept for all: ask without penalty, or without intercepts."
        )
    if not design.columns:
        raise FormulaError("A model with intercepts of groups needs at least one term beside them.")


@contextmanager
def _named_boundary(family: Family) -> Iterator[None]:
    """Say of a log-binomial model that it may have no maximum where risks stay below one."""
    try:
        yield
    except NotConverged as problem:
        if family.canonical:
            raise
        raise NotConverged(
            f"{problem} If the risk of some patients reaches one, a log-binomial model has no maximum; "
            'family="poisson" with robust=True gives risk ratios as well.'
        ) from None
