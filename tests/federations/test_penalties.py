"""Fits of one model under several penalties share an exchange, in step and replayed."""

import pytest

import fedstats as fs
from tests.federations.small_study import attended, files

FITS = {
    "plain": None,
    "lasso": fs.ElasticNet(0.05),
    "weaker": fs.ElasticNet(0.01),
    "ridge": fs.Ridge(0.05),
}


def analyses(fit, formula, **options):
    return {
        name: lambda sites, p=penalty: fit(sites, formula, penalty=p, **options)
        for name, penalty in FITS.items()
    }


@pytest.mark.parametrize(
    "asked",
    [
        analyses(fs.logistic, "response ~ age + sex"),
        analyses(fs.cox, "Surv(time, status) ~ age + sex"),
        analyses(fs.cox, "Surv(time, status) ~ age + sex", baseline="shared", grid=3.0),
    ],
    ids=["logistic", "own baseline", "shared baseline"],
)
def test_penalties_of_one_model_do_not_meet_each_others_points(here, asked):
    found, _ = attended(here.exchange, here.sites, here.study, **asked)
    before = files(here.exchange)
    again = fs.together(fs.Folder(here.exchange, study=here.study), **asked)
    assert files(here.exchange) == before
    for name, analysis in asked.items():
        alone = analysis(here.whole)
        assert found[name].coef.equals(alone.coef)
        assert again[name].coef.equals(alone.coef)
