"""A study names effects that change with time: by the codebook's cuts alone, and its sites answer no others."""

import pytest

import fedstats as fs
from fedstats.contract.refusal import Refusal
from fedstats.methods.cox_regression import CoxDerivatives, cox_model
from fedstats.study.check_model import check_model, refused
from tests.federations.small_study import CODEBOOK, TWO_MODELS, tables, write_study

CUTS = CODEBOOK + "cuts = [6, 12]\n"
STRATA = 'strata = "practice"'


def study_of(folder, written, codebook=CUTS, profile="none"):
    text = TWO_MODELS.replace(STRATA, f"{STRATA}\n{written}").replace(
        'profile = "none"', f'profile = "{profile}"'
    )
    return fs.Study.load(write_study(folder, text, codebook))


WRITTEN = {
    'time_varying = "sex"': {"sex": (6.0, 12.0)},
    'time_varying = ["sex", "age"]': {"sex": (6.0, 12.0), "age": (6.0, 12.0)},
    "time_varying = {sex = [6], age = [12]}": {"sex": (6.0,), "age": (12.0,)},
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_study_says_which_effects_change(tmp_path, written):
    study = study_of(tmp_path, written)
    sites = fs.InProcess(tables(), study.codebook, study.policy)
    fit = study.analyses()["own_baseline"](sites)
    asked = fs.cox(sites, study.models[0].formula, strata="practice", time_varying=WRITTEN[written])
    assert fit.options["time_varying"] == WRITTEN[written]
    assert fit.names == asked.names
    assert fit.beta.tolist() == asked.beta.tolist()


WRONG = {
    "a term that is none": (
        'time_varying = "bmi"',
        CUTS,
        "names 'bmi'; the terms of the model are age, sex, ecog",
    ),
    "no agreed cuts": ('time_varying = "sex"', CODEBOOK, "agrees on no times"),
    "another cut": ("time_varying = {sex = [7]}", CUTS, "cuts at 7, and codebook.toml agrees on 6, 12"),
    "cuts out of order": ("time_varying = {sex = [12, 6]}", CUTS, "in increasing order"),
    "a cut that is a text": ('time_varying = {sex = ["six"]}', CUTS, "time_varying"),
    "a number": ("time_varying = 6", CUTS, "time_varying"),
    "with a penalty": (
        'time_varying = "sex"\npenalty = {kind = "ridge", strength = 0.1}',
        CUTS,
        "penalty is of constant effects",
    ),
    "with predictions": (
        'time_varying = "sex"\nbaseline_hazard = true',
        CUTS,
        "baseline_hazard is of constant effects",
    ),
    "with the test of constant effects": (
        'time_varying = "sex"\nproportional_hazards = "identity"',
        CUTS,
        "proportional_hazards is of constant effects",
    ),
    "cuts of no cell": ("", CODEBOOK + "cuts = [7]\n", "edges of the finest candidate's cells"),
    "a cut at the horizon": ("", CODEBOOK + "cuts = [6, 24]\n", "before the horizon"),
    "agreed cuts out of order": ("", CODEBOOK + "cuts = [12, 6]\n", "in increasing order"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_sentence(tmp_path, case):
    written, codebook, match = WRONG[case]
    with pytest.raises(fs.StudyError, match=match) as error:
        study_of(tmp_path, written, codebook)
    assert "\n" not in str(error.value)


def test_a_logistic_model_has_no_time(tmp_path):
    text = TWO_MODELS.replace('kind = "logistic"', 'kind = "logistic"\ntime_varying = "sex"')
    with pytest.raises(fs.StudyError, match='time_varying is for kind = "cox"'):
        fs.Study.load(write_study(tmp_path, text, CUTS))


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A strict site of a study whose second effect changes after six months."""
    folder = tmp_path_factory.mktemp("strict")
    study = study_of(folder, "time_varying = {sex = [6]}", profile="strict")
    tables(1200)["north"].to_csv(folder / "north.csv", index=False)
    return study, study.site("north", folder / "north.csv", "strict", home=folder / "home")


def test_a_strict_site_lets_it_out_and_nothing_with_other_cuts(strict):
    study, site = strict
    alone = fs.InProcess.alone(site)
    formula = study.models[0].formula
    for varying, leaves in (({"sex": (6.0,)}, True), ({"sex": (12.0,)}, False), ({"age": (6.0,)}, False)):
        model = cox_model(alone, formula, "practice", "efron", cuts=varying)
        found = site.answer(CoxDerivatives(model, (0.0,) * len(model.design.names))).content
        assert isinstance(found, Refusal) is not leaves
        assert leaves or found.rule == "analysis of the study"


def test_a_dry_run_shows_what_is_judged_of_each_period(strict):
    study, site = strict
    judged = check_model(study, site, "own_baseline")
    assert refused(judged) == []
    about = judged["about"]
    assert about.str.startswith("up to 6: ").any()
    assert about.str.startswith("after 6: ").any()
