"""An event that is one of several codes: what is asked of all codes but one is told of that one."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Design
from fedstats.contract.formula import Outcome
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from tests.attacks.targets import BOOK, NONE, STRICT, N, ask, cohort, column

i = np.arange(N)
ONE = 33
BOOK_OF_CAUSES = Codebook((*BOOK.variables, Variable("cause", "factor", levels=("0", "1", "2"))))


def rare(held=1, sex=None):
    """Half have the event, of whom so many the second cause."""
    few = np.isin(i, ONE + 2 * np.arange(held))
    frame = cohort(cause=np.where(few, "2", np.where(i % 2, "1", "0")))
    return frame if sex is None else frame.assign(sex=np.where(few, sex, frame["sex"]))


def question(code, *columns, strata=()):
    design = Design(columns or (column("lab"),))
    return CoxDerivatives(
        CoxModel(
            "entry", "time", "cause", design, strata, "breslow", None, None, 0.0, None, event_level=code
        ),
        (0.0,) * len(design.columns),
    )


def asked(policy, frame, code, *columns):
    return ask(frame, question(code, *columns), policy, BOOK_OF_CAUSES)


def others(policy):
    """How many have the cause that nobody asks about: all patients less the events of the other codes."""
    answers = [asked(policy, rare(), code) for code in ("0", "1")]
    refused = [answer for answer in answers if isinstance(answer, str)]
    return refused[0] if refused else answers[0]["n"][0] - sum(answer["n_event"][0] for answer in answers)


def test_the_other_codes_tell_of_one_patient_without_a_gate_and_are_refused():
    assert others(NONE) == 1
    assert others(STRICT) == "level by outcome"


@pytest.mark.parametrize("code", ["0", "1", "2"])
@pytest.mark.parametrize(("held", "leaves"), [(0, True), (1, False), (10, False), (11, True)])
def test_every_code_holds_nobody_or_eleven_whichever_is_asked(held, leaves, code):
    if held == 0 and code == "2":
        code = "1"  # a model without an event has no estimate
    assert isinstance(asked(STRICT, rare(held), code), str) is not leaves


@pytest.mark.parametrize(("men", "leaves"), [(10, False), (11, True)])
def test_every_code_holds_nobody_or_eleven_of_a_level(men, leaves):
    frame = rare(40)
    few = np.flatnonzero(frame["cause"] == "2")
    frame.loc[few, "sex"] = ["M"] * men + ["F"] * (40 - men)
    answer = asked(STRICT, frame, "1", column("men", ("sex", "M")))
    assert isinstance(answer, str) is not leaves


@pytest.mark.parametrize("kind", ["factor", "numeric"])
def test_a_cause_is_a_column_of_levels_to_a_memory(tmp_path, kind):
    frame = rare(40)
    frame["y"] = np.where(
        (frame["cause"] == "2") & (i != ONE), 1, 0
    )  # the same as the second cause but for one
    frame.loc[5:300:10, "cause"], frame.loc[6:300:10, "cause"] = "3", "4"
    frame["y"] = np.where(frame["cause"].isin(["3", "4"]), 0, frame["y"])
    cause = Variable("cause", kind, levels=("0", "1", "2", "3", "4"))
    book = Codebook((*BOOK.variables, cause))
    frame["cause"] = frame["cause"].astype(float if kind == "numeric" else str)
    site = Site("north", frame, book, STRICT, Memory(tmp_path))
    plain = replace(question("2").model, event="y", event_level=None)
    for asking, rule in ((question("2"), None), (CoxDerivatives(plain, (0.0,)), "pair of levels")):
        content = site.remembered(site.answer(asking)).content
        assert getattr(content, "rule", None) == rule


def test_another_codes_sums_are_judged_by_dominance():
    frame = rare(12)
    few = np.flatnonzero(frame["cause"] == "2")
    frame.loc[few[0], "lab"] = 320.0
    assert not isinstance(asked(STRICT, frame.assign(cause=np.where(i % 2, "1", "0")), "1"), str)
    assert asked(STRICT, frame, "1") in {"dominance", "dominance of two"}


def test_codes_are_counted_among_those_whom_strata_leave():
    frame = rare(12)
    few = np.flatnonzero(frame["cause"] == "2")
    apart = np.isin(i, [*few[1:], *range(200, 240)])  # a stratum without the event that is asked for
    frame["practice"] = np.where(apart, "Practice Gamma", frame["practice"])
    frame.loc[apart & (frame["cause"] == "1"), "cause"] = "0"
    answers = [ask(frame, question("1", strata=s), STRICT, BOOK_OF_CAUSES) for s in ((), ("practice",))]
    assert not isinstance(answers[0], str)
    assert answers[1] == "level by outcome"


def test_who_had_the_event_is_read_by_levels():
    assert Outcome("cause", "time", None, "2").occurred(rare(3)).sum() == 3
    assert full_matrix(asked(NONE, rare(40), "2")["information"]).shape == (1, 1)
