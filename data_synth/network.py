"""Generate the network: in chunks of patients, as one row a patient or as study tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from data_synth import classes, hazards
from data_synth.assumptions import Columns
from data_synth.care import care
from data_synth.groups import Practice, practices
from data_synth.people import people
from data_synth.plan import Plan, Streams, chunk_sizes
from data_synth.records import records
from data_synth.rows import rows
from data_synth.treatment import regimen


def chunks(plan: Plan, site: str) -> Iterator[Columns]:
    """Draw a site's patients chunk by chunk, the truth with what is recorded of it.

    Parameters
    ----------
    plan : Plan
        What to generate.
    site : str
        One of the plan's sites.

    Yields
    ------
    dict of str to (n,) array
        The columns of up to 1,000 patients of one practice.
    """
    for practice in practices(plan, site):
        first = 1
        for chunk, size in enumerate(chunk_sizes(practice.size)):
            yield _chunk(plan, practice, Streams(plan.seed, site, practice.number, chunk), size, first)
            first += size


def _chunk(plan: Plan, practice: Practice, streams: Streams, size: int, first: int) -> Columns:
    found = _treated(plan, practice, streams, size)
    if plan.truth == "ph":
        found |= hazards.course(found, practice, plan, streams)
    else:
        found |= classes.course(found, practice, streams)
    found |= care(found, practice, plan, streams)
    found["patient_id"] = np.array([f"{practice.name}-{first + i:06d}" for i in range(size)])
    for column, value in (
        *(("site_id", practice.site), ("practice_id", practice.name), ("practice_type", practice.kind)),
        *(("region", practice.region), ("death_source", practice.death_source)),
    ):
        found[column] = np.full(size, value)
    found["community"] = np.full(size, practice.kind == "community")
    found["fault_draws"] = streams("faults").random((size, 4))
    found = records(found, practice, plan, streams)
    return found | _birth_year(found)


def _treated(plan: Plan, practice: Practice, streams: Streams, size: int) -> Columns:
    """Draw patients and regimens; under `ph` draw again those whose stated risks contradict each other."""
    found = people(practice, size, streams)
    found["regimen"] = regimen(found, practice, plan, streams)
    for attempt in range(1, 100):
        if plan.truth != "ph":
            return found
        bad = hazards.risks(found, practice, plan).contradictory
        if not bad.any():
            return found
        other = replace(streams, attempt=attempt)
        fresh = people(practice, size, other)
        fresh["regimen"] = regimen(fresh, practice, plan, other)
        found = {name: np.where(bad, fresh[name], values) for name, values in found.items()}
    raise ValueError("The stated risks of course.toml contradict each other for too many patients.")


def _birth_year(found: Columns) -> Columns:
    """Set the birth year back of who is over 89 at his last date, as de-identification asks."""
    end = np.minimum(found["death_day"], found["end_day"])
    last_year = (found["start"] + end).astype("datetime64[Y]").astype(int) + 1970
    born = np.maximum(found["year"] - found["age"], last_year - 90)
    return {"birth_year": born, "age_recorded": found["year"] - born}


def site_rows(plan: Plan, site: str) -> pd.DataFrame:
    """Return a site's patients, one row each; with all switches off, the truth."""
    return pd.concat([rows(found) for found in chunks(plan, site)], ignore_index=True)


def network_rows(plan: Plan) -> dict[str, pd.DataFrame]:
    """Return every site's patients, one row each."""
    return {site: site_rows(plan, site) for site in plan.sites}
