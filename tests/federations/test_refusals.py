"""A site that refuses stops one analysis, never the others, and there is never a sum over the rest."""

import pytest

import fedstats as fs
from fedstats.contract.disclosure import Refusal
from tests.federations.small_study import (
    ask_until_answered,
    attended,
    attended_pass,
    kept,
    opened_answer,
    site_objects,
)

MODEL = "Surv(time, status) ~ age + sex"


@pytest.fixture
def west_is_strict(here):
    """The sites, of which one does not let the response model out."""
    rows_needed = 87  # west has 90 rows, 86 of them with a response
    strict = fs.DisclosurePolicy(
        name="own",
        min_patients=0,
        min_pair=0,
        min_joint_cell=0,
        min_level_difference=0,
        min_leavers=0,
        min_difference=0,
        min_model_patients=rows_needed,
        max_parameters_per_event=1.0,
        min_effective=0.0,
        max_coefficient=100.0,
    )
    return here.sites | site_objects(here.study, {"west": here.frames["west"]}, strict)


def test_a_refusal_says_which_site_what_was_asked_and_which_rule(here, west_is_strict):
    with pytest.raises(fs.SiteRefused) as refused:
        ask_until_answered(
            here.exchange, west_is_strict, here.study, lambda s: fs.logistic(s, "response ~ age")
        )
    got = refused.value
    assert (got.site, got.query, got.entry, got.rule) == (
        "west",
        "GlmDerivatives",
        "patients",
        "patients",
    )
    assert str(got) == ("The site west refused GlmDerivatives: it did not meet the rule 'patients'.")


def test_a_refusal_tells_no_number(here, west_is_strict):
    with pytest.raises(fs.SiteRefused):
        ask_until_answered(
            here.exchange, west_is_strict, here.study, lambda s: fs.logistic(s, "response ~ age")
        )
    refusal = opened_answer(here.exchange, here.study, "west", 1)
    assert refusal == Refusal("GlmDerivatives", "patients", "patients")


def test_a_refused_analysis_is_not_released_and_the_others_go_on(here, west_is_strict):
    found, _ = attended(
        here.exchange,
        west_is_strict,
        here.study,
        response=lambda s: fs.logistic(s, "response ~ age"),
        survival=lambda s: fs.cox(s, MODEL),
    )
    assert found.response.status == "not released"
    assert found.response.reason.startswith("The site west refused GlmDerivatives")
    assert found.survival.coef.equals(fs.cox(here.whole, MODEL).coef)


def test_there_is_never_a_sum_over_the_other_sites(here, west_is_strict):
    folder = fs.Folder(here.exchange, study=here.study)
    with pytest.raises(fs.Waiting):
        fs.logistic(folder, "response ~ age")
    attended_pass(here.exchange, west_is_strict, here.study)
    query = fs.Ledger(here.exchange).questions()[0].query
    for add_up in (folder.sum, folder.each):
        with pytest.raises(fs.SiteRefused):
            add_up(query)


def test_in_process_a_refusal_ends_with_the_remedy(here):
    sites = fs.InProcess(here.frames, codebook=here.study.codebook)
    with pytest.raises(fs.SiteRefused, match=r"pass policy=fs\.DisclosurePolicy\.none\(\)\.$"):
        fs.logistic(sites.where("age >= 85"), "response ~ age")


def test_a_condition_outside_the_codebook_is_told_before_a_site_is_asked_and_the_others_go_on(here):
    found, _ = attended(
        here.exchange,
        here.sites,
        here.study,
        wrong=lambda s: fs.logistic(s.where("sex == 'X'"), "response ~ age"),
        right=lambda s: fs.logistic(s, "response ~ age"),
    )
    assert (found.wrong.status, found.right.converged) == ("not estimated", True)
    assert found.wrong.reason == "sex has no level 'X' in the codebook; it has F, M."
    assert fs.refusals(fs.Folder(here.exchange, study=here.study)).empty


def test_separation_is_not_estimated_and_the_others_go_on(here):
    analyses = {
        "separated": lambda s: fs.logistic(s.where("ecog == '1'"), "status ~ response + age + status:age"),
        "response": lambda s: fs.logistic(s, "response ~ age"),
    }
    found, _ = attended(here.exchange, here.sites, here.study, **analyses)
    assert (found.separated.status, found.response.converged) == ("not estimated", True)
    assert "status:age" in found.separated.reason or "age:status" in found.separated.reason


def test_answers_of_different_shape_are_not_added_up(fitted, monkeypatch):
    released = fs.DisclosurePolicy.release

    def another_version(policy, query, aggregate):
        full = released(policy, query, aggregate)
        return fs.Release({k: v for k, v in full.sums.items() if k != "score"})

    first = fitted.exchange / "answers" / "south" / "000001.json"
    first.unlink()
    kept(fitted.exchange, fitted.sites["south"], 1).unlink()  # or the site would send the same bytes again
    with monkeypatch.context() as other:
        other.setattr(fs.DisclosurePolicy, "release", another_version)
        attended_pass(fitted.exchange, fitted.sites, fitted.study)
    found = fs.together(fs.Folder(fitted.exchange, study=fitted.study), fit=fitted.ask)
    assert found.fit.status == "not estimated"
    assert "do not add up" in found.fit.reason
