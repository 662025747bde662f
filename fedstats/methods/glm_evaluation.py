"""What a fit of a generalised linear model evaluates at the coordinator: sums of the sites' derivatives, and the null model."""

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.arguments import check_patients
from fedstats.contract.federation import Meter
from fedstats.methods.fitting import Residual
from fedstats.methods.glm_model import GlmDerivatives, GlmModel
from fedstats.numerics.families import Family
from fedstats.numerics.newton import Derivatives, NotConverged, Solution, newton

Array = NDArray[np.float64]

#: A residual sum of squares below this share of the outcome's own is rounding.
PERFECT = 1e-20


class Evaluation:
    """Derivatives as sums of the sites' derivatives, with what else a fit needs of the last of them."""

    def __init__(self, meter: Meter, model: GlmModel, formula: str, start: str) -> None:
        self.meter, self.model, self.formula, self.start = meter, model, formula, start
        self.family = model.distribution
        self.counts: dict[str, int] = {}
        self._known: dict[tuple[float, ...], Derivatives] = {}
        self._others: dict[tuple[float, ...], tuple[Array | None, float, float]] = {}

    def __call__(self, gamma: Array) -> Derivatives:
        """At coefficients of the scaled columns, (p,): a round, unless they follow from another."""
        known = self._known.get(tuple(gamma.tolist()))
        return self._ask(gamma) if known is None else known

    def _ask(self, gamma: Array) -> Derivatives:
        question = GlmDerivatives(self.model, tuple(gamma.tolist()), course=self.start)
        total = self.meter.finite_sum(question, bounded=not self.family.canonical)
        if total is None:
            return Derivatives.not_finite(gamma)
        known = ("n", "n_event", "dropped", "intercepts", "uninformative")
        self.counts.update({k: round(float(total[k][0])) for k in known if k in total})
        self.counts.setdefault("n_event", 0)
        of_events = self.family.counts_outcomes
        check_patients(self.counts, self.formula, self.model.weights, needs_event=of_events)
        at = np.array(total.query.beta)
        expected = full_matrix(total["expected"]) if "expected" in total else None
        deviance, log_weight = (
            float(total[k][0]) if k in total else np.nan for k in ("deviance", "log_weight")
        )
        self._others[tuple(at.tolist())] = expected, deviance, log_weight
        self.weight = float(total["weight"][0])
        unit = self.weight / max(self.counts["n"], 1)
        information = full_matrix(total["information"])
        return Derivatives(float(total["loglik"][0]), total["score"], information, at, unit)

    def _of(self, at: Derivatives) -> tuple[Array | None, float, float]:
        return self._others[tuple(at.beta.tolist())]

    def moved(self, at: Derivatives, before: float, after: float) -> Derivatives:
        """Derivatives at another intercept, from those at one, of a canonical link: no round is asked for them.

        Where all patients have one predictor eta, the curvature is w b''(eta) and the residual w (y - b'(eta)), so the sums
        of w y and w x are known, and with them everything at another predictor (McCullagh & Nelder 1989, section 2.2.2:
        the log-likelihood is y eta - b(eta) + c(y)).
        """
        was, now = (np.array([value]) for value in (before, after))
        nobody = np.zeros(1)
        means = float((self.family.mean(now) - self.family.mean(was))[0])
        bend = float((self.family.loglik(nobody, now) - self.family.loglik(nobody, was))[0])
        curvature = float(self.family.expected(was)[0])
        outcomes = float(at.score[0]) + self.weight * float(self.family.mean(was)[0])
        gain = (after - before) * outcomes + self.weight * bend
        beta = at.beta.copy()
        beta[0] = after
        expected, deviance, log_weight = self._of(at)
        self._others[tuple(beta.tolist())] = expected, deviance - 2 * gain, log_weight
        found = at._replace(
            loglik=at.loglik + gain,
            score=at.score - means * at.information[0] / curvature,
            information=at.information * (float(self.family.expected(now)[0]) / curvature),
            beta=beta,
        )
        self._known[tuple(beta.tolist())] = found
        return found

    def as_written(self, solution: Solution) -> Solution:
        """The solution in the outcome's own units, with the information that standard errors come from."""
        beta = solution.beta * self.model.scale
        if self.model.design.intercept:
            beta[0] += self.model.centre
        return solution._replace(beta=beta, at=self.for_tests(solution.at))

    def for_tests(self, at: Derivatives) -> Derivatives:
        """With the expected information; of a Gaussian model the log-likelihood at the variance that makes it largest."""
        expected = self._of(at)[0]
        if expected is not None:
            return at._replace(information=expected)
        if self.family.name != "gaussian":
            return at
        n = self.counts["n"]
        spread = max(self._deviance(at), np.finfo(float).tiny) / n  # of nothing: told by `residual`
        loglik = -0.5 * (n * (np.log(2 * np.pi * spread) + 1) - self._of(at)[2])
        return at._replace(loglik=loglik)

    def _deviance(self, at: Derivatives) -> float:
        """In the outcome's own units; what a 0/1 outcome falls short of a perfect fit is all its log-likelihood."""
        return -2 * at.loglik if self.family.counts_outcomes else self._of(at)[1] * float(self.model.scale**2)

    def perfect(self, at: Derivatives) -> float:
        """Twice the log-likelihood of a perfect fit, on the scale of that of ``at``."""
        return 0.0 if self.family.counts_outcomes else self._of(at)[1] + 2 * at.loglik

    def residual(self, at: Derivatives, null: Derivatives, p: float) -> Residual:
        """Deviances and dispersion, the variance of a Gaussian response on n - p degrees of freedom."""
        p += self.counts.get("intercepts", 0)
        deviance, of_null, n = self._deviance(at), self._deviance(null), self.counts["n"]
        if self.family.name != "gaussian":
            return Residual(deviance, of_null, 1.0, np.inf)
        if n <= p:
            raise NotConverged(
                f"There are {n} patients for {p:g} coefficients: no variance can be estimated."
            )
        if not deviance > PERFECT * of_null:
            raise NotConverged(
                "The outcome follows from the columns without any residual (or is the same for every patient): there is no "
                "variance to estimate."
            )
        return Residual(deviance, of_null, deviance / (n - p), float(n - p))


