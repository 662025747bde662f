"""What a study asks of a curve besides itself: each an analysis of its own, of the same question to the sites."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from fedstats.contract.federation import Federation
from fedstats.contract.survival_results import CurvePoints
from fedstats.methods.competing_risks import cumulative_incidence
from fedstats.methods.curve_points import milestones, quantiles
from fedstats.methods.hazard_ratios import period_hazard_ratios
from fedstats.methods.log_rank import logrank, max_combo
from fedstats.methods.restricted_means import rmst
from fedstats.methods.survival_curve import kaplan_meier
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.follow_ups import Analysis, FollowUp
from fedstats.study.weights_spec import weighted_estimate


def curve_of(spec: CurveSpec) -> Analysis:
    """The curve itself, a function of a federation."""
    given = {key: getattr(spec, key) for key in ("conf_type", "robust", "landmark")}
    return _weighted(spec, partial(kaplan_meier, formula=spec.formula, **given))


def _weighted(spec: CurveSpec, analysis: Analysis) -> Analysis:
    """With the curve's weights: a column, or what sites make by a propensity."""
    if spec.weighting is None:
        return partial(analysis, weights=spec.weights)
    return partial(weighted_estimate, fit=analysis, made=spec.weighting.made)


def incidence_of(spec: IncidenceSpec) -> Analysis:
    """Cumulative incidences, a function of a federation."""
    options: dict[str, Any] = {"conf_type": spec.conf_type, "censored": spec.censored}
    return partial(cumulative_incidence, formula=spec.formula, **options)


def curve_follow_ups(spec: CurveSpec) -> list[FollowUp]:
    """What the study asks of a curve besides itself, in the order in which a report shows it."""
    return [FollowUp(f"{spec.name}_{key}", key, analysis) for key, analysis in _asked(spec)]


def incidence_follow_ups(spec: IncidenceSpec) -> list[FollowUp]:
    """The same of incidences."""
    if not spec.milestones:
        return []
    analysis = partial(_points, curve=incidence_of(spec), read=partial(milestones, times=spec.milestones))
    return [FollowUp(f"{spec.name}_milestones", "milestones", analysis)]


def _asked(spec: CurveSpec) -> Iterator[tuple[str, Analysis]]:
    curve = curve_of(spec)
    if spec.milestones:
        yield "milestones", partial(_points, curve=curve, read=partial(milestones, times=spec.milestones))
    if spec.quantiles:
        yield (
            "quantiles",
            partial(_points, curve=curve, read=partial(quantiles, probabilities=spec.quantiles)),
        )
    if spec.follow_up:
        yield "follow_up", partial(curve, reverse=True)
    if spec.restricted_mean is not None:
        given = {key: getattr(spec, key) for key in ("robust", "landmark")}
        means = partial(rmst, formula=spec.formula, tau=spec.restricted_mean, **given)
        yield "restricted_mean", _weighted(spec, means)
    if spec.log_rank:
        given = spec.options("log_rank") | {"landmark": spec.landmark}
        yield "log_rank", partial(logrank, formula=spec.formula, **given)
    if spec.max_combo:
        given = spec.options("max_combo") | {"landmark": spec.landmark}
        yield "max_combo", partial(max_combo, formula=spec.formula, **given)
    if spec.period_hazard_ratios:
        given = spec.options("period_hazard_ratios")
        yield "period_hazard_ratios", partial(period_hazard_ratios, formula=spec.formula, **given)


def _points(federation: Federation, curve: Analysis, read: Any, **options: Any) -> CurvePoints:
    found: CurvePoints = read(curve(federation, **options))
    return found
