"""A made-up site without faults, in the tables of the NSCLC study: what validation must be silent about."""

import numpy as np
import pandas as pd

DAY = pd.Timedelta(days=1)


def clean_site(n, seed, site="a"):
    """All fourteen tables of n patients.

    Medians, spreads and the frequency of everything differ from seed to seed as they do from site to site.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"{site}{i:05d}" for i in range(n)])
    start = pd.Timestamp("2017-01-01") + pd.to_timedelta(rng.integers(0, 2200, n), "D")
    follow = np.ceil(rng.exponential(rng.uniform(350, 600), n)).astype(int) + 15
    dead = rng.random(n) < rng.uniform(0.45, 0.8)
    last = start + pd.to_timedelta(follow, "D")
    died = last + pd.to_timedelta(rng.integers(0, 20, n), "D")
    own = {"site_id": site, "patient_id": ids}
    tables = {
        "patient": _patients(rng, own, start, last),
        "vital_status": _vital_status(own, dead, last, died),
    }
    tables["diagnosis"] = _diagnoses(rng, own, start)
    tables |= _treatment(rng, ids, site, start, last)
    tables |= _measurements(rng, ids, site, start)
    tables |= _events(rng, ids, site, start, follow)
    return tables


def write_site(folder, tables):
    """The tables as CSV files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d")
    return folder


def _patients(rng, own, start, last):
    n = len(start)
    smoking = rng.choice(["never", "former", "current", "unk"], n, p=[0.1, 0.56, 0.3, 0.04])
    age = np.clip(rng.normal(rng.uniform(64, 72), 9.5, n), 30, 86)
    packs = np.where(smoking == "never", 0, np.clip(np.round(rng.lognormal(3.4, 0.55, n), 1), 1, 200))
    packs = np.where(rng.random(n) < rng.uniform(0, 0.5), np.nan, packs)
    return pd.DataFrame(
        {
            **own, "birth_year": np.maximum(start.year - age.astype(int), (last + 30 * DAY).year - 90), "sex": rng.choice(["F", "M"], n, p=[0.42, 0.58]),
            "race": rng.choice(["white", "black", "asian", "unknown"], n, p=[0.7, 0.1, 0.05, 0.15]),
            "ethnicity": rng.choice(["hispanic", "not_hispanic"], n, p=[0.06, 0.94]),
            "practice_id": rng.choice(["p1", "p2", "p3"], n), "practice_type": "community", "region": "south",
            "payer": rng.choice(["medicare", "commercial", "other"], n), "ses_q": rng.integers(1, 6, n), "smoking": smoking,
            "pack_years": packs, "first_activity": start - pd.to_timedelta(rng.integers(20, 90, n), "D"), "last_activity": last,
        }
    )  # fmt: skip


def _vital_status(own, dead, last, died):
    death = pd.Series(died).where(dead)
    return pd.DataFrame(
        {**own, "dead": np.where(dead, "true", "false"), "death_date": death, "precision": np.where(dead, "day", None),
         "source": np.where(dead, "ehr", None), "last_contact": last}
    )  # fmt: skip


def _diagnoses(rng, own, start):
    n = len(start)
    histology = rng.choice(["nonsq", "sq", "nos"], n, p=[0.68, 0.28, 0.04])
    de_novo = rng.random(n) < rng.uniform(0.7, 0.85)
    advanced = start - pd.to_timedelta(rng.integers(10, 60, n), "D")
    before = pd.to_timedelta(np.where(de_novo, 0, rng.integers(200, 900, n)), "D")
    codes = {"nonsq": "8140/3", "sq": "8070/3", "nos": "8046/3"}
    return pd.DataFrame(
        {
            **own, "diag_id": "d1", "dx_date": advanced - before, "advanced_date": advanced,
            "icd10": rng.choice(["C34.1", "C34.3", "C34.9"], n), "icdo3_morph": [codes[h] for h in histology],
            "icdo3_topo": "C34.1", "stage_group": np.where(de_novo, "IVB", "II"), "ajcc_edition": 8,
            "de_novo": np.where(de_novo, "true", "false"), "histology": histology,
        }
    )  # fmt: skip


