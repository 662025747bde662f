"""A large coefficient makes one patient the whole sum; the gate caps coefficients and asks for many behind a sum."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.design import Design
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxRiskSets
from tests.attacks.targets import NONE, STRICT, ask, cohort, column, logistic

YEARS = (300.0, 600.0, 910.0)


def model(scale):
    """Age, by which a patient is singled out, and the two columns that are stolen."""
    design = Design((column("age", scale=scale), column("lab"), column("a")))
    return CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None, YEARS)


def oldest_by_cox(policy, beta, scale):
    """S1 / S0 of the first risk set, and the truth about the oldest patient."""
    frame = cohort()
    frame["age"] -= frame["age"].max()
    question = CoxRiskSets(model(scale), (beta, 0.0, 0.0))
    answer = ask(frame, question, policy)
    if isinstance(answer, str):
        return answer
    oldest = frame.loc[frame["age"].idxmax()]
    return answer["s1"][0, 1:] / answer["s0"][0], oldest[["lab", "a"]].to_numpy(dtype=float)


def nearest_by_logistic(policy, beta, scale):
    """The information where p (1 - p) is nil for all but the oldest: his row."""
    frame = cohort()
    frame["age"] -= frame["age"].max()
    answer = ask(frame, logistic(column("age", scale=scale), column("lab"), beta=(0.0, beta, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    return answer["information"][[3]] / answer["information"][0], frame.loc[[frame["age"].idxmax()], "lab"]


@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_large_coefficient_returns_the_oldest_patients_row_without_a_gate(attack):
    found, truth = attack(NONE, 150.0, 1.0)
    assert found == pytest.approx(np.asarray(truth), abs=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_large_coefficient_is_refused_by_its_size(attack):
    # where the sums overflow before they are judged, that is said instead
    refusals = {"size of coefficients", "the sums are finite at these coefficients"}
    assert {attack(STRICT, 150.0, 1.0), attack(STRICT, -150.0, 1.0)} <= refusals


@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_small_coefficient_of_a_column_in_other_units_is_as_large_as_it_is(attack):
    # centre and scale are the question's own: 1.5 on 1/100 of a year is 150 on a year
    assert attack(STRICT, 1.5, 0.01) == "size of coefficients"


@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_coefficient_of_ordinary_size_is_refused_where_it_leaves_too_few(attack):
    assert attack(STRICT, 5.0, 1.0) == "effective sample size"


@pytest.mark.parametrize(("beta", "leaves"), [(0.0, True), (0.15, True), (0.2, False), (2.0, False)])
def test_thirty_effective_patients_are_the_limit(beta, leaves):
    frame = cohort()
    risk = np.exp(beta * (frame["age"] - 80))[frame["time"] > YEARS[-2]]  # the smallest risk set
    assert (risk.sum() ** 2 / (risk**2).sum() >= 30) == leaves
    assert isinstance(oldest_by_cox(STRICT, beta, 1.0), str) is not leaves


def test_a_site_baseline_is_under_the_same_rules():
    plain = replace(model(1.0), grid=())
    frame = cohort()
    frame["age"] -= frame["age"].max()
    assert not isinstance(ask(frame, CoxDerivatives(plain, (0.0, 0.0, 0.0)), STRICT), str)
    assert ask(frame, CoxDerivatives(plain, (11.0, 0.0, 0.0)), STRICT) == "size of coefficients"
    assert ask(frame, CoxDerivatives(plain, (5.0, 0.0, 0.0)), STRICT) == "effective sample size"


def oldest_of_the_last_cell(policy):
    """Forty old patients leave early: behind the last risk set stands one of them, behind all rows forty."""
    i = np.arange(360)
    frame = cohort(age=np.where((i < 80) & (i % 2 == 0) | (i == 350), 0.0, (i % 7) / 7 - 25))
    question = CoxRiskSets(model(1.0), (1.2, 0.0, 0.0))
    answer = ask(frame, question, policy)
    if isinstance(answer, str):
        return answer
    return answer["s1"][2, 1] / answer["s0"][2], frame["lab"][350]


def test_a_late_risk_set_is_one_patient_without_a_gate():
    found, truth = oldest_of_the_last_cell(NONE)
    assert found == pytest.approx(truth, abs=1e-6)


@pytest.mark.acceptance(24)
def test_every_risk_set_needs_an_effective_size():
    assert oldest_of_the_last_cell(STRICT) == "effective sample size"


@pytest.mark.parametrize("beta", [1e300, -1e300])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_overflow_is_a_refusal_without_a_number(beta):
    for policy in (NONE, STRICT):
        answer = oldest_by_cox(policy, beta, 1.0)
        assert isinstance(answer, str)
        assert not any(c.isdigit() for c in answer)
