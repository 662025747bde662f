"""Every function of a clinical analysis besides regression, in one process and over an exchange, all of them sharing rounds."""

import pandas as pd
import pytest

import fedstats as fs
from fedstats.federations.keys import HOME_VARIABLE
from tests.federations.curve_study import BOOK, CURVES, patients
from tests.federations.small_study import attended, site_objects, write_study

FOLLOWED = "Surv(time, status) ~ sex"
WEIGHED = "sex ~ age + C(ecog)"


def weighted(estimand="ATE"):
    return lambda s: fs.propensity_weights(s, WEIGHED, estimand=estimand)


def shared(s):
    return fs.cox(s, "Surv(time, status) ~ sex + age", baseline="shared", ties="breslow")


ANALYSES = {
    "kaplan_meier": lambda s: fs.kaplan_meier(s, FOLLOWED),
    "follow_up": lambda s: fs.kaplan_meier(s, FOLLOWED, reverse=True),
    "landmark": lambda s: fs.kaplan_meier(s, FOLLOWED, landmark=6),
    "weighted_curve": lambda s: fs.kaplan_meier(s, FOLLOWED, weights=weighted()(s)),
    "cumulative_incidence": lambda s: fs.cumulative_incidence(s, "Surv(time, cause) ~ sex"),
    "logrank": lambda s: fs.logrank(s, FOLLOWED),
    "logrank_strata": lambda s: fs.logrank(s, FOLLOWED, strata="arm", rho=1),
    "logrank_practices": lambda s: fs.logrank(s, FOLLOWED, strata="practice"),
    "max_combo": lambda s: fs.max_combo(s, FOLLOWED),
    "rmst": lambda s: fs.rmst(s, FOLLOWED, tau=12),
    "period_hazard_ratios": lambda s: fs.period_hazard_ratios(s, FOLLOWED, cuts=[12]),
    "table_one": lambda s: fs.table_one(s, by="sex", variables=["age", "ecog"], p_values=True),
    "propensity_weights": weighted(),
    "sizes": lambda s: weighted("overlap")(s).effective_sample_size(),
    "overlap": lambda s: weighted("ATT")(s).overlap(),
    "balance": lambda s: fs.balance(s, weights=weighted()(s)),
    "weighted_logistic": lambda s: fs.logistic(s, "status ~ sex", weights=weighted()(s)),
    "weighted_cox": lambda s: fs.cox(s, FOLLOWED, weights=weighted("overlap")(s)),
    "augmented_effect": lambda s: fs.augmented_effect(s, "status ~ sex + age", weighted()(s)),
    "augmented_of_treated": lambda s: fs.augmented_effect(s, "status ~ sex + age", weighted("ATT")(s)),
    "standardised_survival": lambda s: fs.standardised_survival(s, shared(s), "sex"),
    "concordance": lambda s: fs.concordance(s, fs.cox(s, "Surv(time, status) ~ sex + age")),
    "auc": lambda s: fs.auc(s, fs.logistic(s, "status ~ sex + age")),
    "auc_pooled": lambda s: fs.auc(s, fs.logistic(s, "status ~ sex + age"), pooled=True, bins=[0.4, 0.6]),
    "concordance_pooled": lambda s: fs.concordance(s, shared(s), pooled=True, bins=[0.5]),
    "calibration": lambda s: fs.calibration(s, fs.logistic(s, "status ~ sex + age"), bins=[0.5]),
    "calibration_by_12": lambda s: fs.calibration(s, shared(s), times=12, bins=[0.5]),
    "brier_score": lambda s: fs.brier_score(s, shared(s), times=12),
    "net_benefit": lambda s: fs.net_benefit(s, shared(s), time=12, thresholds=[0.5]),
    "heterogeneity": lambda s: fs.heterogeneity(
        s, "Surv(time, status) ~ sex + age", term="sex", by="practice"
    ),
}
#: Of predictions by a milestone: each begins where a fit ends.
EVALUATIONS = ("concordance_pooled", "calibration_by_12", "brier_score", "net_benefit")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    study = fs.Study.load(
        write_study(folder, CURVES.replace('profile = "teaching"', 'profile = "none"'), BOOK)
    )
    rows = patients(200)
    exchange = folder / "exchange"
    with pytest.MonkeyPatch.context() as own:  # other tests know other keys of a study of this name
        own.setenv(HOME_VARIABLE, str(folder / "home"))
        over, exchanges = attended(exchange, site_objects(study, rows), study, **ANALYSES)
    here = fs.together(fs.InProcess(rows, study.codebook, policy=study.policy), **ANALYSES)
    return over, here, exchanges, len(fs.Ledger(exchange).questions())


@pytest.mark.parametrize("name", ANALYSES)
def test_an_exchange_gives_what_one_process_gives(found, name):
    over, here, _, _ = found
    assert not isinstance(over[name], fs.NotAvailable), over[name]
    pd.testing.assert_frame_equal(over[name].tidy(), here[name].tidy(), check_exact=True)


def test_they_share_rounds(found):
    _, here, exchanges, questions = found
    rounds = {name: getattr(result, "rounds", 0) for name, result in here.items()}
    then = max(rounds.pop(name) for name in EVALUATIONS)  # after the rounds of the fit that they are of
    assert (
        exchanges <= max(rounds.values()) + then + 4
    )  # joining, and questions of a fit that are asked anew for what follows it
    assert questions > 2 * exchanges


def test_p_values_of_several_of_them_are_adjusted_together(found):
    over, _, _, _ = found
    of_curves = ("logrank", "logrank_practices", "max_combo", "rmst", "period_hazard_ratios")
    family = {name: over[name] for name in ("weighted_cox", "weighted_logistic", *of_curves)}
    for method in ("holm", "BH"):
        table = fs.adjusted_p_values(family, method=method)
        assert (table["p_adjusted"] >= table["p_value"]).all()
    assert over["weighted_cox"].e_values()["e_value"].iloc[0] >= 1
