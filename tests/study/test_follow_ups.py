"""What a study asks of a model besides its fit: named, checked when the study is loaded, agreed, and what the library gives."""

import pytest

import fedstats as fs
from fedstats.study.follow_ups import follow_ups
from tests.federations.follow_up_study import FOLLOW_UPS, NAMES
from tests.federations.small_study import CODEBOOK, STUDY, tables, write_study

HEAD = STUDY[: STUDY.index("[table_one]")]
LOGISTIC = 'kind = "logistic"\nformula = "response ~ age + sex"\n'
COX = 'kind = "cox"\nformula = "Surv(time, status) ~ age + sex"\n'
PATIENT = 'predicted_survival = { "A" = { age = 50, sex = "F" } }'


def load(folder, entry, head=HEAD):
    return fs.Study.load(write_study(folder, f'{head}[[models]]\nname = "m"\ntitle = "M"\n{entry}'))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return fs.Study.load(write_study(tmp_path_factory.mktemp("study"), FOLLOW_UPS))


def test_each_is_an_analysis_of_its_own_named_after_its_model(study):
    asked = {f.name: (m.name, f.key) for m in study.models for f in follow_ups(m)}
    assert asked == NAMES
    assert set(study.analyses()) == {m.name for m in study.models} | set(NAMES)


def test_each_is_what_the_library_gives_for_the_fit(study):
    here = fs.InProcess(tables(), study.codebook, policy=study.policy)
    found = fs.together(here, **study.analyses())
    fit = fs.logistic(here, "response ~ age + sex + ecog")
    of_ecog = fs.standardised_risks(here, fit, "ecog")
    assert found["response_standardised_ecog"].tidy().equals(of_ecog.tidy())
    of_age = fs.standardised_risks(here, fit, "age", values=[50, 70])
    assert found["response_standardised_age"].tidy().equals(of_age.tidy())
    effects = fs.marginal_effects(here, fit, ["age", "ecog"])
    assert found["response_marginal_effects"].tidy().equals(effects.tidy())
    chosen = fs.cross_validate(here, "response ~ age + sex + ecog", folds=2, n_strengths=4)
    assert found["response_penalty_path"].tidy().equals(chosen.tidy())
    hazard = fs.baseline_hazard(here, fs.cox(here, "Surv(time, status) ~ age + sex"))
    assert found["survival_baseline_hazard"].tidy().equals(hazard.tidy())
    options = {"strata": "sex", "baseline": "shared"}
    path = fs.penalty_path(
        here, "Surv(time, status) ~ age + ecog", family="cox", mixing=0.5, n_strengths=3, **options
    )
    assert found["shared_penalty_path"].tidy().equals(path.tidy())
    curve = found["survival_predicted_survival"].tidy()
    assert curve["row"].unique().tolist() == ["Woman of 50", "Man of 70"]
    within = fs.logistic(here, "response ~ age + sex", intercepts="practice", profile="age")
    assert found["by_practice"].tidy().equals(within.tidy())
    assert found["by_practice"].intercepts == 9


