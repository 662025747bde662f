"""Evaluations of predictions that can be worked out on paper."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

NONE = fs.DisclosurePolicy.none()


def rows(outcome, score):
    return pd.DataFrame({"y": outcome, "x": score, "time": range(1, len(score) + 1)})


BOTH = rows([0, 1, 0, 1, 1], [1.0, 2, 3, 4, 3])
EVENTS = rows([1, 1, 1], [2.0, 5, 1])


def sites(*frames):
    return fs.InProcess({f"site{k}": frame for k, frame in enumerate(frames)}, policy=NONE)


@pytest.fixture(scope="module")
def fit():
    return fs.logistic(sites(BOTH, EVENTS), "y ~ x")


def test_an_area_of_six_pairs(fit):
    """Of 2 x 3 pairs the scores 2, 4, 3 against 1 win all three, against 3 one; one is equal."""
    found = fs.auc(sites(BOTH), fit)
    assert (found.concordant, found.discordant, found.tied) == (4, 1, 1)
    assert found.estimate == pytest.approx(4.5 / 6)


def test_a_site_of_events_alone_adds_no_pair_and_no_error(fit):
    alone, both = fs.auc(sites(BOTH), fit), fs.auc(sites(BOTH, EVENTS), fit)
    assert (both.estimate, both.std_error) == (alone.estimate, alone.std_error)
    assert (alone.n, both.n) == (5, 8)


def test_where_every_site_has_events_alone_it_says_so(fit):
    with pytest.raises(fs.QueryError, match="at every site all have the event, or none has"):
        fs.auc(sites(EVENTS, EVENTS), fit)


def test_where_nobody_outlives_an_event_it_says_so():
    model = fs.cox(sites(BOTH), "Surv(time, y) ~ x")
    with pytest.raises(fs.QueryError, match="no event came while another was at risk"):
        fs.concordance(sites(rows([0, 0, 1], [1.0, 2, 3])), model)


def test_a_score_that_orders_all_pairs_has_an_index_of_one():
    model = fs.cox(sites(rows([1, 1, 1, 1], [3.0, 4, 2, 1])), "Surv(time, y) ~ x")
    found = fs.concordance(sites(rows([1, 1, 1, 0], [4.0, 3, 2, 1])), model)
    assert (found.estimate, found.std_error, found.conf_high) == (1, 0, 1)


def test_a_table_has_one_row(fit):
    table = fs.auc(sites(BOTH), fit).tidy()
    assert table.columns.tolist()[:5] == ["measure", "estimate", "std_error", "conf_low", "conf_high"]
    assert table[["n", "dropped", "error_bound"]].to_numpy().tolist() == [[5, 0, 0]]


def test_penalised_fits_are_evaluated_as_others_are():
    for penalty in (fs.Ridge(0.1), fs.ElasticNet(0.01, 1.0), fs.Firth()):
        model = fs.logistic(sites(BOTH, EVENTS), "y ~ x", penalty=penalty)
        assert fs.auc(sites(BOTH), model).concordant == 4


@pytest.fixture(scope="module")
def hospitals():
    """Three hospitals that differ little, and one of whose patients nearly all have the disease, as in the UCI heart tables."""
    random = np.random.default_rng(4)

    def hospital(n, disease):
        x = random.normal(size=n)
        y = (np.arange(n) >= max(1, n * (1 - disease))).astype(int)
        return pd.DataFrame({"y": y, "x": x + y})

    return {"A": hospital(80, 0.5), "B": hospital(60, 0.4), "C": hospital(50, 0.3), "D": hospital(30, 1.0)}


def of(hospitals, *names):
    return fs.InProcess({name: hospitals[name] for name in names}, policy=NONE)


def test_a_hospital_of_events_but_one_is_evaluated(hospitals):
    fit = fs.logistic(of(hospitals, "A", "B", "C"), "y ~ x")
    there = of(hospitals, "D")
    assert hospitals["D"]["y"].sum() == 29
    area, found = fs.auc(there, fit), fs.calibration(there, fit)
    assert area.concordant + area.discordant + area.tied == 29
    assert np.isfinite([area.estimate, area.std_error]).all()
    assert np.isfinite(found.overall["estimate"][[0, 2]]).all()
    assert found.notes[0].startswith(
        "There is no calibration slope"
    )  # the one without it has the lowest score
    assert fs.brier_score(there, fit).tidy()["scaled"].notna().all()


def test_of_events_alone_what_has_no_estimate_is_said(hospitals):
    fit = fs.logistic(of(hospitals, "A", "B", "C"), "y ~ x")
    there = of(hospitals, "D").where("y == 1")
    found = fs.calibration(there, fit)
    measures = found.overall.set_index("measure")["estimate"]
    assert measures.isna().tolist() == [True, True, False]
    assert found.notes == (
        "All 29 patients have the event: calibration in the large and slope have no finite estimate.",
    )
    assert found.tidy()["observed"].tolist() == [1.0] * len(found.tidy())
    row = fs.brier_score(there, fit).tidy().iloc[0]
    assert np.isfinite(row["estimate"])
    assert np.isnan(row["scaled"])  # one risk for all would be without error
    with pytest.raises(fs.QueryError, match="all have the event"):
        fs.auc(there, fit, pooled=True)


def test_sites_of_events_alone_are_compared_with_others_by_cells(fit):
    """Pairs across sites there are: 3 of BOTH and 3 events elsewhere against two without, in cells of their own."""
    risk = 1 / (1 + np.exp(-fit.beta[0] - fit.beta[1] * np.array([1.5, 2.5, 3.5])))
    pooled = fs.auc(sites(BOTH, EVENTS), fit, pooled=True, bins=sorted(risk))
    assert pooled.concordant + pooled.discordant + pooled.tied == 12
    with pytest.raises(fs.QueryError, match="with pooled=True"):
        fs.auc(sites(EVENTS), fit)


def test_a_recalibrated_fit_is_right_in_the_large_and_has_a_slope_of_one(hospitals):
    fit = fs.logistic(of(hospitals, "A", "B"), "y ~ x", penalty=fs.Ridge(0.3))
    there = of(hospitals, "C", "D")
    before = fs.calibration(there, fit).overall["estimate"]
    assert abs(before[0]) > 0.05
    found = fs.recalibrate(there, fit)
    np.testing.assert_allclose(fs.calibration(there, found).overall["estimate"], [0, 1, 1], atol=1e-6)
    shifted = fs.recalibrate(there, fit, change="intercept")
    assert shifted.coef["x"] == fit.coef["x"]
    np.testing.assert_allclose(fs.calibration(there, shifted).overall["estimate"][[0, 2]], [0, 1], atol=1e-6)
    assert fs.auc(there, found).estimate == fs.auc(there, fit).estimate  # no order has changed
    assert not found.has_std_errors
    assert "recalibrated" in found.options


def test_a_recalibrated_cox_model_has_a_slope_of_one():
    frame = rows([1, 1, 0, 1, 1, 0, 1, 1], [3.0, 4, 2, 1, 3.5, 1.5, 2.2, 0.5])
    fit = fs.cox(sites(frame), "Surv(time, y) ~ x", penalty=fs.Ridge(0.5))
    found = fs.recalibrate(sites(frame), fit)
    whole = fs.cox(sites(frame), "Surv(time, y) ~ x")
    assert found.coef["x"] == pytest.approx(whole.coef["x"], rel=1e-8)


def test_net_benefit_by_hand(fit):
    """At a threshold of a half: of five, so many true positives less false ones."""
    table = fs.net_benefit(sites(BOTH), fit, thresholds=[0.5]).tidy().iloc[0]
    risk = 1 / (1 + np.exp(-fit.beta[0] - fit.beta[1] * BOTH["x"]))
    above = BOTH["y"][risk > 0.5]
    assert table["model"] == pytest.approx((above.sum() - (1 - above).sum()) / 5)
    assert table["treat_all"] == pytest.approx((3 - 2) / 5)


def test_a_hospital_of_events_alone_is_left_out_with_a_reason(hospitals):
    whole = hospitals | {"D": hospitals["D"].assign(y=1)}
    found = fs.internal_external_validation(of(whole, *whole), lambda some: fs.logistic(some, "y ~ x"))
    there = found.tidy().query("group == 'D'").set_index("measure")
    assert there["note"].tolist() == [
        "no two patients of the site can be compared",
        "the patients of the site tell no finite slope",
        "no patient without the event: no standard error",
    ]
    assert there.loc["observed / expected", "estimate"] > 1
    assert (there["n"] == 30).all()
    pooled = found.pooled().set_index("measure")
    assert (pooled["groups"] == 3).all()
    assert np.isfinite(pooled.to_numpy()).all()
    assert set(found.fits) == set(whole)
    assert found.fits["D"].n == 190


def test_a_site_that_gives_no_numbers_of_its_own_says_so(hospitals):
    frames = {name: pd.concat([hospitals[name]] * 4, ignore_index=True) for name in "ABC"}
    frames = {
        name: frame.assign(x=frame["x"] + 1e-3 * np.arange(len(frame))) for name, frame in frames.items()
    }
    policy = replace(fs.DisclosurePolicy(), per_site_estimates=False)
    sites_ = fs.InProcess(frames, policy=policy)
    found = fs.internal_external_validation(sites_, lambda some: fs.logistic(some, "y ~ x"))
    assert (found.tidy()["note"] == "not released: per-site estimate").all()
    assert found.pooled()["estimate"].isna().all()
    shown = fs.InProcess(frames, policy=replace(policy, per_site_estimates=True))
    found = fs.internal_external_validation(shown, lambda some: fs.logistic(some, "y ~ x"))
    assert (found.tidy()["note"] == "").all()
    assert "rounded" in found.status


def test_two_sites_are_too_few_to_leave_one_out(hospitals):
    with pytest.raises(fs.FormulaError, match="There are 2 sites; to leave each out in turn takes 3"):
        fs.internal_external_validation(of(hospitals, "A", "B"), lambda some: fs.logistic(some, "y ~ x"))


FOLLOWED = rows([1, 1, 0, 1, 1, 0, 1, 1], [3.0, 4, 2, 1, 3.5, 1.5, 2.2, 0.5])


def test_a_brier_score_by_hand():
    """Until 5 four of eight have the event, the third is censored: G is 1 before, and 5/6 after him."""
    fit = fs.cox(sites(FOLLOWED), "Surv(time, y) ~ x", baseline="shared")
    curve = fs.predict_survival(sites(FOLLOWED), fit, FOLLOWED[["x"]]).tidy()
    risk = 1 - curve[curve["time"] <= 5].groupby("row")["estimate"].last().to_numpy()
    weight = np.array([1, 1, 0, 1, 1, 1, 1, 1]) / np.where(np.arange(8) < 3, 1, 5 / 6)
    error = np.where(np.arange(8) < 5, 1 - risk, risk) ** 2
    row = fs.brier_score(sites(FOLLOWED[::2], FOLLOWED[1::2]), fit, times=5).tidy().iloc[0]
    assert row["estimate"] == pytest.approx((weight * error).mean(), rel=1e-9)


def test_a_fit_of_sites_own_hazards_takes_a_baseline():
    own = fs.cox(sites(FOLLOWED), "Surv(time, y) ~ x")
    with pytest.raises(fs.FormulaError, match="fit with baseline='shared', or give one as baseline="):
        fs.brier_score(sites(FOLLOWED), own, times=5)
    shared = fs.cox(sites(FOLLOWED), "Surv(time, y) ~ x", baseline="shared")
    baseline = fs.baseline_hazard(sites(FOLLOWED), shared)
    there = sites(FOLLOWED[:5], FOLLOWED[5:])
    first, second = (
        fs.brier_score(there, fit, times=[4, 5], baseline=baseline).tidy() for fit in (own, shared)
    )
    np.testing.assert_allclose(
        first["estimate"], second["estimate"], rtol=1e-8
    )  # one site: the fits are the same


def test_pairs_across_sites_have_every_event_in_order():
    """With a cell for each patient the index is that of all of them at one site."""
    fit = fs.cox(sites(FOLLOWED), "Surv(time, y) ~ x", baseline="shared")
    there = sites(FOLLOWED[::2], FOLLOWED[1::2])
    whole = fs.concordance(sites(FOLLOWED), fit)
    found = fs.concordance(there, fit, pooled=True, bins=np.linspace(0, 1, 400)[1:-1])
    assert (found.estimate, found.error_bound) == (pytest.approx(whole.estimate), 0)
    assert found.std_error == pytest.approx(whole.std_error)
    assert fs.concordance(there, fit).estimate != whole.estimate
