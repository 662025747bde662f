"""A large coefficient makes one patient the whole sum; the gate caps coefficients and asks for many behind a sum."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.design import Design
from fedstats.methods.cox_model import CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxRiskSets
from tests.attacks.targets import LARGE, NONE, STRICT, ask, cohort, column, logistic

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
    assert {attack(STRICT, 150.0, 1.0), attack(STRICT, -150.0, 1.0)} == {"size of coefficients"}


@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_small_coefficient_of_a_column_in_other_units_is_as_large_as_it_is(attack):
    # centre and scale are the question's own: 1.5 on 1/100 of a year is 150 on a year
    assert attack(STRICT, 1.5, 0.01) == "size of coefficients"


@pytest.mark.parametrize("attack", [oldest_by_cox, nearest_by_logistic])
def test_a_coefficient_of_any_size_is_refused_where_it_leaves_too_few(attack):
    assert attack(LARGE, 5.0, 1.0) == "effective sample size"


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
    assert ask(frame, CoxDerivatives(plain, (5.0, 0.0, 0.0)), LARGE) == "effective sample size"


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
    assert oldest_of_the_last_cell(LARGE) == "effective sample size"


@pytest.mark.parametrize("beta", [1e300, -1e300])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_overflow_is_a_refusal_without_a_number(beta):
    for policy in (NONE, STRICT):
        answer = oldest_by_cox(policy, beta, 1.0)
        assert isinstance(answer, str)
        assert not any(c.isdigit() for c in answer)


# Few patients among many others, who outweigh them by far: what is small travels with all its digits ----------


def nearest_in_a_light_level(policy):
    """Behind all sums stand those without the level; of those with it one outweighs the others."""
    i = np.arange(360)
    inside = (i // 2) % 2 == 1
    near = np.flatnonzero(inside)[-1]
    frame = cohort(a=inside.astype(int), w=np.where(inside, -1 - 0.02 * (360 - i), 1 + (i % 7) * 1e-3))
    frame.loc[near, "w"] = 0.0
    question = logistic(column("a"), column("w"), column("lab"), beta=(-5.0, -10.0, 5.0, 0.0))
    answer = ask(frame, question, policy)
    if isinstance(answer, str):
        return answer
    information = full_matrix(answer["information"])
    return information[1, 3] / information[1, 1], frame["lab"][near]


def nearest_with_two_levels(policy):
    """Of those with both levels one outweighs the others: his weight, by which his value is told."""
    frame, i = cohort(), np.arange(360)
    both = (frame["a"] == 1) & (frame["b"] == 1)
    near = np.flatnonzero(both)[5]
    frame["w"] = np.where(both, -1 - 0.02 * (i % 11), -0.5 + (i % 13) * 1e-3)
    frame.loc[near, "w"] = 0.017
    answer = ask(frame, logistic(column("a"), column("b"), column("w"), beta=(0.0, -5.0, -5.0, 10.0)), policy)
    if isinstance(answer, str):
        return answer
    return -np.log(1 / full_matrix(answer["information"])[1, 2]) / 10 + 1, frame["w"][near]


@pytest.mark.parametrize("attack", [nearest_in_a_light_level, nearest_with_two_levels])
def test_one_patient_among_few_who_weigh_little_is_read_without_a_gate(attack):
    found, truth = attack(NONE)
    assert found == pytest.approx(truth, abs=0.02)


def test_one_patient_among_few_who_weigh_little_is_refused():
    assert nearest_in_a_light_level(LARGE) == "effective size of a level"
    assert nearest_with_two_levels(LARGE) == "dominance"


def oldest_leaver(policy, ties="breslow"):
    """Two neighbouring risk sets, each of many, differ by eighteen leavers, one of whom outweighs the others."""
    i = np.arange(360)
    frame = cohort(age=np.where(i >= 200, 1.0, -1 - i / 1000))
    frame.loc[5, "age"] = 0.9
    model = CoxModel(
        None,
        "time",
        "y",
        Design((column("age"), column("lab"))),
        (),
        ties,
        None,
        None,
        0.0,
        None,
        (55.0, 500.0),
    )
    answer = ask(frame, CoxRiskSets(model, (5.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    gone = {name: answer[name][0] - answer[name][1] for name in ("s0", "s1")}
    return gone["s1"][1] / gone["s0"], frame["lab"][5]


def only_censored_of_a_cell(policy):
    """Efron's ties send the events of a cell: of its leavers they leave the censored, and here the only one."""
    i = np.arange(360)
    frame = cohort(y=np.where(i < 19, i != 7, i % 2).astype(int))
    model = CoxModel(
        None,
        "time",
        "y",
        Design((column("age"), column("lab"))),
        (),
        "efron",
        None,
        None,
        0.0,
        None,
        (55.0, 500.0),
    )
    answer = ask(frame, CoxRiskSets(model, (0.0, 0.0)), policy)
    if isinstance(answer, str):
        return answer
    return answer["s1"][0] - answer["s1"][1] - answer["t1"][0], frame.loc[7, ["age", "lab"]].to_numpy(
        dtype=float
    )


@pytest.mark.parametrize(
    ("attack", "rule"),
    [(oldest_leaver, "effective size of a level"), (only_censored_of_a_cell, "events of a time cell")],
)
def test_one_of_a_cells_leavers_is_read_without_a_gate_and_refused_with_it(attack, rule):
    found, truth = attack(NONE)
    assert found == pytest.approx(truth, rel=1e-3)
    assert attack(LARGE) == rule


# Refusals that depend on the rows ------------------------------------------------------------------------------


def vanishing(policy, scale, last):
    """Whether the last risk set's sum vanishes beside the oldest patient's: how far the last patient is from him."""
    frame = cohort(y=1)
    frame.loc[359, "age"] = last
    design = Design((column("age"),))
    model = CoxModel(None, "time", "y", design, (), "breslow", None, None, 0.0, None)
    return ask(frame, CoxDerivatives(model, (scale,)), policy)


def test_whether_a_sum_is_finite_tells_the_last_patients_age_without_a_gate():
    farthest = 79.888888 - 709.78 / 2 / 20  # one over its square is no number beyond e^709.78
    found = [isinstance(vanishing(NONE, 20.0, farthest + shift), str) for shift in (-0.5, 0.5)]
    assert found == [True, False]


def test_whether_a_sum_is_finite_is_not_said():
    for scale in (20.0, 1e3, 1e300, -1e300):
        assert {vanishing(STRICT, scale, last) for last in (41.0, 79.0)} == {"size of coefficients"}
    loose = replace(
        STRICT, max_coefficient=1e9
    )  # what is not finite is refused as a larger coefficient would be
    assert vanishing(loose, 1e8, 41.0) == "size of coefficients"