#: What stands in a model, and what the one sentence must say.
WRONG = {
    "intercepts of a Cox model": (COX + 'intercepts = "practice"', ["m: intercepts: A Cox model", "strata"]),
    "intercepts nowhere": (LOGISTIC + 'intercepts = "ward"', ["no column 'ward' in codebook.toml"]),
    "intercepts of a risk ratio": (
        'kind = "glm"\nlink = "log"\nformula = "response ~ age"\nintercepts = "practice"',
        ["m: intercepts: A log-binomial model has one intercept"],
    ),
    "intercepts with a penalty": (
        LOGISTIC + 'intercepts = "practice"\npenalty = { kind = "ridge", strength = 1 }',
        ["m: intercepts: A penalised fit has one intercept"],
    ),
    "profile of no coefficient": (
        LOGISTIC + 'profile = ["sex"]',
        ["m: profile: profile names 'sex'; the coefficients are age, sex[M]"],
    ),
    "profile of a robust variance": (LOGISTIC + 'profile = ["age"]\nrobust = true', ["m: profile:"]),
    "profile of a lasso": (
        LOGISTIC + 'profile = ["age"]\npenalty = { kind = "lasso", strength = 1 }',
        ["profile-likelihood interval"],
    ),
    "risks of a Cox model": (
        COX + 'standardised_risks = [{ column = "sex" }]',
        ["m: standardised_risks:", 'kind = "cox"', "predicted_survival"],
    ),
    "risks of another column": (
        LOGISTIC + 'standardised_risks = [{ column = "ecog" }]',
        ["m: standardised_risks: ecog is no column of the model; it has age, sex"],
    ),
    "risks of a number without values": (
        LOGISTIC + 'standardised_risks = [{ column = "age" }]',
        ["Give at least two values of age"],
    ),
    "one value twice": (
        LOGISTIC + 'standardised_risks = [{ column = "age", values = [50, 50.0] }]',
        ["at least two values of age, each once"],
    ),
    "no such level": (
        LOGISTIC + 'standardised_risks = [{ column = "sex", values = ["F", "X"] }]',
        ["sex has no level 'X'; the codebook agrees on F, M"],
    ),
    "a value nobody has": (
        LOGISTIC + 'standardised_risks = [{ column = "age", values = [50, 700] }]',
        ["age is set to 700; the codebook agrees on 18 to 110"],
    ),
    "a text for a number": (
        LOGISTIC + 'standardised_risks = [{ column = "age", values = [50, "old"] }]',
        ["not to the text 'old'"],
    ),
    "risks of a lasso": (
        LOGISTIC + 'standardised_risks = [{ column = "sex" }]\npenalty = { kind = "lasso", strength = 1 }',
        ["A lasso has no standard errors"],
    ),
    "risks with intercepts of practices": (
        LOGISTIC + 'standardised_risks = [{ column = "sex" }]\nintercepts = "practice"',
        ["stay at the sites", "'practice'"],
    ),
    "the same risks twice": (
        LOGISTIC + 'standardised_risks = [{ column = "sex" }, { column = "sex" }]',
        ["'m_standardised_sex' is used twice"],
    ),
    "slope of a spline": (
        'kind = "logistic"\nformula = "response ~ rcs(age, 40, 55, 70)"\nmarginal_effects = ["age"]',
        ["m: marginal_effects:", "standardised risks"],
    ),
    "effect of another column": (
        LOGISTIC + 'marginal_effects = ["ecog"]',
        ["ecog is no column of the model"],
    ),
    "survival of a logistic model": (
        LOGISTIC + PATIENT,
        ["m: predicted_survival:", "kind = 'logistic'", "standardised_risks"],
    ),
    "a patient without a sex": (
        COX + 'predicted_survival = { "A" = { age = 50 } }',
        ["m: predicted_survival:", "the column 'sex' is missing"],
    ),
    "a patient of no level": (
        COX + 'predicted_survival = { "A" = { age = 50, sex = "X" } }',
        ["sex has the levels ['X']; the codebook agrees on ['F', 'M']"],
    ),
    "a patient too old": (COX + PATIENT.replace("50", "500"), ["age is 500", "18 to 110"]),
    "a patient with more": (
        COX + 'predicted_survival = { "A" = { age = 50, sex = "F", ecog = "0" } }',
        ["'A' has 'ecog', which is no column of the model; it has age, sex"],
    ),
    "a stratum for one patient alone": (
        COX.replace("age + sex", "age").replace("formula", 'strata = "sex"\nformula')
        + 'predicted_survival = { "A" = { age = 50, sex = "F" }, "B" = { age = 50 } }',
        ["stratum of all patients, or of none"],
    ),
    "strata without agreed levels": (
        COX + 'strata = "practice"\nbaseline_hazard = true',
        ["m: baseline_hazard: Baseline hazards of strata are those of agreed levels"],
    ),
    "survival of a penalised model": (
        COX + PATIENT + '\npenalty = { kind = "ridge", strength = 1 }',
        ["m: predicted_survival: A penalised fit"],
    ),
    "a path of a risk ratio": (
        'kind = "glm"\nlink = "log"\nformula = "response ~ age"\npenalty_path = {}',
        ["m: penalty_path:", "canonical link", "'log'"],
    ),
    "a path with intercepts of practices": (
        LOGISTIC + 'intercepts = "practice"\npenalty_path = {}',
        ["m: penalty_path: A penalised fit has one intercept"],
    ),
    "a path of no mixing": (LOGISTIC + "penalty_path = { mixing = 2 }", ["m: penalty_path: mixing is 2"]),
    "one fold": (LOGISTIC + "penalty_path = { folds = 1 }", ["m: penalty_path: folds is 1"]),
    "folds by no factor": (LOGISTIC + 'penalty_path = { folds = "age" }', ["folds is 'age'"]),
    "folds of a shared baseline": (
        COX + 'baseline = "shared"\npenalty_path = { folds = 3 }',
        ["m: penalty_path: Folds are those", 'baseline = "shared"'],
    ),
    "an unknown key of a path": (LOGISTIC + "penalty_path = { alpha = 1 }", ["penalty_path.alpha"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_asked_is_told_when_the_study_is_loaded(wrong, tmp_path):
    entry, named = WRONG[wrong]
    with pytest.raises(fs.StudyError) as error:
        load(tmp_path, entry)
    said = str(error.value)
    assert said.startswith("study.toml: ")
    assert "\n" not in said
    assert said.endswith(".")
    assert [part for part in named if part not in said] == []


@pytest.mark.parametrize(
    ("entry", "points"),
    [
        (LOGISTIC + "penalty_path = { n_strengths = 24 }", "about 103 points"),
        (COX + 'baseline = "shared"\npenalty_path = { n_strengths = 12 }', "about 110 points"),
        (LOGISTIC + 'profile = ["age", "sex[M]"]', "about 34 points"),
    ],
)
def test_what_takes_more_points_than_the_study_states_is_told_as_well(tmp_path, entry, points):
    stated = 20 if "profile" in entry else 100
    strict = HEAD.replace('profile = "none"', f'profile = "strict"\npoints = {stated}')
    with pytest.raises(fs.StudyError, match=f"{points} of one model, and the study states {stated}"):
        load(tmp_path, entry, strict)
    assert load(tmp_path, entry, strict.replace(f"points = {stated}", "points = 400")).analyses()


def test_a_column_of_folds_and_strengths_of_ones_own_are_taken(tmp_path):
    entry = LOGISTIC + 'penalty_path = { strengths = [0.1, 0.02], folds = "ecog" }'
    study = load(tmp_path, entry)
    here = fs.InProcess(tables(), study.codebook, policy=study.policy)
    found = study.analyses()["m_penalty_path"](here)
    assert found.path.strengths.tolist() == [0.1, 0.02]
    assert len(found.fold_weight) == 3


def test_a_name_with_a_dot_becomes_one_of_a_result(tmp_path):
    book = CODEBOOK.replace("[columns.ecog]", '[columns."ph.ecog"]')
    entry = 'kind = "logistic"\nformula = "response ~ ph.ecog"\nstandardised_risks = [{ column = "ph.ecog" }]'
    file = write_study(tmp_path, f'{HEAD}[[models]]\nname = "m"\ntitle = "M"\n{entry}', book)
    assert list(fs.Study.load(file).analyses()) == ["m", "m_standardised_ph_ecog"]
