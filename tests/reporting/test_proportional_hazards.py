"""A study asks for the test of proportional hazards: it runs, is kept, shown with how to read it, and checked from outside."""

import re
from html import unescape
from types import SimpleNamespace

import pandas as pd
import pytest

import fedstats as fs
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.reporting.site_page import SitePage
from fedstats.reporting.study_report import StudyReport
from fedstats.reporting.wording import question_title
from fedstats.study.check_model import refused
from tests.federations.small_study import STUDY, TWO_MODELS, serving, site_objects, tables, write_study

NAME = "own_baseline_proportional_hazards"
TITLE = "Proportional hazards: A baseline hazard at each practice"


def asking(transform, profile="none"):
    """The study of two models with the test, under a profile."""
    study = TWO_MODELS.replace(
        'strata = "practice"', f'strata = "practice"\nproportional_hazards = "{transform}"'
    )
    return study.replace('profile = "none"', f'profile = "{profile}"')


def run(folder, text, n):
    """The whole study over a folder, and its report."""
    file = write_study(folder, text)
    study = fs.Study.load(file)
    exchange, results, home = folder / "exchange", folder / "results.json", folder / "coordinator"
    with serving(exchange, site_objects(study, tables(n), homes=folder / "homes"), study):
        sites = fs.Folder(exchange, study=study, wait_seconds=60, home=home)
        found = fs.together(sites, **study.analyses())
        fs.save_results(found, results, study=study.digest)
        sites.close()
    report = StudyReport(file, results, exchange, home=home)
    return SimpleNamespace(
        study=study, exchange=exchange, results=results, home=home, found=found, report=report
    )


@pytest.fixture(
    scope="module", params=[("identity", "none", 70), ("km", "none", 70), ("km", "teaching", 1200)], ids=str
)
def finished(request, tmp_path_factory):
    transform, profile, n = request.param
    made = run(tmp_path_factory.mktemp("study"), asking(transform, profile), n)
    return SimpleNamespace(**vars(made), n=n)


def words(part):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part._repr_html_())))


def test_results_hold_what_the_function_gives_for_the_fit(finished):
    kept = fs.load_results(finished.results)
    assert list(kept) == ["own_baseline", NAME, "response"]
    assert isinstance(kept[NAME], ProportionalHazardsTest)
    pd.testing.assert_frame_equal(kept[NAME].tidy(), finished.found[NAME].tidy(), check_exact=True)
    sites = fs.InProcess(tables(finished.n), finished.study.codebook, policy=finished.study.policy)
    direct = fs.cox_zph(sites, kept.own_baseline, transform=kept[NAME].transform)
    assert direct.tidy().equals(kept[NAME].tidy())
    assert direct.status == kept[NAME].status
    assert kept[NAME].glance()["sites"].tolist() == [3]


def test_the_fit_behind_it_asks_nothing_twice(finished):
    asked = [q.query.digest() for q in fs.Ledger(finished.exchange).questions()]
    assert len(set(asked)) == len(asked)


def test_a_third_party_rebuilds_it(finished):
    found = fs.verify(finished.exchange, finished.study, finished.results, home=finished.home)
    assert found.ok
    assert found.rebuilt == found.results
    assert found.beyond == ()


def test_the_report_shows_the_table_and_how_to_read_it(finished):
    shown, kept = words(finished.report.models()), finished.found[NAME]
    assert f"{TITLE} Term χ² df P age" in shown
    assert shown.count("All terms together") == 1
    assert re.search(r"\becog [\d.]+ 2 [\d.<]+", shown)
    assert "A small p says that the hazard ratio of a term changes along" in shown
    assert ("in steps as wide as the cells" in shown) is (kept.status != "exact")
    for raw in ("GLOBAL", "p_value", "statistic", NAME):
        assert raw not in shown


def test_it_is_counted_and_listed_as_an_analysis(finished):
    assert "3 of 3 analyses" in words(finished.report.title())
    assert f"{TITLE} Score test of Grambsch and Therneau" in words(finished.report.question())


def test_its_questions_bear_the_title_of_the_model(finished):
    titles = {question_title(q.query, finished.study) for q in fs.Ledger(finished.exchange).questions()}
    said = [t for t in titles if "change with time" in t or "in each time cell" in t]
    assert said
    assert all(t.startswith("A baseline hazard at each practice: ") for t in said)


def test_a_site_sees_it_of_its_own_rows(finished):
    alone = SitePage(finished.study, "north").alone(dict(finished.found))
    assert TITLE in words(alone)


def test_what_a_site_does_not_let_out_is_named_with_its_rule(tmp_path):
    """The model leaves, and its events by level and cell are too few for the strict gate."""
    alone = asking("km", "strict").replace('[[models]]\nname = "response"', "#").partition("#")[0]
    made = run(tmp_path, alone, 600)
    assert isinstance(made.found.own_baseline, fs.Fit)
    assert made.found[NAME].status == "not released"
    shown = words(made.report.models())
    assert re.search(
        rf"{TITLE}\. not released : The site \w+ refused CoxTimeTrends: .*'events of a time cell'", shown
    )
    assert "1 of 2 analyses" in words(made.report.title())
    assert fs.verify(made.exchange, made.study, made.results, home=made.home).ok


@pytest.mark.parametrize(("transform", "leaves"), [("identity", True), ("km", False)])
def test_a_site_sees_beforehand_whether_it_would_leave(transform, leaves, tmp_path):
    study = fs.Study.load(write_study(tmp_path, asking(transform, "strict")))
    site = fs.Site("north", tables(600)["north"], study.codebook, study.policy)
    found = fs.check_model(study, site, NAME)
    assert "CoxTimeTrends" in set(found["question"])
    assert (refused(found) == []) is leaves


def test_a_coarser_grid_that_leaves_is_no_refusal_beforehand(tmp_path):
    """Four die between month 12 and 18, one man among them: cells of a year hold more."""
    study = fs.Study.load(write_study(tmp_path, asking("km", "teaching")))
    policy = fs.DisclosurePolicy.from_toml({"base": "teaching", "min_leavers": 3})
    frame = tables(600)["north"]
    frame.loc[frame["time"].between(13, 18), "time"] = 20
    frame.loc[frame["time"] > 24, "status"] = 0
    frame.loc[:3, ["time", "status"]], frame.loc[:3, "sex"] = (15, 1), ["F", "F", "F", "M"]
    found = fs.check_model(study, fs.Site("north", frame, study.codebook, policy), NAME)
    failed = found[~found["passed"].astype(bool)]
    assert set(failed["round"]) == {"tried"}
    assert set(failed["question"]) == {"CoxTimeTrends"}
    assert "events up to 18, sex = M" in set(failed["about"])
    assert refused(found) == []


SHARED = "[[models]]" + next(model for model in STUDY.split("[[models]]") if "shared" in model)
WRONG = {
    'kind = "logistic"': ('kind = "logistic"', 'kind = "logistic"\nproportional_hazards = "km"'),
    'baseline = "shared"': ('baseline = "shared"', 'baseline = "shared"\nproportional_hazards = "km"'),
    "no transform": ('"km"', '"sqrt"'),
    "a name that is taken": ('name = "shared_baseline"', f'name = "{NAME}"'),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_study_that_asks_for_it_in_vain_is_told_so(wrong, tmp_path):
    text, (old, new) = asking("km") + SHARED, WRONG[wrong]
    assert old in text
    with pytest.raises(fs.StudyError, match="proportional_hazards") as error:
        fs.Study.load(write_study(tmp_path, text.replace(old, new, 1)))
    assert "\n" not in str(error.value)
