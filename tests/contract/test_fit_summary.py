"""What is printed of a fit: its call, sizes, variance, tests, and what one has to know."""

import pytest

import fedstats as fs
from tests.datasets import lung_gaps, split

NONE = fs.DisclosurePolicy.none()
COX = "Surv(time, status) ~ age + sex"


@pytest.fixture(scope="module")
def sites():
    return fs.InProcess(split(lung_gaps(), 3, 1), policy=NONE)


def lines(fit):
    return str(fit).splitlines()


def test_a_cox_fit_is_printed_as_r_does(sites):
    fit = fs.cox(sites, COX, strata="inst")
    call, sizes, variance, heading, age, _, *tests, end = lines(fit)
    assert call == "cox(Surv(time, status) ~ age + sex, strata=inst, baseline=site, ties=efron)"
    assert sizes == "201 patients, 142 events, 25 rows dropped for an empty cell, 3 sites"
    assert variance == "Standard errors: model-based"
    assert heading.split()[:2] == ["term", "estimate"]
    assert age.split()[0] == "age"
    facts = fit.glance().iloc[0]
    assert tests == [
        f"Likelihood-ratio test = {facts['lr_statistic']:.4g} on 2 df, p = {facts['lr_p_value']:.3g}",
        f"Wald test = {facts['wald_statistic']:.4g} on 2 df, p = {facts['wald_p_value']:.3g}",
        f"Score test = {facts['score_statistic']:.4g} on 2 df, p = {facts['score_p_value']:.3g}",
    ]
    assert end == f"Log-likelihood = {fit.loglik:.4f}"


@pytest.mark.parametrize(
    ("fit_of", "call", "variance"),
    [
        (
            lambda s: fs.cox(s, COX, robust=True, ties="breslow"),
            "baseline=site, ties=breslow)",
            "robust (sandwich)",
        ),
        (
            lambda s: fs.cox(s, COX, baseline="shared", cluster="inst", weights="weight"),
            "baseline=shared, ties=efron, weights=weight, cluster=inst)",
            "robust (sandwich), clusters of inst",
        ),
        (
            lambda s: fs.logistic(s, "status ~ age", offset="weight"),
            "status ~ age, offset=weight)",
            "model-based",
        ),
        (
            lambda s: fs.glm(s, "time ~ sex", family="gaussian", intercepts="inst"),
            "glm(time ~ sex, family=gaussian, link=identity, intercepts=inst)",
            "model-based",
        ),
        (
            lambda s: fs.logistic(s, "status ~ age", penalty=fs.Ridge(0.1)),
            "penalty=ridge 0.1)",
            "of the penalised information",
        ),
        (
            lambda s: fs.logistic(s, "status ~ age", penalty=fs.ElasticNet(0.1, 1.0)),
            "penalty=lasso 0.1)",
            "none under this penalty",
        ),
        (
            lambda s: fs.logistic(s, "status ~ age", penalty=fs.Firth()),
            "penalty=Firth's penalty)",
            "model-based",
        ),
    ],
)
def test_call_and_variance_are_said(sites, fit_of, call, variance):
    fit = fit_of(sites)
    assert call in lines(fit)[0]
    assert lines(fit)[2] == f"Standard errors: {variance}"
    assert f"standard errors {variance}" in fit._repr_html_()


def test_tests_that_a_robust_or_penalised_fit_does_not_have_are_not_printed(sites):
    def tests(fit):
        return [line.partition(" = ")[0] for line in lines(fit) if " df, p = " in line]

    assert tests(fs.cox(sites, COX, robust=True)) == ["Wald test"]
    assert tests(fs.cox(sites, COX, penalty=fs.Ridge(0.1))) == []
    assert tests(fs.cox(sites, COX, penalty=fs.Firth())) == ["Penalised likelihood-ratio test", "Wald test"]


def about_weights(fit):
    return [note for note in fit.notes if note.startswith("Weights ")]


def test_weights_that_are_no_numbers_of_patients_are_told(sites):
    """Lung's ages over a hundred add up to no whole number; its whole weights may be numbers of patients."""
    for fit_of in (fs.cox, lambda s, _, **options: fs.logistic(s, "status ~ age", **options)):
        whole, broken = (fit_of(sites, COX, weights=w) for w in ("weight", "age_effect"))
        assert about_weights(whole)[0].endswith(("ask for robust=True.", "is not whole."))
        assert "are no such numbers, so ask for robust=True" in about_weights(broken)[0]
        assert not about_weights(fit_of(sites, COX, weights="age_effect", robust=True))
        assert not about_weights(fit_of(sites, COX))
        assert about_weights(broken)[0] in str(broken)
    precise = fs.glm(sites, "time ~ sex", family="gaussian", weights="weight")
    assert about_weights(precise) == [
        "Weights count as precisions, as in lm: of sampling weights ask for robust=True."
    ]


def test_the_end_of_a_short_grid_is_told_and_a_grid_of_no_shared_hazard_is_refused(sites):
    short = fs.cox(sites, COX, baseline="shared", grid=[100, 200, 300])
    assert short.n_event == 90 < fs.cox(sites, COX, baseline="shared").n_event
    assert "Follow-up ends with the time cells, at 300: " in str(short)
    assert "Follow-up ends" not in str(fs.cox(sites, COX, baseline="shared"))
    with pytest.raises(
        fs.FormulaError, match=r'grid is of a baseline hazard that sites share.*baseline="shared"'
    ):
        fs.cox(sites, COX, grid=[100, 200, 300])


def test_an_intercept_alone_has_no_test_to_print(sites):
    said = str(fs.logistic(sites, "status ~ 1"))
    assert "test = " not in said
    assert "Wald test = " in str(fs.logistic(sites, "status ~ age"))
