"""Analyses of the biases 1 to 6 of the synthetic network, and what all twelve share; see synthetic_biases.py."""

import numpy as np
import pandas as pd
from scipy.special import expit

import fedstats as fs
from data_synth.assumptions import BIASES, MONTH
from data_synth.network import chunks, network_rows
from data_synth.plan import Plan, Switches
from data_synth.rows import rows as laid_out
from data_synth.stated import coefficients, design

SCALE, SEED, REPLICATES = 3, 20220707, 60
Frames = dict[str, pd.DataFrame]
Line = tuple[str, str, str, str, str]  # switch, estimand, truth, naive, corrected with its method


def frames(
    truth: str,
    *names: str,
    sites: tuple[str, ...] = ("us_network", "eu_hospital"),
    scale: float = SCALE,
    seed: int = SEED,
) -> Frames:
    """Eligible patients with the named switches on, with the columns that the analyses below share."""
    plan = Plan(truth, seed, scale, sites, Switches.only(*names))  # type: ignore[arg-type]
    return {site: prepared(rows) for site, rows in network_rows(plan).items()}


def prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """Add 0/1 columns."""
    rows = rows[rows["eligible"]].copy()
    rows["alone"] = (rows["regimen"] == "io_mono").astype(float)
    rows["ecog2"] = (rows["ecog"] >= 2).astype(float)
    rows["never"] = (rows["smoking"] == "never").astype(float)
    rows["p90"] = (rows["pdl1_cat"] == "90+").astype(float)
    rows["european"] = (rows["region"] == "europe").astype(float)
    rows["urgent"] = (rows["dx_to_1l_days"] < BIASES["missing"]["urgent_days"]).astype(float)
    rows["early_year"] = (rows["index_year"] <= BIASES["missing"]["early_years"]).astype(float)
    flags = ["liver", "bone", "brain", "steroids"]
    rows[flags] = rows[flags].astype(float)
    return rows.reset_index(drop=True)


def federation(held: Frames) -> fs.InProcess:
    """The gate off: these are no patients."""
    return fs.InProcess(held, policy=fs.DisclosurePolicy.none())


def median(held: Frames, formula: str = "Surv(os_months, os_event) ~ 1") -> float:
    """A Kaplan-Meier median."""
    return float(fs.kaplan_meier(federation(held), formula).quantiles([0.5])["estimate"].iloc[0])


def coefficient(fit: fs.Fit, term: str) -> float:
    """One coefficient."""
    return float(fit.coef[term])


def adjusted(without: tuple[str, ...] = ()) -> str:
    """The right side with all stated covariates."""
    return " + ".join(name for name in coefficients("os").index if name not in without)


def crossing() -> list[Line]:
    """1: a single hazard ratio for an effect that changes sign."""
    plan = Plan("ph", SEED, 5 * SCALE, switches=Switches.only("crossing"))  # few die early: more patients
    sites = federation({site: design(rows) for site, rows in network_rows(plan).items()})
    formula = f"Surv(os_months, os_event) ~ {adjusted()}"
    one = coefficient(fs.cox(sites, formula, strata="practice_id"), "regimen_io_mono")
    cut = BIASES["crossing"]["change_day"] / MONTH
    fit = fs.cox(sites, formula, strata="practice_id", time_varying={"regimen_io_mono": [cut]})
    table = fit.tidy()
    of_arm = table[table["term"].str.startswith("regimen_io_mono")]
    early, late = (
        f"{b:.2f} (SE {e:.2f})" for b, e in zip(of_arm["estimate"], of_arm["std_error"], strict=True)
    )
    stated = BIASES["crossing"]
    return [
        ("1 crossing", "log HR of death, alone v with chemotherapy: first 91 days; after", f"{stated['early']:.2f}; {stated['late']:.2f}",
         f"{one:.2f} for all time", f"{early}; {late} (`cox(..., time_varying=)`)"),
    ]  # fmt: skip


def durable() -> list[Line]:
    """2: a constant hazard carried beyond what it was fitted to."""
    plan, held = Plan("ph", SEED, SCALE, switches=Switches.only("durable")), frames("ph", "durable")
    days = [
        found["death_day"][laid_out(found)["eligible"]] for site in plan.sites for found in chunks(plan, site)
    ]
    truth = float((np.concatenate(days) > 60 * MONTH).mean())
    for table in held.values():
        table["log_months"] = np.log(table["os_months"])
    rate = coefficient(
        fs.glm(federation(held), "os_event ~ 1", family="poisson", offset="log_months"), "Intercept"
    )
    seen = float(
        fs.kaplan_meier(federation(held), "Surv(os_months, os_event) ~ 1").at([60])["estimate"].iloc[0]
    )
    return [("2 durable", "five-year survival", f"{truth:.3f}", f"{np.exp(-60 * np.exp(rate)):.3f} (constant hazard)",
             f"{seen:.3f} (`kaplan_meier`)")]  # fmt: skip


