"""Formulas as labels (C3.35): no table that a site or a reader opens in a spreadsheet calculates anything."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.labels import unseen
from fedstats.federations.egress_folder import as_csv
from tests.attacks.labels import EVERY, FORMULAS, UNSEEN, runs_in_a_spreadsheet, what_a_site_reviews

pytestmark = pytest.mark.acceptance(35)


def cells_of(text, separator):
    lines = io.StringIO(text.replace("\r", "\n"))
    return [cell for row in csv.reader(lines, delimiter=separator) for cell in row]


def dangerous(text):
    """Cells that would run, where spreadsheets split at commas and where they split at semicolons."""
    return [cell for separator in ",;" for cell in cells_of(text, separator) if runs_in_a_spreadsheet(cell)]


@pytest.mark.parametrize("label", FORMULAS)
def test_a_plain_csv_runs_in_a_spreadsheet_and_ours_does_not(label):
    frame = pd.DataFrame({"about": [FORMULAS[label], "age"], FORMULAS[label]: ["x", FORMULAS[label]]})
    assert dangerous(frame.to_csv(index=False))
    assert not dangerous(as_csv(frame).decode())


@pytest.mark.parametrize("label", [*FORMULAS, *UNSEEN])
def test_a_question_cannot_write_a_formula_into_a_sites_egress_sheet(label):
    """The coordinator names the columns; the site opens the account of what has left in a spreadsheet."""
    sheet = what_a_site_reviews(EVERY[label])
    assert EVERY[label] in "".join(map(str, sheet["about"]))
    text = as_csv(sheet).decode()
    assert not dangerous(text)
    assert unseen(text) == ""


def test_the_sites_notebook_writes_no_table_of_its_own():
    cells = json.loads(Path("notebooks/1_site.ipynb").read_text(encoding="utf-8"))["cells"]
    assert "to_csv" not in "".join("".join(cell["source"]) for cell in cells)


def test_numbers_and_ordinary_texts_come_back_from_a_sheet():
    frame = pd.DataFrame(
        {"question": [1, 2], "about": ["age, sex", "lab (mg/dL); 1-2"], "patients": [11.0, np.nan]}
    )
    back = pd.read_csv(io.BytesIO(as_csv(frame)))
    pd.testing.assert_frame_equal(back, frame)
