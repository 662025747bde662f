"""Whether a model of a study, and what is asked of it, can be asked at all: by the library's own checks, before anything starts."""

from collections.abc import Callable, Mapping

from fedstats.contract.arguments import number_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.entries import listed
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.periods import agreed_cuts, with_periods
from fedstats.contract.variable import Variable
from fedstats.methods.cross_validation import levels_of_folds
from fedstats.methods.fitting import check_cost, check_profile
from fedstats.methods.glm_regression import check_intercepts
from fedstats.methods.group_effects import UNWEIGHTED, check_within, columns_of, practices_of
from fedstats.methods.marginal_effects import check_column, values_of
from fedstats.methods.strengths import Strengths
from fedstats.methods.survival_prediction import check_strata, patients_to_predict
from fedstats.numerics.families import family_of
from fedstats.numerics.penalties import ElasticNet
from fedstats.study.follow_ups import path_family, profiles_of
from fedstats.study.model_spec import ModelSpec


def check_model_spec(spec: ModelSpec, codebook: Codebook, policy: DisclosurePolicy) -> None:
    """Formula, columns, and every key that asks for more than the fit.

    Raises
    ------
    ValueError
        In one sentence, with the key.
    """
    outcome, design = parse(spec.formula, codebook, intercept=spec.has_intercept)
    cuts = agreed_cuts(spec.time_varying, codebook, design)
    _check_cuts(cuts, codebook)
    design = with_periods(design, cuts, codebook, outcome.time)
    for column in spec.columns:
        if column not in codebook:
            raise ValueError(f"there is no column {column!r} in codebook.toml.")
    _check_weights(spec, {*outcome.variables, *design.variables, *spec.columns}, codebook)
    checks: dict[str, Callable[[ModelSpec, Design, Codebook, DisclosurePolicy], None]] = {
        "intercepts": _intercepts,
        "profile": _profile,
        "standardised_risks": _standardised,
        "marginal_effects": _effects,
        "predicted_survival": _predicted,
        "baseline_hazard": _baseline,
        "penalty_path": _path,
        "standardised_survival": _curves,
    }
    for key, check in checks.items():
        if getattr(spec, key):
            try:
                check(spec, design, codebook, policy)
            except ValueError as problem:
                raise ValueError(f"{key}: {problem}") from None


def _check_weights(spec: ModelSpec, columns: set[str], codebook: Codebook) -> None:
    """Weights and an offset that are numbers; of weights by a propensity, standard errors that take account of it are of its own patients."""
    weighting = spec.weighting
    for key in ("offset",) if weighting is not None else ("weights", "offset"):
        if getattr(spec, key) is not None:
            number_column(getattr(spec, key), codebook, key)
    if weighting is None:
        if spec.robust == "stacked":
            raise FormulaError(
                'robust = "stacked" is of weights that are a table [weights.<name>]: say true.'
            )
        return
    if spec.robust == "stacked" and not weighting.has_variance:
        raise FormulaError(f"robust: A lasso has no variance, and [weights.{spec.weights}] is one: say true.")
    if spec.robust not in (None, "stacked") or not weighting.has_variance:
        return
    if others := [name for name in weighting.known_besides(codebook) if name not in columns]:
        raise FormulaError(
            f"weights: the propensity of [weights.{spec.weights}] is of patients whose {others[0]} is known (complete), and this model is of "
            "others too, so that its standard errors cannot take account of the propensity's estimation. Say robust = true (the weights as if "
            f"they were known), or name a table of weights whose complete leaves out {others[0]}."
        )


def check_heterogeneity(spec: ModelSpec, codebook: Codebook, n_sites: int) -> None:
    """Effects by practice or site: of a model that has ratios, and of a term of its.

    Raises
    ------
    ValueError
    """
    for asked in spec.heterogeneity:
        try:
            if spec.kind != "cox" and (
                not family_of(*spec.distribution).canonical or spec.family == "gaussian"
            ):
                raise FormulaError("Effects of groups are hazard, odds or rate ratios, of canonical links.")
            if spec.penalty is not None:
                raise FormulaError("Effects of groups are those of a model without penalty.")
            if spec.weighting is not None:
                raise FormulaError(UNWEIGHTED)
            _, design = parse(spec.formula, codebook, intercept=False)
            columns_of(asked.term, design)
            check_within(design, codebook)
            practices_of(asked.by, codebook, n_sites)
        except ValueError as problem:
            raise ValueError(f"heterogeneity: {problem}") from None


