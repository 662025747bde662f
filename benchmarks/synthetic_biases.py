"""What each known bias does to a naive analysis, and what a correction that fedstats can make gives.

    python benchmarks/synthetic_biases.py > benchmarks/synthetic_biases.md

One switch is on at a time.  The truth is stated, or what the same patients give with the switch off.  Rows 1 to 10 are of one large
network (sampling errors are small beside the biases, except where a row says so); 11 and 12 are means of 60 seeded ones.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from synthetic_bias_analyses import (
    REPLICATES,
    SCALE,
    SEED,
    Frames,
    Line,
    adjusted,
    coefficient,
    crossing,
    durable,
    federation,
    frames,
    immortal,
    late_entry,
    median,
    missing,
    systematic,
)

import fedstats as fs
from data_synth.assumptions import BIASES, CODES, MONTH
from data_synth.groups import practices
from data_synth.network import network_rows
from data_synth.plan import Plan, Switches
from data_synth.stated import coefficients, design


def missed_deaths() -> list[Line]:
    """7: the dead who are not known to be dead live on."""
    clean, held = frames("clinical"), frames("clinical", "missed_deaths")
    lines = []
    for site, note in (("us_network", "no correction exists in fedstats: report the sensitivity by source, and compare sites"),
                       ("eu_hospital", "nothing to correct: registry")):  # fmt: skip
        lines.append(("7 missed_deaths", f"median survival, months, {site}", f"{median({site: clean[site]}):.1f}",
                      f"{median({site: held[site]}):.1f}", f"– ({note})"))  # fmt: skip
    return lines


def interval() -> list[Line]:
    """8: progression is dated by the scan that shows it."""
    clean, held = frames("clinical"), frames("clinical", "interval")
    weeks = {p.name: p.scan_weeks for s in held for p in practices(Plan(scale=SCALE), s)}
    mid = {}
    for site, rows in held.items():
        seen = (rows["pfs_event"] == 1) & (rows["pfs_months"] < rows["os_months"])
        half = rows["practice_id"].map(weeks) * 7 / MONTH / 2
        mid[site] = rows.assign(pfs_months=rows["pfs_months"] - half * seen)
    formula = "Surv(pfs_months, pfs_event) ~ 1"
    return [("8 interval", "median progression-free survival, months", f"{median(clean, formula):.2f}", f"{median(held, formula):.2f}",
             f"{median(mid, formula):.2f} (half an interval earlier, made at the site; fedstats has no estimator for interval censoring)")]  # fmt: skip


def confounding() -> list[Line]:
    """9: who gets immunotherapy alone is frailer."""

    def strong(held: Frames) -> Frames:
        return {
            s: r[r["regimen"].isin(["io_mono", "chemo_io"]) & (r["pdl1_tps"] >= 50)] for s, r in held.items()
        }

    truth, sites = (
        federation(strong(frames("clinical"))),
        federation(strong(frames("clinical", "confounding"))),
    )
    formula = "Surv(os_months, os_event) ~ alone"
    w = fs.propensity_weights(
        sites, "alone ~ age + ecog2 + never + liver + n_met + p90 + index_year + practice_id"
    )
    return [("9 confounding", "marginal log HR of death at PD-L1 50+, alone v with chemotherapy (standard error 0.04)",
             f"{coefficient(fs.cox(truth, formula), 'alone'):.2f}", f"{coefficient(fs.cox(sites, formula), 'alone'):.2f}",
             f"{coefficient(fs.cox(sites, formula, weights=w), 'alone'):.2f} (`propensity_weights`, weighted `cox`)")]  # fmt: skip


def units() -> list[Line]:
    """10: albumin in g/L here, in g/dL there, and in g/L under the name of g/dL at one practice."""
    held = {
        s: design(r)
        for s, r in network_rows(Plan("ph", SEED, SCALE, switches=Switches.only("units"))).items()
    }
    wrong = BIASES["units"]["undeclared"]["us_network"]
    other = CODES["other_units"][wrong["albumin"]]["factor"]

    def slope(declared: bool, undeclared: bool) -> float:
        given = {}
        for site, rows in held.items():
            factor = np.where(rows["practice_id"] == wrong["practice"], 1.0 if undeclared else other, 1.0)
            factor = factor * (1.0 if declared or site != "eu_hospital" else other)
            given[site] = rows.assign(albumin=rows["albumin"] * factor)
        formula = f"Surv(os_months, os_event) ~ {adjusted()}"
        return coefficient(fs.cox(federation(given), formula, strata="practice_id"), "albumin")

    return [("10 units", "log HR of death per g/dL of albumin", f"{coefficients('os')['albumin']:.2f}", f"{slope(False, False):.3f}",
             f"{slope(True, True):.2f} (units declared in the table are converted, the practice's fault found and mapped; conversion alone {slope(True, False):.3f})")]  # fmt: skip


def practice_effects() -> list[Line]:
    """11: practices differ; an interval around a common effect is too short."""
    truth, term = coefficients("os")["ecog3_2p"], "ecog3_2p"
    formula = f"Surv(os_months, os_event) ~ {term} + ecog3_1 + liver + bone + albumin + regimen_io_mono"
    inside: dict[str, list[bool]] = {"common": [], "random": []}
    reference = federation({s: design(r) for s, r in network_rows(Plan("ph", SEED, SCALE)).items()})
    truth = coefficient(fs.cox(reference, formula, strata="practice_id"), term)
    for seed in range(REPLICATES):
        plan = Plan("ph", seed, 1.0, switches=Switches.only("practice_effects"))
        sites = federation({s: design(r) for s, r in network_rows(plan).items()})
        row = fs.cox(sites, formula, strata="practice_id").tidy().set_index("term").loc[term]
        pooled = (
            fs.heterogeneity(sites, formula, term=term, by="practice_id")
            .pooled()
            .set_index("effects")
            .loc["random"]
        )
        for kind, found in (("common", row), ("random", pooled)):
            inside[kind].append(bool(found["conf_low"] <= truth <= found["conf_high"]))
    common, random = (f"{np.mean(inside[kind]):.2f}" for kind in ("common", "random"))
    return [("11 practice_effects", "coverage of the mean log HR of ECOG 2+ (SD between practices 0.15)", "0.95", f"{common} (one common effect)",
             f"{random} (`heterogeneity`, REML, Hartung-Knapp)")]  # fmt: skip


def tiny_practices() -> list[Line]:
    """12: a mean of the practices' own fits, where these exist at all."""
    formula, term = "resistant ~ ecog3_2p + liver", "ecog3_2p"
    reference = federation({"all": design(network_rows(Plan("ph", SEED, SCALE))["us_network"])})
    truth, naive, firth = coefficient(fs.logistic(reference, formula), term), [], []
    fitted = 0
    for seed in range(REPLICATES):
        plan = Plan("ph", seed, 0.01, ("us_network",), Switches.only("tiny_practices"))
        rows = design(network_rows(plan)["us_network"])
        rows = rows[rows["practice_id"].str[3:].astype(int) > 100]
        own = [one for _, part in rows.groupby("practice_id") if (one := _own(part, formula, term))]
        fitted += len(own)
        if own:
            beta, weight = (np.array(values) for values in zip(*own, strict=True))
            naive.append(float((beta * weight).sum() / weight.sum()))
        firth.append(coefficient(fs.logistic(federation({"tiny": rows}), formula, penalty=fs.Firth()), term))
    return [("12 tiny_practices", "log odds ratio of resistance, ECOG 2+, from eight practices of 15 to 40", f"{truth:.2f}",
             f"{np.mean(naive):.2f} (mean of own fits, of which {1 - fitted / (8 * REPLICATES):.0%} do not exist)",
             f"{np.mean(firth):.2f} (one federated fit, `Firth()`)")]  # fmt: skip


