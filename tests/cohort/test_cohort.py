"""Each rule of cohort.toml on patients made by hand; days are counted from the first dose."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fedstats.cohort.builder import build_cohort, read_cohort
from fedstats.cohort.cohort_entries import CohortFile
from fedstats.cohort.dictionary import read_dictionary
from fedstats.cohort.measurements import MEASURE
from fedstats.study.toml_file import StudyError

NSCLC = Path(__file__).resolve().parents[2] / "studies" / "nsclc"
DICTIONARY = read_dictionary(NSCLC / "tables.toml")[1]
RULES = read_cohort(NSCLC / "cohort.toml", DICTIONARY)[1]
ZERO = pd.Timestamp("2020-03-01")


def day(n):
    """A date by its day from the first dose; None where there is none."""
    return pd.NaT if n is None else ZERO + pd.Timedelta(days=n)


def table(*rows, dates=("date",)):
    """Rows as dicts; dates are given as days."""
    frame = pd.DataFrame(list(rows))
    for column in dates:
        if column in frame:
            frame[column] = pd.to_datetime([day(None if pd.isna(n) else int(n)) for n in frame[column]])
    return frame


def people(*names, **columns):
    """Patients with a first line at day 0 and 400 days of follow-up, alive."""
    given = {"birth_year": 1950.0, "sex": "F", "last_activity": day(400), **columns}
    patient = pd.DataFrame({"patient_id": names, **given})
    line = pd.DataFrame(
        {"patient_id": names, "line_no": 1.0, "start": ZERO, "end": pd.NaT, "setting": "advanced"}
    )
    vital = pd.DataFrame(
        {
            "patient_id": names,
            "dead": pd.array([False] * len(names), "boolean"),
            "death_date": pd.NaT,
            "last_contact": day(400),
        }
    )
    return {"patient": patient, "line_of_therapy": line, "vital_status": vital}


def made(tables, **columns):
    """Columns by patient; those not given as rules are the study's own, with what they are made of."""
    content = RULES.model_dump(exclude_defaults=True, exclude={"columns", "eligibility"})
    rules = CohortFile.model_validate({**content, "columns": columns, "eligibility": []})
    return build_cohort(rules, DICTIONARY, tables).frame.set_index("patient_id")


def own(*names):
    """Rules of the study by name."""
    return {name: RULES.columns[name] for name in names}


def dead(tables, **days):
    """Patients who die, by day."""
    vital = tables["vital_status"]
    for name, n in days.items():
        at = vital["patient_id"] == name
        vital.loc[at, "dead"], vital.loc[at, "death_date"], vital.loc[at, "last_contact"] = (
            True,
            day(n),
            day(n),
        )
        tables["patient"].loc[tables["patient"]["patient_id"] == name, "last_activity"] = day(n)
    return tables


def labs(measure, *rows):
    """Values of a measure as (patient, day, value)."""
    return table(
        *({"patient_id": p, "date": d, "value": v, "uln": 250.0, MEASURE: measure} for p, d, v in rows)
    )


# --- time zero and plain values -----------------------------------------------------------------------


def test_time_zero_is_the_first_advanced_line_and_adjuvant_treatment_is_none():
    tables = people("a", "b")
    line = tables["line_of_therapy"]
    earlier = line.assign(start=day(-300), setting="adjuvant")
    tables["line_of_therapy"] = pd.concat([earlier, line[line["patient_id"] == "a"]])
    frame = made(tables, **own("index_year", "age"))
    assert frame.loc["a", ["index_year", "age"]].tolist() == [2020, 70]
    assert frame["attrition"].tolist() == ["eligible", "time_zero"]


def test_levels_are_renamed_and_empty_cells_filled_where_the_rule_says_so():
    frame = made(people("a", "b", sex=["M", "F"], race=["white", None]), **own("sex", "race"))
    assert frame["sex"].tolist() == ["male", "female"]
    assert frame["race"].tolist() == ["white", "unknown"]


def test_the_tumour_that_became_advanced_first_counts():
    tables = people("a")
    rows = [
        {"patient_id": "a", "advanced_date": n, "histology": h, "icd10": "C34.1"}
        for n, h in ((-20, "sq"), (-40, "nonsq"))
    ]
    tables["diagnosis"] = table(*rows, dates=("advanced_date",))
    frame = made(tables, **own("histology", "dx_to_1l_days", "lung", "advanced"))
    assert frame.loc["a", ["histology", "dx_to_1l_days", "lung", "advanced"]].tolist() == [
        "nonsquamous",
        -40,
        "yes",
        "yes",
    ]


