"""What every regression does after and before Newton: results from a solution, and a warm start."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from fedstats.contract.aggregate import Aggregate, Evidence, Sum, full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.entries import Entries
from fedstats.contract.federation import Federation, Meter
from fedstats.contract.fit import Fit
from fedstats.contract.formula import FormulaError
from fedstats.contract.periods import by_period
from fedstats.contract.query import Query
from fedstats.contract.site_data import SiteData
from fedstats.contract.values import shown
from fedstats.numerics.firth import Firth, Penalised
from fedstats.numerics.newton import (
    Derivatives,
    NoInformation,
    NotConverged,
    Solution,
    collinearity,
    newton,
)
from fedstats.numerics.penalties import ElasticNet, Weighted
from fedstats.numerics.profile_likelihood import profile_limit

Array = NDArray[np.float64]

#: Points that a fit takes, and one end of a profile-likelihood interval; the largest of the references', rounded up.
FIT_POINTS, END_POINTS = 10, 6
#: The last step of such an end with Firth's penalty, whose curvature is learned: the error after it is a hundredth of it.
CLOSE_WITH_FIRTH = 1e-8


@dataclass(frozen=True)
class LocalEstimate(Query):
    """A site's own fit as sums that pool by inverse variance: its coefficients times their precision, and the precision.

    ``question`` is the derivatives query of the model; it is answered here as often as a fit needs.
    A site where the model cannot be fitted on its own contributes zeros.
    """

    question: Query

    asks = "the site's own estimate, times its precision, and the precision"

    def subject(self) -> str:
        """The model in words."""
        return self.question.subject()

    def entries(self) -> dict[str, Entries]:
        """Named as the score and the information of the model are."""
        asked = self.question.entries()
        if not {"score", "information"} <= set(asked):
            return {}
        weighted = replace(asked["score"], means="the site's own coefficients times their precision")
        means = "precision (inverse covariance) of the site's own coefficients"
        return {"weighted": weighted, "precision": replace(asked["information"], means=means)}

    def aggregate(self, data: SiteData) -> Aggregate:
        """p + p (p + 1) / 2 sums over patients."""
        at_zero, at = self.question.aggregate(data), own_maximum(self.question, data)
        zero = np.zeros(len(at_zero.sums["score"].values))
        if at is not None:
            precision, weighted = at.information, at.information @ at.beta
        else:
            precision, weighted = np.zeros((len(zero), len(zero))), zero
        lower = np.tril_indices(len(zero))
        return replace(
            at_zero,
            sums={
                "weighted": Sum(weighted, at_zero.sums["score"].patients),
                "precision": replace(at_zero.sums["information"], values=precision[lower]),
            },
            evidence=(
                *at_zero.evidence,
                Evidence("per-site estimate", np.array([at_zero.patients]), "this site's own fit"),
            ),
        )


def own_maximum(question: Any, data: SiteData, kept: NDArray[np.bool_] | None = None) -> Derivatives | None:
    """The derivatives at the maximum of a model on some rows alone; None where there is none.

    Parameters
    ----------
    question : Query    for the derivatives of the model, at whatever coefficients
    data : SiteData
    kept : (p,) bool    columns that are fitted, and of which the derivatives are; None: all.  Coefficients of the others stay
                        where the fit begins
    """
    begin = getattr(question.model, "begin", None)
    start = np.zeros(len(question.beta)) if begin is None else begin(data.codebook)
    kept = np.ones(len(start), dtype=bool) if kept is None else kept

    def derivatives(gamma: Array) -> Derivatives:
        beta = start.copy()
        beta[kept] = gamma
        sums = replace(question, beta=tuple(beta.tolist())).aggregate(data).sums
        information = full_matrix(sums["information"].values)[np.ix_(kept, kept)]
        return Derivatives(float(sums["loglik"].values[0]), sums["score"].values[kept], information, gamma)

    try:
        return newton(derivatives, start[kept], [str(j) for j in np.flatnonzero(kept)]).at
    except (NotConverged, FloatingPointError):
        return None


def pooled_start(meter: Meter, question: Query) -> Array:
    """Inverse-variance mean of the sites' own fits; zero where they know nothing."""
    total = meter.sum(LocalEstimate(question))
    precision = full_matrix(total["precision"])
    diagonal = np.diag(precision)
    known = diagonal > 1e-9 * max(float(diagonal.max(initial=0.0)), 1e-300)
    start = np.zeros(len(diagonal))
    if known.any():
        # lstsq, for the sites' precisions may not add up to a regular matrix: this is only a start
        start[known] = np.linalg.lstsq(precision[np.ix_(known, known)], total["weighted"][known], rcond=1e-9)[
            0
        ]
    return start


