"""Cross-validation over an exchange folder, at sites that remember: the same folds on replay, drawn with their secrets."""

import numpy as np
import pytest

import fedstats as fs
from fedstats.contract.federation import Answers
from fedstats.federations.memory import Memory
from tests.attacks.targets import BOOK, STRICT, cohort
from tests.federations.small_study import ask_until_answered, files

FORMULA = "response ~ age + sex"


def ask(sites):
    return fs.cross_validate(sites, FORMULA, folds=3, n_strengths=3)


def test_a_cross_validation_over_a_folder_is_that_of_one_process_and_is_replayed_as_it_was(here):
    found = ask_until_answered(here.exchange, here.sites, here.study, ask)
    before = files(here.exchange)
    again = ask(fs.Folder(here.exchange, study=here.study))
    assert files(here.exchange) == before
    assert again.tidy().equals(found.tidy())
    assert found.path.coef.equals(ask(here.whole).path.coef)


def remembering(folder):
    return fs.Site("north", cohort(), BOOK, STRICT, Memory(folder))


def test_a_site_draws_the_same_folds_again_and_another_memory_others(tmp_path):
    everyone = np.ones(360, dtype=bool)
    one, again, other = (
        remembering(tmp_path / name).data.drawn(everyone, 3) for name in ("one", "one", "other")
    )
    assert (one == again).all()
    assert (one != other).any()


def test_a_strict_site_with_a_memory_lets_cross_validations_out(tmp_path):
    site = remembering(tmp_path)

    class One(fs.InProcess):
        def __init__(self):
            self.sites, self.codebook, self.answers = ("north",), BOOK, []

        def ask(self, query, *, each=False):  # noqa: ARG002 (one site)
            self.answers.append(site.remembered(site.answer(query)))
            return Answers(query, {"north": self.answers[-1].content})

    north = One()
    found = fs.cross_validate(north, "y ~ age + sex", folds=3, n_strengths=3)
    assert found.tidy()["mean_deviance"].between(1.3, 1.5).all()
    points = north.answers[-1].review.set_index("rule").loc["number of coefficients", "count"]
    assert np.max(points) == found.path.rounds
    # eighty patients fewer: 27 of each fold, who would be told were the folds of the others the same; they are drawn anew
    fs.cross_validate(north.where("age >= 49"), "y ~ age + sex", folds=3, n_strengths=3)
    # five of ten folds, and each of those in two
    with pytest.raises(fs.SiteRefused):
        fs.cross_validate(north, "y ~ age + sex", folds=7, n_strengths=3)
