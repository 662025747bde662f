"""Folds that single somebody out (C3.22): all patients less those outside a fold are those inside it."""

from dataclasses import replace

import numpy as np
import pytest

from fedstats.contract.aggregate import full_matrix
from fedstats.contract.codebook import Codebook
from fedstats.contract.condition import Condition
from fedstats.contract.design import Part
from fedstats.contract.linear_predictor import Addend, LinearPredictor
from fedstats.contract.query import QueryError
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site
from fedstats.methods.descriptives import Moments
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.folds import WithoutFolds
from fedstats.methods.glm_model import GlmDerivatives
from fedstats.methods.penalised_fit import DesignMoments
from tests.attacks.targets import BOOK, NONE, STRICT, ask, cohort, column, logistic

pytestmark = pytest.mark.acceptance(22)

FOLDED = Codebook((*BOOK.variables, Variable("fold", "factor", levels=("a", "b"))))
MODEL = logistic(column("age"), column("e", ("ecog", "1")))
POINTS = ((0.0,) * 3,) * 3
BY_COLUMN = WithoutFolds(MODEL, 2, "fold", ("a", "b"), POINTS)
DRAWN = WithoutFolds(MODEL, 2, points=POINTS)


def in_folds(alone):
    """A cohort of whom the first few are a fold of their own."""
    frame = cohort()
    return frame.assign(fold=np.where(np.arange(len(frame)) < alone, "a", "b"))


def inside(sums, k):
    """What the coordinator has of the patients inside a fold."""
    return full_matrix(sums["information"] - sums[f"information_without_{k}"]) / 0.25


def test_without_a_gate_a_fold_of_one_is_his_row():
    gram = inside(ask(in_folds(1), BY_COLUMN, NONE, FOLDED), 1)
    assert gram[0, 0] == pytest.approx(1.0)
    scale = MODEL.model.design.columns[0]
    assert gram[0, 1] * scale.scale + scale.centre == pytest.approx(cohort()["age"][0])


@pytest.mark.parametrize("alone", [1, 10, 49])
def test_a_fold_of_few_is_refused(alone):
    assert ask(in_folds(alone), BY_COLUMN, STRICT, FOLDED) in ("complement of the subset", "patients of the subset", "entry", "patients", "level")  # fmt: skip


def test_folds_of_many_are_let_out():
    assert "score_without_1" in ask(in_folds(180), BY_COLUMN, STRICT, FOLDED)
    assert "score_without_2" in ask(cohort(), DRAWN, STRICT)


@pytest.mark.parametrize("few", [0, 1, 2])
def test_a_level_that_few_in_a_fold_have_is_refused_though_many_outside_it_have(few):
    fold = np.arange(360) % 3
    here, elsewhere = np.flatnonzero(fold == few), np.flatnonzero(fold != few)
    ecog = np.zeros(360, dtype=int)
    ecog[[*here[:10], *elsewhere[:120]]] = 1
    three = Codebook((*BOOK.variables, Variable("fold", "factor", levels=("a", "b", "c"))))
    frame = cohort(ecog=ecog, fold=np.array(["a", "b", "c"])[fold])
    question = WithoutFolds(MODEL, 3, "fold", ("a", "b", "c"), ((0.0,) * 3,) * 4)
    assert ask(frame, question, STRICT, three) in ("level", "level by outcome")
    ecog[here[10:40]] = 1
    assert "score" in ask(frame.assign(ecog=ecog), question, STRICT, three)


def test_a_site_sees_what_is_judged_of_each_fold_and_of_those_outside_it():
    review = Site("north", cohort(), BOOK, STRICT).answer(DRAWN).review
    about = " ".join(review["about"])
    assert [
        name for name in ("fold 1: ", "fold 2: ", "without fold 1: ", "without fold 2: ") if name not in about
    ] == []


def test_drawn_folds_of_a_cohort_that_is_too_small_for_them_are_refused():
    assert ask(cohort(), replace(DRAWN, folds=10, points=((0.0,) * 3,) * 11), STRICT) == "patients"


def test_coefficients_of_one_fold_alone_are_judged():
    steep = ((0.0,) * 3, (0.0,) * 3, (0.0, 150.0, 0.0))
    assert ask(cohort(), replace(DRAWN, points=steep), STRICT) == "size of coefficients"


