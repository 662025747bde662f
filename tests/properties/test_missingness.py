"""The profile of empty cells: counted as a frame counts them, by site and practice, and a few are never shown."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.condition import conditions
from fedstats.contract.refusal import Refusal
from fedstats.federations.memory import Memory
from fedstats.methods.empty_cells import EmptyCells
from tests.attacks.targets import BOOK, STRICT, cohort

NONE = fs.DisclosurePolicy.none()
i = np.arange(360)
LAB, AGE = i % 4 == 1, (i % 6 == 5) | (i < 60)


def frames(lab=LAB, age=AGE):
    whole = cohort()
    whole = whole.assign(lab=whole["lab"].mask(lab), age=whole["age"].mask(age))
    return {"north": whole[:200].reset_index(drop=True), "south": whole[200:].reset_index(drop=True)}


def sites(policy=STRICT, **columns):
    return fs.InProcess(frames(**columns), BOOK, policy)


def counts(found, group="Overall"):
    return found.tidy().query("group == @group").set_index("variable")["missing"]


def test_it_counts_what_a_frame_counts():
    found = fs.missingness(sites())
    table = found.tidy()
    assert table["variable"].tolist() == ["entry", "age", "lab"]
    whole = pd.concat(frames().values())
    assert counts(found).to_dict() == whole[["entry", "age", "lab"]].isna().sum().to_dict()
    assert table["percent"].tolist() == pytest.approx(
        (100 * whole[["entry", "age", "lab"]].isna().mean()).tolist()
    )
    pair = found.pairs().set_index(["variable", "other"]).loc[("age", "lab")]
    assert pair["missing_both"] == (LAB & AGE).sum()
    assert pair["expected"] == pytest.approx(LAB.sum() * AGE.sum() / 360)
    assert found.status == "exact"


def test_sites_show_their_own_where_they_are_asked_for():
    found = fs.missingness(sites(), ["lab", "age"], by="site")
    for name, frame in frames().items():
        assert counts(found, name).to_dict() == frame[["lab", "age"]].isna().sum().to_dict()
    assert found.tidy()["variable"].tolist() == ["lab"] * 3 + ["age"] * 3
    silent = fs.DisclosurePolicy.from_toml({"base": "strict", "per_site_estimates": False})
    with pytest.raises(fs.SiteRefused, match="per-site"):
        fs.missingness(sites(silent), ["lab"], by="site")
    assert counts(fs.missingness(sites(silent), ["lab"]))["lab"] == LAB.sum()


@pytest.mark.parametrize("few", [1, 10])
def test_a_few_are_not_shown_and_neither_are_all_but_a_few(few):
    for lab in (i < few, i >= few):
        found = fs.missingness(sites(lab=lab), by="site")
        table = found.tidy().set_index(["variable", "group"])["missing"]
        assert np.isnan(table["lab", "north"])
        assert np.isnan(table["lab", "Overall"])
        assert table["lab", "south"] == lab[200:].sum()
        assert table["age", "Overall"] == AGE.sum()
        assert found.hidden == ("lab",)
        assert found.pairs().set_index(["variable", "other"])["missing_both"].isna()["age", "lab"]
        assert found.status == "exact; small counts not shown"
        assert "not shown" in str(found)
        assert counts(fs.missingness(sites(NONE, lab=lab)))["lab"] == lab.sum()


def test_eleven_are_shown():
    assert counts(fs.missingness(sites(lab=i < 11)))["lab"] == 11


def test_two_variables_are_shown_together_where_all_four_combinations_may_be_seen():
    """Five are empty in both: shown, three answers would tell of them."""
    overlap = (i >= 50) & (i < 110)
    found = fs.missingness(sites(lab=overlap & (i >= 55), age=i < 60))
    assert counts(found)[["lab", "age"]].notna().all()
    assert np.isnan(found.pairs().set_index(["variable", "other"])["missing_both"]["age", "lab"])


def practices(site_frame, practice):
    return {"north": site_frame.assign(practice=practice)}


def test_small_practices_are_merged_until_every_count_may_be_seen():
    frame = pd.concat(frames().values(), ignore_index=True)
    practice = np.where(i < 150, "a", np.where(i < 294, "b", np.where(i < 327, "c", "d")))
    small = fs.InProcess(practices(frame, practice), BOOK, STRICT)
    found = fs.missingness(small, ["lab", "age"], by="practice").tidy()
    groups = found[found["group"] != "Overall"].drop_duplicates("group").set_index("group")["n"]
    assert groups.to_dict() == {
        "north, practice 1": 150,
        "north, practice 2": 144,
        "north, 2 practices together": 66,
    }
    assert not found["group"].str.contains("north, [abcd]").any()
    by_group = found[found["group"] != "Overall"].groupby("variable")["missing"]
    assert by_group.sum().to_dict() == {"lab": LAB.sum(), "age": AGE.sum()}
    assert by_group.min().min() >= 11
    open_ = fs.InProcess(practices(frame, practice), BOOK, NONE)
    assert fs.missingness(open_, ["lab"], by="practice").tidy()["group"].nunique() == 5


def test_a_practice_that_no_merging_helps_takes_all_others():
    """Two practices, of which one has three empty cells: there is nothing to merge it with but the other."""
    frame = cohort(lab=cohort()["lab"].mask((i < 3) | (i % 5 == 1) & (i > 180)))
    found = fs.missingness(
        fs.InProcess(practices(frame, np.where(i < 180, "a", "b")), BOOK, STRICT), ["lab"], by="practice"
    ).tidy()
    assert found["group"].tolist() == ["Overall", "north, 2 practices together"]


def test_a_site_with_a_memory_lays_profiles_of_subsets_over_each_other(tmp_path):
    """One more patient in the second subset, who has no lab value: the attack is the difference of two counts."""
    frame = cohort(lab=cohort()["lab"].mask(LAB))

    def told(policy, folder):
        place, found = fs.Site("north", frame, BOOK, policy, Memory(folder)), []
        for text in ("time <= 307.5", "time <= 312.5"):
            answer = place.remembered(place.answer(EmptyCells(("lab",), where=conditions(text))))
            content = answer.content
            found.append(content.rule if isinstance(content, Refusal) else content.values()["missing"][0])
        return found

    first, second = told(NONE, tmp_path / "none")
    assert abs(second - first) == 1
    assert told(STRICT, tmp_path / "strict")[1] == "difference between cohorts"


WRONG = {
    "a text": (("lab",), {}, None),
    "one name": ("lab", {}, "give names of columns in a list"),
    "nothing": ([], {}, "give names of columns in a list"),
    "an unknown column": (["labb"], {}, "did you mean 'lab'"),
    "twice": (["lab", "lab"], {}, "give each column once"),
    "a number as groups": (["lab"], {"by": "age"}, "give 'site' or a column of practices"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_a_sentence(name):
    variables, options, words = WRONG[name]
    if words is None:
        assert len(fs.missingness(sites(), variables, **options).tidy()) == 1
        return
    with pytest.raises(fs.FormulaError, match=words):
        fs.missingness(sites(), variables, **options)


def test_a_codebook_without_empty_cells_has_no_profile():
    full = fs.InProcess({"a": pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})}, policy=NONE)
    with pytest.raises(fs.FormulaError, match="no column may be empty"):
        fs.missingness(full)
