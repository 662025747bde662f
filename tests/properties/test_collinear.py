"""Nearly collinear columns: how many digits they cost, that a fit says so, and that nearly is told from exactly."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.numerics.newton import NEARLY_COLLINEAR

NONE = fs.DisclosurePolicy.none()
#: Of the condition that a standard error is off by, relative: rounding of sums, once.
OFF = 2.3e-16


def nearly(gap: float, seed: int) -> fs.InProcess:
    """Two numbers that differ by multiples of ``gap``, and the difference in its place, at two sites."""
    random = np.random.default_rng(seed)
    a = np.round(random.normal(60, 9, 1000), 1)
    b = a + gap * random.integers(-9, 10, 1000)
    time = np.ceil(random.exponential(np.exp(-0.05 * (a - 60))) * 300)
    frame = pd.DataFrame({"a": a, "b": b, "k": (b - a) / gap, "t": time, "d": random.random(1000) < 0.7})
    frame = frame.astype({"d": int}).assign(y=np.round(0.1 * a + random.normal(0, 1, 1000), 2))
    return fs.InProcess({"s": frame[:600], "t": frame[600:].reset_index(drop=True)}, policy=NONE)


FITS = {
    "site": lambda sites, terms: fs.cox(sites, f"Surv(t, d) ~ {terms}"),
    "shared": lambda sites, terms: fs.cox(sites, f"Surv(t, d) ~ {terms}", baseline="shared"),
    "logistic": lambda sites, terms: fs.logistic(sites, f"d ~ {terms}"),
    "gaussian": lambda sites, terms: fs.glm(sites, f"y ~ {terms}", family="gaussian"),
}


@pytest.mark.parametrize("fit_of", FITS.values(), ids=FITS)
@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3, 1e-4])
def test_standard_errors_lose_as_many_digits_as_the_condition_has_and_the_fit_says_so(fit_of, gap):
    """The same model on a and (b - a) / gap, which are independent, has the standard errors to compare with."""
    for seed in range(2):
        sites = nearly(gap, seed)
        fit, other = fit_of(sites, "a + b"), fit_of(sites, "a + k")
        back = np.eye(len(fit.beta))
        back[-2:, -1] = -1 / gap, 1 / gap
        expected = np.sqrt(np.diag(back @ other.covariance @ back.T))
        off = np.abs(fit.tidy()["std_error"].to_numpy() / expected - 1).max()
        assert off <= 10 * OFF * fit.condition
        # columns and formula in closed form: the correlation r of two columns has the condition (1 + r) / (1 - r)
        if fit.kind == "glm":
            r = np.corrcoef(np.concatenate([s.data.frame[["a", "b"]] for s in sites._sites.values()]).T)[0, 1]
            assert fit.condition == pytest.approx((1 + r) / (1 - r), rel=0.02)
        said = any(note.startswith("Nearly collinear: ") for note in fit.notes)
        assert said == (fit.condition > NEARLY_COLLINEAR) == bool(fit.nearly_collinear) == (gap < 5e-3)
        if said:
            assert fit.nearly_collinear == ("a", "b")
            assert "Nearly collinear: a, b. " in str(fit)
            assert "Nearly collinear: a, b. " in fit._repr_html_()
        assert fit.glance()["condition"][0] == fit.condition
        assert not other.nearly_collinear


def test_nearly_a_combination_is_told_from_a_combination():
    with pytest.raises(
        fs.NotConverged, match=r"^b is nearly a linear combination of (Intercept, )?a: .* four digits"
    ):
        fs.cox(nearly(3e-6, 1), "Surv(t, d) ~ a + b")
    sites = nearly(1.0, 1)  # b = a + k, exactly
    with pytest.raises(fs.NotConverged, match=r"^k is a linear combination of a, b: .*Drop one"):
        fs.cox(sites, "Surv(t, d) ~ a + b + k")


def test_a_lasso_has_no_condition():
    fit = fs.logistic(nearly(0.1, 1), "d ~ a + b", penalty=fs.ElasticNet(0.01, 1.0))
    assert np.isnan(fit.condition)
    assert fit.nearly_collinear == ()
