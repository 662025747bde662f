"""What a refused analysis of the synthetic study is told to do lets it pass: the next thing asked is answered."""

from pathlib import Path

import pytest

import fedstats as fs
from tests import nsclc_cohort

WEIGHTED = "Surv(os_months, os_event) ~ regimen"
BY_SITE = "Surv(os_months, os_event) ~ site + age + sex + ecog + regimen"
FEW_FACTORS, A_NUMBER = "regimen ~ age + sex + ecog", "regimen ~ age + nlr"


@pytest.fixture(scope="module")
def rows():
    return nsclc_cohort.frames()


def sites(rows, part, policy=None):
    """Two sites with a part of their patients each."""
    codebook = fs.Study.load(Path("studies/nsclc")).codebook
    frames = {name: frame.iloc[: int(part * len(frame))] for name, frame in rows.items()}
    return fs.InProcess(frames, codebook, policy)


def told(federation):
    """Remedies of what is still refused."""
    refused = fs.refusals(federation)
    return set(refused.loc[refused["then"] == "", "remedy"])


def test_a_weighted_curve_of_2000_patients_is_told_to_take_fewer_factors_into_the_propensity(rows):
    federation = sites(rows, 0.375)
    weights = fs.propensity_weights(federation, FEW_FACTORS)
    with pytest.raises(fs.SiteRefused):
        fs.kaplan_meier(federation, WEIGHTED, weights=weights)
    words = told(federation)
    assert any(
        "take fewer factors into it, cut the weights at fixed ends, or agree on wider" in one for one in words
    )
    assert not any("rescale" in one or "leave one of the two columns out" in one for one in words)
    curve = fs.kaplan_meier(federation, WEIGHTED, weights=fs.propensity_weights(federation, A_NUMBER))
    assert curve.status == "exact on the grid of 12 months"
    model = fs.cox(
        federation, "Surv(os_months, os_event) ~ age + ecog + regimen", baseline="shared", ties="breslow"
    )
    assert fs.standardised_survival(federation, model, "regimen").tidy()["estimate"].notna().all()


def test_a_weighted_curve_that_is_let_out_earlier_ends_earlier(rows):
    federation = sites(rows, 1.0)
    weights = fs.propensity_weights(federation, "regimen ~ age + nlr + ecog")
    curve = fs.kaplan_meier(federation, WEIGHTED, weights=weights)
    assert curve.status == "exact on the grid of 12 months up to 12"


def test_a_comparison_of_sites_on_efron_ties_is_told_of_breslows(rows):
    federation = sites(rows, 0.375)
    with pytest.raises(fs.SiteRefused):
        fs.cox(federation, BY_SITE, baseline="shared")
    assert any("ask with ties='breslow'" in one for one in told(federation))
    assert (
        fs.cox(federation, BY_SITE, baseline="shared", ties="breslow").status
        == "exact on the grid of 12 months"
    )


@pytest.mark.parametrize(
    ("policy", "widths"),
    [(fs.DisclosurePolicy(), (3, 3, 12)), (fs.DisclosurePolicy.teaching(), (1, 1, 6))],
    ids=["strict", "teaching"],
)
def test_the_comparison_of_sites_in_the_readme_is_let_out(rows, policy, widths):
    """Of the synthetic network and the European hospital, as one model and as standardised survival."""
    for terms, width in zip(
        ("site + age", "site + regimen", BY_SITE.partition("~ ")[2]), widths, strict=True
    ):
        federation = sites(rows, 1.0, policy)
        fit = fs.cox(federation, f"Surv(os_months, os_event) ~ {terms}", baseline="shared")
        assert fit.status == f"exact on the grid of {width} months"
        curves = fs.standardised_survival(federation, fit, "site").tidy()
        assert set(curves["value"]) == {"eu_hospital", "us_network"}
