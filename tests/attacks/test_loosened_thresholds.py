"""Nobody loosens a site's thresholds (C3.22): neither the study that it agrees to nor its profile."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.study.definition import Study
from tests.attacks.questions import QUESTIONS
from tests.attacks.targets import NONE, STRICT, ask, cohort

pytestmark = pytest.mark.acceptance(22)

NUMBERS = st.sampled_from([0, 1, 3, 10, 11, 12, 50, 10**6])
POLICIES = st.builds(
    DisclosurePolicy,
    min_patients=NUMBERS,
    min_pair=NUMBERS,
    min_joint_cell=NUMBERS,
    min_level_difference=NUMBERS,
    min_leavers=NUMBERS,
    min_difference=NUMBERS,
    min_model_patients=NUMBERS,
    max_parameters_per_event=st.sampled_from([0.0, 0.1, 0.2, 1e300]),
    min_effective=st.sampled_from([0.0, 10.0, 30.0, 1e9]),
    max_coefficient=st.sampled_from([0.0, 10.0, 1e300]),
    distinct_values=st.booleans(),
    per_site_estimates=st.booleans(),
    off=st.booleans(),
)


COHORTS = {"plain": cohort(), "with a rare level": cohort(sex=["M"] * 4 + ["F"] * 356)}


@settings(deadline=None, max_examples=100)
@given(POLICIES, POLICIES, st.sampled_from(sorted(COHORTS)))
def test_what_a_study_asks_for_never_lets_more_out_than_the_sites_own_policy(site, study, who):
    frame = COHORTS[who]
    both = site.tightened_by(study)
    for question in (QUESTIONS["LevelCounts"], QUESTIONS["DistinctValues"], QUESTIONS["GlmDerivatives"]):
        if isinstance(ask(frame, question, site), str):
            assert isinstance(ask(frame, question, both), str)


def test_a_study_that_wants_no_gate_does_not_get_it_from_a_site(tmp_path):
    for name in ("study.toml", "codebook.toml"):
        text = (Path("studies/lung") / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(
            text.replace('profile = "teaching"', 'profile = "none"'), encoding="utf-8"
        )
    study = Study.load(tmp_path)
    assert study.policy == NONE
    rows = {"inst": "1", "time": 100.0, "status": 1, "age": 60, "sex": "male", "ph.ecog": 1}
    rows = [rows | {"patient_id": number} for number in range(12)]
    frame = pd.DataFrame(rows).reindex(columns=[v.name for v in study.codebook.variables])
    frame = frame.fillna({v.name: v.levels[0] if v.levels else v.low or 0 for v in study.codebook.variables})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    policy = study.site(study.sites[0], tmp_path / "rows.csv").policy
    assert replace(policy, name="strict") == STRICT
