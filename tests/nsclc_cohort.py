"""The shipped NSCLC study's patients, as its sites have them: tables written by its rehearsal, and the cohort built of these."""

import runpy
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd

import fedstats as fs
from fedstats.study.site_rows import SiteRows

FOLDER = Path(__file__).resolve().parents[1] / "studies" / "nsclc"


@cache
def study() -> fs.Study:
    """The study."""
    return fs.Study.load(FOLDER)


@cache
def site_folders() -> dict[str, Path]:
    """Every site's folder of tables, written once."""
    out = Path(tempfile.mkdtemp(prefix="fedstats-nsclc-"))
    assert runpy.run_path(str(FOLDER / "make_data.py"))["main"](["--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(study().sites)
    return {site: out / site for site in study().sites}


@cache
def site_rows() -> dict[str, SiteRows]:
    """What a site reads: the cohort with everybody screened, and the eligible."""
    return {site: study().rows(folder) for site, folder in site_folders().items()}


def frames() -> dict[str, pd.DataFrame]:
    """The eligible patients of each site."""
    return {site: rows.frame for site, rows in site_rows().items()}
