"""Whatever goes wrong at a site, what leaves holds no patient's value and no label, and a bug answers nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.aggregate import Aggregate, Sum
from fedstats.contract.condition import Condition
from fedstats.contract.disclosure import Refusal
from fedstats.contract.query import _VOCABULARY, Query, QueryError
from fedstats.federations.asking import Asking
from fedstats.federations.keys import COORDINATOR, home_of
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.descriptives import LevelCounts, Moments
from fedstats.methods.firth_correction import CoxFirthCorrection, FirthCorrection
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.penalised_fit import DesignMoments
from fedstats.methods.risk_table import RiskTable
from tests.attacks.targets import BOOK, NONE, STRICT, cohort, column, logistic
from tests.exchange_reading import opened_answers, opened_files

SECRET = "4711.125"


@pytest.fixture
def broken() -> Iterator[type[Query]]:
    """A question that fails at the site as told, with a patient's value in the text."""
    known = dict(_VOCABULARY)

    @dataclass(frozen=True)
    class Broken(Query):
        how: str

        def aggregate(self, data):  # noqa: ARG002
            if self.how == "sum":
                return Aggregate({"s": Sum(np.array([np.nan]), np.array([99]))}, 99)
            errors = {
                "bug": ValueError,
                "float": FloatingPointError,
                "key": KeyError,
                "divide": ZeroDivisionError,
            }
            raise errors[self.how](f"patient of Practice Alpha has {SECRET}")

    yield Broken
    _VOCABULARY.clear()
    _VOCABULARY.update(known)


def exchange(folder, query):
    """A question filed for one site, and that site."""
    study = SimpleNamespace(
        id="s", digest="d", sites=("north",), codebook=BOOK, policy=NONE, fingerprints={}, revoked_keys=()
    )
    federation = fs.Folder(folder, study=study)
    with pytest.raises(fs.Waiting):
        federation.ask(query)
    federation.close()
    return Site("north", cohort(), BOOK, NONE)


def everything(folder):
    return "\n".join(f"{raw.decode()} {content}" for _, raw, content in opened_files(folder, "s"))


@pytest.mark.parametrize("how", ["float", "sum"])
def test_numbers_that_cannot_be_made_are_refused_without_the_errors_text(tmp_path, broken, how):
    site = exchange(tmp_path, broken(how=how))
    fs.serve(tmp_path, site)
    (answer,) = opened_answers(tmp_path, "s", "north")
    assert "refusal" in answer
    assert SECRET not in everything(tmp_path)
    assert "Alpha" not in everything(tmp_path)


@pytest.mark.parametrize("how", ["bug", "key", "divide"])
def test_a_bug_lets_nothing_out_but_that_it_happened(tmp_path, broken, how):
    site = exchange(tmp_path, broken(how=how))
    fs.serve(tmp_path, site)
    (answer,) = opened_answers(tmp_path, "s", "north")
    assert "release" not in answer
    assert SECRET not in everything(tmp_path)
    assert "Alpha" not in everything(tmp_path)


def test_the_text_of_a_bug_stays_in_the_sites_own_log(tmp_path, broken, caplog):
    fs.serve(tmp_path, exchange(tmp_path, broken(how="bug")))
    assert SECRET in caplog.text  # whoever keeps a site's log keeps patients' values


def test_a_bug_in_the_second_question_leaves_the_first_answer_as_it_is(tmp_path, broken):
    site = exchange(tmp_path, Moments("lab", None, (), 0.0, 1.0))
    coordinator = Asking(tmp_path, home_of("s", COORDINATOR))
    coordinator.ask(broken(how="bug"))
    coordinator.close()  # anew: the first word of closing named one question only
    fs.serve(tmp_path, site)
    answers = opened_answers(tmp_path, "s", "north")
    assert ["release" in a for a in answers] == [True, False]


COX = CoxModel(None, "time", "y", logistic(column("age")).model.design, (), "efron", None, None, 0.0, None)
WHERE = Condition("practice", "==", ("Practice Gamma",))


def of_model(**changes):
    question = logistic(column("age"))
    return replace(question, model=replace(question.model, **changes))


