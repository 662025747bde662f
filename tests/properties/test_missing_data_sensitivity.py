"""The tipping point: a shift of missing values moves the estimate as arithmetic says, and the change of the conclusion is found."""

import io

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.reporting.plots import tipping_plot

NONE = fs.DisclosurePolicy.none()
MODELS = {"y": "arm"}


def frame(n=400):
    random, i = np.random.default_rng(4), np.arange(n)
    arm = i % 2
    y = 0.5 * arm + random.normal(size=n)
    return pd.DataFrame({"arm": arm, "y": np.where((i % 4 == 1) | (i % 10 == 0), np.nan, y)})


SITES = fs.InProcess({"a": frame()[:250], "b": frame()[250:]}, policy=NONE)


def difference(copy):
    return fs.glm(copy, "y ~ arm", family="gaussian")


def asked(deltas=(-2.0, -1.0, 0.0), **options):
    given = {"variable": "y", "term": "arm", "m": 5} | options
    return fs.tipping_point(SITES, MODELS, difference, deltas=list(deltas), **given)


@pytest.fixture(scope="module")
def found():
    return asked()


def test_the_estimate_moves_by_the_shift_times_the_difference_of_shares(found):
    """Draws of each shift are others: a mean of five copies has a Monte Carlo error of some 0.1 beside shifts of 3."""
    empty = frame()["y"].isna().groupby(frame()["arm"]).mean()
    moved = asked((-20.0, -10.0, 0.0)).tidy()["estimate"].diff().iloc[1:].to_numpy()
    assert moved == pytest.approx(10 * (empty[1] - empty[0]), abs=0.4)
    assert found.tidy()["delta"].tolist() == [-2.0, -1.0, 0.0]


def test_at_zero_it_is_missing_at_random(found):
    plain = fs.impute(SITES, MODELS, m=5).fit(difference)
    row = found.tidy().set_index("delta").loc[0.0]
    assert row["estimate"] == pytest.approx(plain.coef["arm"], abs=0.15)


def test_the_tipping_point_lies_where_the_interval_reaches_no_effect(found):
    table = found.tidy()
    (tipping,) = found.tipping
    low = np.interp(tipping, table["delta"], table["conf_low"])
    assert low == pytest.approx(0.0, abs=1e-12)
    assert f"{tipping:.3g}" in str(found)


def test_without_a_change_it_says_so():
    steady = asked((-0.1, 0.0))
    assert steady.tipping == ()
    assert "the conclusion stays" in str(steady)


def test_the_figure_marks_it(found):
    axes = tipping_plot(found)
    axes.get_figure(root=True).savefig(io.BytesIO(), format="png")
    assert axes.get_yscale() == "linear"
    assert f"{found.tipping[0]:.3g}" in [text.get_text() for text in axes.texts]
    assert axes.lines[1].get_xdata().tolist() == [-2.0, -1.0, 0.0]
    with pytest.raises(ValueError, match="no logarithms"):
        found.tidy(exponentiate=True)


def test_ratios_are_drawn_on_a_logarithmic_axis():
    sites = fs.InProcess(
        {"a": frame().assign(y=lambda f: (f["y"] > 0.2).where(f["y"].notna()).astype(float))}, policy=NONE
    )
    found = fs.tipping_point(
        sites,
        MODELS,
        lambda copy: fs.logistic(copy, "y ~ arm"),
        variable="y",
        deltas=[-1, 1],
        term="arm",
        m=3,
    )
    assert found.tidy(exponentiate=True)["estimate"].gt(0).all()
    assert tipping_plot(found).get_yscale() == "log"


WRONG = {
    "another variable": ({"variable": "arm"}, "arm', which is not imputed"),
    "an unknown variable": ({"variable": "z"}, "no column 'z'"),
    "one shift": ({"deltas": [0.0]}, "give two to 11 different numbers"),
    "the same twice": ({"deltas": [0.0, 0.0]}, "different numbers"),
    "many": ({"deltas": list(range(12))}, "two to 11"),
    "no numbers": ({"deltas": "low"}, "two to 11"),
    "an unknown term": (
        {"term": "sex", "deltas": [-1.0, 0.0]},
        "term is 'sex'; the coefficients are Intercept, arm",
    ),
    "a delta besides": ({"delta": {"y": 1}}, "The shifts are deltas"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_a_sentence(name):
    options, words = WRONG[name]
    with pytest.raises(fs.FormulaError, match=words):
        asked(**{"m": 2} | options)