def _own(part: pd.DataFrame, formula: str, term: str) -> tuple[float, float] | None:
    """A practice's own estimate and its weight, or none where the outcome is separated or a column constant."""
    try:
        row = fs.logistic(federation({"one": part}), formula).tidy().set_index("term").loc[term]
    except (fs.NotConverged, ValueError):
        return None
    return float(row["estimate"]), 1 / float(row["std_error"]) ** 2


BIASES_IN_ORDER: tuple[Callable[[], list[Line]], ...] = (
    *(
        crossing,
        durable,
        late_entry,
        immortal,
        missing,
        systematic,
        missed_deaths,
        interval,
        confounding,
        units,
    ),
    *(practice_effects, tiny_practices),
)


def main() -> None:
    """Print the table."""
    print("# One bias at a time: naive and corrected\n")
    print(
        "`python benchmarks/synthetic_biases.py`; synthetic patients, nothing here is a finding about patients."
    )
    print(
        f"Rows 1 to 10: one network {SCALE} times the default size (row 1: {5 * SCALE} times; row 4: five such networks); 11 and 12: {REPLICATES} networks.\n"
    )
    print("| switch | estimand | truth | naive | corrected |")
    print("|---|---|---|---|---|")
    for bias in BIASES_IN_ORDER:
        for line in bias():
            print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    main()