def _curves(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    if (spec.kind, spec.baseline, spec.penalty) != ("cox", "shared", None):
        raise FormulaError('Mean survival is that of kind = "cox" with baseline = "shared", without penalty.')
    for asked in spec.standardised_survival:
        check_column(asked.column, design, codebook)
        for value in values_of(codebook[asked.column], asked.values):
            _check_agreed(codebook[asked.column], value)


def _check_cuts(cuts: Mapping[str, tuple[float, ...]], codebook: Codebook) -> None:
    agreed = codebook.grid.cuts if codebook.grid is not None else ()
    if own := sorted({cut for of_term in cuts.values() for cut in of_term} - set(agreed)):
        raise FormulaError(
            f"time_varying cuts at {own[0]:g}, and codebook.toml agrees on {listed([f'{cut:g}' for cut in agreed])} (cuts of "
            "its [grid])."
        )


def _intercepts(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    if spec.kind == "cox":
        raise FormulaError(
            'A Cox model has no intercept: strata = "..." gives groups baseline hazards of their own.'
        )
    check_intercepts(family_of(*spec.distribution), design, spec.asked_penalty)


def _profile(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    names = check_profile(spec.profile, design, robust=spec.is_robust)
    is_gaussian = spec.kind == "glm" and spec.family == "gaussian"  # whose profile takes no round
    check_cost(policy.max_points, () if is_gaussian else names)


def _standardised(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    _check_fitted_values(spec)
    for asked in spec.standardised_risks:
        check_column(asked.column, design, codebook)
        values = values_of(codebook[asked.column], asked.values)
        for value in values:
            _check_agreed(codebook[asked.column], value)


def _effects(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    _check_fitted_values(spec)
    for column in spec.marginal_effects:
        check_column(column, design, codebook, slope=True)


def _check_fitted_values(spec: ModelSpec) -> None:
    """A model whose expected outcome can be averaged, with a standard error."""
    if spec.kind == "cox":
        raise FormulaError(
            'These are of kind = "logistic" or "glm", and this model is of kind = "cox"; ask for predicted_survival.'
        )
    if spec.intercepts is not None:
        raise FormulaError(
            f"Fitted values need the intercepts, which stay at the sites: leave out intercepts = {spec.intercepts!r}, or this."
        )
    penalty = spec.asked_penalty
    if isinstance(penalty, ElasticNet) and penalty.mixing > 0:
        raise FormulaError(
            "A lasso has no standard errors, and neither has what follows from it; ask without penalty."
        )


def _check_agreed(variable: Variable, value: float | str) -> None:
    """A number lies where the codebook has patients."""
    if variable.levels:
        return
    if isinstance(value, str):
        raise FormulaError(f"{variable.name} is a number; set it to numbers, not to the text {value!r}.")
    low, high = variable.low, variable.high
    if low is not None and high is not None and not low <= value <= high:
        raise FormulaError(
            f"{variable.name} is set to {value:g}; the codebook agrees on {low:g} to {high:g}."
        )


def _predicted(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:
    _baseline(spec, design, codebook, policy)
    known = {*design.variables, *spec.strata_columns, *((spec.offset,) if spec.offset else ())}
    for name, covariates in spec.predicted_survival.items():
        strange = [column for column in covariates if column not in known]
        if strange:
            raise FormulaError(
                f"{name!r} has {strange[0]!r}, which is no column of the model; it has {', '.join(sorted(known))}."
            )
        patients_to_predict(
            profiles_of({name: covariates}), design, spec.offset, spec.strata_columns, codebook
        )
    given = {name: {*c} & {*spec.strata_columns} for name, c in spec.predicted_survival.items()}
    if len({frozenset(strata) for strata in given.values()}) > 1:
        raise FormulaError(
            "Give the stratum of all patients, or of none: then each is predicted in every stratum."
        )


def _baseline(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    if spec.kind != "cox":
        raise FormulaError(
            f'This is of kind = "cox", and this model is of kind = {spec.kind!r}; ask for standardised_risks.'
        )
    if spec.penalty is not None:
        raise FormulaError("A penalised fit has no standard error of what it predicts; ask without penalty.")
    check_strata(spec.strata_columns, codebook)


def _path(spec: ModelSpec, design: Design, codebook: Codebook, policy: DisclosurePolicy) -> None:  # noqa: ARG001
    asked = spec.penalty_path
    assert asked is not None
    if spec.intercepts is not None:
        raise FormulaError(
            f"A penalised fit has one intercept for all: leave out intercepts = {spec.intercepts!r}, or this."
        )
    if spec.kind != "cox" and not family_of(*spec.distribution).canonical:
        raise FormulaError(
            f"A path is of a family's canonical link, and this model has link = {spec.link!r}."
        )
    strengths = Strengths(asked.mixing, asked.strengths, asked.n_strengths, asked.smallest)
    if asked.folds is not None:
        levels_of_folds(asked.folds, codebook)
        if spec.baseline == "shared":
            raise FormulaError(
                'Folds are those of models with the sites\' own baseline hazards: leave out folds, or baseline = "shared".'
            )
    strengths.check_cost(policy.max_points, path_family(spec), spec.baseline)
