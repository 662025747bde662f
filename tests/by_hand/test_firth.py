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
        ({"profile": "x"}, "no profile-likelihood"),
    ],
)
def test_what_firths_penalty_does_not_go_with_is_one_sentence(options, word):
    frame = sites(y=GROUP, x=np.linspace(0, 1, 100))
    with pytest.raises(fs.FormulaError, match=word):
        fs.glm(frame, "y ~ x", penalty=fs.Firth(), **options)


def test_a_cox_model_has_no_firth_penalty_yet():
    frame = sites(t=np.arange(100) + 1.0, y=GROUP, x=np.linspace(0, 1, 100))
    with pytest.raises(fs.FormulaError, match="logistic and Poisson"):
        fs.cox(frame, "Surv(t, y) ~ x", penalty=fs.Firth())