def _treatment(rng, ids, site, start, last):
    n = len(ids)
    mono = rng.random(n) < rng.uniform(0.3, 0.6)
    end = pd.Series(np.minimum(start + pd.to_timedelta(rng.integers(1, 400, n), "D"), last))
    line = pd.DataFrame(
        {"site_id": site, "patient_id": ids, "line_no": 1, "start": start, "end": end,
         "regimen": np.where(mono, "io_mono", "chemo_io"), "is_io": "true", "has_chemo": np.where(mono, "false", "true"),
         "setting": "advanced"}
    )  # fmt: skip
    drugs = [_drug(ids, site, "pembrolizumab", "1547545", "L01FF02", start, end, 200, "iv", "antineoplastic")]
    both = ~mono
    for name, rxnorm, atc, dose in (
        ("carboplatin", "40048", "L01XA02", 450),
        ("pemetrexed", "68446", "L01BA04", 900),
    ):
        doses = np.round(rng.normal(dose, 60, both.sum()))
        drugs.append(
            _drug(ids[both], site, name, rxnorm, atc, start[both], end[both], doses, "iv", "antineoplastic")
        )
    some = rng.random(n) < 0.15
    first = start[some] - pd.to_timedelta(rng.integers(0, 25, some.sum()), "D")
    doses = rng.choice([5.0, 10, 20, 40], some.sum())
    drugs.append(
        _drug(
            ids[some],
            site,
            "prednisone",
            "8640",
            "H02AB07",
            first,
            first + 20 * DAY,
            doses,
            "oral",
            "steroid",
        )
    )
    return {"line_of_therapy": line, "drug": pd.concat(drugs, ignore_index=True)}


def _drug(ids, site, drug, rxnorm, atc, start, end, dose, route, kind):
    return pd.DataFrame(
        {"site_id": site, "patient_id": ids, "drug": drug, "rxnorm": rxnorm, "atc": atc, "start": np.asarray(start),
         "end": np.asarray(end), "dose": dose, "route": route, "kind": kind}
    )  # fmt: skip


def _measurements(rng, ids, site, start):
    n, rows = len(ids), []
    shift = rng.normal(0, 0.08, 12)
    drawn = {
        ("1751-7", "g/dL", np.nan): np.clip(rng.normal(3.8 + shift[0], 0.42, n), 1.6, 5.4),
        ("2532-0", "U/L", 248.0): rng.lognormal(np.log(230) + shift[1], 0.42, n),
        ("751-8", "10^9/L", np.nan): rng.lognormal(np.log(5.9) + shift[2], 0.45, n),
        ("731-0", "10^9/L", np.nan): rng.lognormal(np.log(1.25) + shift[3], 0.45, n),
        ("777-3", "10^9/L", np.nan): rng.lognormal(np.log(280) + shift[4], 0.35, n),
        ("718-7", "g/dL", np.nan): np.clip(rng.normal(12.2 + shift[5], 1.7, n), 6, 18),
        ("1988-5", "mg/L", np.nan): rng.lognormal(np.log(20) + 2 * shift[6], 1.2, n),
    }
    for (loinc, unit, uln), values in drawn.items():
        kept = rng.random(n) < rng.uniform(0.5, 0.95)
        date = start[kept] - pd.to_timedelta(rng.integers(0, 20, kept.sum()), "D")
        rows.append(
            pd.DataFrame({"site_id": site, "patient_id": ids[kept], "loinc": loinc, "date": date,
                          "value": np.clip(np.round(values[kept], 2), 0.05, 650), "unit": unit, "uln": uln})
        )  # fmt: skip
    height = rng.normal(169, 9, n)
    bmi = np.clip(rng.normal(26.4 + shift[7], 4.8, n), 15, 48)
    vitals = {"ecog": rng.choice([0, 1, 2, 3], n, p=[0.28, 0.5, 0.18, 0.04]), "height": np.round(height),
              "weight": np.round(bmi * (height / 100) ** 2, 1), "bmi": np.round(bmi, 1)}  # fmt: skip
    vital = pd.concat(
        pd.DataFrame(
            {"site_id": site, "patient_id": ids, "kind": kind, "date": start - 3 * DAY, "value": values}
        )
        for kind, values in vitals.items()
    )
    return {
        "lab": pd.concat(rows),
        "vital": vital,
        "biomarker": _biomarkers(rng, ids, site, start),
    }