def test_moments_of_a_fold_are_judged_as_well():
    moments = WithoutFolds(DesignMoments(MODEL), 2, "fold", ("a", "b"))
    assert "sum_without_1" in ask(in_folds(180), moments, STRICT, FOLDED)
    assert ask(in_folds(5), moments, STRICT, FOLDED) in ("complement of the subset", "patients of the subset", "level", "entry", "patients")  # fmt: skip


def test_a_patient_in_no_fold_is_a_fault_that_is_said_after_the_gate():
    frame = in_folds(180)
    frame.loc[5, "fold"] = None
    book = Codebook((*BOOK.variables, Variable("fold", "factor", levels=("a", "b"), missing=True)))
    assert "no agreed fold" in ask(frame, BY_COLUMN, NONE, book)
    assert "no agreed fold" not in ask(frame.assign(y=[1] * 5 + [0] * 355), BY_COLUMN, STRICT, book)


WRONG = {
    "moments of one column": WithoutFolds(Moments("age", None, (), 60.0, 8.0), 2),
    "a site's own fit": WithoutFolds(LocalEstimate(MODEL), 2),
    "folds of folds": WithoutFolds(DRAWN, 2, points=POINTS),
    "one fold": replace(DRAWN, folds=1, points=POINTS[:2]),
    "too many": replace(DRAWN, folds=21, points=((0.0,) * 3,) * 22),
    "no points": replace(DRAWN, points=()),
    "a point too few": replace(DRAWN, points=POINTS[:2]),
    "levels without a column": replace(DRAWN, levels=("a",)),
    "a level too few": replace(BY_COLUMN, levels=("a",)),
    "moments at points": WithoutFolds(DesignMoments(MODEL), 2, points=POINTS),
    "a label": replace(BY_COLUMN, column="practice"),
    "no such column": replace(BY_COLUMN, column="nobody"),
    "a subset within": WithoutFolds(MODEL.among(Condition("sex", "==", ("F",))), 2, points=POINTS),
}


@pytest.mark.parametrize("question", WRONG.values(), ids=WRONG)
def test_what_does_not_fit_together_is_not_evaluated(question):
    site = Site("north", in_folds(180), FOLDED, NONE)
    with pytest.raises(QueryError):
        question.aggregate(site.data)


def test_another_question_of_the_same_patients_draws_no_other_folds():
    """Of two draws the differences would tell of few; how a model is put must not change who is in which fold."""
    data = Site("north", cohort(), BOOK, NONE).data
    n = DRAWN.aggregate(data).sums["score_without_1"].values[0]
    other = GlmDerivatives(replace(MODEL.model, cluster="practice"), (0.0,) * 3, course="again")
    assert WithoutFolds(other, 2, points=POINTS).aggregate(data).sums["score_without_1"].values[0] == n
    everyone = np.ones(360, dtype=bool)
    assert (data.drawn(everyone, 3) == data.drawn(everyone, 3)).all()
    assert (np.bincount(data.drawn(everyone, 3)) == 120).all()


def test_nobody_without_the_secret_can_tell_the_folds():
    everyone, rows = np.ones(360, dtype=bool), BOOK.harmonise(cohort(), "the table")
    one, other = (SiteData(rows, BOOK, secret=secret).drawn(everyone, 2) for secret in (b"one", b"other"))
    assert (
        0.35 < (one == other).mean() < 0.65
    )  # as of two coins: 180 of 360, and nine and a half a standard deviation


def test_columns_that_a_question_makes_draw_no_other_folds():
    """Of weights at coefficients that differ by nothing a new draw would be laid over the last."""
    data, everyone = (
        SiteData(BOOK.harmonise(cohort(), "the table"), BOOK, secret=b"one"),
        np.ones(360, dtype=bool),
    )
    made = [
        data.with_columns((LinearPredictor("lp", 0.0, (Addend((Part("age"),), size),)),))
        for size in (0.1, 0.2)
    ]
    for one in made:
        assert (one.drawn(everyone, 3) == data.drawn(everyone, 3)).all()
    hidden = [as_its_own(one) for one in made]  # as if these columns were the site's own
    assert (hidden[0].drawn(everyone, 3) != hidden[1].drawn(everyone, 3)).any()


def as_its_own(data):
    return SiteData(data.frame, data.codebook, secret=data.secret)
