"""Effects by group, standardised survival, families of tests and sites as a column: what a study may say, and what comes of it."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.numerics.multiplicity import adjusted
from fedstats.reporting.heterogeneity_view import _named
from fedstats.study.agreed_questions import agreed_topics
from fedstats.study.families import family_table
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

HEAD = STUDY[: STUDY.index("[[curves]]")].replace('by = "sex"', 'by = ["site", "sex"]\np_values = true')
SITES = '\n[columns.site]\nkind = "factor"\nof_site = true\nlevels = ["north", "south", "west"]\n'
MODEL = """[[models]]
name = "survival"
title = "Survival"
kind = "cox"
formula = "Surv(time, status) ~ place + age + sex"
baseline = "shared"
ties = "breslow"
standardised_survival = [{ column = "place" }]

[[models]]
name = "within"
title = "Survival within practices"
kind = "cox"
formula = "Surv(time, status) ~ age + sex"
heterogeneity = [{ term = "sex" }, { term = "age", by = "practice", method = "PM" }]

[[models]]
name = "response"
title = "Response"
kind = "logistic"
formula = "response ~ age + sex"
heterogeneity = [{ term = "sex" }]

[[curves]]
name = "curve"
title = "Survival by ECOG"
formula = "Surv(time, status) ~ ecog"
log_rank = true
restricted_mean = 12
period_hazard_ratios = { cuts = [6] }

[[families]]
name = "Sex"
method = "BH"
tests = [{ model = "survival", terms = ["sex"] }, { model = "response" }]

[[families]]
name = "ECOG"
tests = [{ model = "within", terms = ["sex"] }, { curve = "curve", test = "log_rank" }, { curve = "curve", test = "restricted_mean", terms = ["2+"] },
  { curve = "curve", test = "period_hazard_ratios" }]
