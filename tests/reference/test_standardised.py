"""Standardised risks and average marginal effects are those worked out by hand in R on the pooled rows.

1e-8 relative, of a difference and an effect beside its standard error: smooth functions of coefficients that agree to 1e-9 of theirs.
"""

import numpy as np
import pytest
from scipy.stats import norm, t

import fedstats as fs
from fedstats.methods.glm_fit import model_of
from fedstats.methods.standardisation import StandardisedMeans
from tests.datasets import DATASETS
from tests.reference.comparison import cases, federation, layouts, numbers, options

CASES = cases("standardised")
ASKED = ("family", "link", "weights", "offset", "robust", "cluster")
TOLERANCE = 1e-8


@pytest.fixture(scope="module", params=layouts("standardised"))
def fitted(request):
    sites, case = request.param.sites, request.param.case
    return sites, fs.glm(sites, case["formula"], **options(case, *ASKED)), case


def half_width(case):
    return (norm if case["df"] is None else t(case["df"])).ppf(0.975)


@pytest.mark.reference("standardised risks", "risk differences", "risk ratios")
def test_risks_differences_and_ratios_are_those_of_r(fitted):
    sites, fit, case = fitted
    found = fs.standardised_risks(sites, fit, case["column"], values=case["values"])
    risks = found.tidy().iloc[: len(case["values"])]
    np.testing.assert_allclose(risks["estimate"], case["risk"], rtol=TOLERANCE)
    np.testing.assert_allclose(risks["std_error"], case["risk_se"], rtol=TOLERANCE)
    differences, se = found.differences(), numbers(case["difference_se"])
    assert (np.abs(differences["estimate"] - case["difference"]) <= TOLERANCE * se).all()
    np.testing.assert_allclose(differences["std_error"], se, rtol=TOLERANCE)
    high = numbers(case["difference"]) + half_width(case) * se
    np.testing.assert_allclose(differences["conf_high"], high, atol=10 * TOLERANCE * se.max())
    ratios, se = found.ratios(), numbers(case["ratio_se"])
    np.testing.assert_allclose(ratios["estimate"], case["ratio"], rtol=TOLERANCE)
    np.testing.assert_allclose(ratios["std_error"], se, rtol=TOLERANCE)
    low = np.exp(np.log(numbers(case["ratio"])) - half_width(case) * se)
    np.testing.assert_allclose(ratios["conf_low"], low, rtol=TOLERANCE)
    assert found.rounds == 1


@pytest.mark.reference("average marginal effects")
def test_marginal_effects_of_numbers_are_those_of_r(fitted):
    sites, fit, case = fitted
    found = fs.marginal_effects(sites, fit, list(case["effects"])).tidy()
    assert found["contrast"].unique().tolist() == ["slope"]
    for (_, row), expected in zip(found.iterrows(), case["effects"].values(), strict=True):
        assert abs(row["estimate"] - expected["estimate"]) <= TOLERANCE * expected["std_error"]
        assert row["std_error"] == pytest.approx(expected["std_error"], rel=TOLERANCE)


def test_of_a_factor_the_effect_is_the_standardised_difference():
    case = CASES["lung, odds, products"]
    sites = federation(case, 3)
    fit = fs.logistic(sites, case["formula"])
    effects = fs.marginal_effects(sites, fit).tidy().set_index("term")
    differences = fs.standardised_risks(sites, fit, "ecog3").differences()
    assert effects.loc["ecog3", "contrast"].tolist() == differences["term"].tolist() == ["1 - 0", "2+ - 0"]
    columns = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(effects.loc["ecog3", columns], differences[columns], rtol=1e-12)
    assert effects.index.tolist() == ["age", "ecog3", "ecog3", "sex"]


def test_in_a_linear_model_effects_are_the_coefficients():
    sites = fs.InProcess({"all": DATASETS["gbsg2"]()}, policy=fs.DisclosurePolicy.none())
    fit = fs.glm(sites, "tsize ~ age + C(horTh) + pnodes", family="gaussian", level=0.9)
    found = fs.marginal_effects(sites, fit, level=0.9).tidy()
    np.testing.assert_allclose(
        found[["estimate", "conf_low"]], fit.tidy()[["estimate", "conf_low"]].iloc[1:], rtol=1e-9
    )


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda s, f: fs.standardised_risks(s, f, "inst"), "no column of the model"),
        (lambda s, f: fs.standardised_risks(s, f, "sexe"), "did you mean 'sex'"),
        (lambda s, f: fs.standardised_risks(s, f, "sex", values=[1]), "two values"),
        (lambda s, f: fs.standardised_risks(s, f, "ecog3", values="01"), "two values"),
        (lambda s, f: fs.standardised_risks(s, f, "sex", values=[1, 1.0]), "each once"),
        (lambda s, f: fs.standardised_risks(s, f, "ecog3", values=["0", "9"]), "no level '9'; the codebook agrees on 0, 1"),
        (lambda s, _: fs.standardised_risks(s, fs.cox(s, "Surv(time, status) ~ sex"), "sex"), "generalised linear"),
        (lambda s, _: fs.marginal_effects(s, fs.logistic(s, "status ~ log(age)")), "holds a function"),
        (lambda s, _: fs.marginal_effects(s, fs.logistic(s, "status ~ 1")), "no column"),
        (lambda s, f: fs.marginal_effects(s, fs.logistic(s, f.formula, penalty=fs.ElasticNet(0.01, 1.0))), "lasso"),
    ],
    ids=["another", "misspelt", "one", "a text", "twice", "no level", "cox", "a function", "nothing", "lasso"],
)  # fmt: skip
def test_what_has_no_answer_is_one_sentence(ask, match):
    case = CASES["lung, odds"]
    sites = federation(case, 2)
    with pytest.raises(fs.FormulaError, match=match):
        ask(sites, fs.logistic(sites, case["formula"]))


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [("ecog3", ["0", "9"], "no level '9'"), ("age", ["a", "b"], "a number"), ("age", [0, 60], "not defined")],
    ids=["level", "text", "undefined"],
)
def test_a_value_that_cannot_be_is_refused_in_words_by_a_site(column, values, match):
    case = CASES["lung, odds"]
    sites = federation(case, 2)
    model, beta = model_of(sites, fs.logistic(sites, "status ~ log(age) + C(ecog3)"))
    with pytest.raises(fs.SiteRefused, match=match):
        sites.sum(StandardisedMeans(model, beta, column, tuple(values)))
