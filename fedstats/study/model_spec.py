"""``[[models]]`` of ``study.toml``: what an entry may say."""

from typing import Any, Literal, Self

from pydantic import Field, FiniteFloat, PrivateAttr, model_validator

from fedstats.methods.patient_groups import SITE
from fedstats.methods.penalised_fit import check_penalty, check_penalty_or_firth
from fedstats.methods.proportional_hazards import Transform
from fedstats.numerics.families import family_of
from fedstats.numerics.firth import Firth
from fedstats.numerics.meta_analysis import Tau2
from fedstats.numerics.penalties import ElasticNet
from fedstats.study.imputation_spec import ImputationSpec
from fedstats.study.penalty_spec import Entry, PenaltySpec
from fedstats.study.weights_spec import WeightsSpec


class PathSpec(Entry):
    """``penalty_path`` of a model: the same terms under penalties from strong to weak, as :func:`fedstats.penalty_path` takes them.

    ``folds`` cross-validates it: how many every site draws of its own patients, or a factor whose levels are the folds.
    """

    mixing: float = 1.0
    strengths: tuple[float, ...] | None = None
    n_strengths: int = 20
    smallest: float = 0.001
    folds: int | str | None = None


class StandardisedSpec(Entry):
    """One of ``standardised_risks`` of a model: a column, and the values it is set to, the reference first (else its levels)."""

    column: str
    values: tuple[float | str, ...] | None = None


class HeterogeneitySpec(Entry):
    """One of ``heterogeneity`` of a model: a term, and the column of practices (or ``"site"``) by which its effects are compared."""

    term: str
    by: str = SITE
    method: Tau2 = "REML"
    hartung_knapp: bool = True


