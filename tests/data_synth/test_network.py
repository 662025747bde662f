"""The synthetic network: reproducible, independent of blocks, each bias alone, inside its bands."""

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from data_synth.assumptions import MONTH, SITES
from data_synth.groups import practice_sizes, practices
from data_synth.measures import measure, targets
from data_synth.network import network_rows, site_rows
from data_synth.plan import Plan, Switches
from data_synth.plots import main as draw
from data_synth.records import PANEL
from data_synth.rows import WHERE_KNOWN
from data_synth.stated import OUTCOMES, coefficients, design

SMALL = 0.2
OUTCOME_COLUMNS = {
    *("os_months", "os_event", "pfs_months", "pfs_event", "resistant", "best_response"),
    *("ttd_months", "ttd_event", "irae", "irae_months"),
}
GENOMIC = {*PANEL, "kras_g12c", "entry_months"}
#: What a switch may change in the rows, and nothing else.
MAY_CHANGE = {
    "delayed_entry": GENOMIC,
    "immortal_time": {"irae", "irae_months"},
    "missing": {*WHERE_KNOWN, "braf_v600e", "met_exon14", "eligible"},
    "systematic": {"smoking", "race"},
    "missed_deaths": OUTCOME_COLUMNS,
    "interval": {"pfs_months", "pfs_event", "resistant", "best_response"},
    "confounding": OUTCOME_COLUMNS | {"regimen", "died", "age"},
    "units": set(),
    "crossing": set(),  # of the truth `ph`
    "durable": set(),
    "dependent_entry": set(),  # without delayed_entry
    "lost": OUTCOME_COLUMNS | {"died", "age"},  # who is watched for less time is younger at his last date
}


def both_sites(truth="clinical", scale=SMALL, **switches):
    """All rows of the network, with the named switches on."""
    plan = Plan(truth=truth, scale=scale, switches=Switches(**switches))
    return pd.concat(network_rows(plan).values(), ignore_index=True)


@pytest.fixture(scope="module")
def clean():
    return both_sites()


def changed(one, other):
    """Columns that differ."""
    return {name for name in one if not one[name].equals(other[name])}


@pytest.mark.parametrize("truth", ["ph", "clinical"])
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(truth):
    rows = site_rows(Plan(truth=truth, scale=SMALL), "eu_hospital")
    pd.testing.assert_frame_equal(rows, site_rows(Plan(truth=truth, scale=SMALL), "eu_hospital"))
    other = site_rows(Plan(truth=truth, scale=SMALL, seed=1), "eu_hospital")
    assert {"albumin", "os_months", "regimen"} <= changed(rows, other)


def test_a_further_site_and_another_order_leave_the_others_unchanged():
    two = network_rows(Plan(scale=SMALL))
    three = network_rows(Plan(scale=SMALL, sites=("eu_second", "eu_hospital", "us_network")))
    for site, frame in two.items():
        pd.testing.assert_frame_equal(frame, three[site])
    assert len(three["eu_second"]) == round(SITES["eu_second"]["patients"] * SMALL)


def test_practices_differ_in_size_and_lie_in_four_regions():
    listed = practices(Plan(), "us_network")
    sizes = [one.size for one in listed]
    assert 6 <= len(listed) <= 8
    assert max(sizes) > 20 * min(sizes)
    assert len({one.region for one in listed}) == 4
    assert sum(practice_sizes(997, 7, 1.15)) == 997


def test_clean_records_are_complete_and_coherent(clean):
    known = clean.drop(columns=["irae_months"])
    assert not known.isna().any().any()
    assert (clean["os_months"] * MONTH >= 1 - 1e-9).all()
    assert (clean["pfs_months"] <= clean["os_months"]).all()
    assert (clean["os_event"] <= clean["pfs_event"]).all()
    assert (clean["os_event"] == clean["died"]).all()
    early = (clean["pfs_event"] == 1) & (clean["pfs_months"] <= 183 / MONTH)
    assert (clean["resistant"] == early).all()


@pytest.mark.parametrize("name", MAY_CHANGE)
def test_a_switch_changes_what_it_is_about_and_nothing_else(name, clean):
    found = changed(clean, both_sites(**{name: True}))
    assert found <= MAY_CHANGE[name]
    assert bool(found) == bool(MAY_CHANGE[name])


def test_practice_effects_leave_who_came_and_when():
    clean, found = both_sites(), both_sites(practice_effects=True)
    kept = {"sex", "race", "payer", "ses_q", "index_year", "de_novo", "tmb", "patient_id"}
    assert not changed(clean, found) & kept
    shift = (found["ecog"] - clean["ecog"]).groupby(clean["practice_id"]).mean()
    assert shift.std() > 0.02


def test_tiny_practices_come_beside_the_others(clean):
    found = both_sites(tiny_practices=True)
    tiny = found["practice_id"].str[3:].astype(int) > 100
    pd.testing.assert_frame_equal(found[~tiny].reset_index(drop=True), clean)
    sizes = found.loc[tiny, "practice_id"].value_counts()
    assert len(sizes) == 8
    assert sizes.between(15, 40).all()
    of = found[found["eligible"]].groupby("practice_id")
    assert of["regimen"].nunique()["us-101"] == 1
    assert set(found.loc[found["practice_id"] == "us-102", "smoking"]) == {"former"}


def test_missed_deaths_are_missed_by_source_and_censored_before():
    found, clean = both_sites(scale=1, missed_deaths=True), both_sites(scale=1)
    caught = found["os_event"].sum() / found["died"].sum()
    assert caught < 0.95
    share = found[found["died"]].groupby("site_id")["os_event"].mean()
    assert share["eu_hospital"] == pytest.approx(0.99, abs=0.01)
    assert 0.66 < share["us_network"] < 0.92
    assert (found["os_months"] <= clean["os_months"] + 1e-9).all()


