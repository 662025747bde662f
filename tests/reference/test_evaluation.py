"""Indices of concordance and areas under the ROC curve, against R's ``concordance`` with sites as strata.

Pairs are whole numbers, or sums of products of weights, and nothing is iterated but the fit, whose last digits change no
order: 1e-12, relative.
"""

import pytest

import fedstats as fs
from tests.reference.comparison import layouts, options

TOLERANCE = 1e-12


def subset(sites, case, which):
    return sites.where(case[which]) if which in case else sites


def found(layout, fitted, evaluated, **how):
    case, sites = layout.case, layout.sites
    fit = fitted(subset(sites, case, "fitted_on"), case["formula"], **how)
    return evaluated(subset(sites, case, "evaluated_on"), fit, **options(case, "timewt", "ymax"))


def agree(result, case):
    for name in ("estimate", "std_error", "concordant", "discordant"):
        assert getattr(result, name) == pytest.approx(case[name], rel=TOLERANCE), name
    assert result.tied == pytest.approx(case["tied"], rel=TOLERANCE, abs=1e-9)
    assert result.status == "exact, of pairs within sites"


@pytest.mark.reference("concordance")
@pytest.mark.parametrize("layout", layouts("evaluation", "concordance"))
def test_pairs_of_a_cox_model_are_those_of_r(layout):
    how = options(layout.case, "weights", "offset", "strata", "cluster")
    agree(found(layout, fs.cox, fs.concordance, **how), layout.case)


@pytest.mark.reference("concordance")
@pytest.mark.parametrize("layout", layouts("evaluation", "auc"))
def test_pairs_of_a_logistic_model_are_those_of_r(layout):
    how = options(layout.case, "weights", "offset", "cluster")
    agree(found(layout, fs.logistic, fs.auc, **how), layout.case)
