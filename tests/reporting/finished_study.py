"""A study that has been run over an exchange, once a module, with its report; and a page as words."""

import re
from html import unescape
from types import SimpleNamespace

import fedstats as fs
from fedstats.reporting.pooled_fits import pooled_rows
from fedstats.reporting.study_report import StudyReport
from tests.federations.small_study import CODEBOOK, serving, site_objects, write_study


def finished_study(folder, content, rows, codebook=CODEBOOK):
    """The study below a folder, its results and report, and the pooled rows of its sites."""
    study = fs.Study.load(write_study(folder, content, codebook))
    exchange, results, home = folder / "exchange", folder / "results.json", folder / "coordinator"
    with serving(exchange, site_objects(study, rows, homes=folder), study):
        sites = fs.Folder(exchange, study=study, wait_seconds=60, home=home)
        sha256 = fs.save_results(fs.together(sites, **study.analyses()), results, study=study.digest)
        sites.close()
    files = {name: str(folder / f"{name}.csv") for name in rows}
    for name, frame in rows.items():
        frame.to_csv(files[name], index=False)
    return SimpleNamespace(
        study=study, folder=folder, exchange=exchange, results=results, home=home, sha256=sha256,
        found=fs.load_results(results), report=StudyReport(folder, results, exchange, home=home),
        pooled=pooled_rows(study, files),
    )  # fmt: skip


def words(markup):
    """What a reader of the page reads."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", markup)))
