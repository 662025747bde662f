"""Whether a curve of a study, and what is worked out of its counts, can be asked at all: before anything starts."""

from collections.abc import Iterable

from fedstats.contract.arguments import number_column
from fedstats.contract.codebook import Codebook
from fedstats.contract.formula import FormulaError, parse_groups
from fedstats.methods.local_log_rank import EXPONENTS, GATED_EXPONENTS, check_exponents
from fedstats.methods.log_rank import check_weights
from fedstats.methods.survival_counts import causes_of, check_strata, stays_at_sites
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec


def check_curve_spec(spec: CurveSpec, codebook: Codebook, *, gated: bool) -> None:
    """Formula, columns, and every key that asks for more than the curve; ``gated``: whether the study's profile has rules.

    Raises
    ------
    ValueError
        In one sentence, with the key.
    """
    outcome, group = parse_groups(spec.formula, codebook)
    if spec.weights is not None and spec.weighting is None:
        if spec.weights not in codebook:
            raise FormulaError(
                f"weights is {spec.weights!r}, which is no column of codebook.toml and no table [weights.{spec.weights}]."
            )
        number_column(spec.weights, codebook, "weights")
    if spec.robust and outcome.entry is not None:
        raise FormulaError("robust: Where patients enter late a table has no robust standard errors.")
    for key in ("log_rank", "max_combo", "period_hazard_ratios"):
        if getattr(spec, key):
            _check_comparison(key, spec, group, codebook, gated=gated)
    if spec.max_combo:
        check_weights(spec.options("max_combo").get("weights", ((0.0, 0.0),)))
        if group is not None and len(codebook[group].levels) != 2:
            raise FormulaError(
                f"max_combo compares two groups; {group} has {len(codebook[group].levels)}: ask for log_rank."
            )
    _check_times(spec, codebook)
    if not all(0 < p < 1 for p in spec.quantiles):
        raise FormulaError("quantiles are probabilities between 0 and 1.")


def _check_comparison(
    key: str, spec: CurveSpec, group: str | None, codebook: Codebook, *, gated: bool
) -> None:
    if group is None:
        raise FormulaError(
            f"{key} compares groups, and {spec.formula!r} has none: write Surv(time, event) ~ group."
        )
    try:
        strata = check_strata(
            spec.options(key).get("strata"), group, codebook, local=key != "period_hazard_ratios"
        )
        if stays_at_sites(strata, codebook):
            _check_local(key, spec, gated=gated)
    except FormulaError as problem:
        raise FormulaError(f"{key}: {problem}") from None


def _check_local(key: str, spec: CurveSpec, *, gated: bool) -> None:
    """Within strata that stay at the sites."""
    if spec.landmark is not None:
        raise FormulaError(
            "strata that stay at the sites are compared from the beginning: leave out landmark."
        )
    asked = spec.options(key)
    tests = asked["weights"] if key == "max_combo" else [(asked["rho"], asked["gamma"])]
    check_exponents(tests, GATED_EXPONENTS if gated else EXPONENTS)


def check_incidence_spec(spec: IncidenceSpec, codebook: Codebook) -> None:
    """Formula, causes and milestones.

    Raises
    ------
    ValueError
    """
    outcome, _ = parse_groups(spec.formula, codebook, causes=True)
    causes_of(outcome, codebook, spec.censored)
    _within("milestones", spec.milestones, codebook)


def _check_times(spec: CurveSpec, codebook: Codebook) -> None:
    for key in ("milestones", "restricted_mean", "landmark"):
        given = getattr(spec, key)
        _within(key, given if isinstance(given, tuple) else () if given is None else (given,), codebook)
    if spec.period_hazard_ratios:
        cuts = spec.options("period_hazard_ratios").get("cuts")
        agreed = codebook.grid.cuts if codebook.grid is not None else ()
        if cuts is None and not agreed:
            raise FormulaError("period_hazard_ratios: give its cuts, or codebook.toml's [grid] cuts.")
        _on_edges("period_hazard_ratios", agreed if cuts is None else cuts, codebook)
    if spec.landmark is not None:
        _on_edges("landmark", (spec.landmark,), codebook)


def remarks_on(spec: CurveSpec | IncidenceSpec, codebook: Codebook) -> list[str]:
    """What can be asked, and is not what it seems: milestones between two edges of the finest agreed cells.

    A sentence each.
    """
    grid = codebook.grid
    if grid is None:
        return []
    edges = grid.edges(grid.candidates[0])
    return [
        f"{spec.name}: the milestone {time:g} is no edge of codebook.toml's [grid], whose finest cells are {grid.candidates[0]:g} {grid.unit}: on a "
        "grid the curve is drawn straight there, and the estimate on exact times is known between two values alone."
        for time in spec.milestones
        if time not in edges
    ]


def _within(key: str, times: Iterable[float], codebook: Codebook) -> None:
    horizon = codebook.grid.horizon if codebook.grid is not None else float("inf")
    if wrong := [t for t in times if not 0 < t <= horizon]:
        raise FormulaError(
            f"{key} has {wrong[0]:g}; times lie above 0 and up to codebook.toml's horizon ({horizon:g})."
        )


def _on_edges(key: str, times: Iterable[float], codebook: Codebook) -> None:
    """On an edge of the finest agreed cells, before the horizon: on a coarser grid the sites may still let it be none."""
    grid = codebook.grid
    if grid is None:
        return
    edges = grid.edges(grid.candidates[0])[:-1]
    if strange := [t for t in times if t not in edges]:
        raise FormulaError(
            f"{key} has {strange[0]:g}, which is no edge of codebook.toml's [grid] before its horizon."
        )