# --- windows ----------------------------------------------------------------------------------------------


def test_a_laboratory_value_is_the_nearest_and_a_tie_goes_to_the_earlier():
    tables = people("near", "tie", "edges", "outside")
    tables["lab"] = labs(
        "albumin", ("near", -9, 1), ("near", 2, 2), ("tie", 5, 1), ("tie", -5, 2),
        ("edges", -30, 3), ("outside", -31, 1), ("outside", 8, 2),
    )  # fmt: skip
    assert made(tables, **own("albumin"))["albumin"].tolist()[:3] == [2, 2, 3]
    assert np.isnan(made(tables, **own("albumin")).loc["outside", "albumin"])


def test_performance_status_is_never_taken_after_the_first_dose():
    tables = people("before", "after", "three")
    tables["vital"] = labs("ecog", ("before", -20, 1), ("before", 1, 2), ("after", 1, 0), ("three", 0, 3))
    assert made(tables, **own("ecog_grade", "ecog"))["ecog"].tolist() == ["1", "unknown", "2+"]


def test_ldh_is_a_multiple_of_the_laboratorys_own_limit():
    tables = people("a")
    tables["lab"] = labs("ldh", ("a", 0, 500.0))
    assert made(tables, **own("ldh_uln")).loc["a", "ldh_uln"] == 2


@pytest.mark.parametrize(
    ("tps", "level"),
    [(0, "<1"), (0.9, "<1"), (1, "1-49"), (49, "1-49"), (50, "50-89"), (90, "90+"), (None, "unk")],
)
def test_pdl1_is_cut_at_1_50_and_90(tps, level):
    tables = people("a")
    tables["biomarker"] = table(
        {"patient_id": "a", "resulted": -10, "value": tps, MEASURE: "PDL1"}, dates=("resulted",)
    )
    assert made(tables, **own("pdl1_tps", "pdl1_cat")).loc["a", "pdl1_cat"] == level


def test_a_column_of_some_patients_is_empty_for_the_others_and_for_who_is_not_known():
    tables = people("high", "low", "untested", "frail", "unseen")
    tables["biomarker"] = table(
        *({"patient_id": p, "resulted": -10, "value": v, MEASURE: "PDL1"}
          for p, v in (("high", 50), ("low", 49), ("frail", 90), ("unseen", 90))),
        dates=("resulted",),
    )  # fmt: skip
    tables["vital"] = table(
        *({"patient_id": p, "date": -1, "value": v, MEASURE: "ecog"}
          for p, v in (("high", 2), ("low", 0), ("untested", 0), ("frail", 3)))
    )  # fmt: skip
    tables["drug"] = drugs(
        *((p, "pembrolizumab", "antineoplastic", 0, None, 1) for p in tables["patient"]["patient_id"])
    )
    frame = made(tables, **own("ecog_grade", "pdl1_tps", "regimen", "comparison"))
    assert frame["regimen"].tolist() == ["io_mono"] * 5
    assert frame["comparison"].dropna().to_dict() == {"high": "io_mono"}


def test_ratios_and_lipi_follow_their_formulas():
    tables = people("good", "middle", "poor", "unknown", "none")
    who = {
        "good": (4, 2, 8, 200),
        "middle": (8, 2, 10, 200),
        "poor": (8, 1, 10, 500),
        "unknown": (8, 2, 10, None),
        "none": (8, 0, 8, 200),
    }
    names = ("neutrophils", "lymphocytes", "leukocytes", "ldh")
    tables["lab"] = pd.concat(
        labs(m, *((p, 0, v[i]) for p, v in who.items() if v[i] is not None)) for i, m in enumerate(names)
    )
    frame = made(tables, **own("anc", "alc", "wbc", "ldh_uln", "nlr", "dnlr", "lipi"))
    assert frame["nlr"].tolist()[:3] == [2, 4, 8]
    assert frame["dnlr"].tolist()[:3] == [1, 4, 4]
    assert frame["lipi"].tolist()[:3] == ["good", "intermediate", "poor"]
    assert frame.loc["unknown", ["lipi"]].isna().all()
    assert frame.loc["none", ["nlr", "dnlr", "lipi"]].isna().all()


