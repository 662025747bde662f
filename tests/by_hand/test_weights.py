"""With one covariate of two levels weighting is standardisation: everything has a closed form."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.federation import Answers
from fedstats.contract.refusal import Refusal
from fedstats.methods.glm_model import GlmMeat

#: Patients by covariate, treatment and outcome.
CELLS = {
    (0, 0, 0): 30,
    (0, 0, 1): 20,
    (0, 1, 0): 15,
    (0, 1, 1): 5,
    (1, 0, 0): 10,
    (1, 0, 1): 20,
    (1, 1, 0): 25,
    (1, 1, 1): 35,
}
ROWS = pd.DataFrame([key for key, n in CELLS.items() for _ in range(n)], columns=["x", "arm", "y"])
X, A, Y = (ROWS[name].to_numpy(float) for name in ROWS)
N = len(ROWS)


def mean_of(x, arm):
    here = (x == X) & (arm == A)
    return Y[here].mean()


M = np.array([[mean_of(x, arm) for arm in (0, 1)] for x in (0, 1)])
E = np.array([A[x == X].mean() for x in (0, 1)])


@pytest.fixture(scope="module", params=[1, 4])
def sites(request):
    k = request.param
    frames = {f"site{j}": ROWS.iloc[j::k].reset_index(drop=True) for j in range(k)}
    return fs.InProcess(frames, policy=fs.DisclosurePolicy.none())


TARGETS = {"ATE": np.ones(2), "ATT": E, "overlap": E * (1 - E)}


@pytest.mark.parametrize("estimand", TARGETS)
def test_weighted_differences_are_standardised_to_the_estimands_patients(sites, estimand):
    w = fs.propensity_weights(sites, "arm ~ C(x)", estimand=estimand)
    fit = fs.glm(sites, "y ~ arm", family="gaussian", weights=w)
    of_whom = TARGETS[estimand] * np.array([(X == 0).sum(), (X == 1).sum()])
    assert fit.coef["arm"] == pytest.approx(of_whom @ (M[:, 1] - M[:, 0]) / of_whom.sum(), rel=1e-11)


def test_the_stacked_variance_is_that_of_the_efficient_influence_function(sites):
    w = fs.propensity_weights(sites, "arm ~ C(x)")
    fit = fs.glm(sites, "y ~ arm", family="gaussian", weights=w)
    x = X.astype(int)
    phi = [
        M[x, a] + np.where(a == A, 1 / np.where(a == 1, E[x], 1 - E[x]), 0) * (Y - M[x, a]) for a in (0, 1)
    ]
    effect = phi[1] - phi[0]
    expected = np.sqrt(((effect - effect.mean()) ** 2).sum()) / N
    assert fit.tidy().set_index("term").loc["arm", "std_error"] == pytest.approx(expected, rel=1e-9)
    robust = fit.std_errors().set_index("term").loc["arm", "robust"]
    assert robust > 1.05 * expected  # as if the propensity were known
    augmented = fs.augmented_effect(sites, "y ~ arm * C(x)", w).differences().iloc[0]
    assert augmented["estimate"] == pytest.approx(effect.mean(), rel=1e-9)
    assert augmented["std_error"] == pytest.approx(expected, rel=1e-9)


class Withholding(fs.InProcess):
    """Sites that do not let out the squared scores of the propensity."""

    def ask(self, query, *, each=False):
        if isinstance(query, GlmMeat) and query.model.outcome == "arm":
            refusal = Refusal(type(query).__name__, "meat", "pair of levels")
            return Answers(query, dict.fromkeys(self.sites, refusal))
        return super().ask(query, each=each)


@pytest.mark.parametrize("stabilised", [False, True])
def test_squared_scores_that_are_not_let_out_are_replaced_by_their_expectation_and_that_is_said(stabilised):
    """Of a saturated propensity the expectation is what it is of."""
    found = []
    for kind in (fs.InProcess, Withholding):
        sites = kind({"all": ROWS}, policy=fs.DisclosurePolicy.none())
        w = fs.propensity_weights(sites, "arm ~ C(x)", stabilised=stabilised)
        found.append(fs.logistic(sites, "y ~ arm + C(x)", weights=w))
    np.testing.assert_allclose(found[0].vcov, found[1].vcov, rtol=1e-9)
    assert found[0].notes == ()
    assert "their expectation" in found[1].notes[0]


@pytest.mark.parametrize("estimand", ["ATE", "overlap"])
def test_a_saturated_propensity_balances_exactly(sites, estimand):
    w = fs.propensity_weights(sites, "arm ~ C(x)", estimand=estimand)
    table = fs.balance(sites, weights=w, per_site=False).tidy().iloc[0]
    p = [X[a == A].mean() for a in (0, 1)]
    sd = np.sqrt((p[0] * (1 - p[0]) + p[1] * (1 - p[1])) / 2)
    assert table["smd"] == pytest.approx((p[1] - p[0]) / sd, rel=1e-12)
    assert table["weighted_smd"] == pytest.approx(0.0, abs=1e-10)


def test_an_augmented_effect_is_right_where_one_of_both_models_is(sites):
    truth = (M[:, 1] - M[:, 0]) @ [(X == 0).mean(), (X == 1).mean()]
    right, wrong = fs.propensity_weights(sites, "arm ~ C(x)"), fs.propensity_weights(sites, "arm ~ 1")
    for weights, formula in ((right, "y ~ arm"), (wrong, "y ~ arm * C(x)")):
        found = fs.augmented_effect(sites, formula, weights).differences().iloc[0]
        assert found["estimate"] == pytest.approx(truth, rel=1e-9)
    neither = fs.augmented_effect(sites, "y ~ arm", wrong).differences().iloc[0]
    assert abs(neither["estimate"] - truth) > 0.05


def test_an_augmented_effect_of_the_treated_is_standardised_to_them_where_one_of_both_models_is_right(sites):
    shares = [((x == X) & (A == 1)).sum() / (A == 1).sum() for x in (0, 1)]
    truth = (M[:, 1] - M[:, 0]) @ shares
    right, wrong = (fs.propensity_weights(sites, f"arm ~ {x}", estimand="ATT") for x in ("C(x)", "1"))
    for weights, formula in ((right, "y ~ arm"), (wrong, "y ~ arm * C(x)")):
        found = fs.augmented_effect(sites, formula, weights).differences().iloc[0]
        assert found["estimate"] == pytest.approx(truth, rel=1e-9)
    neither = fs.augmented_effect(sites, "y ~ arm", wrong).differences().iloc[0]
    assert abs(neither["estimate"] - truth) > 0.05


def test_an_augmented_effect_is_of_all_or_of_the_treated(sites):
    w = fs.propensity_weights(sites, "arm ~ C(x)", estimand="overlap")
    with pytest.raises(fs.FormulaError, match="ATE, not stabilised, or ATT"):
        fs.augmented_effect(sites, "y ~ arm", w)


def test_overlap_counts_everybody_between_agreed_edges(sites):
    table = fs.propensity_weights(sites, "arm ~ C(x)").overlap().tidy()
    whole = table[table["site"] == "all"]
    assert whole["n"].sum() == N
    assert (whole["high"] - whole["low"]).round(2).eq(0.05).all()
    for x, e in enumerate(E):  # both propensities stand alone in their cell
        cell = whole[(whole["low"] < e) & (e <= whole["high"])]
        assert sorted(cell["n"]) == sorted([((x == X) & (a == A)).sum() for a in (0, 1)])


def test_a_treatment_may_be_a_factor_of_two_levels(sites):
    named = ROWS.assign(arm=np.where(A == 1, "new", "control"))
    others = fs.InProcess({"all": named}, policy=fs.DisclosurePolicy.none())
    w, v = fs.propensity_weights(sites, "arm ~ C(x)"), fs.propensity_weights(others, "arm ~ C(x)")
    assert v.groups == ("control", "new")
    np.testing.assert_allclose(w.fit.beta, v.fit.beta, rtol=1e-12)
    plain, factor = fs.logistic(sites, "y ~ arm", weights=w), fs.logistic(others, "y ~ arm", weights=v)
    np.testing.assert_allclose(plain.vcov, factor.vcov, rtol=1e-9)


def test_what_follows_a_weighted_fit_finds_its_weights(sites, tmp_path):
    w = fs.propensity_weights(sites, "arm ~ C(x)")
    fit = fs.logistic(sites, "y ~ arm", weights=w)
    fs.save_results({"fit": fit}, tmp_path / "results.json", full_digits=True)
    again = fs.load_results(tmp_path / "results.json")["fit"]
    np.testing.assert_array_equal(again.std_errors()["robust"], fit.std_errors()["robust"])
    risks = [fs.standardised_risks(sites, f, "arm").differences().iloc[0] for f in (fit, again)]
    expected = fs.glm(sites, "y ~ arm", family="gaussian", weights=w).coef["arm"]
    assert risks[0]["estimate"] == pytest.approx(expected, rel=1e-9)
    assert risks[1]["std_error"] == risks[0]["std_error"]


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda s, _: fs.propensity_weights(s, "arm ~ C(x)", estimand="ATO"), "choose one of"),
        (lambda s, _: fs.propensity_weights(s, "arm ~ C(x)", estimand="ATT", stabilised=True), "estimand ATE"),
        (lambda s, _: fs.propensity_weights(s, "arm ~ C(x)", truncate=(0.9, 0.1)), "smaller end first"),
        (lambda s, _: fs.propensity_weights(s, "arm ~ C(x)", bounds=(1,)), "two numbers"),
        (lambda s, _: fs.logistic(s, "y ~ arm", robust="stacked"), "fs.propensity_weights"),
        (lambda s, _: fs.logistic(s, "y ~ arm", weights=3), "name of a column"),
        (lambda s, w: fs.logistic(s, "y ~ arm", weights=w, robust="yes"), '"stacked"'),
        (lambda s, w: fs.logistic(s, "y ~ arm", weights=w, robust="stacked", penalty=fs.Ridge(0.1)), "no robust variance"),
        (lambda s, _: fs.balance(s, variables=["x"]), "which treatment"),
        (lambda s, _: fs.balance(s, "arm", "x"), "a list of columns"),
        (lambda s, w: fs.balance(s, weights=w, denominator="mine"), "pooled"),
        (lambda s, _: fs.augmented_effect(s, "y ~ arm", "w"), "model of the treatment"),
        (lambda s, w: fs.augmented_effect(s, "y ~ C(x)", w), "no term of the treatment"),
        (lambda s, _: fs.glm(s, "y ~ arm", family="gaussian").e_values(), "ratio"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(sites, ask, match):
    w = fs.propensity_weights(sites, "arm ~ C(x)")
    with pytest.raises(ValueError, match=match):
        ask(sites, w)


def test_a_model_of_more_patients_than_the_propensity_is_refused(sites):
    w = fs.propensity_weights(sites.where("y == 1"), "arm ~ C(x)")
    with pytest.raises(fs.FormulaError, match="model the propensity of all"):
        fs.logistic(sites, "y ~ arm", weights=w)
    assert fs.logistic(sites, "y ~ arm", weights=w, robust=True).variance == "robust"


def test_a_lasso_of_the_propensity_leaves_the_robust_variance(sites):
    w = fs.propensity_weights(sites, "arm ~ C(x)", penalty=fs.ElasticNet(0.01, 1.0))
    assert fs.logistic(sites, "y ~ arm", weights=w).variance == "robust"
    with pytest.raises(fs.FormulaError, match="lasso"):
        fs.logistic(sites, "y ~ arm", weights=w, robust="stacked")
