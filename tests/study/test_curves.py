"""What may stand in a curve of study.toml, and the one sentence that says what is wrong with anything else."""

import pytest

import fedstats as fs
from fedstats.cli_studies import load as load_study
from tests.federations.curve_study import BOOK, CURVES
from tests.federations.small_study import STUDY, write_study

HEAD = STUDY[: STUDY.index("[table_one]")]
BY_SEX = 'formula = "Surv(time, status) ~ sex"\n'
BY_ECOG = 'formula = "Surv(time, status) ~ ecog"\n'
ALL = 'formula = "Surv(time, status) ~ 1"\n'


def load(folder, entry, table="curves"):
    return fs.Study.load(write_study(folder, f'{HEAD}[[{table}]]\nname = "c"\ntitle = "C"\n{entry}', BOOK))


WRONG = {
    "no groups": (ALL + "log_rank = true", ["c: log_rank compares groups", "~ group"]),
    "three groups": (
        BY_ECOG + "max_combo = true",
        ["max_combo compares two groups; ecog has 3: ask for log_rank"],
    ),
    "strata nowhere": (BY_SEX + 'log_rank = { strata = "ward" }', ["log_rank: There is no column 'ward'"]),
    "strata of hazard ratios that stay": (
        BY_SEX + 'period_hazard_ratios = { strata = "practice" }',
        ["practice cannot be strata of a table"],
    ),
    "strata of the group": (BY_SEX + 'log_rank = { strata = "sex" }', ["a group or a stratum"]),
    "a weight below zero": (BY_SEX + "max_combo = { weights = [[0, -1]] }", ["gamma is -1.0"]),
    "a weight twice": (
        BY_SEX + "max_combo = { weights = [[0, 1], [0, 1]] }",
        ["up to eight different pairs"],
    ),
    "a horizon beyond": (BY_SEX + "restricted_mean = 30", ["restricted_mean has 30", "horizon (24)"]),
    "two factors": (
        BY_SEX.replace("~ sex", "~ sex + ecog"),
        ["drawn by one factor", "'sex + ecog' is more"],
    ),
    "a milestone at zero": (BY_SEX + "milestones = [0]", ["milestones has 0"]),
    "no probability": (BY_SEX + "quantiles = [50]", ["between 0 and 1"]),
    "a landmark off the grid": (BY_SEX + "landmark = 5", ["landmark has 5, which is no edge"]),
    "cuts off the grid": (BY_SEX + "period_hazard_ratios = { cuts = [7] }", ["period_hazard_ratios has 7"]),
    "robust without weights": (BY_SEX + "robust = true", ["robust is of a curve with weights"]),
    "weights nowhere": (
        BY_SEX + 'weights = "w"',
        ["weights is 'w', which is no column of codebook.toml and no table [weights.w]"],
    ),
    "a weighted test": (
        BY_SEX + 'weights = "weight"\nlog_rank = true',
        ["log_rank is of a curve without weights"],
    ),
    "a mean that ends at the landmark": (
        BY_SEX + "landmark = 6\nrestricted_mean = 6",
        ["restricted_mean is 6, which is not after the landmark at 6"],
    ),
    "a milestone before the landmark": (
        BY_SEX + "landmark = 6\nmilestones = [3, 12]",
        ["milestones names 3, which is before the landmark at 6"],
    ),
    "periods of a landmark": (BY_SEX + "landmark = 6\nperiod_hazard_ratios = true", ["leave out landmark"]),
    "an unknown key": (BY_SEX + "logrank = true", ["logrank"]),
}
WRONG_INCIDENCES = {
    "an event": ('formula = "Surv(time, status) ~ sex"', ["status has no levels"]),
    "one cause": ('formula = "Surv(time, cause == other) ~ sex"', ["write cause == 'other'"]),
    "one code": ("formula = \"Surv(time, cause == 'other') ~ sex\"", ["is asked for one of them"]),
    "no such end": ('formula = "Surv(time, cause) ~ sex"\ncensored = "alive"', ["no level 'alive'"]),
    "a milestone beyond": ('formula = "Surv(time, cause) ~ sex"\nmilestones = [36]', ["milestones has 36"]),
}