def outcome_units(model: GlmModel, at: Derivatives, weight: float) -> tuple[float, float]:
    """Of a Gaussian outcome the scale it is worked on, and its standard deviation (without an intercept, around zero).

    From the derivatives at a point where no coefficient but the intercept is other than zero.
    """
    if model.family != "gaussian":
        return 1.0, 1.0
    from_mean = at.score[0] ** 2 / weight if model.design.intercept else 0.0
    squares = max(-2 * at.loglik - from_mean, np.finfo(float).tiny)  # of nothing: told by `residual`
    return model.scale, float(np.sqrt(squares / weight) * model.scale)


def null_model(evaluate: Evaluation) -> Derivatives:
    """The fit of the intercept alone, where Newton then starts: the score test and the null likelihood."""
    model, family = evaluate.model, evaluate.family
    p = len(model.design.names)
    begin = model.begin(evaluate.meter.federation.codebook)
    if not model.design.intercept:
        return evaluate(begin)
    if model.offset is not None:
        return _with_offset(evaluate, begin)
    first = evaluate(begin)
    if not np.isfinite(first.loglik):
        raise NotConverged(
            "The log-likelihood is not finite at the start of the fit. Centre and scale the columns."
        )
    # at one predictor for all, the score is the mean of the residuals times what the link makes of them
    mean = float(family.mean(np.array([family.intercept]))[0])
    observed = mean + first.score[0] / (evaluate.weight * _slope(family, mean))
    most = 1.0 - 1e-12 if family.counts_outcomes else np.inf
    if family.name != "gaussian" and not 1e-12 < observed < most:
        raise NotConverged(
            "The outcome is the same for every patient of the model; there is nothing to regress on."
        )
    if family.canonical:
        return evaluate.moved(first, family.intercept, family.inverse(observed))
    return evaluate(_at_intercept(family.inverse(observed), p))


def _with_offset(evaluate: Evaluation, begin: Array) -> Derivatives:
    """The same where no two patients need have one predictor: found step by step."""

    def intercept_only(value: Array) -> Derivatives:
        whole = evaluate(_at_intercept(float(value[0]), len(begin)))
        return Derivatives(
            whole.loglik, whole.score[:1], whole.information[:1, :1], whole.beta[:1], whole.unit
        )

    try:
        maximum = newton(intercept_only, begin[:1], ("Intercept",)).beta
    except NotConverged as problem:
        name = evaluate.model.offset
        centre = evaluate.meter.federation.codebook[str(name)].centre
        raise NotConverged(
            f"The intercept beside the offset {name} was not found; the fit begins where that is {centre:g}, its centre in the "
            "codebook. State its mean there, or subtract a constant from it: that moves the intercept alone, by as much. "
            f"({problem})"
        ) from None
    return evaluate(_at_intercept(float(maximum[0]), len(begin)))


def _slope(family: Family, mean: float) -> float:
    """What a residual of the response counts in the score: one for a canonical link."""
    return 1.0 if family.canonical else 1.0 / (1.0 - mean)


def _at_intercept(value: float, p: int) -> Array:
    return np.concatenate([[value], np.zeros(p - 1)])
