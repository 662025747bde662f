"""What a study's weights ask of a site is on its list, whatever the site's own rows can bear."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.results import NotAvailable
from fedstats.contract.weight_results import Overlap
from fedstats.federations.memory import Memory
from fedstats.study.agreed_questions import agreed_topics
from tests.federations.small_study import STUDY, tables, write_study
from tests.reporting.test_weights import WEIGHTED
from tests.study.remembering import Remembering


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


OF_ONE_PROPENSITY = STUDY[: STUDY.index("[table_one]")] + "".join(
    f"""
[weights.{name}]
formula = "sex ~ age + ecog"
{options}
"""
    for name, options in {
        "all_patients": "truncate = [0.01, 0.99]",
        "of_men": 'estimand = "ATT"',
        "both_given": 'estimand = "overlap"',
        "stabilised": "stabilised = true",
    }.items()
)


def more_men_among_the_old(frame):
    """So that propensities go from a fifth to four fifths."""
    likely = 1 / (1 + np.exp(-0.07 * (frame["age"] - 60)))
    return frame.assign(sex=np.where(np.random.default_rng(1).random(len(frame)) < likely, "M", "F"))


def test_weights_of_one_propensity_share_its_histogram(tmp_path):
    """Of sites of 1200, 400 and 150 patients that are strict and remember: each takes to other edges, and four weights to the same."""
    study = fs.Study.load(write_study(tmp_path, OF_ONE_PROPENSITY))
    sizes = {"north": 1200, "south": 400, "west": 150}
    frames = {name: more_men_among_the_old(tables(1200)[name].iloc[:n]) for name, n in sizes.items()}
    strict = fs.DisclosurePolicy()
    sites = {
        name: fs.Site(name, frame, study.codebook, strict, Memory(tmp_path / name))
        for name, frame in frames.items()
    }
    federation = Remembering(study, sites)
    results = fs.together(federation, **study.analyses())
    assert [result for result in results.values() if isinstance(result, NotAvailable)] == []
    overlaps = [result.tidy() for result in results.values() if isinstance(result, Overlap)]
    assert len(overlaps) == 4
    assert all(frame.equals(overlaps[0]) for frame in overlaps)
    asked = [a for a in federation.history() if type(a.query).__name__ == "PropensityHistogram"]
    assert len(asked) > 2  # more edges than a site answers propensities
    assert {len(a.refused) for a in asked} > {0}
    # and again, one after the other, in an analysis that begins with the finest edges
    alone = fs.propensity_weights(federation, "sex ~ age + ecog", estimand="ATT").overlap()
    assert alone.tidy().equals(overlaps[0])