#: every QueryError that a question can draw from a site, with data in which it happens
COMPLAINTS = {
    "an unknown column": (of_model(outcome="weight"), {}),
    "an outcome that is no 0/1": (of_model(outcome="lab"), {}),
    "negative weights": (of_model(weights="w"), {"w": -4711.125}),
    "a negative time": (CoxDerivatives(replace(COX, time="w"), (0.0, 0.0)), {"w": -4711.125}),
    "an entry after the end": (
        CoxDerivatives(replace(COX, entry="entry"), (0.0, 0.0)),
        {"entry": 4711.125},
    ),
    "a number compared with a text": (
        Moments("lab", None, (), 0.0, 1.0, where=(Condition("age", "==", ("old",)),)),
        {},
    ),
    "levels in order": (Moments("lab", None, (), 0.0, 1.0, where=(Condition("sex", "<", ("M",)),)), {}),
    "a level that is not agreed": (
        Moments("lab", None, (), 0.0, 1.0, where=(Condition("ecog", "==", ("7",)),)),
        {},
    ),
    "strata that were not agreed": (
        CoxDerivatives(replace(COX, strata=("sex",), strata_levels=("F",), grid=(500.0,)), (0.0, 0.0)),
        {},
    ),
    "hazards of another length": (CoxMeat(replace(COX, grid=(500.0,)), (0.0, 0.0), (1.0,)), {}),
}


@pytest.mark.parametrize("what", COMPLAINTS)
def test_a_complaint_about_a_question_holds_names_of_the_protocol_alone(what):
    query, columns = COMPLAINTS[what]
    refusals = [
        Site("north", cohort(**columns), BOOK, policy).answer(query).content for policy in (NONE, STRICT)
    ]
    assert all(isinstance(refusal, Refusal) for refusal in refusals)
    assert refusals[0].entry == "question"  # with a gate, a rule that is not met may come before it
    text = str([refusal.to_dict() for refusal in refusals])
    assert "4711" not in text
    assert "Practice" not in text


def test_asking_for_a_practice_that_is_not_there_does_not_list_those_that_are():
    query = Moments("lab", None, (), 0.0, 1.0, where=(WHERE,))
    refusal = Site("north", cohort(), BOOK, STRICT).answer(query).content
    assert "Practice Alpha" not in str(refusal.to_dict())


@pytest.mark.parametrize(
    "query",
    [
        LevelCounts("practice", None, (), ("Practice Alpha",)),
        LevelCounts("sex", "practice", ("Practice Alpha",), ("F", "M")),
        logistic(column("p", ("practice", "Practice Alpha"))),
        Moments("lab", None, (), 0.0, 1.0, where=(Condition("practice", "==", ("Practice Alpha",)),)),
    ],
    ids=["counts", "groups", "term", "subset"],
)
def test_a_site_refuses_a_question_about_a_label_column(query):
    assert isinstance(Site("north", cohort(), BOOK, STRICT).answer(query).content, Refusal)


#: No estimator asks these; from outside anybody may.
STOPPING = {
    "a number that is text": Moments("sex", None, (), 0.0, 1.0),
    "a number that is a label": Moments("practice", None, (), 0.0, 1.0),
    "an event that is text": CoxDerivatives(replace(COX, event="sex"), (0.0, 0.0)),
    "too few coefficients": replace(logistic(column("age")), beta=(0.0,)),
    "a group without a level": RiskTable(None, "time", "y", "sex", ("F",), (500.0,)),
    "a warm start of a count": LocalEstimate(Moments("lab", None, (), 0.0, 1.0)),
    "an inverse of another size": FirthCorrection(logistic(column("age")).model, (0.0, 0.0), (0.1,)),
    "a penalty that there is none of": FirthCorrection(
        replace(logistic(column("age")).model, family="gaussian", link="identity"), (0.0, 0.0), (0.1,) * 3
    ),
    "an inverse of another size for risk sets": CoxFirthCorrection(COX, (0.0, 0.0), (0.1,)),
    "a penalty of shared baselines": CoxFirthCorrection(replace(COX, grid=(500.0,)), (0.0, 0.0), (0.1,) * 3),
    "column sums of a count": DesignMoments(Moments("lab", None, (), 0.0, 1.0)),
    "a base class": Query(),
}


@pytest.mark.parametrize("what", STOPPING)
def test_a_question_that_makes_no_sense_is_refused_and_stops_no_site(what):
    assert isinstance(Site("north", cohort(), BOOK, STRICT).answer(STOPPING[what]).content, Refusal)


def test_a_sites_own_estimate_needs_its_permission():
    policy = fs.DisclosurePolicy(per_site_estimates=False)
    answer = Site("north", cohort(), BOOK, policy).answer(LocalEstimate(logistic(column("age")))).content
    assert isinstance(answer, Refusal)


def test_what_a_refusal_tells_the_coordinator_is_query_entry_and_rule():
    sites = fs.InProcess({"north": cohort(y=0)}, BOOK)
    with pytest.raises(fs.SiteRefused) as found:
        sites.sum(logistic(column("age")))
    assert not any(c.isdigit() for c in str(found.value))
    assert (found.value.query, found.value.rule) == ("GlmDerivatives", "parameters per event")


def test_a_query_error_is_made_of_the_questions_own_words():
    with pytest.raises(QueryError, match="weight"):
        Site("north", cohort(), BOOK, STRICT).data.require(["weight"])
