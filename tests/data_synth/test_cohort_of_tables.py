"""The cohort that is built of the written tables is what the generator's own rows say, column by column."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_synth.assumptions import MONTH
from data_synth.files import write_network
from data_synth.network import network_rows
from data_synth.plan import Plan, Switches
from fedstats.study.definition import Study

NSCLC = Study.load(Path(__file__).resolve().parents[2] / "studies" / "nsclc")
#: Everything on, but faults of units, which validation refuses, and practices of a few.
PLAN = Plan(scale=0.1, switches=Switches.all_on().without("units").without("tiny_practices"))
#: A column of the cohort, and that of the rows.
SAME = {
    **{
        name: name
        for name in ("age", "index_year", "n_met", "albumin", "nlr", "dnlr", "crp", "bmi", "tmb", "cci")
    },
    **{name: name for name in ("pdl1_tps", "kras", "stk11", "keap1", "tp53", "entry_months", "resistant")},
    **{
        name: name
        for name in ("os_months", "os_event", "pfs_months", "pfs_event", "region", "payer", "ses_q")
    },
    "practice": "practice_id",
    "practice_type": "practice_type",
    "packyears": "pack_years",
    "ecog_grade": "ecog",
    "anc": "neutrophils",
    "hgb": "hemoglobin",
    "plt": "platelets",
    "ldh_uln": "ldh_ratio",
}
YES_NO = {
    **{f"{site}_mets": site for site in ("brain", "liver", "bone", "adrenal", "pleura")},
    "steroids": "steroids",
    "abx60": "antibiotics",
    "ppi30": "ppi",
    "rt_pall": "rt_palliative",
    "autoimmune": "autoimmune",
    "de_novo": "de_novo",
    **{name: name for name in ("kras_g12c", "braf_v600e", "met_exon14")},
}
RENAMED = {
    "sex": ("sex", {"F": "female", "M": "male"}),
    "histology": ("histology", {"nonsq": "nonsquamous", "sq": "squamous"}),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The cohorts and the rows of all sites, by patient in one order."""
    out = tmp_path_factory.mktemp("tables")
    write_network(PLAN, out, form="parquet")
    built = pd.concat([NSCLC.rows(out / site).cohort.frame for site in PLAN.sites])
    rows = pd.concat(network_rows(PLAN).values())
    return built.set_index("patient_id").sort_index(), rows.set_index("patient_id").sort_index()


def test_the_same_patients_are_there(both):
    assert both[0].index.equals(both[1].index)
    assert len(both[0]) == 755


@pytest.mark.parametrize("name", SAME)
def test_a_value_is_the_generators(both, name):
    followed = both[0]["attrition"] != "no_follow_up"  # at least a day in the rows
    built, rows = both[0].loc[followed, name], both[1].loc[followed, SAME[name]]
    if pd.api.types.is_numeric_dtype(rows):
        np.testing.assert_allclose(built.astype(float), rows.astype(float), rtol=1e-12)
    else:
        filled = rows.notna()
        assert (built[filled].astype(object) == rows[filled]).all()
        assert built[~filled].isna().all()


@pytest.mark.parametrize("name", YES_NO)
def test_a_yes_is_the_generators(both, name):
    rows = both[1][YES_NO[name]].astype(float).map({1.0: "yes", 0.0: "no"})
    pd.testing.assert_series_equal(both[0][name].astype(object), rows.astype(object), check_names=False)


@pytest.mark.parametrize("name", RENAMED)
def test_a_level_is_the_generators(both, name):
    column, levels = RENAMED[name]
    assert (both[0][name] == both[1][column].map(levels)).all()


def test_the_eligible_are_the_generators_with_one_immunotherapy(both):
    built, rows = both
    wanted = rows["eligible"] & rows["regimen"].isin(["io_mono", "chemo_io"])
    unfollowed = built["attrition"] == "no_follow_up"
    assert ((built["attrition"] == "eligible") == (wanted & ~unfollowed)).all()
    assert (rows.loc[unfollowed, "os_months"] * MONTH <= 1).all()  # the rows' shortest time
