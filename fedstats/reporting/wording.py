"""Names of questions as a reader of a report meets them."""

from typing import Any

from fedstats.contract.formula import parse, parse_groups
from fedstats.contract.query import Query
from fedstats.methods.patient_groups import SITE
from fedstats.reporting import formats
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.definition import Study
from fedstats.study.model_spec import ModelSpec


def left_out(n: int) -> str:
    """How many patients have no part for an empty cell, as a sentence; nothing where there are none."""
    if not n:
        return ""
    who = "1 patient is" if n == 1 else f"{formats.count(n)} patients are"
    return f" {who} left out because a value is missing."


def no_part(found: Any) -> str:
    """Who has no part in a result of counts, as sentences: patients for an empty cell, groups that nobody is in."""
    return left_out(found.dropped) + "".join(f" Nobody is at risk in {group}." for group in found.empty)


def question_words(kind: type[Query]) -> str:
    """What a kind of query asks for: the first sentence of its documentation."""
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0].rstrip(".")


def question_title(query: Query, study: Study) -> str:
    """A question by the titles of the study's analyses that ask it; in its own words where none does."""
    title = "; ".join(_titles(query, study))
    if not title or query.where or query.made:
        return query.in_words()
    grid = getattr(query, "grid", ()) or getattr(getattr(query, "model", None), "grid", ())
    cells = f", on {len(grid)} time cells" if grid else ""
    return f"{title}: {query.asks}{cells}" if query.asks else f"{title}{cells}"


def _titles(query: Any, study: Study) -> list[str]:
    """Titles of the analyses that a question belongs to."""
    if query.of_screened:
        return [study.attrition.title] if study.attrition else []
    if hasattr(query, "question"):  # about another question
        return _titles(query.question, study)
    if hasattr(query, "model"):
        return [m.title for m in study.models if _is_of_model(query.model, m, study)]
    if getattr(query, "complete", ()):  # the curve that a test of proportional hazards follows
        return [m.title for m in study.models if m.proportional_hazards and _is_of_rows(query, m, study)]
    if hasattr(query, "variable"):
        name = study.codebook[query.variable].title if query.variable in study.codebook else query.variable
        return [f"{study.table_one.title}, {name}"] if study.table_one else []
    curves = [c.title for c in study.curves if _is_of_curve(query, c, study)]
    return curves + [i.title for i in study.incidences if _is_of_curve(query, i, study)]


def _is_of_model(model: Any, spec: ModelSpec, study: Study) -> bool:
    outcome, design = parse(spec.formula, study.codebook, intercept=spec.has_intercept)
    if spec.kind != "cox":
        told = tuple(getattr(model, name, None) for name in ("outcome", "family", "link", "intercepts"))
        within = {spec.intercepts, *("" if h.by == SITE else h.by for h in spec.heterogeneity)}
        same = any(told == (outcome.event, *spec.distribution, column) for column in within)
        return same and bool(model.design.columns == design.columns)
    followed = tuple(getattr(model, name, None) for name in ("time", "event", "event_level"))
    same = followed == (outcome.time, outcome.event, outcome.event_level)
    own: list[tuple[str, ...]] = [spec.strata_columns]
    own += [
        (h.by, *spec.strata_columns) for h in spec.heterogeneity if h.by not in (SITE, *spec.strata_columns)
    ]
    return bool(same and model.design == design) and tuple(model.strata) in own


def _is_of_rows(query: Any, spec: ModelSpec, study: Study) -> bool:
    outcome, design = parse(spec.formula, study.codebook, intercept=False)
    same = (query.time, query.event) == (outcome.time, outcome.event)
    return same and set(query.complete) == {*design.variables, *spec.columns}


def _is_of_curve(query: Any, spec: CurveSpec | IncidenceSpec, study: Study) -> bool:
    by_cause = isinstance(spec, IncidenceSpec)
    outcome, group = parse_groups(spec.formula, study.codebook, causes=by_cause)
    if bool(getattr(query, "causes", ())) is not by_cause:
        return False
    asked = tuple(getattr(query, name, None) for name in ("time", "event"))
    same = (getattr(query, "event_level", outcome.event_level), getattr(query, "group", group)) == (
        outcome.event_level,
        group,
    )
    return same and asked == (outcome.time, outcome.event)
