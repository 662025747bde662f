"""The synthetic network: reproducible, coherent, inside its bands, written whole."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter

from data_synth import generate as module
from data_synth.generate import generate, main, truth, write
from data_synth.patients import LANDMARK, generate_site
from data_synth.practices import PARAMETERS, practice_sizes

SITES = ("us_network", "eu_hospital")


@pytest.fixture(scope="module")
def network() -> dict[str, pd.DataFrame]:
    return generate()


def test_same_seed_same_rows_and_another_seed_others(network: dict[str, pd.DataFrame]) -> None:
    again, other = generate(), generate(seed=1)
    for name in SITES:
        pd.testing.assert_frame_equal(network[name], again[name])
        assert not network[name]["os_months"].equals(other[name]["os_months"])


def test_a_new_site_leaves_the_others_unchanged(
    network: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    added = {"asia_network": PARAMETERS["sites"]["eu_hospital"]} | PARAMETERS["sites"]
    monkeypatch.setitem(PARAMETERS, "sites", added)
    wider = generate(sites=list(added))
    assert list(wider) == ["asia_network", *SITES]
    for name in SITES:
        pd.testing.assert_frame_equal(network[name], wider[name])
    assert not wider["asia_network"]["os_months"].equals(wider["eu_hospital"]["os_months"])


def test_sizes(network: dict[str, pd.DataFrame]) -> None:
    us = network["us_network"]["practice"].value_counts()
    assert len(network["us_network"]) == 2600
    assert len(us) == 7
    assert 35 <= us.min() <= 45
    assert us.max() > 1000
    assert network["eu_hospital"]["practice"].value_counts().to_dict() == {"eu-01": 1400}
    assert sum(practice_sizes(997, 7, 1.15)) == 997


def test_rows_are_coherent(network: dict[str, pd.DataFrame]) -> None:
    for frame in network.values():
        assert frame["patient_id"].is_unique
        assert (frame["pfs_months"] > 0).all()
        assert (frame["pfs_months"] <= frame["os_months"]).all()
        assert (frame["os_event"] <= frame["pfs_event"]).all()
        assert frame["age"].between(18, 89).all()
        early = (frame["pfs_event"] == 1) & (frame["pfs_months"] <= LANDMARK)
        unknown = (frame["pfs_event"] == 0) & (frame["pfs_months"] <= LANDMARK)
        assert (frame["resistant"].isna() == unknown).all()
        known = frame["resistant"].notna()
        assert (frame.loc[known, "resistant"].astype(int) == early[known].astype(int)).all()
        for column, digits in {"albumin": 1, "nlr": 1, "pfs_months": 2, "os_months": 2}.items():
            assert (frame[column] == frame[column].round(digits)).all()


def _median(frame: pd.DataFrame, outcome: str) -> float:
    curve = KaplanMeierFitter().fit(frame[f"{outcome}_months"], frame[f"{outcome}_event"])
    return float(curve.median_survival_time_)


def _measured(frame: pd.DataFrame) -> dict[str, float]:
    known, tested = frame["ecog"] != "unknown", frame["pdl1"] != "unknown"
    return {
        "age_median": frame["age"].median(),
        "age_sd": frame["age"].std(),
        "male": (frame["sex"] == "male").mean(),
        "never": (frame["smoking"] == "never").mean(),
        "squamous": (frame["histology"] == "squamous").mean(),
        "ecog_2plus_of_known": (frame.loc[known, "ecog"] == "2+").mean(),
        "ecog_unknown": 1 - known.mean(),
        "pdl1_50_of_tested": (frame.loc[tested, "pdl1"] == ">=50%").mean(),
        "pdl1_unknown": 1 - tested.mean(),
        "liver": (frame["liver_mets"] == "yes").mean(),
        "brain": (frame["brain_mets"] == "yes").mean(),
        "bone": (frame["bone_mets"] == "yes").mean(),
        "steroids": (frame["steroids"] == "yes").mean(),
        "albumin_mean": frame["albumin"].mean(),
        "nlr_median": frame["nlr"].median(),
        "io_mono": (frame["regimen"] == "io_mono").mean(),
        "resistant": float(frame["resistant"].mean()),
        "os_median": _median(frame, "os"),
        "pfs_median": _median(frame, "pfs"),
        "os_events": frame["os_event"].mean(),
    }


@pytest.mark.parametrize("site", SITES)
def test_marginals_lie_inside_the_stated_bands(network: dict[str, pd.DataFrame], site: str) -> None:
    measured, bands = _measured(network[site]), truth()["bands"]
    assert set(measured) == set(bands)
    outside = {k: v for k, v in measured.items() if not bands[k][site][0] <= v <= bands[k][site][1]}
    assert not outside


@pytest.mark.parametrize("site", SITES)
def test_covariates_are_correlated_as_stated(site: str) -> None:
    frame, _ = generate_site(site, scale=10)
    for pair, stated in PARAMETERS["correlation"].items():
        first, second = pair.split()
        if {first, second} <= {"age", "albumin", "nlr"}:
            assert frame[first].corr(frame[second], method="spearman") == pytest.approx(stated, abs=0.04)
    albumin = frame.groupby("ecog")["albumin"].mean()
    assert albumin["0"] > albumin["1"] > albumin["2+"]


def test_hardly_anyone_is_drawn_again() -> None:
    for site in SITES:
        frame, redrawn = generate_site(site, scale=10)
        assert redrawn / len(frame) < 0.005


def test_command_writes_what_the_function_makes(tmp_path: Path, network: dict[str, pd.DataFrame]) -> None:
    script = Path(str(module.__file__))
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path / "new" / "data")],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in paths] == ["us_network.csv", "eu_hospital.csv", "truth.json"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)
    frame = pd.read_csv(paths[0], dtype={"ecog": str})
    pd.testing.assert_frame_equal(
        frame.astype({"resistant": "Int64"}), network["us_network"], check_dtype=False
    )
    assert json.loads(paths[2].read_text(encoding="utf-8")) == json.loads(json.dumps(truth()))


def test_a_failed_write_leaves_the_old_files_and_no_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write(tmp_path)
    before = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    real, calls = Path.write_text, []

    def full_disk(self: Path, *args: object, **kwargs: object) -> int:
        calls.append(self)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, seed=2)
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()} == before


def test_truth_agrees_with_the_rows(network: dict[str, pd.DataFrame]) -> None:
    stated = truth()
    assert stated["os"]["exact"]
    assert stated["resistant"]["exact"]
    assert not stated["pfs"]["exact"]
    for name, site in stated["sites"].items():
        frame = network[name]
        assert site["patients"] == len(frame)
        sizes = frame["practice"].value_counts()
        assert {k: v["patients"] for k, v in site["practices"].items()} == sizes.to_dict()
        assert {k: v["type"] for k, v in site["practices"].items()} == dict(
            frame.groupby("practice")["practice_type"].first()
        )
        assert stated["resistant"]["intercept"][name] == pytest.approx(
            np.log(0.15 / 0.85) + 0.005 * 65 + 0.80 * 3.8 - 0.04 * 4.8
        )
        for outcome in ("os", "resistant", "pfs"):
            for column, effect in stated[outcome]["coefficients"].items():
                if isinstance(effect, dict):
                    levels = {stated["reference"][column], *effect}
                    assert levels == set(frame[column]), column


@pytest.mark.parametrize("words", [["--scale", "0"], ["--seed", "-1"], []])
def test_command_refuses_what_it_cannot_do(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words + (["--out", str(tmp_path)] if words else []))
    assert "error" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
