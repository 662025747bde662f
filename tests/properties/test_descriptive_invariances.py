"""Table 1 against pandas, survival curves against plain counting, and both against any split into sites."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import fedstats as fs
from tests.properties.cohorts import LAW, SEEDS, cohort, deal, one, open_sites

VARIABLES = ["age", "weight", "ecog", "C(sex)"]
GRADES = ["grade 0", "grade 1", "grade 2"]


def described(seed: int) -> pd.DataFrame:
    """A cohort with three arms and empty cells in numbers and factors."""
    rng = np.random.default_rng(seed)
    frame = cohort(seed).assign(arm=rng.choice(["x", "y", "z"], 90))
    frame["ecog"] = "grade " + frame["ecog"]
    frame.loc[rng.random(90) < 0.1, "age"] = np.nan
    frame.loc[rng.random(90) < 0.1, "ecog"] = None
    return frame


def rows(table, variable: str) -> pd.DataFrame:
    return table[table["variable"] == variable].set_index(["group", "level"])


def spread(arms: list[pd.Series]) -> float:
    """tableone: |difference of means| over the root of the mean variance, averaged over pairs."""
    pairs = [(a, b) for i, a in enumerate(arms) for b in arms[i + 1 :]]
    return float(np.mean([abs(a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 2) for a, b in pairs]))


def factor_spread(arms: list[pd.Series], levels: list[str]) -> float:
    """Yang & Dalton (2012): sqrt((p - q)' S^- (p - q)), first level left out, averaged over pairs."""
    shares = [np.array([(a == v).mean() for v in levels])[1:] for a in (arm.dropna() for arm in arms)]
    found = []
    for i, p in enumerate(shares):
        for q in shares[i + 1 :]:
            s = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
            found.append(np.sqrt((p - q) @ np.linalg.pinv(s, hermitian=True) @ (p - q)))
    return float(np.mean(found))


@LAW
@given(seed=SEEDS)
def test_numbers_are_described_as_pandas_does(seed: int) -> None:
    frame = described(seed)
    table = fs.table_one(open_sites(deal(frame, seed)), by="arm", variables=VARIABLES).tidy()
    for variable in ("age", "weight"):
        for group, part in [*frame.groupby("arm"), ("Overall", frame)]:
            x, row = part[variable], rows(table, variable).loc[(group, "")]
            assert (row["n"], row["missing"]) == (x.count(), x.isna().sum())
            expected = [x.mean(), x.std(), x.quantile(0.25), x.median(), x.quantile(0.75)]
            np.testing.assert_allclose(
                row[["mean", "sd", "q1", "median", "q3"]].astype(float), expected, rtol=1e-12
            )


@LAW
@given(seed=SEEDS)
def test_factors_are_counted_as_pandas_does(seed: int) -> None:
    frame = described(seed)
    table = fs.table_one(open_sites(deal(frame, seed)), by="arm", variables=VARIABLES).tidy()
    for variable, levels in (("ecog", GRADES), ("sex", [0, 1])):
        for group, part in [*frame.groupby("arm"), ("Overall", frame)]:
            x = part[variable]
            for level in levels:
                row = rows(table, variable).loc[(group, str(level))]
                assert (row["n"], row["missing"]) == ((x == level).sum(), x.isna().sum())
                assert row["percent"] == pytest.approx(100 * (x.dropna() == level).mean(), rel=1e-13)


@pytest.mark.parametrize("arms", [["x", "y"], ["x", "y", "z"]])
@LAW
@given(seed=SEEDS)
def test_standardised_differences_are_those_of_tableone(arms: list[str], seed: int) -> None:
    frame = described(seed)
    frame = frame[frame["arm"].isin(arms)]
    table = fs.table_one(one(frame), by="arm", variables=VARIABLES).tidy()
    for variable in ("age", "weight"):
        expected = spread([frame.loc[frame["arm"] == a, variable] for a in arms])
        np.testing.assert_allclose(rows(table, variable)["smd"], expected, rtol=1e-10)
    for variable, levels in (("ecog", GRADES), ("sex", [0, 1])):
        expected = factor_spread([frame.loc[frame["arm"] == a, variable] for a in arms], levels)
        np.testing.assert_allclose(rows(table, variable)["smd"], expected, rtol=1e-9)


@LAW
@given(seed=SEEDS)
def test_a_table_is_the_same_however_the_rows_are_split(seed: int) -> None:
    frame = described(seed)
    for by in (None, "arm"):
        a = fs.table_one(open_sites(deal(frame, seed)), by=by, variables=VARIABLES).tidy()
        pd.testing.assert_frame_equal(
            a, fs.table_one(one(frame), by=by, variables=VARIABLES).tidy(), rtol=1e-12
        )


@pytest.mark.parametrize(("n", "value"), [(3, 0.7), (7, 1.1), (30, 0.3)])
def test_a_group_with_one_value_has_no_spread(value: float, n: int) -> None:
    frame = pd.DataFrame({"arm": ["x"] * n + ["y"] * 5, "v": [value] * n + [1.0, 2, 3, 4, 5]})
    row = rows(fs.table_one(one(frame), by="arm", variables=["v"]).tidy(), "v").loc[("x", "")]
    # sum of squares minus its mean part: half the digits are left, relative to the distance from the centre
    assert row["sd"] == pytest.approx(0.0, abs=3e-7)


@pytest.mark.parametrize("counts", [(4, 6, 7, 3), (5, 9, 8, 3), (11, 2, 7, 5), (1, 6, 3, 8), (7, 7, 3, 11)])
def test_a_reference_level_that_two_groups_lack_changes_not_their_difference(counts: tuple[int, ...]) -> None:
    a, b, c, d = counts
    two = pd.DataFrame(
        {"arm": ["x"] * (a + b) + ["y"] * (c + d), "l": list("m" * a + "n" * b + "m" * c + "n" * d)}
    )
    agreed = fs.Codebook.from_toml(
        {
            "columns": {
                "arm": {"kind": "factor", "levels": ["x", "y"]},
                "l": {"kind": "factor", "levels": ["empty", "m", "n"]},
            }
        }
    )
    sites = fs.InProcess({"s": two}, codebook=agreed, policy=fs.DisclosurePolicy.none())
    found = fs.table_one(sites, by="arm", variables=["l"]).tidy()["smd"].unique()
    expected = fs.table_one(one(two), by="arm", variables=["l"]).tidy()["smd"].unique()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


# Survival curves --------------------------------------------------------------------------------


@LAW
@given(seed=SEEDS)
def test_a_curve_is_the_same_however_the_rows_are_split(seed: int) -> None:
    frame = cohort(seed)
    for formula in ("Surv(time, event) ~ ecog", "Surv(entry, time, event) ~ 1"):
        a, b = (fs.kaplan_meier(s, formula) for s in (open_sites(deal(frame, seed)), one(frame)))
        pd.testing.assert_frame_equal(a.tidy(), b.tidy(), check_exact=True)
        pd.testing.assert_frame_equal(a.medians, b.medians, check_exact=True)


@LAW
@given(seed=SEEDS)
def test_a_curve_counts_risk_sets_and_events_and_multiplies(seed: int) -> None:
    frame = cohort(seed)
    curve = fs.kaplan_meier(open_sites(deal(frame, seed)), "Surv(entry, time, event) ~ ecog").tidy()
    for group, part in frame.groupby("ecog"):
        found, survival = curve[curve["group"] == group].iloc[1:], 1.0
        assert set(part.loc[part["event"] == 1, "time"]) <= set(found["time"])
        for row in found.itertuples():
            at_risk = (part["entry"] < row.time) & (row.time <= part["time"])
            events = int(((part["time"] == row.time) & (part["event"] == 1)).sum())
            survival *= 1 - events / at_risk.sum()
            assert (row.n_risk, row.n_event) == (at_risk.sum(), events)
            assert row.estimate == pytest.approx(survival, rel=1e-12)


def test_entry_at_zero_is_no_entry_for_a_curve() -> None:
    frame = cohort(3).assign(entry=0.0)
    a, b = (fs.kaplan_meier(one(frame), f"Surv({e}time, event) ~ ecog").tidy() for e in ("entry, ", ""))
    pd.testing.assert_frame_equal(a, b, check_exact=True)


@LAW
@given(seed=SEEDS)
def test_a_curve_on_a_grid_lies_above_the_one_on_exact_times_by_at_most_its_error(seed: int) -> None:
    frame, edges = cohort(seed), [2.0, 4.0, 6.0, 9.0]
    drawn = fs.kaplan_meier(one(frame), "Surv(time, event) ~ ecog", grid=edges)
    exact = fs.kaplan_meier(one(frame), "Surv(time, event) ~ ecog")
    assert exact.grid_error == 0.0
    for group, rows_of_group in drawn.frame.groupby("group"):
        fine, medians = exact.frame.query("group == @group"), exact.medians.set_index("group")["median"]
        there = np.searchsorted(fine["time"], rows_of_group["time"], side="right") - 1
        gap = rows_of_group["estimate"].to_numpy() - fine["estimate"].to_numpy()[there]
        known = rows_of_group["n_censor"].notna().to_numpy()
        assert (gap >= -1e-12).all()
        assert (gap[known] <= drawn.grid_error + 1e-12).all()
        low = (rows_of_group["estimate"] - rows_of_group["estimate_low"]).to_numpy()
        assert (gap[known] <= low[known] + 1e-12).all()
        span = drawn.medians.set_index("group").loc[group]
        if medians[group] <= edges[-1]:
            assert not medians[group] < span["median_low"]
            assert not medians[group] > span["median_high"]


@settings(LAW, max_examples=60)
@given(
    seed=SEEDS,
    level=st.sampled_from([0.8, 0.95, 0.99]),
    conf_type=st.sampled_from(["log", "log-log", "plain"]),
)
def test_the_interval_of_a_median_on_a_grid_contains_the_one_on_exact_times(
    seed: int, level: float, conf_type: str
) -> None:
    rng = np.random.default_rng(seed)
    frame = cohort(seed, int(rng.integers(20, 400)))
    frame["time"] += rng.random(len(frame)) * (seed % 2)  # every other time all times are distinct
    edges = np.unique(rng.choice(np.arange(2.0, 20.0), rng.integers(2, 7))).tolist()
    formula, how = "Surv(time, event) ~ sex", {"conf_type": conf_type, "level": level}
    drawn, exact = (
        fs.kaplan_meier(one(frame), formula, **how, grid=g).medians.set_index("group") for g in (edges, None)
    )
    for group, wide in drawn.iterrows():
        low, high = exact.loc[group, ["conf_low", "conf_high"]].fillna(np.inf)
        assert wide["conf_low"] <= low or low > edges[-1]
        assert np.nan_to_num(wide["conf_high"], nan=np.inf) >= high


def test_with_delayed_entry_the_error_of_a_grid_is_known_and_zero_without_a_grid() -> None:
    formula = "Surv(entry, time, event) ~ 1"  # tests/properties/test_grid_bounds.py holds that it is a bound
    assert 0 < fs.kaplan_meier(one(cohort(3)), formula, grid=[2.0, 4.0, 6.0]).grid_error < 1
    assert fs.kaplan_meier(one(cohort(3)), formula).grid_error == 0


def test_every_curve_begins_at_one_at_time_zero() -> None:
    start = fs.kaplan_meier(one(cohort(3)), "Surv(time, event) ~ ecog").tidy().groupby("group").first()
    assert (start[["time", "estimate"]] == [0.0, 1.0]).all().all()
    assert (start["n_risk"] == cohort(3).groupby("ecog").size()).all()
