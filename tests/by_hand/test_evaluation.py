"""Evaluations of predictions that can be worked out on paper."""

import pandas as pd
import pytest

import fedstats as fs

NONE = fs.DisclosurePolicy.none()


def rows(outcome, score):
    return pd.DataFrame({"y": outcome, "x": score, "time": range(1, len(score) + 1)})


BOTH = rows([0, 1, 0, 1, 1], [1.0, 2, 3, 4, 3])
EVENTS = rows([1, 1, 1], [2.0, 5, 1])


def sites(*frames):
    return fs.InProcess({f"site{k}": frame for k, frame in enumerate(frames)}, policy=NONE)


@pytest.fixture(scope="module")
def fit():
    return fs.logistic(sites(BOTH, EVENTS), "y ~ x")


def test_an_area_of_six_pairs(fit):
    """Of 2 x 3 pairs the scores 2, 4, 3 against 1 win all three, against 3 one; one is equal."""
    found = fs.auc(sites(BOTH), fit)
    assert (found.concordant, found.discordant, found.tied) == (4, 1, 1)
    assert found.estimate == pytest.approx(4.5 / 6)


def test_a_site_of_events_alone_adds_no_pair_and_no_error(fit):
    alone, both = fs.auc(sites(BOTH), fit), fs.auc(sites(BOTH, EVENTS), fit)
    assert (both.estimate, both.std_error) == (alone.estimate, alone.std_error)
    assert (alone.n, both.n) == (5, 8)


def test_where_every_site_has_events_alone_it_says_so(fit):
    with pytest.raises(fs.QueryError, match="at every site all have the event, or none has"):
        fs.auc(sites(EVENTS, EVENTS), fit)


def test_where_nobody_outlives_an_event_it_says_so():
    model = fs.cox(sites(BOTH), "Surv(time, y) ~ x")
    with pytest.raises(fs.QueryError, match="no event came while another was at risk"):
        fs.concordance(sites(rows([0, 0, 1], [1.0, 2, 3])), model)


def test_a_score_that_orders_all_pairs_has_an_index_of_one():
    model = fs.cox(sites(rows([1, 1, 1, 1], [3.0, 4, 2, 1])), "Surv(time, y) ~ x")
    found = fs.concordance(sites(rows([1, 1, 1, 0], [4.0, 3, 2, 1])), model)
    assert (found.estimate, found.std_error, found.conf_high) == (1, 0, 1)


def test_a_table_has_one_row(fit):
    table = fs.auc(sites(BOTH), fit).tidy()
    assert table.columns.tolist()[:5] == ["measure", "estimate", "std_error", "conf_low", "conf_high"]
    assert table[["n", "dropped", "error_bound"]].to_numpy().tolist() == [[5, 0, 0]]


def test_penalised_fits_are_evaluated_as_others_are():
    for penalty in (fs.Ridge(0.1), fs.ElasticNet(0.01, 1.0), fs.Firth()):
        model = fs.logistic(sites(BOTH, EVENTS), "y ~ x", penalty=penalty)
        assert fs.auc(sites(BOTH), model).concordant == 4
