"""A fitted regression: coefficients, their covariance, tests and sizes; frozen, never half finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from fedstats.contract.combinations import Combination, combinations_of
from fedstats.contract.e_values import e_value_table
from fedstats.contract.fit_summary import (
    call_in_words,
    glance_row,
    notes,
    sizes_in_words,
    summary,
    variance_in_words,
)
from fedstats.contract.hypotheses import (
    LinearHypothesis,
    coefficient_table,
    likelihood_ratio_test,
    wald_p_value,
    wald_test,
)
from fedstats.contract.printed import Printed
from fedstats.numerics.e_value import Measure

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Fit(Printed):
    """A fitted regression.

    Attributes
    ----------
    kind : str                 ``"cox"``, ``"logistic"`` or ``"glm"``
    formula : str
    names : tuple of str       one a coefficient
    beta : (p,)                on the scale of the columns as written
    covariance : (p, p)        of ``beta``; the sandwich where ``robust``
    loglik, loglik_null : float
    score_test : float         chi-squared of the score test against the null model, p df
    n, n_event, dropped : int
    steps, rounds, n_bytes : int
    options : mapping          what was asked for: ties, baseline, strata, weights ...
    level : float              coverage of the intervals
    status : str               how the estimate relates to the pooled one
    terms : tuple of str       of each coefficient the term that it belongs to, as it was written
    profile_limits : mapping   of a coefficient to the ends of its profile-likelihood interval, where asked for
    df : float                 degrees of freedom that the fit uses: its coefficients, fewer under a penalty
    deviance, null_deviance : float   of a generalised linear model, and of its intercept (with the offset) alone
    dispersion : float         variance of a Gaussian response about its mean, on n - p degrees of freedom
    df_residual : float        these; infinite where no dispersion is estimated
    intercepts : int           groups whose intercepts were profiled out at the sites
    uninformative : int        patients of groups that say nothing of the coefficients: without an event, or with events alone
    varying : mapping          of a column whose effect changes with time, its coefficients in order of time
    other_covariances : mapping   covariances that stand beside, by name: ``"robust"`` where ``covariance`` accounts for estimated weights,
        ``"model"``, of the likelihood, where it is a sandwich
    weight : float             what the weights add up to: of a Cox model those of patients with the event, of others of all
    condition : float          of the information of the columns, each scaled to an information of one: so many digits are lost
    nearly_collinear : tuple   the coefficients concerned, where that is above a million
    penalised_loglik, penalised_loglik_null : float   with Firth's penalty of all columns, at the estimate and without slopes
    """

    kind: str
    formula: str
    names: tuple[str, ...]
    beta: Array
    covariance: Array
    loglik: float
    loglik_null: float
    score_test: float
    n: int
    n_event: int
    dropped: int
    steps: int
    rounds: int
    n_bytes: int
    sites: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    level: float = 0.95
    converged: bool = True
    status: str = "exact"
    terms: tuple[str, ...] = ()
    profile_limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    df: float = np.nan
    deviance: float = np.nan
    null_deviance: float = np.nan
    dispersion: float = 1.0
    df_residual: float = np.inf
    intercepts: int = 0
    uninformative: int = 0
    varying: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other_covariances: Mapping[str, Array] = field(default_factory=dict)
    weight: float = np.nan
    condition: float = np.nan
    nearly_collinear: tuple[str, ...] = ()
    penalised_loglik: float = np.nan
    penalised_loglik_null: float = np.nan

    @property
    def is_penalised(self) -> bool:
        """Whether a penalty has shrunk the coefficients: there are no tests of the likelihood then, but of Firth's."""
        return "penalty" in self.options

    @property
    def notes(self) -> tuple[str, ...]:
        """What one has to know to read the numbers, in sentences: groups of two sites are two, whatever they are called."""
        return notes(self)

    @property
    def has_std_errors(self) -> bool:
        """Whether there are standard errors: under a lasso or an elastic net there are none."""
        return bool(np.isfinite(self.covariance).all())

    @property
    def variance(self) -> str:
        """What standard errors come from: ``"model"``, ``"robust"``, or ``"stacked"`` with the equations of a propensity."""
        robust = self.options.get("robust")
        return "stacked" if robust == "stacked" else "robust" if robust else "model"

    @property
    def model_covariance(self) -> Array | None:
        """The covariance of the likelihood, without any sandwich; None where it was not kept."""
        return self.covariance if self.variance == "model" else self.other_covariances.get("model")

    def std_errors(self) -> pd.DataFrame:
        """Standard errors by where they come from, one row a coefficient: term and a column each, the fit's own first."""
        found = {"term": list(self.names), self.variance: np.sqrt(np.diag(self.covariance))}
        found |= {name: np.sqrt(np.diag(v)) for name, v in self.other_covariances.items()}
        return pd.DataFrame(found)

    def e_values(
        self, *, rare: bool = False, steps: Mapping[str, float] = MappingProxyType({})
    ) -> pd.DataFrame:
        """How strong unmeasured confounding would have to be to explain each ratio away: term estimate conf_low conf_high e_value e_value_limit.

        Parameters
        ----------
        rare : bool
            Whether fewer than some 15 % have the outcome at the end of follow-up: odds and hazard ratios are those of risks then.
        steps : mapping, optional
            Of terms the number of units that their ratios are of, where it is not one: ten years of age.

        Raises
        ------
        ValueError
            Differences of means have none.
        """
        if not self.is_ratio:
            raise ValueError("An E-value is that of a ratio; this model gives differences of means.")
        measures: dict[str, Measure] = {"Hazard ratio": "HR", "Odds ratio": "OR"}
        measure = measures.get(self.effect, "RR")
        tidy = self.tidy()
        given: object = steps
        unknown = set(given) - {*self.names} if isinstance(given, Mapping) else {str(given)}
        if unknown:
            raise ValueError(
                f"steps names {min(unknown)!r}; give units by coefficient, of {', '.join(self.names)}."
            )
        step = np.array([steps.get(term, 1.0) for term in tidy["term"]])
        ratios = {name: np.exp(tidy[name] * step) for name in ("estimate", "conf_low", "conf_high")}
        return e_value_table(tidy.assign(**ratios), measure, rare=rare)

    @property
    def coef(self) -> pd.Series:
        """Coefficients by term."""
        return pd.Series(self.beta, index=list(self.names), name="estimate")

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the coefficients, by term."""
        return pd.DataFrame(self.covariance, index=list(self.names), columns=list(self.names))

    @property
    def effect(self) -> str:
        """What an exponentiated coefficient is called."""
        family = self.options.get("family")
        of_glm = {"binomial": "Risk ratio", "poisson": "Rate ratio", "gaussian": "Mean difference"}
        return {"cox": "Hazard ratio", "logistic": "Odds ratio"}.get(self.kind) or of_glm[str(family)]

    @property
    def is_ratio(self) -> bool:
        """Whether coefficients are logarithms of ratios, and not differences of means."""
        return self.effect.endswith("ratio")

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """One row a term: term estimate std_error statistic p_value conf_low conf_high.

        Parameters
        ----------
        exponentiate : bool
            Give estimates and intervals as ratios; the standard error stays on the log scale.

        Notes
        -----
        Intervals are those of the Wald test, but for the coefficients whose profile was asked for.  Where a
        dispersion is estimated the statistic is Student's t, as in ``summary(glm)``.

        Raises
        ------
        ValueError
            ``exponentiate`` of differences of means.
        """
        if exponentiate and not self.is_ratio:
            raise ValueError("Differences of means are no logarithms: ask for them without exponentiate.")
        null = np.zeros(len(self.beta))
        table = coefficient_table(
            self.names,
            self.beta,
            self.covariance,
            null,
            self.level,
            exponentiate=exponentiate,
            df=self.df_residual,
        )
        for name, limits in self.profile_limits.items():
            scaled = np.exp(limits) if exponentiate else np.asarray(limits)
            table.loc[table["term"] == name, ["conf_low", "conf_high"]] = scaled
        return table

    def joint_tests(self) -> pd.DataFrame:
        """Wald tests of all coefficients of a term together, one row a term: term df statistic p_value.

        Of a factor, that no level differs from any other; of a number, the square of its z statistic.  Where a
        dispersion is estimated p is of F = statistic / df, so that it is that of t for a single coefficient.
        """
        terms = self.terms or self.names
        rows = []
        for term in dict.fromkeys(t for t in terms if t != "Intercept"):
            chosen = np.array([t == term for t in terms])
            statistic, df = wald_test(self.beta[chosen], self.covariance[np.ix_(chosen, chosen)])
            p_value = wald_p_value(statistic, df, self.df_residual)
            rows.append({"term": term, "df": df, "statistic": statistic, "p_value": p_value})
        return pd.DataFrame(rows, columns=["term", "df", "statistic", "p_value"])

    def constancy_tests(self) -> pd.DataFrame:
        """Wald tests that an effect which may change with time does not, one row a term: term df statistic p_value.

        With several such terms the last row, ``GLOBAL``, is of all of them.

        Raises
        ------
        ValueError
            Every effect of the fit is constant.
        """
        if not self.varying:
            raise ValueError(
                "Every effect of this fit is constant, so there is nothing to test: fit with time_varying=, or ask fs.cox_zph "
                "whether hazards are proportional."
            )
        place = {name: j for j, name in enumerate(self.names)}
        tests: dict[str, list[Array]] = {}
        for names in self.varying.values():
            first, *others = (np.eye(len(self.names))[place[name]] for name in names)
            tests.setdefault(self.terms[place[names[0]]], []).extend(other - first for other in others)
        if len(tests) > 1:
            tests["GLOBAL"] = [row for rows in tests.values() for row in rows]
        found = []
        for term, rows in tests.items():
            matrix = np.array(rows)
            statistic, df = wald_test(matrix @ self.beta, matrix @ self.covariance @ matrix.T)
            found.append(
                {"term": term, "df": df, "statistic": statistic, "p_value": float(chi2.sf(statistic, df))}
            )
        return pd.DataFrame(found, columns=["term", "df", "statistic", "p_value"])

    def likelihood_ratio_test(self, smaller: "Fit") -> pd.DataFrame:
        """Test against a model of the same patients that this one contains: one row, df statistic p_value.

        Raises
        ------
        ValueError
            A model of other patients or another outcome, a penalty, a robust variance, or none that is smaller.
        """
        return likelihood_ratio_test(self, smaller)

    def linear_hypothesis(
        self,
        weights: Combination | Sequence[Combination],
        value: float | Sequence[float] = 0.0,
    ) -> "LinearHypothesis":
        """Test that combinations of coefficients have given values, all of them together.

        Parameters
        ----------
        weights : mapping, str, or sequence of these
            Of coefficients, by name, to their weights: ``{"C(ecog)[2]": 1, "C(ecog)[1]": -1}`` is the difference
            of two levels; or as a text, ``"C(ecog)[2] - C(ecog)[1] = 0"``.
        value : float or sequence of float
            What each combination is under the hypothesis, where its text does not say so.

        Returns
        -------
        LinearHypothesis
            With an estimate and interval for every combination.

        Raises
        ------
        TypeError, ValueError
            A name that is no coefficient, no weights, or combinations of which one follows from the others.
        """
        words, matrix, null = combinations_of(weights, value, self.names)
        return LinearHypothesis(
            words,
            matrix @ self.beta,
            matrix @ self.covariance @ matrix.T,
            null,
            self.level,
            self.df_residual,
        )

    def glance(self) -> pd.DataFrame:
        """One row: sizes, log-likelihoods, tests, condition, and what the fit cost in rounds and bytes.

        ``df`` is of the coefficients beside the intercept, which the tests are of: their number (of independent ones); of a lasso
        how many are not zero, as ``glmnet`` counts them; of a ridge the trace of one information over the other, less the intercept.
        """
        return glance_row(self)

    def __str__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        sizes = f"{sizes_in_words(self)}; standard errors {variance_in_words(self)}"
        caption = escape(f"{call_in_words(self)}: {sizes}")
        table = self.tidy(exponentiate=self.is_ratio).to_html(index=False, float_format="%.4g")
        return f"<p>{caption}</p>{table}" + "".join(f"<p>{escape(note)}</p>" for note in self.notes)
