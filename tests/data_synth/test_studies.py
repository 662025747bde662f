"""The two studies' files: they keep to their codebooks and hold cells that their profile lets out."""

import importlib.util
import runpy
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines.datasets import load_lung

import fedstats as fs
from fedstats.contract.formula import parse
from tests import nsclc_cohort

STUDIES = Path(__file__).resolve().parents[2] / "studies"
SMALLEST = {"nsclc": 11, "lung": 3}
SMALLEST_PAIR = {"nsclc": 5, "lung": 1}


def _toml(study: str, name: str) -> dict[str, Any]:
    return tomllib.loads((STUDIES / study / name).read_text(encoding="utf-8"))


def _lung() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lung_make_data", STUDIES / "lung" / "make_data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frames() -> dict[str, dict[str, pd.DataFrame]]:
    return {"nsclc": nsclc_cohort.frames(), "lung": _lung().frames()}


@pytest.fixture(scope="module", params=["nsclc", "lung"])
def study(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _sides(formula: str) -> tuple[list[str], list[str]]:
    left, right = formula.split("~")
    outcome = [part.strip() for part in left.strip().removeprefix("Surv(").removesuffix(")").split(",")]
    return outcome, [term.strip() for term in right.split("+")]


def _models(study: str, frame: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, str, list[str], int]]:
    """Complete rows, event column, factors and the number dropped, of each model."""
    columns = _toml(study, "codebook.toml")["columns"]
    for model in _toml(study, "study.toml")["models"]:
        outcome, terms = _sides(model["formula"])
        terms = [t for t in terms if not columns[t].get("of_site")]  # the same for all patients of a site
        complete = frame.dropna(subset=[*outcome, *terms])
        yield (
            complete,
            outcome[-1],
            [t for t in terms if columns[t]["kind"] == "factor"],
            len(frame) - len(complete),
        )


def test_study_and_codebook_agree(study: str, frames: dict[str, dict[str, pd.DataFrame]]) -> None:
    protocol, columns = _toml(study, "study.toml"), _toml(study, "codebook.toml")["columns"]
    assert protocol["study"]["id"] == study
    assert protocol["study"]["sites"] == list(frames[study]) == list(protocol["site_titles"])
    assert (STUDIES / study / protocol["study"]["rehearsal"]).is_file()
    used = {protocol["table_one"]["by"], *protocol["table_one"]["variables"]}
    for part in (*protocol["models"], *protocol["curves"]):
        used |= {name for side in _sides(part["formula"]) for name in side}
        used |= {part["strata"]} if "strata" in part else set()
    assert used <= set(columns)
    assert sum(model.get("primary", False) for model in protocol["models"]) == 1
    agreed = {name for name, entry in columns.items() if not entry.get("of_site")}
    for frame in frames[study].values():
        assert agreed <= set(frame.columns)
        assert study == "nsclc" or agreed == set(frame.columns)  # a cohort makes more than a study asks of


def test_the_nsclc_codebook_agrees_on_knots_within_what_patients_have(
    frames: dict[str, dict[str, pd.DataFrame]],
) -> None:
    codebook = fs.Study.load(STUDIES / "nsclc").codebook
    _, design = parse("resistant ~ rcs(age) + rcs(albumin) + rcs(nlr)", codebook, intercept=False)
    assert len(design.names) == 9
    together = pd.concat(frames["nsclc"].values())
    for column in ("age", "albumin", "nlr"):
        below = [(together[column].dropna() < knot).mean() for knot in codebook[column].knots]
        assert below == pytest.approx([0.05, 0.35, 0.65, 0.95], abs=0.07), column


def test_rehearsals_write_what_sites_can_read(study: str, tmp_path: Path) -> None:
    main = runpy.run_path(str(STUDIES / study / "make_data.py"))["main"]
    assert main(["--out", str(tmp_path / "data")]) == 0
    loaded = fs.Study.load(STUDIES / study)
    for site in loaded.sites:
        data = tmp_path / "data" / (site if loaded.cohort else f"{site}.csv")
        assert len(loaded.site(site, data, remember=False).data.frame) > 40
    assert len(list((tmp_path / "data").iterdir())) == len(loaded.sites)


def _shortfalls(cells: pd.Series, needed: int) -> list[str]:
    return [f"{key}: {n}" for key, n in cells.items() if 0 < n < needed]


