"""Imputation over an exchange: the copies go side by side, the draws are those of one process, and a replay draws nothing anew."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.federations.memory import Memory
from tests.attacks.targets import BOOK, STRICT, cohort
from tests.federations.small_study import ask_until_answered, attended_pass, files

MODELS = {"response": "age + sex + status"}


def ask(sites):
    copies = fs.impute(sites, MODELS, m=3)
    return copies.fit(lambda copy: fs.logistic(copy, "status ~ response + age"))


def test_an_exchange_gives_what_one_process_gives_and_is_replayed_as_it_was(here):
    found = ask_until_answered(here.exchange, here.sites, here.study, ask)
    before = files(here.exchange)
    again = ask(fs.Folder(here.exchange, study=here.study))
    assert files(here.exchange) == before
    np.testing.assert_array_equal(again.estimates, found.estimates)
    np.testing.assert_array_equal(ask(here.whole).estimates, found.estimates)


def test_copies_share_rounds(here):
    exchanges = 0
    while True:
        try:
            found = ask(fs.Folder(here.exchange, study=here.study))
            break
        except fs.Waiting:
            exchanges += 1
            assert attended_pass(here.exchange, here.sites, here.study)
    fits = ask(here.whole)
    assert found.m == fits.m == 3
    questions = len(fs.Ledger(here.exchange).questions())
    assert questions > 2 * exchanges
    assert exchanges <= 20  # a logistic fit and another, some seven points each, and joining


def test_it_stands_beside_other_analyses(here):
    def both(sites):
        return fs.together(sites, imputed=ask, complete=lambda s: fs.logistic(s, "status ~ response + age"))

    found = ask_until_answered(here.exchange, here.sites, here.study, both)
    np.testing.assert_array_equal(found.imputed.estimates, ask(here.whole).estimates)
    assert found.complete.n < found.imputed.n


@pytest.mark.parametrize("secret", ["one", "other"])
def test_a_strict_site_with_a_memory_answers_an_imputation(tmp_path, secret):
    i = np.arange(360)
    frame = cohort(lab=cohort()["lab"].mask(i % 3 == 1))
    site = fs.Site("north", frame, BOOK, STRICT, Memory(tmp_path / secret))

    class One(fs.InProcess):
        def __init__(self):
            self.sites, self.codebook = ("north",), BOOK

        def ask(self, query, *, each=False):  # noqa: ARG002 (one site)
            from fedstats.contract.federation import Answers

            return Answers(query, {"north": site.remembered(site.answer(query)).content})

    copies = fs.impute(One(), {"lab": "age + y"}, m=3)
    fit = copies.fit(lambda copy: fs.glm(copy, "lab ~ age", family="gaussian"))
    assert fit.n == 360
    assert (fit.estimates.std(axis=0) > 0).all()