def test_loss_to_follow_up_goes_with_nothing():
    clean, found = both_sites(scale=1), both_sites(scale=1, lost=True)
    unknown = found["resistant"].isna()
    assert not clean["resistant"].isna().any()
    assert unknown.mean() == pytest.approx(1 - np.exp(-183 / MONTH / 120), abs=0.02)
    for column in ("albumin", "nlr", "age", "pdl1_tps"):
        spread = clean[column].std() / np.sqrt(unknown.sum())
        free = clean["pfs_months"] > 183 / MONTH  # of those who are watched as long
        assert abs(clean.loc[unknown & free, column].mean() - clean.loc[free, column].mean()) < 4 * spread
    died = clean["os_event"].mean() - found["os_event"].mean()
    assert 0.05 < died < 0.15


def test_progression_at_scans_is_never_earlier_than_the_true_one(clean):
    found = both_sites(interval=True)
    both = (found["pfs_event"] == 1) & (clean["pfs_event"] == 1)
    delay = (found["pfs_months"] - clean["pfs_months"])[both] * MONTH
    assert (delay >= -1e-9).all()
    assert 10 < delay.mean() < 60


def test_confounded_choice_goes_with_performance_status(clean):
    def difference(rows):
        alone = rows["regimen"] == "io_mono"
        high = rows["eligible"] & (rows["pdl1_tps"] >= 50)
        return (rows["ecog"] >= 2)[high & alone].mean() - (rows["ecog"] >= 2)[high & ~alone].mean()

    assert abs(difference(both_sites(scale=1))) < 0.06
    assert difference(both_sites(scale=1, confounding=True)) > 0.08


def test_an_adverse_event_needs_time_on_treatment_only_with_its_switch(clean):
    assert clean["irae_months"].max() * MONTH == pytest.approx(1)
    found = both_sites(immortal_time=True)
    had = found["irae"] == 1
    assert (found["irae_months"] <= found["ttd_months"] + 1e-9)[had].all()
    assert found.loc[had, "os_months"].median() > 1.15 * clean.loc[clean["irae"] == 1, "os_months"].median()


def test_late_reports_are_of_those_who_live_to_see_them():
    found = both_sites(delayed_entry=True, dependent_entry=True)
    entered = found[found["entry_months"].notna()]
    assert (entered["entry_months"] <= entered["os_months"]).all()
    assert (entered["entry_months"] > 0).mean() > 0.2


def test_hazards_of_ph_cross_with_their_switch_for_immunotherapy_alone_only():
    clean, found = both_sites("ph"), both_sites("ph", crossing=True)
    same = clean["albumin"].eq(found["albumin"]) & clean["regimen"].eq(
        found["regimen"]
    )  # others were drawn again
    assert same.mean() > 0.97
    differs = same & (clean["os_months"] != found["os_months"])
    assert set(clean.loc[differs, "regimen"]) == {"io_mono"}


def test_durable_patients_of_ph_make_a_plateau():
    found, clean = both_sites("ph", durable=True), both_sites("ph")
    assert found["died"].mean() < clean["died"].mean() - 0.1


def test_targets_are_met_on_a_sample():
    rows = {
        key: network_rows(Plan(truth=key[0], scale=4, switches=Switches.all_on() if key[1] else Switches()))
        for key in (("clinical", False), ("ph", False), ("clinical", True))
    }
    missed = []
    for target in targets():
        if target["measure"] == "number":
            continue
        held = rows[target.get("truth", "clinical"), target.get("switches") == "all"]
        of = pd.concat(held.values()) if target["site"] == "both" else held[target["site"]]
        low, high = target["band"]
        slack = 0.15 * (high - low)  # of a sample: the whole table is measured on a larger one in benchmarks/
        value = measure(of, target["measure"], target["of"])
        missed += (
            []
            if low - slack <= value <= high + slack
            else [f"{target['measure']} of {target['of']}: {value}"]
        )
    assert missed == []


def test_federated_fits_recover_the_stated_coefficients():
    rows = network_rows(Plan(truth="ph", seed=11, scale=4))
    frames = {site: design(frame) for site, frame in rows.items()}
    squares = []
    for outcome, left in OUTCOMES.items():
        held = {s: f[f["pfs_months"] > f["landmark"]] if outcome == "late" else f for s, f in frames.items()}
        sites = fs.InProcess(held, policy=fs.DisclosurePolicy.none())
        truth = coefficients(outcome)
        formula = f"{left} ~ {' + '.join(truth.index)}"
        fit = (
            fs.logistic(sites, formula)
            if outcome == "resistant"
            else fs.cox(sites, formula, strata="practice_id")
        )
        table = fit.tidy().set_index("term").loc[truth.index]
        z = (table["estimate"] - truth) / table["std_error"]
        assert z.abs().max() < 4
        squares.append(float(np.mean(z**2)))
    assert 0.6 < np.mean(squares) < 1.5  # 57 squared standard normals: SD 0.19


def test_a_plan_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="The truth is 'clinical' or 'ph', not 'weibull'"):
        Plan(truth="weibull")
    with pytest.raises(ValueError, match="asked for: mars"):
        Plan(sites=("mars",))
    with pytest.raises(ValueError, match="No switch is called unit; there are crossing"):
        Switches.only("unit")


def test_targets_have_a_source_and_a_mark():
    assert len(targets()) > 100
    for target in targets():
        assert target["source"]
        assert set(target["mark"].split(", ")) <= {"S", "R", "M", "choice"}


def test_plots_are_drawn(tmp_path, capsys):
    assert draw(["--out", str(tmp_path), "--scale", "0.5"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "marginals.png"), str(tmp_path / "curves.png")]
    assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())