def test_metastases_count_until_two_weeks_after_and_however_early_they_were_seen():
    tables = people("a", "b", "c")
    rows = [("a", -400, "liver"), ("a", 14, "bone"), ("a", -400, "bone"), ("b", 15, "liver")]
    tables["metastasis"] = table(
        *({"patient_id": p, "first_seen": n, "site": s} for p, n, s in rows), dates=("first_seen",)
    )
    frame = made(tables, **own("liver_mets", "n_met"))
    assert frame["liver_mets"].tolist() == ["yes", "no", "no"]
    assert frame["n_met"].tolist() == [2, 0, 0]


def test_without_the_table_nobody_is_said_to_have_none():
    frame = made(people("a"), **own("liver_mets", "n_met", "steroids", "rt_pall", "kras", "ngs_done", "bor"))
    assert frame.drop(columns="attrition").isna().all(axis=None)


# --- drugs ------------------------------------------------------------------------------------------------


def drugs(*rows):
    """Episodes as (patient, drug, kind, first day, last day, dose)."""
    names = ("patient_id", "drug", "kind", "start", "end", "dose")
    return table(
        *(dict(zip(names, row, strict=True)) | {"route": "oral"} for row in rows), dates=("start", "end")
    )


@pytest.mark.parametrize(
    ("drug", "first", "last", "dose", "answer"),
    [
        ("prednisone", -5, 20, 10, "yes"), ("prednisone", -5, 20, 9, "no"), ("dexamethasone", -5, 20, 2, "yes"),
        ("hydrocortisone", -5, 20, 30, "no"), ("prednisone", -90, -31, 40, "no"), ("prednisone", -90, -30, 40, "yes"),
        ("prednisone", -90, None, 40, "yes"), ("prednisone", 1, 20, 40, "no"), ("steroid_other", -5, 20, 40, "no"),
    ],
)  # fmt: skip
def test_steroids_are_ten_milligrams_of_prednisone_in_the_month_before(drug, first, last, dose, answer):
    tables = people("a")
    tables["drug"] = drugs(("a", drug, "steroid", first, last, dose))
    assert made(tables, **own("steroids")).loc["a", "steroids"] == answer


def test_antibiotics_look_back_sixty_days_and_acid_blockers_thirty():
    tables = people("a", "b")
    tables["drug"] = drugs(
        ("a", "amoxicillin", "antibiotic", -70, -60, 1), ("b", "amoxicillin", "antibiotic", -70, -61, 1),
        ("a", "omeprazole", "ppi", -40, -30, 1), ("b", "omeprazole", "ppi", -40, -31, 1),
    )  # fmt: skip
    frame = made(tables, **own("abx60", "ppi30"))
    assert frame[["abx60", "ppi30"]].to_numpy().tolist() == [["yes", "yes"], ["no", "no"]]


@pytest.mark.parametrize(
    ("begun", "name"),
    [
        ([("pembrolizumab", 0)], "io_mono"),
        ([("pembrolizumab", 0), ("carboplatin", 0), ("pemetrexed", 0)], "chemo_io"),
        ([("pembrolizumab", 0), ("carboplatin", 28)], "chemo_io"),
        ([("pembrolizumab", 0), ("carboplatin", 29)], "io_mono"),
        ([("nivolumab", 0), ("ipilimumab", 3)], "io_io"),
        ([("carboplatin", 0)], "chemo"),
        ([("pembrolizumab", 0), ("osimertinib", 2)], "other"),
        ([("carboplatin", -2), ("pembrolizumab", 0)], "io_mono"),
    ],
)
def test_the_regimen_is_of_drugs_begun_within_the_grace_period(begun, name):
    tables = people("a")
    tables["drug"] = drugs(*(("a", drug, "antineoplastic", first, None, 1) for drug, first in begun))
    assert made(tables, **own("regimen")).loc["a", "regimen"] == name


# --- endpoints ----------------------------------------------------------------------------------------------


def progressions(*rows):
    """Progressions as (patient, day)."""
    return table(*({"patient_id": p, "date": n} for p, n in rows))