def test_models_hold_no_small_cell_at_any_site(
    study: str, frames: dict[str, dict[str, pd.DataFrame]]
) -> None:
    # the synthetic network keeps a margin above its profile; real patients are as they are
    margin, pair_margin = (4, 3) if study == "nsclc" else (0, 0)
    found = []
    for site, frame in frames[study].items():
        for rows, event, factors, dropped in _models(study, frame):
            assert dropped == 0 or dropped >= SMALLEST[study]
            for factor in factors:
                found += [f"{site} {factor} {t}" for t in _shortfalls(
                    rows.groupby([factor, event]).size(), SMALLEST[study] + margin)]  # fmt: skip
            for first, second in combinations(factors, 2):
                found += [f"{site} {first} {second} {t}" for t in _shortfalls(
                    rows.groupby([first, second]).size(), SMALLEST_PAIR[study] + pair_margin)]  # fmt: skip
    assert not found


def test_every_model_level_is_present_at_every_site(frames: dict[str, dict[str, pd.DataFrame]]) -> None:
    columns = _toml("nsclc", "codebook.toml")["columns"]
    for frame in frames["nsclc"].values():
        for _, _, factors, _ in _models("nsclc", frame):
            assert all(set(frame[f].dropna()) == set(columns[f]["levels"]) for f in factors)


def test_curves_have_a_grid_that_every_site_accepts(
    study: str, frames: dict[str, dict[str, pd.DataFrame]]
) -> None:
    grid = _toml(study, "codebook.toml")["grid"]
    widest = {"nsclc": 6, "lung": 182.625}[study]
    for curve in _toml(study, "study.toml")["curves"]:
        (time, _), (group,) = _sides(curve["formula"])
        smallest = {
            width: min(
                frame.groupby(
                    [group, np.ceil(frame[time].astype(float).clip(upper=grid["horizon"] + 1) / width - 1e-9)]
                )
                .size()
                .min()
                for frame in frames[study].values()
            )
            for width in grid["candidates"]
        }
        assert min(w for w, n in smallest.items() if n >= SMALLEST[study]) <= widest


def test_study_runs_behind_its_gate(study: str, frames: dict[str, dict[str, pd.DataFrame]]) -> None:
    protocol = _toml(study, "study.toml")
    codebook = fs.Codebook.from_toml(_toml(study, "codebook.toml"))
    policy = fs.DisclosurePolicy.named(protocol["study"]["profile"])
    for name, frame in frames[study].items():
        alone = fs.InProcess({name: frame}, codebook=codebook, policy=policy)
        for model in protocol["models"]:
            if any(codebook[term].of_site for term in _sides(model["formula"])[1]):
                continue  # of one site there is no effect of sites
            if model["kind"] == "cox":
                options = {key: model[key] for key in ("strata", "ties", "baseline") if key in model}
                fit = fs.cox(alone, model["formula"], **options)
            else:
                fit = fs.logistic(alone, model["formula"])
            assert fit.converged
        for curve in protocol["curves"]:
            assert len(fs.kaplan_meier(alone, curve["formula"]).tidy()) > 4
        table = fs.table_one(
            alone, by=protocol["table_one"]["by"], variables=protocol["table_one"]["variables"]
        )
        assert set(table.tidy()["variable"]) == set(protocol["table_one"]["variables"])
        assert not [entry for entry in table.refused if entry[0] != "meal.cal (median and quartiles)"]


def test_lung_patients(frames: dict[str, dict[str, pd.DataFrame]]) -> None:
    sites = frames["lung"]
    together = pd.concat(sites.values())
    assert len(together) == 226
    assert together["patient_id"].is_unique
    assert {name: len(frame) for name, frame in sites.items()} == {
        "site-a": 75, "site-b": 88, "site-c": 63,
    }  # fmt: skip
    assert together["inst"].nunique() == 18
    assert together["ph.ecog"].notna().all()
    assert together["status"].sum() == 163
    assert together["sex"].value_counts().to_dict() == {"male": 136, "female": 90}


def test_lung_coding(frames: dict[str, dict[str, pd.DataFrame]]) -> None:
    together = pd.concat(frames["lung"].values()).set_index("patient_id")
    source = load_lung()
    source.index = [f"p{row + 1:03d}" for row in range(len(source))]
    left_out = sorted(set(source.index) - set(together.index))
    assert source.loc[left_out, ["inst", "ph.ecog"]].isna().any(axis=1).all()
    kept = source.loc[together.index]
    for column in (
        "inst",
        "time",
        "status",
        "age",
        "ph.ecog",
        "ph.karno",
        "pat.karno",
        "meal.cal",
        "wt.loss",
    ):
        assert together[column].astype(float).equals(kept[column].astype(float).rename(column)), column
    assert ((together["sex"] == "female") == (kept["sex"] == 2)).all()
    dead = (kept["status"] == 1) & (kept["time"] <= 180)
    unknown = (kept["status"] == 0) & (kept["time"] < 180)
    assert (together["died_180"].isna() == unknown).all()
    assert (together.loc[~unknown, "died_180"].astype(int) == dead[~unknown].astype(int)).all()
