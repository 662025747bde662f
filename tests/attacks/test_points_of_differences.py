"""A model of two cohorts at many points: the few by whom they differ are told of at each, until their values follow."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares, nnls

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.refusal import Refusal
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from fedstats.methods.standardisation import StandardisedMeans
from tests.attacks.targets import BOOK, STRICT, N, cohort, column, logistic

UNJUDGED = replace(STRICT, max_sums_per_value=np.inf, max_numbers_per_patient=np.inf)
SLOPE, CENTRE, SCALE = 2.9, 60.0, 8.0
SHIFTS = SLOPE * np.linspace(-1.8, 1.8, 40)


def twelve_without_a_lab_value():
    """The cohort, every thirtieth patient by age without a lab value: their model is one of the others."""
    frame = cohort()
    twelve = frame["age"].sort_values().index[7::30]
    frame.loc[twelve, "y"] = np.arange(12) % 2
    frame.loc[twelve, "lab"] = np.nan
    return frame, frame.loc[twelve].sort_values("age")


def asked_twice(place, shift):
    """Information of ``y ~ age`` less that of ``y ~ age + lab`` at the same slope, or the rule that refused."""
    age, lab = replace(column("age", scale=SCALE), centre=CENTRE), column("lab")
    found = []
    for question in (logistic(age, beta=(shift, SLOPE)), logistic(age, lab, beta=(shift, SLOPE, 0.0))):
        content = place.remembered(place.answer(question)).content
        if isinstance(content, Refusal):
            return content.rule
        found.append(full_matrix(content.values()["information"])[:2, :2])
    return found[0] - found[1]


def weight(z, shift):
    eta = shift[:, None] + SLOPE * z
    return 1 / (1 + np.exp(-eta)) / (1 + np.exp(eta))


def sums(z, shift):
    w = weight(z, shift)
    return np.concatenate([w, w * z, w * z**2])


def ages(told, shift):
    """Ages of so many patients whose sums of weights times powers of age are known: a mixture, then its polish."""
    target = np.concatenate([told[:, 0, 0], told[:, 0, 1], told[:, 1, 1]])
    grid = np.linspace(-2.6, 2.6, 400)
    share, _ = nnls(sums(grid, shift), target, maxiter=10_000)
    there = np.flatnonzero(share > 1e-4)
    pieces = np.split(there, np.flatnonzero(np.diff(there) > 2) + 1)
    start = np.array([np.average(grid[piece], weights=share[piece]) for piece in pieces])
    found = least_squares(
        lambda z: sums(z, shift).sum(axis=1) - target, start, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    return np.sort(CENTRE + SCALE * found.x)


def attack(policy, folder):
    frame, twelve = twelve_without_a_lab_value()
    place, told = Site("north", frame, BOOK, policy, Memory(folder)), []
    for shift in SHIFTS:
        answer = asked_twice(place, shift)
        if isinstance(answer, str):
            return answer, len(told)
        told.append(answer)
    return ages(np.array(told), SHIFTS), twelve["age"].to_numpy()


def test_twelve_ages_follow_from_forty_points_without_the_rule(tmp_path):
    found, true = attack(UNJUDGED, tmp_path)
    assert found == pytest.approx(true, abs=1e-5)


def test_so_many_points_leave_as_do_not_tell_twelve_patients(tmp_path):
    rule, points = attack(STRICT, tmp_path)
    assert rule == "points of a difference"
    assert points == 6  # of the six with an event among them
    # the same patients may be asked about at as many points as any
    frame, _ = twelve_without_a_lab_value()
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path / "one"))
    question = logistic(replace(column("age", scale=SCALE), centre=CENTRE), beta=(0.0, 1.0))
    for k in range(40):
        assert place.remembered(place.answer(replace(question, beta=(0.0, k / 40)))).released


@pytest.mark.parametrize(("fewer", "points"), [(3, 3), (5, 5), (9, 9), (0, 12)])
def test_within_a_level_no_more_points_than_patients(tmp_path, fewer, points):
    frame = cohort()
    men, women = (frame.index[frame["sex"] == s] for s in ("M", "F"))
    frame.loc[[*men[:fewer], *women[: 60 - fewer]], "lab"] = np.nan
    place, age, man = (
        Site("north", frame, BOOK, STRICT, Memory(tmp_path)),
        column("age", scale=SCALE),
        ("sex", "M"),
    )
    questions = [logistic(age, column("m", man)), logistic(age, column("m", man), column("lab", scale=16.0))]
    for k in range(12):
        slope = k / 40
        for question, more in zip(questions, ((), (0.0,)), strict=True):
            answer = place.remembered(
                place.answer(replace(question, beta=(-60 / 8 * slope, slope, 0.0, *more)))
            )
        if not answer.released:
            assert answer.content.rule == "points of a difference"
            break
        assert k < points
    else:
        k += 1
    assert k == points


def test_a_later_cut_of_the_data_is_another_cohort(tmp_path):
    def at(n, slope):
        place = Site("north", cohort().iloc[:n], BOOK, STRICT, Memory(tmp_path))
        question = logistic(column("age", scale=SCALE), beta=(-60 / 8 * slope, slope))
        return place.remembered(place.answer(question))

    answers = [at(n, k / 40) for k in range(12) for n in (N - 12, N)]
    assert [a.released for a in answers] == [True] * 13 + [False] + [True, False] * 5
    assert {a.content.rule for a in answers if not a.released} == {"points of a difference"}


# The same sums by another kind of question ----------------------------------------------------------


def asked_in_two_ways(place, shift):
    """Sums of the curvature and of it times age, of everybody as of standardised risks, less those of a fit of who has a lab value."""
    age, lab, sex = (
        replace(column("age", scale=SCALE), centre=CENTRE),
        column("lab"),
        column("m", ("sex", "M")),
    )
    fit = logistic(age, lab, beta=(shift, SLOPE, 0.0))
    model = logistic(age, sex).model
    questions = StandardisedMeans(model, (shift, SLOPE, 0.0), "sex", ("F", "M")), fit
    contents = [place.remembered(place.answer(question)).content for question in questions]
    refused = [content.rule for content in contents if isinstance(content, Refusal)]
    if refused:
        return refused[0]
    everybody, some = contents[0].values()["slope"][0, :2], full_matrix(contents[1].values()["information"])
    return everybody - some[0, :2]


def attack_in_two_ways(policy, folder):
    frame, twelve = twelve_without_a_lab_value()
    place, told = Site("north", frame, BOOK, policy, Memory(folder)), []
    for shift in SHIFTS:
        answer = asked_in_two_ways(place, shift)
        if isinstance(answer, str):
            return answer, len(told)
        told.append(answer)
    half = np.array(told)
    return half, twelve["age"].to_numpy()


def test_standardised_risks_of_all_less_a_fit_of_some_are_the_sums_of_the_others_without_the_rule(tmp_path):
    told, true = attack_in_two_ways(UNJUDGED, tmp_path)
    z = (true - CENTRE) / SCALE
    expected = np.column_stack([weight(z, SHIFTS).sum(axis=1), (weight(z, SHIFTS) * z).sum(axis=1)])
    assert told == pytest.approx(expected, abs=1e-9)  # 80 equations for 12 ages
    found = least_squares(
        lambda z: (sums(z, SHIFTS)[: 2 * len(SHIFTS)].sum(axis=1) - told.T.ravel()),
        z + np.random.default_rng(3).normal(size=12) / 20,
        xtol=1e-15, ftol=1e-15, gtol=1e-15,
    )  # fmt: skip
    assert np.sort(CENTRE + SCALE * found.x) == pytest.approx(true, abs=1e-5)


def test_what_an_earlier_version_answered_counts_with_every_likelihood(tmp_path, monkeypatch):
    """Its lines do not say of which likelihood they are: a site that is brought up to date does not forget them."""
    made = Memory._line
    with monkeypatch.context() as earlier:
        earlier.setattr(Memory, "_line", lambda *a: replace(made(*a), likelihood=""))
        _, points = attack(STRICT, tmp_path)
    frame, _ = twelve_without_a_lab_value()
    place = Site("north", frame, BOOK, STRICT, Memory(tmp_path))
    assert asked_in_two_ways(place, SHIFTS[points]) == "points of a difference"


def test_every_question_about_the_same_likelihood_counts(tmp_path):
    rule, points = attack_in_two_ways(STRICT, tmp_path)
    assert rule == "points of a difference"
    assert points <= 12