"""
#: The site as a column of another name, so that "site" is the sites themselves.
BOOK = CODEBOOK + SITES.replace("columns.site", "columns.place")


def load(folder, text=HEAD + MODEL, book=BOOK):
    return fs.Study.load(write_study(folder, text, book))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return load(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def found(study):
    frames = {
        name: site.data.frame
        for name, site in (
            (name, fs.Site(name, frame, study.codebook, study.policy)) for name, frame in tables().items()
        )
    }
    return fs.together(fs.InProcess(frames, study.codebook, study.policy), **study.analyses())


def test_every_analysis_has_its_name_and_comes_to_its_end(study, found):
    assert list(found) == [
        *("table_one", "curve", "curve_restricted_mean", "curve_log_rank", "curve_period_hazard_ratios"),
        *("survival", "survival_standardised_survival_place", "within"),
        *("within_heterogeneity_sex_site", "within_heterogeneity_age_practice"),
        *("response", "response_heterogeneity_sex_site"),
    ]
    assert [name for name, result in found.items() if isinstance(result, fs.NotAvailable)] == []
    assert found["within_heterogeneity_age_practice"].method == "PM"
    assert found["table_one"].by == ("site", "sex")
    assert len(found["table_one"].p_values()) == 2


def test_a_site_agrees_on_all_that_the_network_asks(study, found):
    """Though under its own rows alone a column that is the site has no coefficient, and one site is no three."""

    asked = set()

    class Listening(fs.InProcess):
        def ask(self, query, *, each=False):
            asked.add(query.topic())
            return super().ask(query, each=each)

    federation = Listening(tables_with_place(study), study.codebook, study.policy)
    fs.together(federation, **study.analyses())
    site = fs.Site("north", tables()["north"], study.codebook, study.policy)
    assert asked <= agreed_topics(study.analyses(), site)


def tables_with_place(study):
    return {name: frame.assign(place=name) for name, frame in tables().items()}


def test_a_site_on_its_own_is_not_asked_to_compare_sites(study):
    """Its notebook would end there."""
    left_out = set(study.analyses()) - set(study.analyses_of_a_site())
    assert left_out == {"within_heterogeneity_sex_site", "response_heterogeneity_sex_site"}
    alone = fs.Site("north", tables()["north"], study.codebook, study.policy)
    found = fs.together(fs.InProcess.alone(alone), **study.analyses_of_a_site())
    assert set(found) == set(study.analyses_of_a_site())


def test_an_e_value_is_that_of_the_ratio_that_is_printed(found):
    fit = found["within"]
    ten = fit.e_values(steps={"age": 10.0}).set_index("term").loc["age"]
    assert ten["estimate"] == pytest.approx(np.exp(10 * fit.coef["age"]), rel=1e-12)
    whole = fs.e_value(ten["estimate"], ten["conf_low"], ten["conf_high"], measure="HR")
    assert ten["e_value"] == pytest.approx(whole[0])


def test_results_are_saved_and_read(found, tmp_path):
    fs.save_results(dict(found), tmp_path / "results.json")
    again = fs.load_results(tmp_path / "results.json")
    for name in ("within_heterogeneity_sex_site", "survival_standardised_survival_place"):
        pd.testing.assert_frame_equal(again[name].tidy(), found[name].tidy())
    assert tuple(again["within_heterogeneity_sex_site"].test) == found["within_heterogeneity_sex_site"].test


def test_a_family_is_adjusted_and_what_is_missing_makes_nothing_easier(study, found):
    family = study.families[0]
    table = family_table(family, found, study)
    assert table["term"].tolist() == ["sex[M]", "age", "sex[M]"]
    np.testing.assert_array_equal(table["p_adjusted"], adjusted(table["p_value"].to_numpy(float), "BH"))
    lost = family_table(family, dict(found) | {"survival": fs.NotAvailable("not released", "")}, study)
    assert lost["p_value"].isna().tolist() == [False, False, True]
    own = adjusted(np.append(lost["p_value"][:2].to_numpy(float), 1.0), "BH")
    np.testing.assert_array_equal(lost["p_adjusted"][:2].to_numpy(float), own[:2])


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("joint", [False, True])
def test_what_is_missing_counts_as_all_its_tests(study, found, number, joint):
    """Each analysis of a family lost in turn: as many tests of the same names, and none of the others easier."""
    family = study.families[number].model_copy(update={"joint": joint})
    whole = family_table(family, found, study)
    for name in dict.fromkeys(whole["analysis"]):
        lost = family_table(family, dict(found) | {name: fs.NotAvailable("not released", "")}, study)
        own = [set(table.loc[table["analysis"] == name, "term"]) for table in (whole, lost)]
        assert own[0] == own[1]
        assert len(lost) == len(whole)


def test_a_family_may_hold_tests_of_curves(study, found):
    family = study.families[1]
    table = family_table(family, found, study)
    assert table["term"].tolist() == [
        "sex[M]",
        "log-rank test",
        "2+ to 0: difference of restricted means",
        *("1, 0-6 months", "1, 6+ months", "2+, 0-6 months", "2+, 6+ months"),
    ]
    assert table["p_value"][1] == found["curve_log_rank"].p_value
    np.testing.assert_array_equal(table["p_adjusted"], adjusted(table["p_value"].to_numpy(float), "holm"))
    lost = family_table(family, dict(found) | {"curve_log_rank": fs.NotAvailable("not released", "")}, study)
    assert lost["analysis"].tolist()[-1] == "curve_log_rank"
    assert lost["p_value"].isna().sum() == 1


def test_merged_practices_are_named_as_a_sentence_has_them():
    assert _named("2", "2", 1) == "2"
    assert _named("4, 6", "4, 6", 2) == "practices 4 and 6, merged"
    assert _named("1, 4, 6", "1, 4, 6", 3) == "practices 1, 4 and 6, merged"
    assert _named("2", "", 6) == "group 2, 6 practices merged"


WRONG = {
    "no such curve": (
        'curve = "curve", test = "log_rank"',
        'curve = "os", test = "log_rank"',
        "no curve 'os'",
    ),
    "a test that the curve has not": ('test = "log_rank"', 'test = "max_combo"', "has no max_combo"),
    "no test of a curve": ('curve = "curve", test = "log_rank"', 'curve = "curve"', 'test = "log_rank" }'),
    "a model and a curve": (
        '{ model = "response" }',
        '{ model = "response", curve = "curve" }',
        "or of a curve",
    ),
    "terms of one test": (
        'test = "log_rank"',
        'test = "log_rank", terms = ["1"]',
        "is one test: leave out terms",
    ),
    "no such group": ('terms = ["2+"]', 'terms = ["3"]', "it has 1, 2+, difference, ratio"),
    "no such term": ('term = "sex" }, {', 'term = "ecog" }, {', "heterogeneity: term is 'ecog'"),
    "the site within a group": (
        'age + sex"\nheterogeneity',
        'age + sex + place"\nheterogeneity',
        "place is the site",
    ),
    "no practices": ('by = "practice"', 'by = "age"', "neither in the codebook"),
    "two sites": ('["north", "south", "west"]\nprofile', '["north", "south"]\nprofile', "of_site"),
    "own baselines": ('baseline = "shared"\n', "", "standardised_survival: Mean survival"),
    "no such column": ('column = "place"', 'column = "ecog"', "no column of the model"),
    "no such model": ('{ model = "response" }', '{ model = "death" }', "no model 'death'"),
    "no such term of a model": ('terms = ["sex"]', 'terms = ["treat"]', "survival has no term 'treat'"),
    "a family twice": ('{ model = "response" }', '{ model = "survival" }', "named twice"),
    "no such method": (
        'method = "BH"',
        'method = "sidak"',
        "families 'Sex': method is 'sidak'; write one of 'holm'",
    ),
    "no group of the table": ('["site", "sex"]', '["site", "age"]', "grouped by a factor"),
    "a group twice": ('["site", "sex"]', '["sex", "sex"]', "once"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_asked_is_said_when_the_study_is_loaded(tmp_path, wrong):
    old, new, said = WRONG[wrong]
    text = HEAD + MODEL
    assert old in text
    with pytest.raises(fs.StudyError) as error:
        load(tmp_path, text.replace(old, new, 1))
    assert said in str(error.value)


def test_two_sites_are_not_compared_by_site(tmp_path):
    text = (HEAD + MODEL).replace('["north", "south", "west"]', '["north", "south"]')
    with pytest.raises(fs.StudyError, match="effects by site take 3"):
        load(tmp_path, text, BOOK.replace(', "west"', ""))
    two = fs.InProcess(dict(list(tables().items())[:2]), policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.FormulaError, match="by='practice'"):
        fs.heterogeneity(two, "Surv(time, status) ~ sex", term="sex")


def test_a_site_fills_in_its_name_and_no_other(study):
    site = fs.Site("north", tables()["north"], study.codebook, study.policy)
    assert set(site.data.frame["place"]) == {"north"}
    with pytest.raises(fs.DataError, match="place has the levels"):
        fs.Site("east", tables()["north"], study.codebook, study.policy)
    with pytest.raises(ValueError, match="of_site is for a factor"):
        Codebook.from_toml({"columns": {"site": {"kind": "label", "of_site": True}}})
    with pytest.raises(ValueError, match="choose another"):
        fs.InProcess(tables(), site_column="age")