def late_entry() -> list[Line]:
    """3 and 3b: survival of those with a gene panel, counted from a time when they were not in view."""
    truth = median(frames("clinical"))
    lines = []
    for title, names in (
        ("3 delayed_entry", ("delayed_entry",)),
        ("3b dependent_entry", ("delayed_entry", "dependent_entry")),
    ):
        held = {
            site: rows[rows["entry_months"] < rows["os_months"]]
            for site, rows in frames("clinical", *names).items()
        }
        entered = median(held, "Surv(entry_months, os_months, os_event) ~ 1")
        honest = "" if title.startswith("3 ") else "; no risk set corrects an entry that goes with prognosis"
        lines.append((title, "median survival of patients with a panel, months", f"{truth:.1f}", f"{median(held):.1f}",
                      f"{entered:.1f} (`Surv(entry, time, event)`{honest})"))  # fmt: skip
    return lines


def immortal() -> list[Line]:
    """4: who has an adverse event has lived to have it; means of five networks, for the default one is off by three standard errors."""
    found = np.array([_immortal(seed) for seed in range(1, 6)])
    naive, alive, treated = found.mean(axis=0)
    error = found[:, 2].std(ddof=1) / np.sqrt(len(found))
    how = f"landmark at 3 months, among those on treatment; among all alive {alive:.2f}"
    return [
        ("4 immortal_time", "log HR of death, immune-related event v none", "0", f"{naive:.2f}", f"{treated:.2f} (SE {error:.2f}; {how})")
    ]  # fmt: skip


def _immortal(seed: int) -> tuple[float, ...]:
    """Return the log hazard ratio of ever having an event, and that of having had one at a landmark, two ways."""
    held = frames("clinical", "immortal_time", seed=seed)
    found = [
        coefficient(
            fs.cox(federation(held), "Surv(os_months, os_event) ~ irae", strata="practice_id"), "irae"
        )
    ]
    for follow in ("os_months", "ttd_months"):
        kept = {site: table[table[follow] > 3].copy() for site, table in held.items()}
        for table in kept.values():
            table["had"], table["since"] = (table["irae_months"] <= 3).astype(float), 3.0
        fit = fs.cox(federation(kept), "Surv(since, os_months, os_event) ~ had", strata="practice_id")
        found.append(coefficient(fit, "had"))
    return tuple(found)


def missing() -> list[Line]:
    """5: complete cases are another population."""
    share = coefficient(
        fs.glm(federation(frames("clinical")), "resistant ~ 1", family="gaussian"), "Intercept"
    )
    held = frames("clinical", "missing")
    needed = ["ecog", "pdl1_cat", "albumin", "nlr", "smoking", "resistant"]
    for rows in held.values():
        rows["complete"] = rows[needed].notna().all(axis=1).astype(float)
    whole = federation(held)
    cases = federation({site: rows[rows["complete"] == 1] for site, rows in held.items()})
    naive = coefficient(fs.glm(cases, "resistant ~ 1", family="gaussian"), "Intercept")
    w = fs.propensity_weights(
        whole,
        "complete ~ urgent + bone + liver + brain + steroids + n_met + early_year + european + practice_type",
    )
    weighted = fs.logistic(whole, "resistant ~ complete", weights=w)
    corrected = float(expit(weighted.coef["Intercept"] + weighted.coef["complete"]))
    return [("5 missing", "share resistant", f"{share:.3f}", f"{naive:.3f} (complete cases)",
             f"{corrected:.3f} (complete cases weighted by what is known of all, `propensity_weights`); what depends on the missing value itself stays, imputation is not there yet")]  # fmt: skip


def systematic() -> list[Line]:
    """6: performance status is not recorded at a whole site."""
    plan = Plan("ph", SEED, SCALE, ("us_network", "eu_second"), Switches.only("systematic"))
    rows = {site: frame[frame["eligible"]] for site, frame in network_rows(plan).items()}
    stated = coefficients("os")["steroids"]
    filled = {
        site: design(frame.assign(ecog=frame["ecog"].fillna(0), race="white")) for site, frame in rows.items()
    }
    without = fs.cox(
        federation(filled),
        f"Surv(os_months, os_event) ~ {adjusted(('ecog3_1', 'ecog3_2p'))}",
        strata="practice_id",
    )
    able = federation({"us_network": filled["us_network"]})
    inside = fs.cox(able, f"Surv(os_months, os_event) ~ {adjusted()}", strata="practice_id")
    return [("6 systematic", "log HR of death, steroids, given performance status", f"{stated:.2f}",
             f"{coefficient(without, 'steroids'):.2f} (model without it)",
             f"{coefficient(inside, 'steroids'):.2f} (the site that records it alone; the other site's patients are lost)")]  # fmt: skip