def _biomarkers(rng, ids, site, start):
    n = len(ids)
    tps = np.where(
        rng.random(n) < 0.33,
        0,
        np.where(rng.random(n) < 0.5, rng.integers(1, 50, n), rng.choice(np.arange(50, 101, 5), n)),
    )
    own = {"site_id": site, "patient_id": ids, "ordered": start - 25 * DAY, "collected": start - 25 * DAY}
    pdl1 = pd.DataFrame(
        {**own, "gene_or_marker": "PDL1", "hgnc": "17635", "variant": None, "result": np.where(tps > 0, "pos", "neg"), "value": tps,
         "unit": "%", "assay": rng.choice(["22C3", "SP263"], n), "specimen": "tissue", "resulted": start - 12 * DAY}
    )[rng.random(n) < 0.85]  # fmt: skip
    mutated = rng.random(n) < 0.3
    kras = pd.DataFrame(
        {**own, "gene_or_marker": "KRAS", "hgnc": "6407", "variant": np.where(mutated, rng.choice(["G12C", "G12D", "G12V"], n), None),
         "result": np.where(mutated, "pos", "neg"), "value": np.nan, "unit": None, "assay": "NGS", "specimen": "tissue",
         "resulted": start + pd.to_timedelta(rng.integers(-15, 40, n), "D")}
    )[rng.random(n) < 0.65]  # fmt: skip
    tmb = kras.sample(frac=0.5, random_state=int(rng.integers(1e6)))
    tmb = tmb.assign(
        gene_or_marker="TMB",
        hgnc=None,
        variant=None,
        result="neg",
        unit="mut/Mb",
        value=np.round(rng.lognormal(2, 0.8, len(tmb)), 1),
    )
    return pd.concat([pdl1, kras, tmb]).astype({"value": float})


def _events(rng, ids, site, start, follow):
    n = len(ids)
    sites = [(i, s, start[i] - 20 * DAY) for i in range(n) for s, p in _SITES.items() if rng.random() < p]
    some = np.flatnonzero(rng.random(n) < 0.6)
    when = start[some] + pd.to_timedelta(np.minimum(rng.integers(14, 300, len(some)), follow[some]), "D")
    own = {"site_id": site, "patient_id": ids[some]}
    value = rng.choice(["CR", "PR", "SD", "PD"], len(some), p=[0.03, 0.4, 0.3, 0.27])
    few = some[::3]
    return {
        "metastasis": pd.DataFrame({"site_id": site, "patient_id": [ids[i] for i, _, _ in sites], "site": [s for _, s, _ in sites],
                                    "first_seen": [d for _, _, d in sites]}),
        "comorbidity": pd.DataFrame({**own, "code": rng.choice(["I10", "E11.9", "J44.9", "M06.9"], len(some)), "system": "ICD10CM",
                                     "date": start[some] - 400 * DAY}),
        "radiotherapy": pd.DataFrame({"site_id": site, "patient_id": ids[few], "start": start[few] - 30 * DAY, "site": "bone", "intent": "palliative"}),
        "response": pd.DataFrame({**own, "date": when, "value": value, "source": "scan"}),
        "progression": pd.DataFrame({**own, "date": when, "anchor": rng.choice(["clinician", "radiology"], len(some))}),
        "ae": pd.DataFrame({**own, "term": rng.choice(["rash", "thyroid", "colitis"], len(some)), "grade": rng.integers(1, 4, len(some)),
                            "onset": when, "immune": "true"}),
    }  # fmt: skip


_SITES = {"brain": 0.21, "liver": 0.17, "bone": 0.34, "adrenal": 0.2, "pleura": 0.3}
