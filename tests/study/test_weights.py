"""What a study's weights ask of a site is on its list, whatever the site's own rows can bear."""

import pytest

import fedstats as fs
from fedstats.study.agreed_questions import agreed_topics
from tests.federations.small_study import tables, write_study
from tests.reporting.test_weights import WEIGHTED


def topics(study, folder, frame):
    """By analysis, what the site's list holds for it."""
    file = folder / "rows.csv"
    frame.to_csv(file, index=False)
    site = study.site("north", file, "strict", remember=False)
    return {name: agreed_topics({name: analysis}, site) for name, analysis in study.analyses().items()}


@pytest.mark.parametrize(
    "change", [{"sex": "F"}, {"status": 0, "response": 0.0}], ids=["one arm", "no event"]
)
def test_rows_that_bear_no_model_of_their_own_leave_nothing_off_the_list(tmp_path, change):
    study, frame = fs.Study.load(write_study(tmp_path, WEIGHTED)), tables(140)["north"]
    whole, poor = topics(study, tmp_path, frame), topics(study, tmp_path, frame.assign(**change))
    assert {name: whole[name] - poor[name] for name in whole} == dict.fromkeys(whole, frozenset())
    assert any(topic.startswith("GlmPropensityTerms ") for topic in whole["response"])
    assert any(topic.startswith("CoxPropensityTerms ") for topic in whole["survival"])
    assert not any("PropensityTerms" in topic for topic in whole["plain"])
