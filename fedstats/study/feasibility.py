"""Are there enough patients and events?  Protected counts by site against Riley's criteria, before a protocol is frozen."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fedstats.contract.federation import Federation
from fedstats.contract.formula import Outcome, parse
from fedstats.contract.results import OVERALL
from fedstats.contract.results import Table as Description
from fedstats.methods.patient_groups import SITE
from fedstats.methods.patient_table import table_one
from fedstats.numerics.sample_size import SampleSize, binary_sample_size, survival_sample_size
from fedstats.study.definition import Study

COLUMNS = ["model", "parameters", "site", "patients", "events", "per_parameter", "needed", "enough", "note"]


def feasibility(study: Study, federation: Federation, *, nagelkerke: float = 0.15) -> pd.DataFrame:
    """Eligible patients, events and events per parameter of every model, by site and in all, with the number that is needed.

    Parameters
    ----------
    study : Study
    federation : Federation
        Of the study's sites, in process or over an exchange.  Sites answer counts of outcomes by site, as a table of
        characteristics asks them: where the study has no such table, sites whose profile says ``beyond_study``.
    nagelkerke : float
        The Nagelkerke R squared that models are expected to have.

    Returns
    -------
    DataFrame
        model, parameters, site (``Overall`` for all), patients with the outcome, events, per_parameter (events), needed (patients by
        Riley et al. 2020: shrinkage 0.9, optimism and margin 0.05), enough, and in ``note`` the criterion that asks for the most, or
        why there is no number: what a site's policy does not let out is empty here, with its rule.

    Notes
    -----
    Counts are of patients with the outcome, before those with an empty covariate are left out of a model.
    """
    parsed = {m.name: parse(m.formula, federation.codebook, intercept=m.has_intercept) for m in study.models}
    variables = tuple(dict.fromkeys(column for outcome, _ in parsed.values() for column in _counted(outcome)))
    if not variables:
        return pd.DataFrame(columns=COLUMNS)
    found = table_one(federation, by=SITE, variables=variables)
    lines = [
        line
        for name, (outcome, design) in parsed.items()
        for line in _lines(name, outcome, len(design.columns), found, federation, nagelkerke)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _counted(outcome: Outcome) -> tuple[str, ...]:
    return (outcome.event,) if outcome.time is None else (outcome.event, outcome.time)


def _lines(
    name: str,
    outcome: Outcome,
    parameters: int,
    found: Description,
    federation: Federation,
    nagelkerke: float,
) -> Iterator[tuple[object, ...]]:
    """A line a site, and one of all."""
    rules = dict(found.refused)
    if federation.codebook[outcome.event].kind not in ("event", "factor"):
        yield (name, parameters, OVERALL, np.nan, np.nan, np.nan, np.nan, None, "a measurement has no events")
        return
    if refused := [f"{c}: not let out ({rules[c]})" for c in _counted(outcome) if c in rules]:
        yield (name, parameters, OVERALL, np.nan, np.nan, np.nan, np.nan, None, "; ".join(refused))
        return
    frame = found.frame[found.frame["variable"] == outcome.event]
    for group in (*federation.sites, OVERALL):
        counts = frame[frame["group"] == _group_of(group, federation)].set_index("level")["n"].astype(float)
        level = outcome.event_level or _event_level(outcome, federation)
        patients, events = float(counts.sum(min_count=1)), float(counts.get(level, np.nan))
        note = "" if np.isfinite(events) else "events: too few to be shown"
        needed, enough = np.nan, None
        if group == OVERALL and np.isfinite(events) and 0 < events < patients:
            size = _needed(outcome, parameters, patients, events, found, federation, nagelkerke)
            needed, enough, note = (
                float(size.patients),
                patients >= size.patients,
                f"most by {size.criterion}",
            )
        yield (name, parameters, group, patients, events, events / parameters, needed, enough, note)


def _group_of(site: str, federation: Federation) -> str:
    """What the table calls a site: its label, where the codebook has a column of the sites' own names."""
    labelled = site != OVERALL and SITE in federation.codebook
    return federation.codebook[SITE].level_label(site) if labelled else site


def _event_level(outcome: Outcome, federation: Federation) -> str:
    """The level that counts: 1, or of a factor of two the second."""
    levels = federation.codebook[outcome.event].levels
    return levels[1] if levels else "1"


def _needed(
    outcome: Outcome,
    parameters: int,
    patients: float,
    events: float,
    found: Description,
    federation: Federation,
    nagelkerke: float,
) -> SampleSize:
    if outcome.time is None:
        return binary_sample_size(parameters, events / patients, nagelkerke=nagelkerke)
    times = found.frame[(found.frame["variable"] == outcome.time) & (found.frame["group"] == OVERALL)]
    follow_up = float(times["mean"].iloc[0])
    grid = federation.codebook.grid
    horizon = grid.horizon if grid is not None else follow_up
    rate = events / patients / follow_up
    return survival_sample_size(parameters, rate, follow_up, horizon, nagelkerke=nagelkerke)
