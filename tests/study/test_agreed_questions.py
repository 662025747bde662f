"""A site of a study answers what the study's analyses ask, and nothing beyond, unless its profile says so."""

from dataclasses import replace

import pytest

import fedstats as fs
from fedstats.contract.aggregate import Release
from fedstats.contract.condition import Condition, conditions
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.federation import Answers, Federation
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.remedies import remedy
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.firth_correction import FirthCorrection
from fedstats.methods.folds import WithoutFolds
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans
from fedstats.study.agreed_questions import agreed_topics
from tests.federations.follow_up_study import FOLLOW_UPS
from tests.federations.small_study import STUDY, tables, write_study

RULE = "analysis of the study"


class Listening(Federation):
    """Sites of a study, with what they were asked and answered."""

    def __init__(self, study, sites):
        self.held, self.sites = sites, tuple(sorted(sites))
        self.codebook, self.distinct_values = study.codebook, False
        self.asked = []

    def ask(self, query, *, each=False):  # noqa: ARG002 (each site's own are here)
        self.asked.append(query)
        return Answers(query, {name: site.answer(query).content for name, site in self.held.items()})


@pytest.fixture
def place(tmp_path):
    """A study whose profile is strict but for its thresholds, and its sites, one with other rows."""

    def sites(change=lambda frame: frame, study=STUDY, profile="", **more):
        text = study.replace('profile = "none"', 'profile = "teaching"')
        text += "\n[disclosure]\nbeyond_study = false\n"
        loaded = fs.Study.load(write_study(tmp_path / "study", text))
        own = tmp_path / "own.toml"
        own.write_text(f'base = "teaching"\n{profile}')
        held = {}
        for name, frame in tables().items():
            rows = change(frame) if name == "north" else frame
            rows.to_csv(tmp_path / f"{name}.csv", index=False)
            held[name] = loaded.site(name, tmp_path / f"{name}.csv", str(own), home=tmp_path / name, **more)
        return loaded, Listening(loaded, held)

    return sites


def refused(federation, query):
    content = federation.ask(query).by_site["north"]
    return None if isinstance(content, Release) else content.rule


def question(federation, kind):
    return next(q for q in federation.asked if isinstance(q, kind))


def test_all_that_the_analyses_ask_is_answered_at_whatever_point(place):
    study, federation = place()
    fs.together(federation, **study.analyses())
    assert len(federation.asked) > 10
    assert RULE not in {refused(federation, query) for query in list(federation.asked)}
    asked = question(federation, GlmDerivatives)
    assert refused(federation, replace(asked, beta=tuple(0.1 for _ in asked.beta), course="again")) is None


