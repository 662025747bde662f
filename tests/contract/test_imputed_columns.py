"""A recipe of completed columns: made of the question alone, the same whenever and wherever it is made, and of sensible parts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from fedstats.contract.codebook import Codebook
from fedstats.contract.cumulative_hazard import UNIT, CumulativeHazard
from fedstats.contract.design import Column, Design, Part
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.imputed_columns import ImputationStep, ImputedColumns
from fedstats.contract.imputed_rows import LEFT, cells_of
from fedstats.contract.query import QueryError, spec_from_dict
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import Variable
from fedstats.federations.site import Site

BOOK = Codebook(
    (
        Variable("time", "time"),
        Variable("status", "event"),
        Variable("age", "numeric", centre=60.0, scale=8.0),
        Variable("lab", "numeric", missing=True),
        Variable("stage", "factor", levels=("I", "II", "III"), missing=True),
        Variable("response", "event", missing=True),
        Variable("practice", "label"),
    )
)
AGE = Design((Column("age", (Part("age"),), 60.0, 8.0),), intercept=True)
LAB_AND_AGE = Design((*AGE.columns, Column("lab", (Part("lab"),))), intercept=True)
LAB = ImputationStep("lab", AGE, ((100.0, 4.0),), spread=0.0)
NOISY = replace(LAB, spread=5.0)
STAGE = ImputationStep("stage", LAB_AND_AGE, ((-1.0, 0.5, 0.0), (0.3, 0.0, 0.0)))
N = 900


def patients(n=N):
    random, i = np.random.default_rng(3), np.arange(n)
    lab = random.normal(100, 15, n)
    lab[i % 3 == 0] = np.nan
    stage = np.array(["I", "II", "III"], dtype=object)[i % 3]
    stage[i % 4 == 1] = None
    return pd.DataFrame(
        {
            "time": 1.0 + random.integers(0, 30, n),
            "status": i % 2,
            "age": np.round(random.normal(60, 8, n), 3),
            "lab": lab,
            "stage": stage,
            "response": np.where(i % 5 == 2, np.nan, i % 2),
            "practice": "one",
        }
    )


def data(frame=None, policy=None, secret=b""):
    harmonised = BOOK.harmonise(patients() if frame is None else frame, "the table")
    return SiteData(harmonised, BOOK, gate=policy or DisclosurePolicy.none(), secret=secret)


def chain(*steps, draws=10, copy=1, hazard=None, imputed=("lab", "stage", "response")):
    names = tuple(dict.fromkeys(step.variable for step in steps))
    read = dict.fromkeys(name for step in steps for name in step.design.variables)
    kept = tuple(name for name in imputed if name in (*names, *read)) or names
    others = tuple(name for name in read if name not in kept)
    return ImputedColumns(names, steps, kept, others, draws, copy, hazard)


def completed(recipe, **options):
    return data(**options).with_columns((recipe,)).frame


def test_it_travels_as_json_and_comes_back():
    recipe = chain(NOISY, STAGE, hazard=CumulativeHazard("cumhaz", "time", "status"))
    assert spec_from_dict(recipe.to_dict()) == recipe


def test_a_number_without_spread_is_its_prediction_and_observed_values_stay():
    frame, found = patients(), completed(chain(LAB))
    empty = frame["lab"].isna()
    np.testing.assert_allclose(found["lab"][empty], 100 + 4 * (frame["age"][empty] - 60) / 8, rtol=1e-14)
    assert found["lab"][~empty].equals(frame["lab"][~empty])
    shown = [name for name in found if name not in ("lab", "stage", "practice")]
    pd.testing.assert_frame_equal(found[shown], frame[shown], check_dtype=False)


def test_numbers_are_normal_around_their_prediction():
    frame, found = patients(), completed(chain(NOISY))
    empty = frame["lab"].isna()
    z = (found["lab"] - 100 - 4 * (frame["age"] - 60) / 8)[empty] / 5
    assert kstest(z, "norm").pvalue > 0.01
    assert z.nunique() == empty.sum()


def test_levels_have_the_shares_that_the_model_says():
    model = ImputationStep("stage", AGE, ((-1.0, 0.0), (0.5, 0.0)))
    frame = pd.concat([patients()] * 20, ignore_index=True)
    found = completed(chain(model), frame=frame)["stage"][frame["stage"].isna()].value_counts(normalize=True)
    first, second = 1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(-0.5))
    shares = [first, (1 - first) * second, (1 - first) * (1 - second)]
    np.testing.assert_allclose(
        found[["I", "II", "III"]], shares, atol=0.025
    )  # 4,500 draws: 3.5 standard errors


def test_an_event_is_drawn_as_a_factor_of_two_levels():
    found = completed(chain(ImputationStep("response", AGE, ((-2.0, 0.0),))))  # logit of no response
    empty = patients()["response"].isna()
    assert set(found["response"]) == {0.0, 1.0}
    assert found["response"][empty].mean() == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.09)


def test_a_shift_moves_numbers_by_itself_and_levels_to_the_later_ones():
    frame = patients()
    shifted = completed(chain(replace(LAB, shift=-3.0)))["lab"] - completed(chain(LAB))["lab"]
    assert shifted[frame["lab"].isna()].to_numpy() == pytest.approx(-3.0)
    assert (shifted[frame["lab"].notna()] == 0).all()
    few, many = (
        (completed(chain(ImputationStep("response", AGE, ((0.0, 0.0),), shift=s)))["response"]).sum()
        for s in (-2, 2)
    )
    assert few < many - 60


def test_a_question_is_answered_without_any_memory_of_earlier_ones():
    """The whole chain stands in the recipe: a site that has seen every step and one that has seen none make the same."""
    recipe = chain(NOISY, STAGE, replace(NOISY, coefficients=((101.0, 3.0),)), STAGE)
    there = data()
    for k in range(1, 5):
        shown = tuple(dict.fromkeys(step.variable for step in recipe.steps[:k]))
        seen = there.with_columns((replace(recipe, completed=shown, steps=recipe.steps[:k]),)).frame
    fresh = completed(recipe)
    pd.testing.assert_frame_equal(seen, fresh)
    assert not seen.equals(completed(chain(*recipe.steps[:2])))


def test_draws_belong_to_a_recipe_a_copy_and_a_secret():
    frame = patients()
    empty = frame["lab"].isna()

    def z(recipe, **options):
        return completed(recipe, **options)["lab"][empty].to_numpy()

    one = z(chain(NOISY))
    assert (one == z(chain(NOISY))).all()
    moved = replace(NOISY, coefficients=((100.0, 4.0 + 1e-9),))
    for other in (z(chain(NOISY, copy=2)), z(chain(moved)), z(chain(NOISY), secret=b"mine")):
        assert np.abs(np.corrcoef(one, other)[0, 1]) < 0.6  # they share the prediction alone
        assert (one != other).all()


def test_draws_do_not_depend_on_the_order_of_rows():
    order = np.random.default_rng(1).permutation(N)
    there, moved = (
        completed(chain(NOISY, STAGE)),
        completed(chain(NOISY, STAGE), frame=patients().iloc[order]),
    )
    pd.testing.assert_frame_equal(there.iloc[order].reset_index(drop=True), moved.reset_index(drop=True))


def test_rows_that_agree_in_everything_are_drawn_apart():
    twice = pd.concat([patients(60)] * 2, ignore_index=True)
    values = completed(chain(NOISY), frame=twice)["lab"][twice["lab"].isna()]
    assert values.nunique() == len(values)


def test_cells_stay_empty_where_a_predictor_that_is_not_imputed_is():
    frame = patients().assign(response=lambda f: f["response"].mask(f.index % 6 == 0))
    model = ImputationStep("lab", Design((Column("r", (Part("response"),)),), True), ((100.0, 1.0),))
    found = completed(chain(model, imputed=("lab",)), frame=frame)["lab"]
    assert (found.isna() == (frame["lab"].isna() & frame["response"].isna())).all()


def test_a_few_empty_cells_have_one_draw_of_the_sites_own_values_whatever_is_asked():
    frame = patients()
    frame["lab"] = frame["lab"].fillna(99.5)
    frame.loc[[4, 40, 400], "lab"] = np.nan
    strict = {"frame": frame, "policy": DisclosurePolicy(), "secret": b"mine"}
    recipes = chain(NOISY), chain(NOISY, copy=2), chain(replace(LAB, coefficients=((500.0, 0.0),)))
    found = [completed(recipe, **strict)["lab"].to_numpy() for recipe in recipes]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    assert set(found[0][[4, 40, 400]]) <= set(frame["lab"].dropna())


def test_cells_that_are_too_small_for_the_draws_stay_empty_with_enough_others():
    def enough(counts):
        return (counts == 0) | (counts >= 11)

    def cells(draws):
        return cells_of({"a": a, "b": b}, enough, draws, np.random.default_rng(1).random(300))

    a, b = np.zeros(300, dtype=bool), np.zeros(300, dtype=bool)
    a[:100], b[95:160] = True, True  # five have neither
    cell = cells(draws=20)
    assert (cell[95:100] == LEFT).all()
    assert [int((cell[v] == LEFT).sum()) for v in (a, b)] == [11, 11]  # six more of each
    assert [int((cell == c).sum()) for c in (1, 2)] == [89, 54]
    assert (cell[160:] == 0).all()
    assert (cells(draws=70)[100:160] == LEFT).all()
    assert (cells(draws=1000)[:160] == LEFT).all()


def test_a_site_without_a_gate_fills_in_every_cell():
    found = completed(chain(NOISY, STAGE))
    assert found[["lab", "stage"]].notna().all(axis=None)


def test_the_cumulative_hazard_is_nelson_and_aalens():
    frame = pd.DataFrame({"time": [3.0, 1, 2, 2, 5], "status": [0, 1, 1, 1, 1]})
    found = CumulativeHazard("cumhaz", "time", "status").values(frame)
    expected = np.array([1 / 5 + 2 / 4, 1 / 5, 1 / 5 + 2 / 4, 1 / 5 + 2 / 4, 1 / 5 + 2 / 4 + 1])
    assert np.abs(found - expected).max() <= UNIT / 2
    assert (found / UNIT == np.round(found / UNIT)).all()


def test_late_entry_keeps_patients_out_of_earlier_risk_sets():
    frame = pd.DataFrame({"entry": [0.0, 1.5, 0], "time": [1.0, 2, 3], "status": [1, 1, 0]})
    found = CumulativeHazard("cumhaz", "time", "status", "entry").values(frame)
    assert found == pytest.approx([1 / 2, 1 / 2 + 1 / 2, 1], abs=UNIT)


TWICE = chain(LAB)
WRONG = {
    "nothing": (replace(TWICE, completed=(), steps=()), "those of the steps"),
    "a column that is not in the chain": (replace(TWICE, completed=("stage",)), "those of the steps"),
    "an unknown predictor": (
        chain(ImputationStep("lab", Design((Column("x", (Part("x"),)),), True), ((0.0, 1.0),))),
        "'x' is not in the codebook",
    ),
    "a label": (
        chain(ImputationStep("lab", Design((Column("p", (Part("practice", "one"),)),), True), ((0.0, 1.0),))),
        "practice groups patients",
    ),
    "itself": (chain(ImputationStep("lab", LAB_AND_AGE, ((0.0, 1.0, 1.0),))), "not itself as a term"),
    "no intercept": (
        chain(ImputationStep("lab", replace(AGE, intercept=False), ((1.0,),))),
        "has an intercept",
    ),
    "a time": (
        chain(ImputationStep("time", AGE, ((0.0, 1.0),)), imputed=("time",)),
        "time is neither a number nor a factor",
    ),
    "too few coefficients": (chain(replace(LAB, coefficients=((1.0,),))), "other coefficients"),
    "a model for each level": (chain(ImputationStep("stage", AGE, ((1.0, 0.0),))), "other coefficients"),
    "a predictor that is not there yet": (chain(STAGE, LAB), "lab is read by the imputation of stage before"),
    "a negative spread": (chain(replace(LAB, spread=-1.0)), "not below zero"),
    "an unnamed predictor": (
        replace(TWICE, others=()),
        "age is read by the imputation of lab, and not named",
    ),
    "no draws": (chain(LAB, draws=0), "a number of draws"),
    "a copy too many": (chain(LAB, copy=21), "at most 20 copies"),
    "a long chain": (chain(*[LAB] * 31), "at most 6 variables and 5 cycles"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_recipe_that_is_none_is_refused_in_a_sentence(name):
    recipe, words = WRONG[name]
    with pytest.raises(QueryError, match=words):
        completed(recipe)


def test_columns_are_completed_once_and_first():
    with pytest.raises(QueryError, match="completes columns once"):
        data().with_columns((chain(LAB), chain(NOISY)))
    with pytest.raises(QueryError, match="before it makes others"):
        data().with_columns((CumulativeHazard("cumhaz", "time", "status"), chain(LAB)))


def test_a_step_without_a_site_value_has_the_sites_own_intercept():
    step = replace(LAB, between=10.0)
    frames = [patients().assign(lab=np.nan, age=60.0 + k / 1000) for k in range(40)]
    found = [completed(chain(step), frame=frame, secret=b"%d" % k)["lab"] for k, frame in enumerate(frames)]
    assert all(values.std() < 1e-9 for values in found)  # one for the site
    assert 6 < np.std([values[0] for values in found]) < 14
    observed = completed(chain(step))
    assert observed["lab"].equals(completed(chain(LAB))["lab"])  # where it was observed nothing is added
    assert Site("a", frames[0], BOOK, DisclosurePolicy.none()).name == "a"