def test_overall_survival_is_months_to_death_or_to_the_last_contact():
    tables = dead(people("dead", "alive"), dead=61)
    frame = made(tables, **own("os"))
    assert frame["os_months"].tolist() == pytest.approx([61 / 30.4375, 400 / 30.4375])
    assert frame["os_event"].tolist() == [1, 0]


def test_a_progression_of_the_first_fourteen_days_is_none():
    tables = dead(people("early", "late", "both", "never"), both=50)
    tables["progression"] = progressions(("early", 14), ("late", 15), ("both", 14))
    frame = made(tables, **own("pfs"))
    assert (frame["pfs_months"] * 30.4375).round().tolist() == [400, 15, 50, 400]
    assert frame["pfs_event"].tolist() == [0, 1, 1, 0]


def test_resistance_and_its_variants_by_the_day():
    tables = people(
        "pd183",
        "pd184",
        "censored182",
        "censored183",
        "died30",
        "died42",
        "died43",
        "pd91",
        last_activity=day(400),
    )
    tables = dead(tables, died30=30, died42=42, died43=43)
    for name, n in (("censored182", 182), ("censored183", 183)):
        tables["patient"].loc[tables["patient"]["patient_id"] == name, "last_activity"] = day(n)
    tables["progression"] = progressions(("pd183", 183), ("pd184", 184), ("pd91", 91))
    frame = made(tables, **own("pfs", "resistant", "resistant_treated", "resistant_3m"))
    assert frame["resistant"].fillna(-1).tolist() == [1, 0, -1, 0, 1, 1, 1, 1]
    assert frame["resistant_treated"].fillna(-1).tolist() == [1, 0, -1, 0, -1, -1, 1, 1]
    assert frame["resistant_3m"].fillna(-1).tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_resistance_by_best_response_is_progression_alone():
    tables = people("pd", "sd_then_pd", "ne", "none")
    rows = [
        ("pd", 40, "PD"),
        ("sd_then_pd", 40, "SD"),
        ("sd_then_pd", 90, "PD"),
        ("ne", 40, "NE"),
        ("pd", 13, "PR"),
    ]
    tables["response"] = table(*({"patient_id": p, "date": n, "value": v} for p, n, v in rows))
    frame = made(tables, **own("bor", "orr", "resistant_best"))
    assert frame["bor"].fillna("").tolist() == ["PD", "SD", "NE", ""]
    assert frame["resistant_best"].fillna(-1).tolist() == [1, 0, -1, -1]
    assert frame["orr"].fillna(-1).tolist() == [0, 0, -1, -1]


def test_discontinuation_and_next_treatment_compete_with_death():
    tables = dead(people("stopped", "died", "goes_on", "next"), died=100)
    line = tables["line_of_therapy"]
    line.loc[line["patient_id"] == "stopped", "end"] = day(80)
    more = line[line["patient_id"] == "next"].assign(line_no=2.0, start=day(120))
    tables["line_of_therapy"] = pd.concat([line, more])
    frame = made(tables, **own("ttd", "ttnt"))
    assert frame["ttd_cause"].tolist() == ["stopped", "died", "none", "none"]
    assert frame["ttnt_cause"].tolist() == ["none", "died", "none", "next_line"]
    assert (frame["ttnt_months"] * 30.4375).round().tolist() == [400, 100, 400, 120]


def test_of_two_causes_on_one_day_the_first_of_the_file_counts():
    tables = dead(people("a"), a=80)
    tables["line_of_therapy"]["end"] = day(80)
    assert made(tables, **own("ttd")).loc["a", "ttd_cause"] == "died"


def test_who_is_followed_up_to_before_the_first_dose_has_empty_times():
    frame = made(people("a", last_activity=day(-3)), **own("pfs"))
    assert frame[["pfs_months", "pfs_event"]].isna().all(axis=None)


def test_entry_of_genomic_analyses_is_the_report_and_not_before_the_start():
    tables = people("early", "late", "pending", "none")
    rows = [("early", -10, "neg"), ("late", 40, "pos"), ("late", 70, "neg"), ("pending", 20, "pending")]
    tables["biomarker"] = table(
        *(
            {"patient_id": p, "resulted": n, "result": r, "assay": "NGS", "gene_or_marker": "KRAS"}
            for p, n, r in rows
        ),
        dates=("resulted",),
    )
    frame = made(tables, **own("entry_months", "kras", "ngs_done"))
    assert (frame["entry_months"] * 30.4375).round().fillna(-1).tolist() == [0, 40, -1, -1]
    assert frame["kras"].fillna(-1).tolist() == [0, 1, -1, -1]
    assert frame["ngs_done"].tolist() == ["yes", "yes", "no", "no"]


