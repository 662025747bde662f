"""Of one factor Firth's penalty adds half a patient to every cell: Firth (1993), section 3."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

NONE = fs.DisclosurePolicy.none()
GROUP = np.repeat([0, 1], [40, 60])


def sites(**columns):
    frame = pd.DataFrame(columns)
    return fs.InProcess({"one": frame[::2], "two": frame[1::2]}, policy=NONE)


def test_a_separated_table_has_the_odds_ratio_of_half_a_patient_more_in_each_cell():
    died = np.where(GROUP, np.arange(100) % 3 == 0, 0)
    with pytest.raises(fs.NotConverged, match="penalised fit"):
        fs.logistic(sites(y=died, g=GROUP), "y ~ g")
    fit = fs.logistic(sites(y=died, g=GROUP), "y ~ g", penalty=fs.Firth())
    assert fit.coef["Intercept"] == pytest.approx(np.log(0.5 / 40.5), abs=1e-10)
    d = died.sum()
    assert fit.coef["g"] == pytest.approx(np.log((d + 0.5) / (60 - d + 0.5)) - np.log(0.5 / 40.5), abs=1e-10)
    assert "Firth's penalty" in str(fit)


def test_a_group_without_counts_has_the_rate_of_half_a_count():
    counts = np.where(GROUP, np.arange(100) % 4, 0)
    fit = fs.glm(sites(y=counts, g=GROUP), "y ~ g", family="poisson", penalty=fs.Firth())
    assert fit.coef["Intercept"] == pytest.approx(np.log(0.5 / 40), abs=1e-10)
    assert fit.coef["g"] == pytest.approx(np.log((counts.sum() + 0.5) / 60 / (0.5 / 40)), abs=1e-10)


def test_weights_are_copies():
    random = np.random.default_rng(4)
    x, w = random.normal(size=100), random.integers(1, 4, 100)
    y = (random.random(100) < 0.1).astype(int)
    fit = fs.logistic(sites(y=y, x=x, w=w), "y ~ x", weights="w", penalty=fs.Firth())
    copies = fs.logistic(sites(y=np.repeat(y, w), x=np.repeat(x, w)), "y ~ x", penalty=fs.Firth())
    np.testing.assert_allclose(fit.beta, copies.beta, rtol=1e-9)
    np.testing.assert_allclose(fit.vcov, copies.vcov, rtol=1e-9)


def test_a_collinear_column_is_named_before_anything_is_penalised():
    x = np.linspace(0, 1, 100)
    with pytest.raises(fs.NotConverged, match="linear combination"):
        fs.logistic(sites(y=GROUP, x=x, z=2 * x), "y ~ x + z", penalty=fs.Firth())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"family": "gaussian"}, "logistic and Poisson"),
        ({"link": "log"}, "logistic and Poisson"),
        ({"robust": True}, "no robust variance"),
    ],
)
def test_what_firths_penalty_does_not_go_with_is_one_sentence(options, word):
    frame = sites(y=GROUP, x=np.linspace(0, 1, 100))
    with pytest.raises(fs.FormulaError, match=word):
        fs.glm(frame, "y ~ x", penalty=fs.Firth(), **options)


def three_patients():
    return fs.InProcess({"one": pd.DataFrame({"t": [1.0, 2.0, 3.0], "y": 1, "x": [1, 1, 0]})}, policy=NONE)


def test_three_deaths_in_order_have_coxphfs_coefficient_where_the_likelihood_has_none():
    sites = three_patients()
    with pytest.raises(fs.NotConverged, match="penalised fit"):
        fs.cox(sites, "Surv(t, y) ~ x")
    fit = fs.cox(sites, "Surv(t, y) ~ x", penalty=fs.Firth())
    # what coxphf prints, and the zero of the penalised score of two risk sets, with shares of x = 1 of 2/3 and 1/2 at zero
    assert fit.coef["x"] == pytest.approx(1.3291038606, abs=1e-10)
    assert fit.tidy()["std_error"][0] == pytest.approx(1.92907199395, abs=1e-10)
    shares = [k * np.exp(fit.coef["x"]) / (k * np.exp(fit.coef["x"]) + 1) for k in (2, 1)]
    spread = [p * (1 - p) for p in shares]
    slope = sum(v * (1 - 2 * p) for p, v in zip(shares, spread, strict=True)) / sum(spread) / 2
    assert sum(1 - p for p in shares) + slope == pytest.approx(0, abs=1e-10)
    assert fit.loglik == pytest.approx(
        sum(np.log(p / k) for p, k in zip(shares, (2, 1), strict=True)), rel=1e-12
    )
    # coxphf divides x by its standard deviation, whose square is 1/3
    assert fit.loglik + np.log(3 * sum(spread)) / 2 == pytest.approx(-1.16002786545, abs=1e-10)


def test_weights_of_a_cox_model_are_copies_with_breslows_ties():
    random = np.random.default_rng(4)
    t, x, w = random.integers(1, 20, 100) * 1.0, random.normal(size=100), random.integers(1, 4, 100)
    frame = pd.DataFrame(
        {"t": t, "y": (random.random(100) < 0.3).astype(int), "x": x, "w": w, "s": np.arange(100) % 3}
    )

    def fit(frame, **weights):
        by_stratum = {str(k): rows for k, rows in frame.groupby("s")}  # copies stay with their patient
        return fs.cox(
            fs.InProcess(by_stratum, policy=NONE),
            "Surv(t, y) ~ x",
            ties="breslow",
            penalty=fs.Firth(),
            **weights,
        )

    weighted, copies = fit(frame, weights="w"), fit(frame.loc[frame.index.repeat(w)])
    np.testing.assert_allclose(weighted.beta, copies.beta, rtol=1e-9)
    np.testing.assert_allclose(weighted.vcov, copies.vcov, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"baseline": "shared", "grid": 10}, "baselines of the sites' own"),
        ({"robust": True}, "no robust variance"),
    ],
)
def test_what_a_cox_model_does_not_have_with_firths_penalty_is_one_sentence(options, word):
    frame = sites(t=np.arange(100) + 1.0, y=GROUP, x=np.linspace(0, 1, 100))
    with pytest.raises(fs.FormulaError, match=word):
        fs.cox(frame, "Surv(t, y) ~ x", penalty=fs.Firth(), **options)
