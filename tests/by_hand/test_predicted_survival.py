"""Predicted survival in closed form: two coefficients are known exactly in Therneau & Grambsch (2000), appendix E.

Their first data set: times 1, 1, 6, 6, 8, 9, events 1, 0, 1, 1, 0, 1, x = 1, 1, 1, 0, 0, 0, r = exp(beta).
"""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs

FRAME = pd.DataFrame({"time": [1, 1, 6, 6, 8, 9], "event": [1, 0, 1, 1, 0, 1], "x": [1, 1, 1, 0, 0, 0]})


def fitted(ties):
    sites = fs.InProcess({"a": FRAME[::2], "b": FRAME[1::2]}, policy=fs.DisclosurePolicy.none())
    return sites, fs.cox(sites, "Surv(time, event) ~ x", baseline="shared", ties=ties)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_hazards_and_their_variances(ties):
    sites, fit = fitted(ties)
    r = float(np.exp(fit.coef["x"]))
    frame = fs.baseline_hazard(sites, fit).tidy().set_index("time")
    if ties == "breslow":
        steps = np.array([1 / (3 * r + 3), 2 / (r + 3), 1])
        squares = np.array([1 / (3 * r + 3) ** 2, 2 / (r + 3) ** 2, 1])
        slopes = np.array([3 * r / (3 * r + 3) ** 2, 2 * r / (r + 3) ** 2, 0])
    else:  # of the second death at 6 the risk set is r + 3 less half of r + 1
        second = (r + 5) / 2
        steps = np.array([1 / (3 * r + 3), 1 / (r + 3) + 1 / second, 1])
        squares = np.array([1 / (3 * r + 3) ** 2, 1 / (r + 3) ** 2 + 1 / second**2, 1])
        slopes = np.array([3 * r / (3 * r + 3) ** 2, r / (r + 3) ** 2 + r / 2 / second**2, 0])
    hazard = np.cumsum(steps)
    np.testing.assert_allclose(frame.loc[[1, 6, 9], "cumulative_hazard"], hazard, rtol=1e-10)
    variance = np.cumsum(squares) + float(fit.vcov.loc["x", "x"]) * np.cumsum(slopes) ** 2
    expected = np.exp(-hazard) * np.sqrt(variance)
    np.testing.assert_allclose(frame.loc[[1, 6, 9], "std_error"], expected, rtol=1e-10)


def test_a_covariate_multiplies_the_hazard_and_its_slope():
    sites, fit = fitted("breslow")
    r = float(np.exp(fit.coef["x"]))
    frame = fs.predict_survival(sites, fit, pd.DataFrame({"x": [1.0]}, index=["treated"])).tidy()
    at_one = frame[frame["time"] == 1].iloc[0]
    hazard = r / (3 * r + 3)
    slope = hazard - 3 * r**2 / (3 * r + 3) ** 2  # of r / (3 r + 3) in log r
    assert at_one["row"] == "treated"
    assert at_one["cumulative_hazard"] == pytest.approx(hazard, rel=1e-10)
    variance = (r / (3 * r + 3)) ** 2 + float(fit.vcov.loc["x", "x"]) * slope**2
    assert at_one["std_error"] == pytest.approx(np.exp(-hazard) * np.sqrt(variance), rel=1e-10)


def test_a_site_in_new_data_is_refused_for_it_would_not_be_read():
    sites, fit = fitted("breslow")
    with pytest.raises(fs.FormulaError, match="choose among the rows of the result by their site"):
        fs.predict_survival(sites, fit, pd.DataFrame({"x": [1.0], "site": ["a"]}))


def test_the_baseline_of_a_fit_with_an_offset_is_that_of_an_offset_of_zero():
    """An offset two higher divides the hazard by exp(2); R's ``basehaz(centered=FALSE)``, of the mean offset, would be the same."""
    shifted = FRAME.assign(near=[0.0, 0.1, 0.2, 0.0, 0.1, 0.2], far=[2.0, 2.1, 2.2, 2.0, 2.1, 2.2])
    sites = fs.InProcess({"a": shifted[::2], "b": shifted[1::2]}, policy=fs.DisclosurePolicy.none())
    near, far = (
        fs.baseline_hazard(
            sites, fs.cox(sites, "Surv(time, event) ~ x", baseline="shared", offset=name)
        ).tidy()["cumulative_hazard"]
        for name in ("near", "far")
    )
    np.testing.assert_allclose(far * np.exp(2.0), near, rtol=1e-9)
