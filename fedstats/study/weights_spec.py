"""``[weights.<name>]`` of ``study.toml``: a propensity model, and what is asked of it."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

from pydantic import FiniteFloat, model_validator

from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.federation import Federation, Subset
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.variable import Variable
from fedstats.methods.covariate_balance import balance, check_arms
from fedstats.methods.doubly_robust import augmented_effect
from fedstats.methods.propensity import check_recipe, propensity_weights
from fedstats.methods.weighting import PropensityWeights, check_treatment
from fedstats.numerics.firth import Firth
from fedstats.numerics.penalties import ElasticNet
from fedstats.study.penalty_spec import Entry, PenaltySpec


class WeightsSpec(Entry):
    """Weights by a propensity, for the models and curves that say ``weights = "<name>"``.

    ``complete`` names columns that a patient of the propensity has, besides those of its formula: an outcome that is missing in some
    has its models on the same patients then, and sites that remember answer both.  Models and curves of other outcomes weigh everybody,
    models with ``robust = true``: errors that take account of the propensity's estimation are of its own patients.
    ``truncate`` cuts propensities, ``bounds`` weights, at fixed ends.  ``balance`` names columns beside those of the formula;
    ``augmented`` holds formulas of outcome models with the treatment among their terms, for doubly robust effects.
    """

    formula: str
    title: str = ""
    estimand: Literal["ATE", "ATT", "overlap"] = "ATE"
    stabilised: bool = False
    truncate: tuple[FiniteFloat, FiniteFloat] | None = None
    bounds: tuple[FiniteFloat, FiniteFloat] | None = None
    penalty: PenaltySpec | None = None
    complete: tuple[str, ...] = ()
    overlap: bool = True
    balance: tuple[str, ...] = ()
    augmented: tuple[str, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _recipe(self) -> Self:
        try:
            check_recipe(self.estimand, self.truncate, self.bounds, stabilised=self.stabilised)
            if self.augmented and (self.estimand == "overlap" or self.stabilised):
                raise FormulaError(
                    'augmented is of all patients or of the treated: estimand = "ATE", not stabilised, or "ATT"'
                )
        except ValueError as problem:
            raise ValueError(str(problem).rstrip(".")) from None
        return self

    @property
    def asked_penalty(self) -> ElasticNet | Firth | None:
        """As an estimator takes it."""
        return None if self.penalty is None else self.penalty.asked

    @property
    def has_variance(self) -> bool:
        """Whether the propensity's coefficients have a covariance; a lasso's have none."""
        penalty = self.asked_penalty
        return not (isinstance(penalty, ElasticNet) and penalty.mixing > 0)

    def known_besides(self, codebook: Codebook) -> list[str]:
        """Columns of ``complete`` that may be empty where those of the formula, which the weights are made of, are not."""
        outcome, design = parse(self.formula, codebook, intercept=True)
        own = {*outcome.variables, *design.variables}
        return [name for name in self.complete if codebook[name].missing and name not in own]

    @property
    def made(self) -> Callable[[Federation], PropensityWeights]:
        """The weights, a function of a federation."""
        names = ("formula", "estimand", "stabilised", "truncate", "bounds")
        asked = partial(
            propensity_weights, **{k: getattr(self, k) for k in names}, penalty=self.asked_penalty
        )
        return partial(_of_complete, made=asked, columns=self.complete) if self.complete else asked


@dataclass(frozen=True)
class WeightsAnalysis:
    """Something asked of weights.

    Attributes
    ----------
    name : str             under which the results hold it
    key : str              ``"propensity"``, ``"sizes"``, ``"overlap"``, ``"balance"`` or ``"augmented"``
    analysis : callable    a function of a federation
    formula : str          of it
    """

    name: str
    key: str
    analysis: Callable[[Federation], Any]
    formula: str


def weights_analyses(name: str, spec: WeightsSpec) -> Iterator[WeightsAnalysis]:
    """What a study asks of weights, in the order in which a report shows it."""
    asks: list[tuple[str, Callable[..., Any]]] = [("propensity", _fit), ("sizes", _sizes)]
    asks += [("overlap", _overlap)] if spec.overlap else []
    asks += [("balance", partial(_balance, more=spec.balance))]
    for key, ask in asks:
        suffix = "" if key == "propensity" else f"_{key}"
        yield WeightsAnalysis(
            f"weights_{name}{suffix}", key, partial(_of, made=spec.made, ask=ask), spec.formula
        )
    for number, formula in enumerate(spec.augmented, start=1):
        ask = partial(_augmented, formula=formula)
        suffix = f"_augmented_{number}" if len(spec.augmented) > 1 else "_augmented"
        yield WeightsAnalysis(
            f"weights_{name}{suffix}", "augmented", partial(_of, made=spec.made, ask=ask), formula
        )


def check_weights(spec: WeightsSpec, codebook: Codebook) -> None:
    """Whether a propensity, and what is asked of it, can be modelled.

    Raises
    ------
    ValueError
        In one sentence.
    """
    check_treatment(codebook, spec.formula)
    outcome, design = parse(spec.formula, codebook, intercept=True)
    if outcome.time is not None:
        raise FormulaError("A treatment is one column on the left of the formula, not Surv().")
    check_arms(codebook, outcome.event, (*design.variables, *spec.balance))
    if strange := [c for c in spec.complete if c not in codebook or codebook[c].kind == "label"]:
        raise FormulaError(
            f"complete has {strange[0]!r}, which is no column of codebook.toml with values for questions."
        )
    for formula in spec.augmented:
        other, terms = parse(formula, codebook, intercept=True)
        if other.time is not None or outcome.event not in terms.variables:
            raise FormulaError(
                f"augmented: {formula!r} is no model of a 0/1 outcome with {outcome.event} among its terms."
            )


def _of_complete(
    federation: Federation, made: Callable[..., PropensityWeights], columns: tuple[str, ...]
) -> PropensityWeights:
    return made(Subset(federation, tuple(_is_known(federation.codebook[c]) for c in columns)))


def _is_known(variable: Variable) -> Condition:
    """That a column has a value, as a comparison: every one that a codebook allows meets it."""
    if variable.levels:
        return Condition(variable.name, "in", variable.levels)
    if variable.kind == "event":
        return Condition(variable.name, "in", (0.0, 1.0))
    return Condition(variable.name, ">=", (-sys.float_info.max,))


def _of(federation: Federation, made: Callable[..., PropensityWeights], ask: Callable[..., Any]) -> Any:
    weights = made(federation)
    return ask(weights.federation, weights)


def _fit(_: Federation, weights: PropensityWeights) -> Any:
    return weights.fit


def _sizes(_: Federation, weights: PropensityWeights) -> Any:
    return weights.effective_sample_size()


def _overlap(_: Federation, weights: PropensityWeights) -> Any:
    return weights.overlap()


def _balance(federation: Federation, weights: PropensityWeights, more: tuple[str, ...]) -> Any:
    return balance(federation, weights=weights, more=more)


def _augmented(federation: Federation, weights: PropensityWeights, formula: str) -> Any:
    return augmented_effect(federation, formula, weights)


def weighted_estimate(
    federation: Federation,
    fit: Callable[..., Any],
    made: Callable[..., PropensityWeights],
    **options: Any,
) -> Any:
    """A model or a curve with weights that are made for it."""
    return fit(federation, weights=made(federation), **options)