# --- eligibility ---------------------------------------------------------------------------------------------


def test_everybody_leaves_at_the_first_step_that_is_not_met():
    names = ("in", "no_lung", "local", "minor", "chemo", "egfr", "gone", "no_line")
    tables = people(*names, birth_year=[1950.0] * 3 + [2005.0] + [1950.0] * 4)
    tables["diagnosis"] = table(
        *({"patient_id": n, "advanced_date": 15 if n == "local" else -20, "histology": "sq", "de_novo": True,
           "icd10": "C50.1" if n == "no_lung" else "C34.1"} for n in names),
        dates=("advanced_date",),
    )  # fmt: skip
    tables["drug"] = drugs(
        *(
            (n, "carboplatin" if n == "chemo" else "pembrolizumab", "antineoplastic", 0, None, 1)
            for n in names
        )
    )
    tables["biomarker"] = table(
        *({"patient_id": p, "resulted": n, "result": "pos", "gene_or_marker": "EGFR", "assay": "PCR", "variant": None, "value": np.nan, MEASURE: None}
          for p, n in (("egfr", -1), ("in", 5))),
        dates=("resulted",),
    )  # fmt: skip
    tables["line_of_therapy"] = tables["line_of_therapy"].query("patient_id != 'no_line'")
    for name in ("patient", "vital_status"):
        date = "last_activity" if name == "patient" else "last_contact"
        tables[name].loc[tables[name]["patient_id"] == "gone", date] = day(0)
    tables["patient"] = tables["patient"].assign(
        **dict.fromkeys(
            ("practice_id", "practice_type", "region", "payer", "ses_q", "race", "smoking", "pack_years")
        )
    )
    cohort = build_cohort(RULES, DICTIONARY, tables)
    steps = dict(zip(cohort.frame["patient_id"], cohort.frame["attrition"], strict=True))
    assert steps == {"in": "eligible", "no_lung": "not_lung", "local": "not_advanced", "minor": "minor", "chemo": "other_regimen",
                     "egfr": "driver", "gone": "no_follow_up", "no_line": "time_zero"}  # fmt: skip
    assert cohort.attrition()["stay"].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert cohort.attrition()["left"].sum() == 7
    assert cohort.eligible["patient_id"].tolist() == ["in"]
    assert "attrition" not in cohort.eligible


# --- the file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('table = "patient", column = "practice_id"', 'table = "patients", column = "practice_id"', "columns.practice: there is no table 'patients'"),
        ('column = "practice_id"', 'column = "ward"', "columns.practice: there is no column patient.ward"),
        ('measure = "albumin"', 'measure = "alb"', "columns.albumin: there is no measure 'alb' of lab"),
        ('of = "anc", over = "alc"', 'of = "anc", over = "lymphocytes"', "columns.nlr uses lymphocytes, which is not made above it"),
        ('keep = "age >= 18"', 'keep = "born < 2000"', "eligibility.minor uses born, which no column makes"),
        ('keep = "age >= 18"', 'keep = "__import__(1)"', "Cannot read the condition"),
        ('keep = "pdl1_tps >= 50"', 'keep = "pdl1_cut >= 50"', "columns.pdl1_high uses pdl1_cut, which is not made above it"),
        ('keep = "pdl1_tps >= 50"', 'keep = "pdl1_tps is high"', "Cannot read the condition"),
        ('censored = ["patient.last_activity"]', 'censored = ["patient.seen"]', "columns.pfs: there is no column 'patient.seen'"),
        ("at = [1, 50, 90]", "at = [50, 1, 90]", "at increases, and there is one level more than cuts"),
        ('kind = "years" }', 'kind = "decades" }', "columns.index_year.kind is 'decades'; write one of 'value', 'first'"),
        ('chemo_io = ["pd1", "chemo"]', 'chemo_io = ["pd1"]', "two regimens are of the same classes"),
        ("window = [-365, 0]", "window = [0, -365]", "a window is [first day, last day] of a date"),
    ],
)  # fmt: skip
def test_what_the_file_cannot_mean_is_said_with_its_place(tmp_path, old, new, said):
    text = (NSCLC / "cohort.toml").read_text()
    assert old in text
    file = tmp_path / "cohort.toml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(StudyError) as error:
        read_cohort(file, DICTIONARY)
    assert said in str(error.value)