class ModelSpec(Entry):
    """``[[models]]``: a regression; ``glm`` gives risk ratios (link = "log"), rate ratios (family = "poisson") or
    differences of means (family = "gaussian").

    ``proportional_hazards`` asks whether the hazard ratios of a Cox model change with time, by the function of time
    that a change is looked for along: "identity" (time) and "log" are exact behind every gate; "km" and "rank" follow
    time in steps of the agreed grid where single times may not leave.

    ``time_varying`` names the terms of a Cox model whose effects are others after each of the cuts of the codebook's
    ``[grid]``; as a table, after some of these: ``{regimen = [6]}``.

    ``weights`` is a column, or names a table ``[weights.<name>]``; then ``robust`` left out is "stacked".  ``e_values`` says how strong
    unmeasured confounding would have to be, of an outcome that is rare or common.

    ``imputed`` asks for the model on completed copies as well, as ``[imputation]`` fills them in.

    ``profile`` names coefficients whose intervals are those of the profile likelihood; ``intercepts`` a column whose groups
    have intercepts of their own, which stay at the sites.  ``penalty_path``, ``standardised_risks``, ``marginal_effects``,
    ``predicted_survival`` (of patients with a name and their covariates) and ``baseline_hazard`` are asked of the model
    besides its fit, each an analysis of its own; so are ``heterogeneity``, effects of a term by practice or site, and
    ``standardised_survival``, mean survival of a Cox model with a shared baseline were a column the same for everybody.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")
    title: str
    kind: Literal["cox", "logistic", "glm"]
    formula: str
    strata: str | tuple[str, ...] | None = None
    family: Literal["binomial", "poisson", "gaussian"] = "binomial"
    link: Literal["logit", "log", "identity"] | None = None
    ties: Literal["efron", "breslow"] = "efron"
    baseline: Literal["site", "shared"] = "site"
    weights: str | None = None
    offset: str | None = None
    robust: bool | Literal["stacked"] | None = None
    cluster: str | None = None
    proportional_hazards: Transform | None = None
    time_varying: str | tuple[str, ...] | dict[str, tuple[FiniteFloat, ...]] | None = None
    penalty: PenaltySpec | None = None
    intercepts: str | None = None
    profile: tuple[str, ...] = ()
    imputed: bool = False
    penalty_path: PathSpec | None = None
    standardised_risks: tuple[StandardisedSpec, ...] = ()
    marginal_effects: tuple[str, ...] = ()
    predicted_survival: dict[str, dict[str, float | str]] = Field(default_factory=dict)
    baseline_hazard: bool = False
    heterogeneity: tuple[HeterogeneitySpec, ...] = ()
    standardised_survival: tuple[StandardisedSpec, ...] = ()
    e_values: Literal["rare", "common"] | None = None
    primary: bool = False
    note: str = ""
    _weighting: WeightsSpec | None = PrivateAttr(default=None)
    _imputation: ImputationSpec | None = PrivateAttr(default=None)

    @property
    def weighting(self) -> WeightsSpec | None:
        """The weights of the study that the model has, if ``weights`` names them and no column."""
        return self._weighting

    def weighted_by(self, weighting: WeightsSpec) -> None:
        """Say whose weights ``weights`` names, as the file is read.

        Raises
        ------
        ValueError
            A key that weights by a propensity do not go with.
        """
        besides = ("penalty", "profile", "penalty_path")
        if self.robust is None and (asked := [key for key in besides if getattr(self, key)]):
            raise ValueError(f"{asked[0]} is of a likelihood: leave it out, or say robust = false")
        self._weighting = weighting

    @property
    def imputation(self) -> ImputationSpec | None:
        """How empty cells are filled in for it, where ``imputed`` asks for that."""
        return self._imputation

    def imputed_by(self, imputation: ImputationSpec | None) -> None:
        """Say how, as the file is read.

        Raises
        ------
        ValueError
            There is no ``[imputation]``, or a model without standard errors.
        """
        if imputation is None:
            raise ValueError("imputed takes a table [imputation] with the models of the imputed columns")
        if self.penalty is not None:
            raise ValueError(
                "imputed puts standard errors together, and a penalised fit is none of the data alone: leave one of both out"
            )
        self._imputation = imputation

    @model_validator(mode="after")
    def _e_values_of_ratios(self) -> Self:
        if self.e_values is not None and (self.kind, self.family) == ("glm", "gaussian"):
            raise ValueError("e_values are of ratios, and a Gaussian outcome has differences of means")
        return self

    @model_validator(mode="after")
    def _family_of_a_glm(self) -> Self:
        if self.kind != "glm" and {"family", "link"} & self.model_fields_set:
            raise ValueError('family and link are those of kind = "glm"')
        try:
            family_of(self.family, self.link)
        except ValueError as problem:
            raise ValueError(str(problem).rstrip(".")) from None
        return self

    @model_validator(mode="after")
    def _tested_where_there_is_a_test(self) -> Self:
        if self.proportional_hazards is not None and (self.kind, self.baseline) != ("cox", "site"):
            raise ValueError('proportional_hazards is for kind = "cox" with baseline = "site"')
        return self

    @model_validator(mode="after")
    def _varying_where_there_is_time(self) -> Self:
        if self.time_varying is None:
            return self
        if self.kind != "cox":
            raise ValueError('time_varying is for kind = "cox"')
        besides = ["penalty", "penalty_path", "proportional_hazards", "predicted_survival", "baseline_hazard"]
        besides += ["heterogeneity", "standardised_survival"]
        if asked := [key for key in besides if getattr(self, key)]:
            raise ValueError(f"{asked[0]} is of constant effects: leave it out, or time_varying")
        return self

    @model_validator(mode="after")
    def _penalty_that_the_model_has(self) -> Self:
        has_firth = (
            self.baseline == "site" if self.kind == "cox" else family_of(*self.distribution).tilt is not None
        )
        check = check_penalty_or_firth if has_firth else check_penalty
        try:
            check(self.asked_penalty, robust=self.is_robust, profile=self.profile)
        except ValueError as problem:
            raise ValueError(str(problem).rstrip(".")) from None
        return self

    @property
    def is_robust(self) -> bool:
        """Whether a sandwich is asked for, as far as the model itself says."""
        return bool(self.robust) or self.cluster is not None

    @property
    def asked_penalty(self) -> ElasticNet | Firth | None:
        """As an estimator takes it."""
        return None if self.penalty is None else self.penalty.asked

    @property
    def distribution(self) -> tuple[str, str]:
        """Family and link."""
        return self.family, family_of(self.family, self.link).link

    @property
    def strata_columns(self) -> tuple[str, ...]:
        """Columns of the strata, none or several."""
        return (self.strata,) if isinstance(self.strata, str) else self.strata or ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the options name."""
        weights = self.weights if self._weighting is None else None
        named = (weights, self.offset, self.cluster, self.intercepts)
        return (*self.strata_columns, *(c for c in named if c))

    @property
    def has_intercept(self) -> bool:
        """Whether its formula brings an intercept of all patients."""
        return self.kind != "cox" and self.intercepts is None

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the estimator."""
        common = {k: getattr(self, k) for k in ("weights", "offset", "robust", "cluster")}
        if self._weighting is not None:
            del common["weights"]  # made for the fit
        common |= {"penalty": self.asked_penalty, "profile": self.profile}
        if self.kind != "cox":
            family, link = self.distribution
            return common | {"family": family, "link": link, "intercepts": self.intercepts}
        own = {k: getattr(self, k) for k in ("strata", "ties", "baseline", "time_varying")}
        return common | own