def check_profile(profile: str | Sequence[str], design: Design, *, robust: bool) -> tuple[str, ...]:
    """Names of coefficients whose profile likelihood is asked for.

    Raises
    ------
    FormulaError
        A name that is no coefficient, the intercept, or a robust variance, which has no likelihood.
    """
    if not isinstance(profile, Sequence):
        raise FormulaError(
            f"profile is {shown(profile)}; give the name of a coefficient, or several in a list."
        )
    names = (profile,) if isinstance(profile, str) else tuple(profile)
    known = [column.name for column in design.columns]
    for name in names:
        if name in ("Intercept", "(Intercept)"):
            raise FormulaError(
                "profile names the intercept, which a Cox model has in its baseline hazards."
                if not design.intercept
                else "profile names the intercept; profiles are of the other coefficients. For a risk at some values move the "
                "zero of the columns, as I(x - 60), and read its Wald interval."
            )
        if name not in known:
            raise FormulaError(f"profile names {shown(name)}; the coefficients are {', '.join(known)}.")
    if names and robust:
        raise FormulaError(
            "A profile-likelihood interval is that of the likelihood: ask for it, or for a robust variance."
        )
    return names


def check_cost(most: int | None, profiled: Sequence[str]) -> None:
    """Refuse what would take more points than the ``most`` that sites answer one model at, before anything is asked.

    Raises
    ------
    FormulaError
    """
    points = FIT_POINTS + 2 * END_POINTS * len(profiled)
    check_points(most, points, f"Profile-likelihood intervals of {len(profiled)} coefficients take")


def check_points(most: int | None, points: int, what: str) -> None:
    """The same of any analysis that knows what it takes.

    Raises
    ------
    FormulaError
    """
    if most is not None and points > most:
        raise FormulaError(
            f"{what} about {points} points of one model, and the study states {most}: ask for fewer, or "
            "state more (points under [study], at most 400), and agree with every site that its own profile says max_points as well."
        )


@contextmanager
def naming_groups(
    groups: Sequence[str], absorbed: str, remedy: str, design: Design, codebook: Codebook
) -> Iterator[None]:
    """Say of columns without information that they may differ between groups, and do not within them.

    Parameters
    ----------
    groups : sequence of str    columns by which there are groups, ``"site"`` among them; none: all patients are one
    absorbed : str              what their differences go into
    remedy : str                besides dropping the column
    """
    try:
        yield
    except NoInformation as problem:
        alike = {
            name
            for name, column in zip(design.names[int(design.intercept) :], design.columns, strict=True)
            if all(len(codebook[part.column].levels) == 1 for part in column.parts)
        }
        if not groups or alike & {*problem.terms}:  # the same for everybody, as the codebook knows
            raise
        why = f"constant within every stratum ({', '.join(groups)}), where {absorbed} absorb its effect"
        raise NoInformation(problem.terms, why, remedy) from None


def profile_limits(
    evaluate: Callable[[Array], Derivatives],
    solution: Solution,
    design: Design,
    names: Sequence[str],
    level: float,
) -> dict[str, tuple[float, float]]:
    """Ends of profile-likelihood intervals, on the scale of the columns as they were written.

    With Firth's penalty the likelihood is the penalised one, as in ``logistf`` and ``coxphf``: Heinze & Schemper (2002).
    """
    drop = float(chi2.ppf(level, 1)) / 2
    penalised = isinstance(evaluate, Penalised)
    options: dict[str, Any] = {"close": CLOSE_WITH_FIRTH, "may_be_flat": False} if penalised else {}
    maximum = evaluate(solution.beta) if penalised and names else solution.at
    limits = {}
    for name in names:
        j = design.names.index(name)
        scale = design.unscaling()[j, j]
        # a copy, for what is learned of a curvature on one side is not that of the other
        low, high = (profile_limit(copy(evaluate), maximum, j, drop, side, **options) for side in (-1, 1))
        limits[name] = (float(scale * low), float(scale * high))
    return limits


@dataclass(frozen=True)
class Residual:
    """Deviances of a generalised linear model, its dispersion, and degrees of freedom where that is estimated."""

    deviance: float
    null_deviance: float
    dispersion: float
    df: float


