"""Who leaves at which step, as a report draws and lists it, and as results keep it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.attrition import Attrition
from fedstats.reporting.attrition_drawing import attrition_plot, exclusions
from fedstats.reporting.attrition_view import attrition_parts
from fedstats.reporting.pooled_check import compare
from fedstats.reporting.pooled_fits import pooled_rows
from fedstats.study.toml_file import StudyError
from tests.cohort.clean_site import clean_site, write_site
from tests.cohort.cohort_study import write_cohort_study

TITLES = {"a": "No time zero", "b": "Too young", "c": "Another regimen", "d": "A driver", "e": "No follow-up"}
METER = SimpleNamespace(rounds=1, n_bytes=80, federation=SimpleNamespace(sites=("north", "south")))


def found(left, together=0.0, eligible=100.0):
    """An attrition over two sites; None: not shown."""
    return Attrition.of(
        TITLES, np.array([np.nan if n is None else n for n in left]), together, eligible, METER
    )


def test_everybody_screened_is_who_stays_and_who_leaves():
    frame = found([0.0, 20.0, 300.0, 15.0, 11.0]).frame
    assert frame["stay"].tolist() == [446, 446, 426, 126, 111, 100]
    assert frame["left"].iloc[1:].tolist() == [0, 20, 300, 15, 11]


def test_between_steps_that_are_not_shown_nobody_knows_who_stays():
    result = found([0.0, None, 300.0, None, 11.0], together=25.0)
    assert result.frame["stay"].fillna(-1).tolist() == [436, 436, -1, -1, 111, 100]
    boxes = list(exclusions(result.frame, result.together))
    assert [(box.titles, box.left) for box in boxes] == [
        (("Another regimen",), 300),
        (("Too young", "A driver"), 25),
        (("No follow-up",), 11),
    ]
    drawn = [text.get_text() for text in attrition_plot(result.frame, 25.0).texts]
    assert "Screened: 436" in drawn
    assert "Stay: not shown" in drawn
    assert "Eligible: 100" in drawn
    assert any(text.startswith("25 leave at these steps together") for text in drawn)


def test_the_page_says_what_is_not_shown_and_how_many_these_are():
    shown = " ".join(
        str(part) for part in attrition_parts("Flow", found([0.0, None, 300.0, None, 11.0], 25.0))
    )
    assert "Of 436 patients screened 100 are eligible" in shown
    assert "25 leave at these together" in shown
    plain = " ".join(str(part) for part in attrition_parts("Flow", found([0.0, 20.0, 300.0, 15.0, 11.0])))
    assert "not shown" not in plain.lower()


def test_results_keep_it(tmp_path):
    result = found([0.0, None, 300.0, None, 11.0], together=25.0)
    fs.save_results({"attrition": result}, tmp_path / "results.json")
    again = fs.load_results(tmp_path / "results.json").attrition
    pd.testing.assert_frame_equal(again.frame, result.frame)
    assert (again.together, again.sites, again.status) == (
        25,
        ("north", "south"),
        "exact; small steps together",
    )


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """A study that counts its steps, the folder of a site of 120 (11 leave, at two steps), and the pooled rows."""
    folder = write_cohort_study(tmp_path_factory.mktemp("pooled") / "study")
    with (folder / "study.toml").open("a") as file:
        file.write("[attrition]\n")
    tables = clean_site(120, 8)
    drug, line = tables["drug"], tables["line_of_therapy"]
    some = drug["patient_id"].isin(line["patient_id"][:7]) & (drug["drug"] == "pembrolizumab")
    tables["drug"] = drug.assign(drug=drug["drug"].where(~some, "docetaxel"))
    tables["line_of_therapy"] = line.iloc[:-4]
    data = write_site(folder.parent / "north", tables)
    study = fs.Study.load(folder)
    return study, data, pooled_rows(study, {"north": str(data)})


@pytest.mark.parametrize("hidden", [False, True])
def test_its_counts_are_compared_with_everybody_screened_at_the_sites(screened, hidden):
    study, data, pooled = screened
    site = study.site("north", data, "none", remember=False)
    left = fs.together(fs.InProcess.alone(site), attrition=study.analyses()["attrition"]).attrition
    counts = left.frame["left"].iloc[1:].to_numpy()
    assert counts.tolist() == [4, 0, 0, 0, 7, 0, 0]
    if hidden:  # as a gate shows it
        shown = np.where(counts > 0, np.nan, counts)
        left = Attrition.of(study.cohort.steps, shown, 11.0, 109.0, METER)
    (row,) = compare(study, {"attrition": left}, pooled).to_dict("records")
    told = [row[name] for name in ("analysis", "patients", "largest difference", "kept")]
    assert told == ["attrition", 120, 0, True]
    wrong = left.frame.assign(left=left.frame["left"] + (left.frame["step"] == "driver"))
    for other in (replace(left, frame=wrong), replace(left, together=left.together + 1)):
        (row,) = compare(study, {"attrition": other}, pooled).to_dict("records")
        assert (row["largest difference"], row["kept"]) == (1, False)


def test_without_tables_there_is_nobody_screened_to_compare_with(screened):
    study, _, pooled = screened
    pooled = pooled.copy()
    pooled.attrs.clear()
    assert len(compare(study, {"attrition": found([0, 0, 7, 0, 0])}, pooled)) == 0


def test_a_study_counts_the_steps_of_a_cohort_and_has_one(tmp_path):
    folder = write_cohort_study(tmp_path / "study")
    with (folder / "study.toml").open("a") as file:
        file.write('[attrition]\ntitle = "Flow"\n')
    study = fs.Study.load(folder)
    assert list(study.analyses()) == ["attrition", "os"]
    (folder / "cohort.toml").unlink()
    with pytest.raises(
        StudyError, match=r"\[attrition\] counts the steps of a cohort.toml, and there is none"
    ):
        fs.Study.load(folder)
