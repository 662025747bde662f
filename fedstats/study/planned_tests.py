"""Which tests an analysis of a family would have had: what was not released, or not estimated, counts with all of them."""

from collections.abc import Sequence

from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Period
from fedstats.contract.formula import parse, parse_groups
from fedstats.contract.periods import agreed_cuts, period_title, with_periods
from fedstats.study.curve_spec import CurveSpec, RatiosSpec
from fedstats.study.model_spec import ModelSpec
from fedstats.study.study_file import FamilyTests

#: A test, and the words by which ``terms`` choose it.
Planned = tuple[str, tuple[str, ...]]


def planned_tests(
    asked: FamilyTests,
    models: Sequence[ModelSpec],
    curves: Sequence[CurveSpec],
    codebook: Codebook,
    *,
    joint: bool,
) -> list[str]:
    """Names of the tests of one entry of a family, as :func:`fedstats.adjusted_p_values` names those of a result."""
    if asked.model is not None:
        tests = _of_model(next(m for m in models if m.name == asked.model), codebook, joint=joint)
    else:
        tests = _of_curve(asked, next(c for c in curves if c.name == asked.curve), codebook)
    if asked.terms is None:
        return [name for name, words in tests if words != ("ratio",)]
    return [name for name, words in tests if {name, *words} & set(asked.terms)]


def _of_model(model: ModelSpec, codebook: Codebook, *, joint: bool) -> list[Planned]:
    outcome, design = parse(model.formula, codebook, intercept=False)
    cuts = agreed_cuts(model.time_varying, codebook, design)
    design = with_periods(design, cuts, codebook, outcome.time)
    if joint:
        return [(term, ()) for term in dict.fromkeys(design.term_of_each)]
    return [(name, (term,)) for name, term in zip(design.names, design.term_of_each, strict=True)]


def _of_curve(asked: FamilyTests, curve: CurveSpec, codebook: Codebook) -> list[Planned]:
    if asked.test == "max_combo":
        return [("MaxCombo test", ())]
    if asked.test == "log_rank":
        return [("log-rank test", ())]
    outcome, group = parse_groups(curve.formula, codebook)
    variable = codebook[group or ""]
    first, *others = (variable.level_label(level) for level in variable.levels)
    if asked.test == "restricted_mean":
        return [
            (f"{other} to {first}: {measure} of restricted means", words)
            for other in others
            for measure, words in (("difference", (other, "difference")), ("ratio", ("ratio",)))
        ]
    grid, given = codebook.grid, curve.period_hazard_ratios
    cuts = given.cuts if isinstance(given, RatiosSpec) else None
    ends = cuts or (grid.cuts if grid is not None else ())
    unit = grid.unit if grid is not None else codebook[outcome.time or ""].unit
    periods = [Period(a, b) for a, b in zip((0.0, *ends), (*ends, None), strict=True)]
    return [(f"{other}, {period_title(period, unit)}", (other,)) for other in others for period in periods]
