"""What may not change a regression: the order of rows, the split into sites, the start, origins and units."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import fedstats as fs
from tests.numerics.slow_cox import slow_cox
from tests.properties.cohorts import LAW, SEEDS, by, cohort, deal, one, open_sites, same_fit

PLAIN = "Surv(time, event) ~ age + sex + C(ecog)"
DELAYED = "Surv(entry, time, event) ~ age + sex + C(ecog)"
LOGISTIC = "response ~ age + sex + C(ecog)"

#: Ways to fit that are exact for any split of whole strata over sites.
STRATIFIED = {
    "efron": {"formula": PLAIN},
    "breslow, delayed entry": {"formula": DELAYED, "ties": "breslow"},
    "weights, offset": {"formula": DELAYED, "weights": "weight", "offset": "known"},
    "robust": {"formula": PLAIN, "robust": True, "weights": "weight"},
    "no covariate but one": {"formula": "Surv(time, event) ~ sex:age"},
}
#: Ways to fit that are exact for any split of rows over sites.
SHARED = {
    "efron": {"formula": PLAIN},
    "breslow, delayed entry, weights": {"formula": DELAYED, "ties": "breslow", "weights": "weight"},
    "efron, delayed entry, offset, strata": {"formula": DELAYED, "offset": "known", "strata": "practice"},
    "robust": {"formula": DELAYED, "robust": True, "weights": "weight"},
    "grid": {"formula": PLAIN, "grid": [3, 6, 9, 12, 20, 30, 50]},
}
GLM = {
    "plain": {},
    "weights, offset": {"weights": "weight", "offset": "known"},
    "robust": {"robust": True, "weights": "weight"},
}


@pytest.mark.parametrize("how", STRATIFIED)
@LAW
@given(seed=SEEDS)
def test_strata_split_over_sites_anyhow_give_the_pooled_fit(how: str, seed: int) -> None:
    frame = cohort(seed)
    pooled = fs.cox(one(frame), strata="practice", **STRATIFIED[how])
    same_fit(fs.cox(open_sites(deal(frame, seed, "practice")), strata="practice", **STRATIFIED[how]), pooled)


@pytest.mark.parametrize("how", SHARED)
@LAW
@given(seed=SEEDS)
def test_rows_split_over_sites_anyhow_give_the_pooled_shared_baseline(how: str, seed: int) -> None:
    frame = cohort(seed)
    pooled = fs.cox(one(frame), baseline="shared", **SHARED[how])
    same_fit(fs.cox(open_sites(deal(frame, seed)), baseline="shared", **SHARED[how]), pooled)


@pytest.mark.parametrize("how", [how for how in SHARED if how != "grid"])
@LAW
@given(seed=SEEDS)
def test_one_site_needs_no_grid_to_have_a_shared_baseline(how: str, seed: int) -> None:
    sites = one(cohort(seed))
    same_fit(fs.cox(sites, baseline="shared", **SHARED[how]), fs.cox(sites, **SHARED[how]))


@pytest.mark.parametrize("how", GLM)
@LAW
@given(seed=SEEDS)
def test_rows_split_over_sites_anyhow_give_the_pooled_logistic_fit(how: str, seed: int) -> None:
    frame = cohort(seed)
    pooled = fs.logistic(one(frame), LOGISTIC, **GLM[how])
    same_fit(fs.logistic(open_sites(deal(frame, seed)), LOGISTIC, **GLM[how]), pooled)


@LAW
@given(seed=SEEDS)
def test_clusters_within_sites_give_the_pooled_cluster_variance(seed: int) -> None:
    frame = cohort(seed)
    frame["clinic"] = frame["practice"] + frame["clinic"]  # clinics lie within practices
    sites = open_sites(deal(frame, seed, "practice"))
    same_fit(
        fs.cox(sites, DELAYED, strata="practice", cluster="clinic"),
        fs.cox(one(frame), DELAYED, strata="practice", cluster="clinic"),
    )
    same_fit(
        fs.logistic(sites, LOGISTIC, cluster="clinic"), fs.logistic(one(frame), LOGISTIC, cluster="clinic")
    )


@pytest.mark.parametrize("baseline", ["site", "shared"])
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_the_cluster_sandwich_adds_score_residuals_up_by_cluster(ties: str, baseline: str) -> None:
    frame = cohort(12)
    how = {"ties": ties, "baseline": baseline, "weights": "weight"}
    formula = "Surv(entry, time, event) ~ age + sex"
    fit = fs.cox(one(frame), formula, cluster="clinic", **how)
    x = frame[["age", "sex"]].to_numpy(float) - [60, 0.5]
    entry, time, weight = (frame[k].to_numpy(float) for k in ("entry", "time", "weight"))
    event = frame["event"].to_numpy() == 1
    at = slow_cox(np.zeros(90), entry, time, event, weight, x @ fit.coef.to_numpy(), x, ties)
    bread = np.linalg.inv(at.information)
    for groups, cluster in ((frame["clinic"], "clinic"), (pd.Series(range(90)), None)):
        sums = pd.DataFrame(at.residuals).groupby(groups).sum().to_numpy()
        found = fs.cox(one(frame), formula, cluster=cluster, robust=True, **how).vcov
        np.testing.assert_allclose(found, bread @ sums.T @ sums @ bread, rtol=1e-8)


def test_the_sandwich_of_a_logistic_fit_adds_scores_up_by_patient_or_cluster() -> None:
    frame = cohort(12)
    x = np.column_stack([np.ones(90), frame[["age", "sex"]].to_numpy(float)])
    for cluster, groups in ((None, pd.Series(range(90))), ("clinic", frame["clinic"])):
        fit = fs.logistic(one(frame), "response ~ age + sex", weights="weight", robust=True, cluster=cluster)
        mean = 1 / (1 + np.exp(-x @ fit.coef.to_numpy()))
        w = frame["weight"].to_numpy()
        bread = np.linalg.inv(x.T @ ((w * mean * (1 - mean))[:, None] * x))
        scores = pd.DataFrame(x * (w * (frame["response"] - mean)).to_numpy()[:, None])
        sums = scores.groupby(groups).sum().to_numpy()
        np.testing.assert_allclose(fit.vcov, bread @ sums.T @ sums @ bread, rtol=1e-8)


@LAW
@given(seed=SEEDS)
def test_rows_in_any_order_give_the_same_fit_to_twelve_digits(seed: int) -> None:
    frame = cohort(seed)
    other = frame.sample(frac=1, random_state=seed)
    same_fit(fs.cox(one(other), DELAYED, robust=True), fs.cox(one(frame), DELAYED, robust=True), 1e-12)
    same_fit(fs.logistic(one(other), LOGISTIC), fs.logistic(one(frame), LOGISTIC), 1e-12)


@LAW
@given(seed=SEEDS)
def test_without_strata_each_site_is_a_stratum(seed: int) -> None:
    frame = cohort(seed)
    same_fit(fs.cox(open_sites(by(frame, "site")), DELAYED), fs.cox(one(frame), DELAYED, strata="site"))


@LAW
@given(seed=SEEDS)
def test_equal_labels_at_two_sites_are_two_strata(seed: int) -> None:
    frame = cohort(seed)
    pooled = fs.cox(one(frame), PLAIN, strata=["site", "practice"])
    same_fit(fs.cox(open_sites(by(frame, "site")), PLAIN, strata="practice"), pooled)
    assert fs.cox(one(frame), PLAIN, strata="practice").loglik != pytest.approx(pooled.loglik, abs=1e-3)


@LAW
@given(seed=SEEDS)
def test_entry_at_zero_is_no_entry(seed: int) -> None:
    frame = cohort(seed).assign(entry=0.0)
    for baseline in ("site", "shared"):
        plain = fs.cox(one(frame), PLAIN, baseline=baseline, robust=True)
        same_fit(fs.cox(one(frame), DELAYED, baseline=baseline, robust=True), plain, 1e-12)


@LAW
@given(seed=SEEDS)
def test_a_follow_up_cut_into_two_rows_is_the_same_follow_up(seed: int) -> None:
    frame = cohort(seed)
    cut = np.floor((frame["entry"] + frame["time"]) / 2)
    inside = (cut > frame["entry"]) & (cut < frame["time"])
    early = frame[inside].assign(time=cut[inside], event=0)
    late = frame.assign(entry=cut.where(inside, frame["entry"]))
    whole, parts = fs.cox(one(frame), DELAYED), fs.cox(one(pd.concat([early, late])), DELAYED)
    np.testing.assert_allclose(parts.coef, whole.coef, rtol=1e-9)
    np.testing.assert_allclose(parts.vcov, whole.vcov, rtol=1e-9)
    assert parts.loglik == pytest.approx(whole.loglik, rel=1e-12)


@LAW
@given(seed=SEEDS)
def test_the_start_changes_the_path_and_not_the_fit(seed: int) -> None:
    frame = cohort(seed, 150)
    sites = open_sites(by(frame, "site"))
    for fit in (lambda **k: fs.cox(sites, DELAYED, **k), lambda **k: fs.logistic(sites, LOGISTIC, **k)):
        cold, warm = fit(start="zero"), fit(start="pooled")
        same_fit(warm, cold, 1e-9)
        assert warm.score_test == pytest.approx(cold.score_test, rel=1e-9)
        assert warm.steps <= cold.steps


# Weights ----------------------------------------------------------------------------------------


def replicated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[frame.index.repeat(frame["copies"])].reset_index(drop=True)


@LAW
@given(seed=SEEDS)
def test_weights_are_copies_for_logistic_and_for_breslow(seed: int) -> None:
    frame = cohort(seed)
    copies = one(replicated(frame))
    pairs = [(fs.logistic(one(frame), LOGISTIC, weights="copies"), fs.logistic(copies, LOGISTIC))]
    for baseline in ("site", "shared"):
        how = {"ties": "breslow", "baseline": baseline}
        pairs.append((fs.cox(one(frame), DELAYED, weights="copies", **how), fs.cox(copies, DELAYED, **how)))
    for weighted, copied in pairs:
        se = np.sqrt(np.diag(copied.vcov))
        np.testing.assert_allclose(weighted.coef / se, copied.coef / se, atol=1e-10)
        np.testing.assert_allclose(weighted.vcov, copied.vcov, rtol=1e-9)
        assert weighted.loglik == pytest.approx(copied.loglik, rel=1e-12)


def test_weights_are_not_copies_for_efron_nor_for_the_sandwich() -> None:
    frame = cohort(1)
    copies = one(replicated(frame))
    efron = fs.cox(one(frame), PLAIN, weights="copies").coef - fs.cox(copies, PLAIN).coef
    assert np.abs(efron).max() > 1e-3
    sandwich = fs.logistic(one(frame), LOGISTIC, weights="copies", robust=True).vcov
    assert np.abs(sandwich / fs.logistic(copies, LOGISTIC, robust=True).vcov - 1).max().max() > 0.05


@LAW
@given(seed=SEEDS)
def test_patients_of_weight_zero_are_not_there(seed: int) -> None:
    frame = cohort(seed)
    frame["weight"] = frame["weight"].where(np.arange(len(frame)) % 4 > 0, 0.0)
    rest = frame[frame["weight"] > 0]
    for baseline in ("site", "shared"):
        how = {"baseline": baseline, "weights": "weight", "robust": True}
        a, b = fs.cox(one(frame), DELAYED, **how), fs.cox(one(rest), DELAYED, **how)
        np.testing.assert_allclose(a.coef, b.coef, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(a.vcov, b.vcov, rtol=1e-8, atol=1e-12)
        assert a.loglik == pytest.approx(b.loglik, rel=1e-12)
        assert (a.n, a.n_event) == (b.n, b.n_event)
        ways = ((one(frame), a), (one(rest), b))
        whole, own = (fs.predict_survival(sites, fit, rest.iloc[:2]).tidy() for sites, fit in ways)
        both = own.merge(whole, on=["row", "time"])  # which has flat steps at times of those without a weight
        assert len(both) == len(own)
        np.testing.assert_allclose(both["estimate_x"], both["estimate_y"], rtol=1e-9)
    changing = [
        fs.cox(one(rows), DELAYED, weights="weight", time_varying={"sex": [5]}) for rows in (frame, rest)
    ]
    assert changing[0].n == changing[1].n == len(rest)


@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_the_scale_of_the_weights_changes_no_estimate_and_no_sandwich(scale: float) -> None:
    frame = cohort(2)
    frame["scaled"] = frame["weight"] * scale
    for fit in (
        lambda **k: fs.cox(one(frame), DELAYED, robust=True, **k),
        lambda **k: fs.logistic(one(frame), LOGISTIC, robust=True, **k),
    ):
        a, b = fit(weights="scaled"), fit(weights="weight")
        np.testing.assert_allclose(a.coef, b.coef, rtol=1e-9)
        np.testing.assert_allclose(a.vcov, b.vcov, rtol=1e-8)


@pytest.mark.parametrize("scale", [20.0, 1.0, 0.1, 1e-4])
@pytest.mark.parametrize("model", ["response", "Surv(time, response)"])
def test_a_rare_outcome_is_no_separation_whatever_a_patient_weighs(model: str, scale: float) -> None:
    frame = pd.DataFrame({"level": np.repeat([0, 1], [20_000, 20_000]), "weight": scale})
    frame["response"] = np.r_[np.tile([0, 1], 10_000), 1, np.zeros(19_999, int)]
    frame["time"] = 1.0  # Breslow with one event time: the hazard ratio is the ratio of the risks
    if model == "response":
        fit, expected = fs.logistic(one(frame), "response ~ level", weights="weight"), np.log(1 / 19_999)
    else:
        fit = fs.cox(one(frame), f"{model} ~ level", weights="weight", ties="breslow")
        expected = np.log(1 / 10_000)
    # a thousand roundings in a risk set of 40,000, and one event to divide them by
    assert fit.coef["level"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("light", [0.1, 0.03])
@pytest.mark.parametrize("who", ["the event", "the level"])
def test_a_rare_outcome_of_light_patients_is_no_separation(who: str, light: float) -> None:
    frame = pd.DataFrame({"level": np.repeat([0, 1], [20_000, 20_000]), "weight": 1.0, "time": 1.0})
    frame["event"] = np.r_[np.tile([0, 1], 10_000), 1, np.zeros(19_999, int)]
    chosen = frame.index == 20_000 if who == "the event" else frame["level"] == 1
    frame.loc[chosen, "weight"] = light
    fit = fs.cox(one(frame), "Surv(time, event) ~ level", weights="weight", ties="breslow")
    inside = frame.loc[frame["level"] == 1, "weight"].sum()
    assert fit.coef["level"] == pytest.approx(np.log(light / inside / 0.5), rel=1e-8)


def test_a_large_risk_set_costs_a_rare_level_no_digits() -> None:
    frame = pd.DataFrame({"level": np.repeat([0, 1], [20_000, 20_000]), "time": 1.0})
    frame["event"] = np.r_[np.tile([0, 1], 10_000), 1, np.zeros(19_999, int)]
    fit = fs.cox(one(frame), "Surv(time, event) ~ level", ties="breslow")
    # log S0 is known to 200 roundings at most, and the one event of the level weighs one
    assert fit.coef["level"] == pytest.approx(np.log(1 / 10_000), abs=1e-11)


# Origins, units and extremes --------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["site", "shared"])
def test_a_far_origin_and_a_large_unit_change_nothing_but_the_unit(baseline: str) -> None:
    frame = cohort(3).assign(age=lambda d: np.round(d["age"]))  # whole years: the shift by 1e8 is exact
    sites = by(frame, "site")
    plain = fs.cox(open_sites(sites), PLAIN, baseline=baseline, robust=True)
    far = {k: v.assign(age=v["age"] + 1e8) for k, v in sites.items()}
    same_fit(fs.cox(open_sites(far), PLAIN, baseline=baseline, robust=True), plain, 1e-9)
    large = {k: v.assign(age=v["age"] * 1e6) for k, v in sites.items()}
    found = fs.cox(open_sites(large), PLAIN, baseline=baseline, robust=True).tidy()
    np.testing.assert_allclose(found["statistic"], plain.tidy()["statistic"], rtol=1e-9)
    assert found["estimate"][0] == pytest.approx(plain.coef["age"] / 1e6, rel=1e-9)


def test_a_far_origin_moves_the_intercept_of_a_logistic_model_alone() -> None:
    frame = cohort(3).assign(age=lambda d: np.round(d["age"]))
    plain = fs.logistic(one(frame), LOGISTIC)
    far = fs.logistic(one(frame.assign(age=frame["age"] + 1e8)), LOGISTIC)
    np.testing.assert_allclose(far.coef[1:], plain.coef[1:], rtol=1e-9)
    np.testing.assert_allclose(far.vcov.iloc[1:, 1:], plain.vcov.iloc[1:, 1:], rtol=1e-9)
    assert far.loglik == pytest.approx(plain.loglik, rel=1e-12)


@pytest.mark.parametrize("baseline", ["site", "shared"])
def test_an_offset_of_seven_hundred_for_everyone_is_no_offset(baseline: str) -> None:
    frame = cohort(4).assign(high=700.0)
    same_fit(
        fs.cox(one(frame), DELAYED, offset="high", baseline=baseline),
        fs.cox(one(frame), DELAYED, baseline=baseline),
        1e-9,
    )


def test_offsets_of_fifty_up_and_down_are_fitted_where_the_baseline_is_the_site_s() -> None:
    frame = cohort(5)
    frame["wild"] = np.where(np.arange(len(frame)) % 2, 50.0, -50.0)
    fit = fs.cox(one(frame), "Surv(time, event) ~ age + sex", offset="wild")
    x, time = frame[["age", "sex"]].to_numpy(float) - [60, 0.5], frame["time"].to_numpy()
    eta = x @ fit.coef.to_numpy() + frame["wild"].to_numpy()
    never, ones = np.full(len(frame), -np.inf), np.ones(len(frame))
    at = slow_cox(ones, never, time, frame["event"].to_numpy() == 1, ones, eta, x, "efron")
    # at the maximum the plain loops see no slope either, on the scale of a standard error
    assert np.abs(at.score * np.sqrt(np.diag(fit.vcov))).max() < 1e-8
    np.testing.assert_allclose(fit.vcov @ at.information, np.eye(2), atol=1e-8)


def test_times_that_differ_by_rounding_are_tied_within_and_between_sites() -> None:
    frame = pd.DataFrame(
        {"time": [0.1 + 0.2, 0.3, 1.0, 2.0, 0.3], "event": [1, 1, 1, 1, 0], "x": [1.0, 0, 1, 0, 1]}
    )
    exact = frame.assign(time=frame["time"].round(6))
    same_fit(fs.cox(one(frame), "Surv(time, event) ~ x"), fs.cox(one(exact), "Surv(time, event) ~ x"))
    apart = open_sites({"a": frame.iloc[[0, 3]], "b": frame.iloc[[1, 2, 4]]})
    same_fit(
        fs.cox(apart, "Surv(time, event) ~ x", baseline="shared"), fs.cox(one(exact), "Surv(time, event) ~ x")
    )


def test_an_entry_that_differs_from_an_event_at_another_site_by_rounding_comes_after_it() -> None:
    frame = pd.DataFrame(
        {
            "entry": [0.0, 0, 0, 0.3, 0, 0],
            "time": [0.1 + 0.2, 1.0, 2.0, 1.5, 0.5, 0.7],
            "event": [1, 1, 0, 1, 1, 1],
            "x": [1.0, 0, 1, 3, 0, 1],
        }
    )
    formula = "Surv(entry, time, event) ~ x"
    exact = fs.cox(one(frame.round(6)), formula)
    same_fit(fs.cox(one(frame), formula), exact)
    for sites in (one(frame), open_sites({"a": frame.iloc[:3], "b": frame.iloc[3:]})):
        same_fit(fs.cox(sites, formula, baseline="shared"), exact)


@pytest.mark.parametrize(
    ("baseline", "outlier", "expected"),  # R's coxph
    [
        ("site", 100.0, 0.07844439219025),
        ("shared", 100.0, 0.07844439219025),
        ("site", 1e4, 0.008463748484),
    ],
)
def test_an_outlier_whose_first_step_overflows_is_fitted_by_halving(
    baseline: str, outlier: float, expected: float
) -> None:
    i = np.arange(1, 301)
    frame = pd.DataFrame({"time": i * 7 % 301 + 1.0, "event": 1, "x": np.sin(i)})
    frame.loc[0, ["time", "x"]] = [0.01, outlier]
    fit = fs.cox(one(frame), "Surv(time, event) ~ x", baseline=baseline)
    assert fit.coef["x"] == pytest.approx(expected, rel=1e-9)


def test_an_overshoot_that_sums_cannot_hold_is_not_called_separation() -> None:
    i = np.arange(1, 301)
    frame = pd.DataFrame({"time": i * 7 % 301 + 1.0, "event": 1, "x": np.sin(i)})
    frame.loc[0, ["time", "x"]] = [0.01, 1e4]  # the maximum is finite, but exp(84) does not fit
    with pytest.raises((fs.NotConverged, fs.SiteRefused)) as error:
        fs.cox(one(frame), "Surv(time, event) ~ x", baseline="shared")
    assert "no finite maximum" not in str(error.value)


def test_a_shared_baseline_refuses_what_its_sums_cannot_hold() -> None:
    frame = cohort(5)
    frame["wild"] = np.where(np.arange(len(frame)) % 2, 25.0, -25.0)
    with pytest.raises((fs.SiteRefused, fs.NotConverged)):
        fs.cox(one(frame), "Surv(time, event) ~ age", offset="wild", baseline="shared")


# A site that has nothing to add -----------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["site", "shared"])
@pytest.mark.acceptance(3)
def test_a_site_without_events_adds_patients_and_no_slope(baseline: str) -> None:
    frame = cohort(6)
    silent = {"a": frame, "b": frame.head(20).assign(event=0)}
    fit = fs.cox(open_sites(silent), PLAIN, baseline=baseline)
    assert fit.n == 110
    if baseline == "site":
        assert fit.loglik == pytest.approx(fs.cox(one(frame), PLAIN).loglik, rel=1e-14)


@pytest.mark.parametrize("baseline", ["site", "shared"])
@pytest.mark.acceptance(3)
def test_a_site_without_a_complete_row_adds_nothing(baseline: str) -> None:
    frame = cohort(6)
    empty = open_sites({"a": frame, "b": frame.head(20).assign(age=np.nan)})
    fit, alone = fs.cox(empty, PLAIN, baseline=baseline), fs.cox(one(frame), PLAIN, baseline=baseline)
    np.testing.assert_allclose(fit.coef, alone.coef, rtol=1e-10)
    assert (fit.n, fit.dropped) == (90, 20)


@pytest.mark.parametrize("baseline", ["site", "shared"])
def test_a_subset_that_leaves_a_site_empty_is_the_subset_of_the_others(baseline: str) -> None:
    frame = cohort(11)
    sites = open_sites(by(frame, "site")).where("site != 1")
    rest = open_sites(by(frame[frame["site"] != 1], "site"))
    same_fit(fs.cox(sites, PLAIN, baseline=baseline), fs.cox(rest, PLAIN, baseline=baseline), 1e-9)
    same_fit(fs.logistic(sites, LOGISTIC), fs.logistic(rest, LOGISTIC), 1e-9)


@pytest.mark.parametrize("n", [10, 11, 19, 40])
def test_one_outcome_alone_is_said_whatever_the_weights_round_to(n: int) -> None:
    frame = pd.DataFrame({"x": np.arange(float(n)) % 3, "y": 1, "w": 0.1 * np.arange(1, n + 1)})
    with pytest.raises(fs.NotConverged, match="same for every patient"):
        fs.logistic(one(frame), "y ~ x", weights="w")


@pytest.mark.acceptance(4)
def test_separation_is_named_by_the_terms_of_the_formula() -> None:
    frame = cohort(8)
    frame.loc[frame["ecog"] == "2", ["event", "response"]] = 0
    sites = open_sites(by(frame, "site"))
    for fit in (lambda: fs.cox(sites, PLAIN), lambda: fs.logistic(sites, LOGISTIC)):
        with pytest.raises(fs.NotConverged, match=r"for C\(ecog\)\[2\] \(towards minus infinity\): .*Merge"):
            fit()


def test_a_column_of_text_is_a_factor_even_if_its_levels_are_digits() -> None:
    frame = cohort(10)  # ecog is "0", "1", "2"
    assert list(fs.cox(one(frame), "Surv(time, event) ~ ecog").coef.index) == ["ecog[1]", "ecog[2]"]


@pytest.mark.acceptance(4)
def test_a_combination_is_named_by_the_terms_of_the_formula() -> None:
    frame = cohort(9).assign(double=lambda d: 2 * d["age"] - 3)
    for fit in (
        lambda: fs.cox(one(frame), "Surv(time, event) ~ sex + age + double"),
        lambda: fs.logistic(one(frame), "response ~ sex + age + double"),
    ):
        with pytest.raises(fs.NotConverged, match=r"double is a linear combination of (Intercept, )?age: "):
            fit()


def test_a_constant_column_is_named_by_the_term_of_the_formula() -> None:
    frame = cohort(9).assign(same=3.7)
    for fit, left in ((fs.cox, "Surv(time, event)"), (fs.logistic, "response")):
        with pytest.raises(fs.NotConverged, match=r"No information about same: .*Drop it"):
            fit(one(frame), f"{left} ~ age + same")
