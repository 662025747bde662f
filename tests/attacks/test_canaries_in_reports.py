"""Planted patients in what the coordinator keeps and hands on (C3.26): results, outputs, report, the page of a run, logs.

The exchange itself is searched in ``test_canaries``; here it is what people read.
"""

import base64
import json
import logging
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

import fedstats as fs
from fedstats.reporting import export_html
from fedstats.reporting.study_report import StudyReport
from tests.attacks.test_canaries import BYTES, EVERYONE, NUMBERS, PLANTED, TEXTS, canaries
from tests.federations.small_study import serving

pytestmark = pytest.mark.acceptance(26)

STUDY = """
[study]
id = "canary"
title = "Planted patients"
question = "Does anybody come out?"
version = "1"
sites = ["north", "south"]
profile = "{profile}"
[table_one]
variables = ["age", "ldh", "ecog"]
by = "ecog"
[[curves]]
name = "survival"
title = "Survival by ECOG"
formula = "Surv(time, status) ~ ecog"
[[models]]
name = "hazard"
title = "Hazard"
kind = "cox"
formula = "Surv(time, status) ~ age + ldh + C(ecog)"
strata = "practice"
robust = true
[[models]]
name = "odds"
title = "Odds"
kind = "logistic"
formula = "status ~ age + ldh"
"""
CODEBOOK = """
[columns.time]
kind = "time"
scale = 64.0
[columns.status]
kind = "event"
[columns.age]
kind = "numeric"
centre = 60.0
scale = 8.0
[columns.ldh]
kind = "numeric"
centre = 250.0
scale = 128.0
[columns.ecog]
kind = "factor"
levels = ["0", "1"]
[columns.practice]
kind = "label"
"""
GRID = '[grid]\nunit = "days"\ncandidates = [200.0, 400.0]\nhorizon = 800.0\n'


def frames():
    """The planted sites of ``test_canaries``."""
    labels = [f"Praxis Zeisig-{k}" for k in "QXZV"]
    return {"north": canaries(1, labels[:2]), "south": canaries(2, labels[2:])}


def shown(thing):
    data = {"text/plain": repr(thing)}
    if hasattr(thing, "_repr_html_"):
        data["text/html"] = thing._repr_html_()
    return new_code_cell("x", outputs=[new_output("execute_result", data=data, execution_count=1)])


def run_study(folder, profile, grid):
    """A study as its notebooks run it, without kernels; every text that the coordinator and a reader see, by name."""
    (folder / "study.toml").write_text(STUDY.format(profile=profile))
    (folder / "codebook.toml").write_text(CODEBOOK + grid)
    study = fs.Study.load(folder)
    exchange, results = folder / "exchange", folder / "results.json"
    for name, frame in frames().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    sites = {name: study.site(name, folder / f"{name}.csv", profile) for name in study.sites}
    with serving(exchange, sites, study):
        federation = fs.Folder(exchange, study=study, wait_seconds=60)
        found = fs.together(federation, **study.analyses())
        fs.save_results(found, results, study=study.digest)
        federation.close()
    report = StudyReport(folder, results, exchange)
    parts = [getattr(report, part)() for part in ("title", "question", "sites", "patients", "curves", "models", "egress", "provenance")]  # fmt: skip
    page = export_html(
        new_notebook(cells=[shown(p) for p in parts]), folder / "report.html", title=study.title
    )
    return (
        {
            "results": results.read_text(),
            "coordinator": json.dumps(shown(found)) + json.dumps(shown(study)),
            "report": page.read_text(encoding="utf-8"),
        },
        sites,
        exchange,
    )


#: A number of a page has few digits: it is a patient's if it has all of a patient's that are printed.
NUMBER = re.compile(r"-?\d+\.\d{5,}(?:e[+-]?\d+)?")


def planted_in(text):
    """What of the planted stands in a text: in words, in digits, or in what is the base64 of an image's bytes."""
    plain = unescape(text)
    found = {known for known in TEXTS if known in plain}
    images = b"".join(base64.b64decode(part) for part in re.findall(r"base64,([A-Za-z0-9+/=]+)", plain))
    found |= {known.hex() for known in BYTES if known in images}
    values = np.abs([float(number) for number in NUMBER.findall(plain)])
    known = PLANTED[np.clip(np.searchsorted(PLANTED, values), 1, len(PLANTED) - 1)[:, None] - [0, 1]]
    return found | set(known[np.isclose(values[:, None], known, rtol=1e-11, atol=0)].tolist())


@pytest.fixture(scope="module")
def on_a_grid(tmp_path_factory):
    """The study as one would run it: behind a gate, on an agreed grid; with everything that was logged."""
    logged = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: logged.append(record.getMessage() + str(record.exc_info or ""))
    logging.getLogger().addHandler(handler)
    texts, *sites = run_study(tmp_path_factory.mktemp("grid"), "teaching", GRID)
    logging.getLogger().removeHandler(handler)
    return texts | {"logs": "\n".join(logged)}, *sites


@pytest.fixture(scope="module")
def on_distinct_times(tmp_path_factory):
    """The same without a gate and a grid: curves on every patient's own time."""
    return run_study(tmp_path_factory.mktemp("distinct"), "none", "")[0]


@pytest.mark.parametrize("where", ["results", "coordinator", "report", "logs"])
def test_no_planted_patient_stands_in_what_the_coordinator_has_and_hands_on(on_a_grid, where):
    texts, *_ = on_a_grid
    assert planted_in(texts[where]) == set()


def test_the_results_are_there_so_that_silence_means_something(on_a_grid):
    texts, *_ = on_a_grid
    kinds = [analysis["result"]["is"] for analysis in json.loads(texts["results"])["analyses"]]
    assert kinds == ["PatientTable", "Curve", "Fit", "Fit"]
    assert "Hazard ratio" in texts["report"]


@pytest.mark.parametrize("where", ["results", "coordinator"])
def test_the_same_search_finds_times_where_there_is_no_grid(on_distinct_times, where):
    assert planted_in(on_distinct_times[where])


def test_the_same_search_finds_a_patient_in_words_digits_and_bytes():
    value, name = float(EVERYONE[NUMBERS[0]].iloc[3]), EVERYONE["practice"].iloc[0]
    assert planted_in(f"a patient died at {value!r}")
    assert planted_in(f"a patient of {name}")
    image = base64.b64encode(b"PNG" + np.float64(value).tobytes()).decode()
    assert planted_in(f'<img src="data:image/png;base64,{image}">')


def test_not_even_what_a_site_sees_of_itself_and_its_answers_names_a_patient(on_a_grid):
    """The egress sheet stays at the site; a checker may still be shown it."""
    _, sites, exchange = on_a_grid
    for site in sites.values():
        sheet = fs.egress_sheet(exchange, site)
        assert len(sheet) > 10
        assert planted_in(sheet.to_csv() + site._repr_html_() + repr(site)) == set()


def test_rows_are_planted_so_that_they_can_be_found():
    written = pd.concat(frames().values()).to_csv()
    assert len(planted_in(written)) > 100