@pytest.mark.parametrize(("entry", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked_of_a_curve_is_said_when_the_study_is_loaded(entry, said, tmp_path):
    with pytest.raises(fs.StudyError) as found:
        load(tmp_path, entry)
    assert str(found.value).startswith("study.toml: ")
    assert all(words in str(found.value) for words in said), str(found.value)


@pytest.mark.parametrize(("entry", "said"), WRONG_INCIDENCES.values(), ids=WRONG_INCIDENCES)
def test_what_cannot_be_asked_of_incidences(entry, said, tmp_path):
    with pytest.raises(fs.StudyError) as found:
        load(tmp_path, entry, "incidences")
    assert all(words in str(found.value) for words in said), str(found.value)


def test_a_name_is_used_once(tmp_path):
    twice = CURVES.replace('name = "later"', 'name = "survival_log_rank"')
    with pytest.raises(fs.StudyError, match="'survival_log_rank' is used twice"):
        fs.Study.load(write_study(tmp_path, twice, BOOK))


WRONG_ARGUMENTS = {
    "a negative rho": (lambda s: fs.logrank(s, "Surv(time, status) ~ sex", rho=-1), "rho is -1"),
    "no groups": (lambda s: fs.logrank(s, "Surv(time, status) ~ 1"), "compares groups"),
    "three groups": (lambda s: fs.max_combo(s, "Surv(time, status) ~ ecog"), "compares two groups"),
    "an alternative": (
        lambda s: fs.max_combo(s, "Surv(time, status) ~ sex", alternative="more"),
        "choose one of",
    ),
    "no pairs": (lambda s: fs.max_combo(s, "Surv(time, status) ~ sex", weights=[1, 2]), "pairs"),
    "tau of nothing": (lambda s: fs.rmst(s, "Surv(time, status) ~ sex", tau=0), "tau is 0"),
    "tau too far": (lambda s: fs.rmst(s, "Surv(time, status) ~ sex", tau=99), "what is known of F ends at"),
    "a mean before the landmark": (
        lambda s: fs.rmst(s, "Surv(time, status) ~ sex", tau=5, landmark=6),
        "not after the landmark",
    ),
    "robust alone": (lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex", robust=True), "give weights"),
    "weights reversed": (
        lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex", weights="weight", reverse=True),
        "leave out weights",
    ),
    "a landmark at the end": (
        lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex", landmark=99),
        "end at",
    ),
    "a landmark of text": (
        lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex", landmark="6"),
        "landmark is '6'",
    ),
    "a landmark between edges": (
        lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex", grid=[6, 12], landmark=7),
        "choose one of 6",
    ),
    "cuts between edges": (
        lambda s: fs.period_hazard_ratios(s, "Surv(time, status) ~ sex", grid=[6, 12, 18], cuts=7),
        "a period ends on an edge",
    ),
    "cuts out of order": (
        lambda s: fs.period_hazard_ratios(s, "Surv(time, status) ~ sex", cuts=[12, 6]),
        "increasing order",
    ),
    "ties": (lambda s: fs.period_hazard_ratios(s, "Surv(time, status) ~ sex", ties="exact"), "choose one of"),
    "milestones of text": (lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ 1").at("6"), "times is '6'"),
    "a probability of one": (
        lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ 1").quantiles(1),
        "probabilities is 1",
    ),
    "no causes": (lambda s: fs.cumulative_incidence(s, "Surv(time, age) ~ 1"), "levels"),
    "strata of a number": (
        lambda s: fs.period_hazard_ratios(s, "Surv(time, status) ~ sex", cuts=[6], strata="age"),
        "cannot be strata",
    ),
}


@pytest.fixture(scope="module")
def sites():
    from fedstats.contract.agreement import codebook_of
    from tests.federations.curve_study import patients

    frames = {name: frame.head(120) for name, frame in patients(120).items()}
    return fs.InProcess(frames, codebook_of(frames.values()), fs.DisclosurePolicy.none())


@pytest.mark.parametrize(("ask", "said"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_a_wrong_argument_is_one_sentence(ask, said, sites):
    with pytest.raises(ValueError, match=said) as found:
        ask(sites)
    assert "\n" not in str(found.value)


def test_a_group_without_an_event_in_a_period_is_named(sites):
    frames = {
        name: site.data.frame.assign(status=lambda f: f["status"] * ((f["time"] <= 12) | (f["sex"] == "F")))
        for name, site in sites._sites.items()
    }
    here = fs.InProcess(frames, policy=fs.DisclosurePolicy.none())
    with pytest.raises(fs.NotConverged, match="M: 12"):
        fs.period_hazard_ratios(here, "Surv(time, status) ~ sex", cuts=12)


def test_results_show_themselves(sites):
    for found in (
        fs.logrank(sites, "Surv(time, status) ~ sex", strata="ecog"),
        fs.max_combo(sites, "Surv(time, status) ~ sex"),
        fs.rmst(sites, "Surv(time, status) ~ sex", tau=12),
        fs.cumulative_incidence(sites, "Surv(time, cause) ~ sex"),
        fs.period_hazard_ratios(sites, "Surv(time, status) ~ sex", cuts=12),
    ):
        assert "exact" in str(found)
        assert "<table" in found._repr_html_()
        assert found.glance()["status"].tolist() == ["exact"]
        assert len(found.tidy())
    incidence = fs.cumulative_incidence(sites, "Surv(time, cause) ~ 1", censored="none")
    assert incidence.at([6])["cause"].tolist() == ["disease", "other"]


def test_a_milestone_off_the_grid_is_remarked_on_when_the_study_is_loaded(tmp_path, capsys):
    """Between the edges 6 and 12 a curve is drawn straight; what is on one, or on no agreed grid, is not said."""
    text = (
        HEAD
        + '[[curves]]\nname = "c"\ntitle = "C"\nformula = "Surv(time, status) ~ sex"\nmilestones = [6, 9, 12]\n'
    )
    study = fs.Study.load(write_study(tmp_path, text, BOOK))
    (remark,) = study.remarks
    assert remark.startswith(
        "c: the milestone 9 is no edge of codebook.toml's [grid], whose finest cells are 6 months"
    )
    assert remark in repr(study)
    assert "the milestone 9" in study._repr_html_()
    load_study(str(tmp_path))
    assert remark in capsys.readouterr().err
    assert fs.Study.load(write_study(tmp_path, text.replace(", 9", ""), BOOK)).remarks == ()


def test_a_propensity_of_three_treatments_is_told_when_the_study_is_loaded(tmp_path):
    with pytest.raises(
        fs.StudyError, match=r"weights.w: .* ecog has 3 levels \(0, 1, 2\+\): agree on a factor of two"
    ):
        fs.Study.load(write_study(tmp_path, HEAD + '[weights.w]\nformula = "ecog ~ age"\n', BOOK))
