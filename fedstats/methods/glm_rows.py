"""The rows of a generalised linear model at a site, made once: with what the gate judges of them whatever the coefficients."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedstats.contract.codebook import Codebook
from fedstats.contract.coefficient_sizes import spread
from fedstats.contract.design import level_codes
from fedstats.contract.model_cells import pairs_by_outcome
from fedstats.contract.model_rows import ModelRows, model_rows
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData
from fedstats.methods.practice_intercepts import Practices, judged_within, practices

if TYPE_CHECKING:
    from fedstats.methods.glm_model import GlmModel

Array = NDArray[np.float64]


class GlmRows(NamedTuple):
    """A prepared model at a site: its rows and their outcome, and the practices whose intercepts stay there.

    Attributes
    ----------
    rows : ModelRows
    y : (n,)               the outcome on the scale that the model works on
    unit : float           what a coefficient counts in: of a measurement it is as large as its unit is small, so how far that spreads
    practices : Practices or None
    """

    rows: ModelRows
    y: Array
    unit: float
    practices: Practices | None


def _outcome(model: "GlmModel", rows: ModelRows) -> Array:
    if model.event_level is not None:
        return (level_codes(rows.frame[model.outcome], (model.event_level,)) == 0).astype(float)
    return (rows.frame[model.outcome].to_numpy(dtype=float) - model.centre) / model.scale


def prepare(m: "GlmModel", data: SiteData) -> GlmRows:
    """The rows of a model at a site, and what the gate judges of them at any point."""
    family = m.distribution
    _require_agreed_units(m, data.codebook)
    if m.event_level is not None and (m.intercepts is not None or not family.counts_outcomes):
        raise QueryError("A level is the event of a 0/1 outcome, in a model with one intercept for all.")
    rows = model_rows(
        data,
        m.design,
        (m.outcome,),
        m.outcome if family.counts_outcomes else None,
        m.weights,
        m.offset,
        tuple(column for column in (m.cluster, m.intercepts) if column),
        rarer_outcome=True,
        whole_numbers=m.outcome if family.name == "poisson" else None,
        code=m.event_level,
        curved=family.name != "gaussian",
    )
    y = _outcome(m, rows)
    unit = _unit(y[rows.counted]) if m.family == "gaussian" else 1.0
    if not family.canonical and rows.is_judged:
        # the curvature is a sum over those without the outcome alone
        parts = pairs_by_outcome(rows.levels, y, rows.counted), *rows.shared(rows.counted, y)
        rows = replace(rows, evidence=rows.evidence + parts)
    if m.intercepts is None:
        return GlmRows(rows, y, unit, None)
    if m.design.intercept or not family.canonical:
        raise QueryError(
            "Intercepts of groups stand in place of one for all, in a model whose link is the canonical one."
        )
    inside = practices(rows, m.intercepts, family, y)
    return GlmRows(judged_within(rows, m.design, inside), y, unit, inside)


def _unit(measured: Array) -> float:
    own = spread(measured)
    return 1.0 / own if own > 0 else 1.0


def _require_agreed_units(m: "GlmModel", codebook: Codebook) -> None:
    """An outcome is worked on as it is, a measurement as the codebook has it: with an own centre an edge slides over it."""
    agreed = [(0.0, 1.0)]
    if m.family == "gaussian" and m.outcome in codebook:
        variable = codebook[m.outcome]
        agreed = [(centre, variable.scale) for centre in (0.0, variable.centre)]
    if (m.centre, m.scale) not in agreed:
        raise QueryError("The centre and scale of an outcome are none of the codebook's.")