def fitted(
    kind: str,
    formula: str,
    design: Design,
    solution: Solution,
    null: Derivatives,
    meat: Array | None,
    counts: Mapping[str, int],
    meter: Meter,
    federation: Federation,
    options: Mapping[str, Any],
    *,
    level: float,
    status: str,
    limits: Mapping[str, tuple[float, float]],
    penalty: ElasticNet | Firth | None = None,
    weighted: Weighted | None = None,
    residual: Residual | None = None,
    other_meats: Mapping[str, Array] = MappingProxyType({}),
    weight: float = np.nan,
    penalised_null: float = np.nan,
) -> Fit:
    """The result of a regression on the scale of the columns as they were written.

    ``meat`` makes the covariance that tests and intervals use, ``other_meats`` those that stand beside it, by name.

    Notes
    -----
    Of a ridge the covariance is the inverse of the penalised information, as ``coxph`` gives it (Gray 1992), and the
    degrees of freedom the trace of the one information over the other; of a lasso there is no covariance, and the degrees of
    freedom are the coefficients that are not zero (Zou, Hastie & Tibshirani 2007).
    """
    transform = design.unscaling()
    bread, df = _bread(solution, weighted), degrees_of_freedom(solution, weighted)
    left = residual or Residual(np.nan, np.nan, 1.0, np.inf)

    def written(covariance: Array) -> Array:
        found = transform @ covariance @ transform.T
        return np.asarray((found + found.T) / 2)

    covariance = written(bread * left.dispersion if meat is None else bread @ meat @ bread)
    score_test = (
        float(null.score @ np.linalg.solve(null.information, null.score))
        if penalty is None and np.isinf(left.df)
        else np.nan
    )
    condition, nearly = _collinearity(solution, weighted, design.names)
    # the determinant of the information of the columns as they were written; not a number without Firth's penalty
    shift = -float(np.linalg.slogdet(transform)[1]) if isinstance(penalty, Firth) else np.nan
    if penalty is not None:
        options = {**options, "penalty": penalty.in_words()}
    return Fit(
        kind,
        formula,
        design.names,
        transform @ solution.beta,
        covariance,
        solution.at.loglik,
        null.loglik,
        score_test,
        counts["n"],
        counts["n_event"],
        counts["dropped"],
        solution.steps,
        meter.rounds,
        meter.n_bytes,
        federation.sites,
        options,
        level,
        status=status,
        terms=design.term_of_each,
        varying=by_period(design),
        profile_limits=limits,
        df=df,
        deviance=left.deviance,
        null_deviance=left.null_deviance,
        dispersion=left.dispersion,
        df_residual=left.df,
        intercepts=counts.get("intercepts", 0),
        uninformative=counts.get("uninformative", 0),
        other_covariances={name: written(bread @ other @ bread) for name, other in other_meats.items()}
        | ({} if meat is None else {"model": written(bread * left.dispersion)}),
        weight=weight,
        condition=condition,
        nearly_collinear=nearly,
        penalised_loglik=solution.at.loglik
        + 0.5 * float(np.linalg.slogdet(solution.at.information)[1])
        + shift,
        penalised_loglik_null=penalised_null + shift,
    )


def _bread(solution: Solution, weighted: Weighted | None) -> Array:
    """Covariance before any sandwich."""
    information = solution.at.information
    if weighted is None:
        return np.asarray(np.linalg.inv(information))
    if weighted.absolute.any():
        return np.full_like(information, np.nan)
    return np.asarray(np.linalg.inv(information + np.diag(weighted.square)))


def _collinearity(
    solution: Solution, weighted: Weighted | None, names: Sequence[str]
) -> tuple[float, tuple[str, ...]]:
    """Of the information that standard errors come from; not a number under a lasso, which has none."""
    information = solution.at.information
    if weighted is not None:
        if weighted.absolute.any():
            return float("nan"), ()
        information = information + np.diag(weighted.square)
    return collinearity(information, names)


def degrees_of_freedom(solution: Solution, weighted: Weighted | None) -> float:
    """What a fit uses of them: its coefficients, those of a lasso that are not zero, or a ridge's trace."""
    if weighted is None:
        return float(len(solution.beta))
    if weighted.absolute.any():
        return float(np.count_nonzero(solution.beta))
    return float(np.trace(solution.at.information @ _bread(solution, weighted)))
