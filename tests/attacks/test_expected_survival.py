"""Standardised survival as a lens: hazards so large that one patient alone survives, so small that one alone dies; and the site's name."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.design import Design
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.descriptives import LevelCounts
from fedstats.methods.standardised_curves import ExpectedSurvival
from tests.attacks.targets import BOOK, NONE, STRICT, ask, cohort, column, logistic

CELLS = (300.0, 600.0, 910.0)
DESIGN = Design((column("lab", scale=15.0), column("s", ("sex", "M"))))
MODEL = CoxModel("entry", "time", "y", DESIGN, (), "breslow", None, None, 0.0, None, CELLS)


def question(hazards, beta=(1.0, 0.0)):
    return ExpectedSurvival(MODEL, beta, hazards, "sex", ("F", "M"))


def test_an_ordinary_question_is_answered():
    answer = ask(cohort(), question((2e-5, 2e-5, 2e-5), (0.3, 0.2)), STRICT)
    assert not isinstance(answer, str)
    assert 0 < answer["survival"].min() < answer["survival"].max() < 360


def test_hazards_that_leave_one_survivor_tell_his_value():
    frame = cohort()
    frame.loc[17, "lab"] = 30.0  # the lowest, which dominates no sum
    hazards = (1.2, 0.0, 0.0)
    answer = ask(frame, question(hazards), NONE)
    found = 15 * np.log(answer["by_hazard"][0, 0] / answer["survival"][0, 0])
    assert found == pytest.approx(30.0, abs=1e-6)
    weighed = {
        "min_effective": 0.0,
        "min_effective_level": 0.0,
        "max_top_share": 1.0,
        "max_top_two_share": 1.0,
    }
    assert not isinstance(ask(frame, question(hazards), replace(STRICT, **weighed)), str)
    assert ask(frame, question(hazards), STRICT) == "effective sample size"


def test_hazards_below_zero_and_of_another_grid_are_no_question():
    site = Site("north", cohort(), BOOK, NONE)
    for hazards in ((-1.0, 0.0, 0.0), (0.1, 0.1)):
        assert site.answer(question(hazards)).content.entry == "question"


@pytest.mark.parametrize("permitted", [True, False])
def test_the_name_of_the_site_in_a_model_or_a_table_needs_its_permission(permitted):
    book = BOOK.with_variable(Variable("site", "factor", levels=("north", "south"), of_site=True))
    policy = replace(STRICT, per_site_estimates=permitted)
    for asked in (
        LevelCounts("sex", "site", ("north", "south"), ("F", "M")),
        logistic(column("lab", scale=15.0), column("o", ("site", "south"))),
    ):
        answer = ask(cohort(), asked, policy, book)
        assert (answer == "per-site estimate") is not permitted
    counts = ask(cohort(), LevelCounts("sex", "site", ("north", "south"), ("F", "M")), NONE, book)["counts"]
    assert counts[:, :2].tolist() == [[192, 168], [0, 0]]