def test_what_they_do_not_ask_is_refused_before_it_is_computed(place, monkeypatch):
    study, federation = place()
    study.analyses()["response"](federation)
    asked = question(federation, GlmDerivatives)
    design = asked.model.design
    fewer = replace(
        asked, model=replace(asked.model, design=replace(design, columns=design.columns[:1])), beta=(0.0, 0.0)
    )
    rescaled = replace(design.columns[0], centre=1.0)
    crafted = replace(
        asked, model=replace(asked.model, design=replace(design, columns=(rescaled, *design.columns[1:])))
    )
    squared = GlmMeat(asked.model, asked.beta)
    subset = federation.where("age >= 60")
    monkeypatch.setattr(GlmDerivatives, "aggregate", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr(GlmMeat, "aggregate", lambda *_: pytest.fail("computed"))
    for query in (fewer, crafted, squared):
        assert refused(federation, query) == RULE
    with pytest.raises(fs.SiteRefused, match=RULE):
        fs.logistic(subset, "response ~ age + sex")
    answer = federation.held["north"].answer(fewer)
    assert answer.review["about"].iloc[0] == "questions that no analysis of the study asks"


def test_which_rule_refuses_tells_nothing_of_the_rows(place):
    """A question beyond the study gets one refusal, whoever is in its subset, and whatever column it makes."""
    study, federation = place()
    study.analyses()["response"](federation)
    asked = question(federation, GlmDerivatives)
    age = federation.held["north"].data.frame["age"]
    for edge in (age.min(), age.min() + 1e-9, age.max() + 1, 60.0):
        assert refused(federation, asked.among(Condition("age", ">=", (float(edge),)))) == RULE
    many = tuple(LinearPredictor(f"lp{i}", 0.0, (Addend((Part("age"),), 1.0),)) for i in range(3000))
    assert refused(federation, asked.with_columns(*many)) == RULE
    assert not federation.held["north"].data._extended  # nothing was made


def test_the_remedy_names_study_and_profile(place):
    _, federation = place()
    with pytest.raises(fs.SiteRefused) as refusal:
        fs.logistic(federation, "response ~ age")
    assert refusal.value.rule == RULE
    assert "study.toml" in remedy(RULE)
    assert "beyond_study = true" in remedy(RULE)


@pytest.mark.parametrize("beyond", [True, False])
def test_all_minus_all_but_one_is_read_where_a_site_answers_beyond_the_study(study, table, tmp_path, beyond):
    """With every threshold at nothing the list of analyses alone stands between a patient and whoever asks."""
    site = study.site("north", table(), "none", home=tmp_path / "home")
    site.policy = replace(fs.DisclosurePolicy.none(), beyond_study=beyond, off=False)
    age = site.data.frame["age"].max()
    north = Listening(study, {"north": site})
    every, others = (fs.table_one(n, variables=["age"]) for n in (north, north.where(f"age < {age}")))
    if not beyond:
        assert others.refused == (
            ("age", RULE),
        )  # the study asks of everybody, where groups are refused, and of no subset
        assert every.tidy()["n"].tolist() == [len(site.data.frame)]
        assert others.tidy().empty
        return
    every, others = every.tidy().iloc[0], others.tidy().iloc[0]
    left = every["n"] * every["mean"] - others["n"] * others["mean"]
    assert left / (every["n"] - others["n"]) == pytest.approx(age)


def test_a_site_whose_profile_says_so_answers_beyond_unless_the_study_forbids_it(place, tmp_path):
    _, federation = place(profile="beyond_study = true")
    with pytest.raises(fs.SiteRefused, match=RULE):  # the study forbids it
        fs.logistic(federation, "response ~ age")
    loaded = fs.Study.load(write_study(tmp_path / "open", STUDY))
    held = {
        name: loaded.site(name, tmp_path / f"{name}.csv", "teaching", home=tmp_path / f"{name} 2")
        for name in loaded.sites
    }
    assert fs.logistic(Listening(loaded, held), "response ~ age").converged


def test_a_site_on_whose_rows_no_analysis_can_end_answers_the_networks(place):
    """Nobody has an event at north: its own Cox fit stops at once, the network's asks for squared residuals at the end."""
    robust = STUDY.replace(
        'formula = "Surv(time, status) ~ age + sex + ecog"',
        'formula = "Surv(time, status) ~ age + sex"\nrobust = true',
    )
    study, federation = place(
        lambda frame: frame.assign(status=0),
        robust,
        "max_parameters_per_event = 1e9\nmin_effective = 0\nmin_effective_level = 0",
    )
    alone = fs.InProcess.alone(federation.held["north"])
    with pytest.raises(ValueError, match="event"):
        study.analyses()["own_baseline"](alone)
    found = fs.together(federation, **study.analyses())["own_baseline"]
    assert RULE not in getattr(found, "reason", "")
    topics = agreed_topics(study.analyses(), federation.held["north"])
    derivatives = question(federation, CoxDerivatives)
    assert derivatives.topic() in topics
    assert derivatives.topic().replace("CoxDerivatives", "CoxMeat") in topics
    assert derivatives.topic().replace("CoxDerivatives", "CoxRiskSets") not in topics
    response = question(federation, GlmDerivatives).topic()
    assert response in topics
    assert response.replace("GlmDerivatives", "GlmMeat") not in topics


def test_a_site_that_cannot_end_a_fit_answers_the_test_that_follows_it(place):
    tested = STUDY.replace('strata = "practice"', 'strata = "practice"\nproportional_hazards = "identity"')
    study, federation = place(lambda frame: frame.assign(status=0), tested)
    topics = agreed_topics(study.analyses(), federation.held["north"])
    assert any(topic.startswith("CoxTimeTrends") for topic in topics)


def test_a_site_on_whose_rows_nothing_ends_answers_what_follows_a_fit(place):
    """Nobody has responded or died at north: what is asked of the fits besides is on its list all the same."""
    study, federation = place(lambda frame: frame.assign(response=0, status=0), FOLLOW_UPS)
    topics = agreed_topics(study.analyses(), federation.held["north"])
    others = {name: site.data.frame for name, site in federation.held.items() if name != "north"}
    here = fs.InProcess(others, study.codebook, fs.DisclosurePolicy.none())
    here.distinct_values = False  # as under a gate: the grid is the agreed one
    fs.together(here, **study.analyses())
    asked = {one.query.topic(): one.query for one in here.history()}
    kinds = {type(q).__name__ for q in asked.values()}
    assert kinds >= {"StandardisedMeans", "MarginalSlopes", "WithoutFolds", "CoxRiskSets", "CoxCurvature"}
    assert any(isinstance(q, WithoutFolds) and q.points for q in asked.values())
    assert [query.in_words() for topic, query in asked.items() if topic not in topics] == []


def test_another_value_column_or_fold_is_not_agreed(place):
    study, federation = place(study=FOLLOW_UPS)
    fs.together(federation, **study.analyses())
    assert RULE not in {refused(federation, query) for query in list(federation.asked)}
    means = next(q for q in federation.asked if isinstance(q, StandardisedMeans) and q.column == "age")
    slopes, folds = question(federation, MarginalSlopes), question(federation, WithoutFolds)
    others = [replace(means, values=(50.0, 70.1)), replace(means, column="sex", values=("F", "M"))]
    others += [replace(slopes, column="sex"), replace(folds, folds=3), replace(folds, column="ecog")]
    for query in others:
        assert refused(federation, query) == RULE


def test_a_site_whose_fit_fails_answers_no_other_kind_of_question(place):
    """All who are in a level have responded: the site's own fit has no end, and squared scores would count by outcome."""
    study, federation = place(lambda frame: frame.assign(response=(frame["sex"] == "F").astype(int)))
    with pytest.raises(fs.NotConverged):
        study.analyses()["response"](fs.InProcess.alone(federation.held["north"]))
    fs.together(federation, **study.analyses())
    asked = question(federation, GlmDerivatives)
    assert refused(federation, asked) != RULE
    assert refused(federation, GlmMeat(asked.model, asked.beta)) == RULE
    assert refused(federation, FirthCorrection(asked.model, asked.beta, (0.0,) * 6)) == RULE


def test_topics_differ_by_what_is_asked_and_of_whom_but_not_by_the_point():
    age, sex = (Design((Column(name, (Part(name),)),), intercept=True) for name in ("age", "sex"))
    model = GlmModel("response", age, None, None, None)
    asked = GlmDerivatives(model, (0.0, 0.0))
    assert asked.topic() == replace(asked, beta=(1.0, 2.0), course="other").topic()
    others = [
        replace(asked, model=replace(model, design=sex)),
        replace(asked, model=replace(model, outcome="other")),
        replace(asked, model=replace(model, weights="w")),
        GlmMeat(model, (0.0, 0.0)),
        asked.among(*conditions("age >= 60")),
    ]
    assert len({query.topic() for query in (asked, *others)}) == 1 + len(others)


def test_which_time_grid_is_left_to_the_rule_about_agreed_grids_but_not_whether_there_is_one():
    """The finest grid that all sites let out is found by asking; a baseline of the site's own has none."""
    table = RiskTable(None, "time", "status", None, (), (1.0, 2.0))
    assert table.topic() == replace(table, grid=(2.0,)).topic()
    design = Design((Column("age", (Part("age"),)),))
    own = CoxModel(None, "time", "status", design, (), "breslow", None, None, 0.0, None)
    asked = CoxDerivatives(own, (0.0,))
    assert asked.topic() != replace(asked, model=replace(own, grid=(1.0, 2.0))).topic()