# --- comorbidity and variants --------------------------------------------------------------------------------


def comorbidities(*rows):
    """Diagnoses as (patient, code, day)."""
    return table(*({"patient_id": p, "code": c, "date": d} for p, c, d in rows))


def test_charlson_counts_each_group_once_before_the_first_dose():
    tables = people("lung", "twice", "late", "undated", "none")
    tables["comorbidity"] = comorbidities(
        ("lung", "J44.9", -400), ("twice", "I50.9", -10), ("twice", "I110", -300), ("twice", "E11.9", 0),
        ("late", "J44.9", 1), ("undated", "N18.4", None), ("none", "L40.9", -50),
    )  # fmt: skip
    frame = made(tables, **own("cci", "cci_group"))
    assert frame["cci"].tolist() == [1, 2, 0, 0, 0]
    assert frame["cci_group"].tolist() == ["1", "2+", "0", "0", "0"]


@pytest.mark.parametrize(
    ("codes", "points"),
    [
        (["E11.9"], 1), (["E11.9", "E11.2"], 2), (["K70.3"], 1), (["K70.3", "K76.6"], 3), (["N18.5"], 2), (["B20"], 6),
        (["I25.2"], 1), (["I25.1"], 0), (["C34.1"], 0), (["C78.7"], 0), (["I21.0", "I70.2", "I63.9", "F03", "M05.9", "K25.3"], 6),
    ],
)  # fmt: skip
def test_a_code_has_the_points_of_its_group_and_the_worse_outranks(codes, points):
    tables = people("a")
    tables["comorbidity"] = comorbidities(*(("a", code, -100) for code in codes))
    assert made(tables, **own("cci")).loc["a", "cci"] == points


def test_groups_of_a_score_are_there():
    groups = {"x": {"codes": ["A*"], "points": 1, "unless": "y"}}
    with pytest.raises(ValueError, match="there is no group y"):
        made(people("a"), s={"kind": "score", "table": "comorbidity", "column": "code", "groups": groups})


def test_a_variant_is_yes_no_or_untested():
    tables = people("g12c", "other", "wild", "failed", "untested", "panel")
    rows = [
        ("g12c", "KRAS", "pos", "G12C"), ("other", "KRAS", "pos", "G12D"), ("wild", "KRAS", "neg", None),
        ("failed", "KRAS", "indeterminate", None), ("panel", "BRAF", "pos", "V600E"), ("panel", "MET", "pos", "METex14"),
        ("wild", "BRAF", "pos", "G469A"), ("wild", "MET", "neg", None),
    ]  # fmt: skip
    found = table(
        *(
            {"patient_id": p, "gene_or_marker": g, "result": r, "variant": v, "resulted": 3}
            for p, g, r, v in rows
        ),
        dates=("resulted",),
    )
    tables["biomarker"] = found
    frame = made(tables, **own("kras_g12c", "braf_v600e", "met_exon14")).fillna("-")
    assert frame["kras_g12c"].tolist() == ["yes", "no", "no", "-", "-", "-"]
    assert frame["braf_v600e"].tolist() == ["-", "-", "no", "-", "-", "yes"]
    assert frame["met_exon14"].tolist() == ["-", "-", "no", "-", "-", "yes"]


def test_the_panel_is_its_genes_not_its_method():
    tables = people("driver", "both")
    rows = [("driver", "EGFR", -9), ("both", "EGFR", -9), ("both", "STK11", 30)]
    tables["biomarker"] = table(
        *(
            {"patient_id": p, "gene_or_marker": g, "assay": "NGS", "result": "neg", "resulted": d}
            for p, g, d in rows
        ),
        dates=("resulted",),
    )
    frame = made(tables, **own("entry_months", "ngs_done"))
    assert frame["ngs_done"].tolist() == ["no", "yes"]
    assert (frame["entry_months"] * 30.4375).round().fillna(-1).tolist() == [-1, 30]
