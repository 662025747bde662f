"""A small study whose sites hold folders of tables: the NSCLC study's tables and cohort, few columns, one model."""

import shutil
from pathlib import Path

NSCLC = Path(__file__).resolve().parents[2] / "studies" / "nsclc"

STUDY = """
[study]
id = "cohort"
title = "A study of tables"
question = "Who survives?"
version = "1"
sites = ["north", "south"]
profile = "none"

[[models]]
name = "os"
title = "Overall survival"
kind = "cox"
formula = "Surv(os_months, os_event) ~ age + sex + regimen"
"""

CODEBOOK = """
[columns.patient_id]
kind = "label"
unique = true
[columns.age]
kind = "numeric"
label = "Age"
unit = "years"
range = [18, 110]
[columns.sex]
kind = "factor"
levels = ["male", "female"]
[columns.regimen]
kind = "factor"
levels = ["chemo_io", "io_mono"]
[columns.albumin]
kind = "numeric"
missing = true
[columns.resistant]
kind = "event"
missing = true
[columns.os_months]
kind = "time"
[columns.os_event]
kind = "event"
"""


def write_cohort_study(folder):
    """The study's four files."""
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(STUDY)
    (folder / "codebook.toml").write_text(CODEBOOK)
    for name in ("tables.toml", "cohort.toml"):
        shutil.copy(NSCLC / name, folder / name)
    return folder
