"""The report of a study, section by section, from its results and the account of its exchange."""

import json
from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedstats.contract.attrition import Attrition
from fedstats.contract.fit import Fit
from fedstats.contract.missingness_results import Missingness
from fedstats.contract.results import NotAvailable
from fedstats.federations.archive import Archive
from fedstats.federations.keys import COORDINATOR, home_of
from fedstats.federations.ledger import Ledger
from fedstats.federations.refusals import refusals
from fedstats.reporting import formats
from fedstats.reporting.analysis_text import paragraph, patient_tables
from fedstats.reporting.attrition_view import attrition_parts
from fedstats.reporting.coarsening import cell_effects
from fedstats.reporting.counts_view import curve_method_of, curve_title_of
from fedstats.reporting.curve_section import curve_method, curve_parts
from fedstats.reporting.exchange_account import NO_ARCHIVE, ExchangeAccount
from fedstats.reporting.follow_up_view import method_of, title_of
from fedstats.reporting.missingness_view import missingness_parts
from fedstats.reporting.model_section import model_parts
from fedstats.reporting.model_text import method, model_title
from fedstats.reporting.pooled_check import compare, differing, headline, verdict
from fedstats.reporting.pooled_fits import pooled_rows
from fedstats.reporting.refusals_table import refusals_table
from fedstats.reporting.section import Section
from fedstats.reporting.tables import table
from fedstats.reporting.weights_view import weights_method, weights_title
from fedstats.reporting.wording import question_title
from fedstats.running.files import POOLED_CHECK, sha256_of, write_json
from fedstats.study.curve_follow_ups import curve_follow_ups, incidence_follow_ups
from fedstats.study.curve_spec import CurveSpec, IncidenceSpec
from fedstats.study.definition import Study
from fedstats.study.follow_ups import FollowUp, follow_ups
from fedstats.study.saved_results import load_results
from fedstats.study.verification import other_sites
from fedstats.study.weights_spec import weights_analyses

PROFILES = {
    "strict": "Every cell of a table holds no patient or at least 11; in every cell of a curve nobody leaves or at least 11, of whom fewer may have the event.",
    "teaching": "Low thresholds, fit for public data only: every cell of a table holds no patient or at least 3.",
    "none": "No disclosure control at all: fit for synthetic or public data only.",
}


class StudyReport:
    """Reads what a run has left behind; asks nothing of any site.

    Parameters
    ----------
    study : path           of study.toml
    results : path         what the coordinator's notebook has written
    exchange : path        the exchange folder
    home : path            the coordinator's private folder, whose archive says what was let out (without it
                           answers are counted, numbers are not); empty: one below the user's own
    pooled_data : sequence of path
        The sites' files in the order of the study's sites; only for public or synthetic data.
    run_folder : path
        Folder of the run, for its provenance; empty: none.
    """

    def __init__(
        self,
        study: str | Path,
        results: str | Path,
        exchange: str | Path,
        *,
        home: str | Path = "",
        pooled_data: Sequence[str] = (),
        run_folder: str | Path = "",
    ) -> None:
        self.study = Study.load(study)
        self.results_file = Path(results)
        found = load_results(results)
        self.found = {name: found[name] for name in self.study.analyses() if name in found}
        self.ledger = Ledger(exchange)
        home = home_of(self.study.id, COORDINATOR, home)
        self.archive = Archive(self.ledger, home, self.study.codebook, self.study.policy)
        self.account = ExchangeAccount(self.study, self.ledger, self.archive)
        self.pooled_data = dict(zip(self.study.sites, pooled_data, strict=False))
        self.run_folder = Path(run_folder) if str(run_folder) else None

    def title(self) -> Section:
        """What a reader must know before anything else: the data, and how they were protected."""
        study = self.study
        released = [r for r in self.found.values() if not isinstance(r, NotAvailable)]
        fits = [r for r in released if isinstance(r, Fit)]
        most = max((f.n for f in fits), default=0)
        lead = (
            f"{len(released)} of {len(self.found)} analyses of {len(study.sites)} sites"
            + (f", up to {formats.count(most)} patients." if most else ".")
            + " Patients' rows stayed at the sites; sums over patients travelled."
        )
        note = f"<p><strong>{escape(study.data_note)}</strong></p>" if study.data_note else ""
        profile = (
            f"<p>Disclosure profile: <strong>{escape(study.profile)}</strong>. {escape(PROFILES[study.profile])}"
            " A site may have been stricter.</p>"
        )
        return Section(f"<p>{escape(lead)}</p>", self._verdict(), note, profile)

    @cached_property
    def compared(self) -> pd.DataFrame | None:
        """The analyses beside the same of the pooled rows, where these are at hand; the run reads from its folder which differ."""
        if not self.pooled_data:
            return None
        frame = compare(self.study, self.found, self._pooled)
        frame["analysis"] = [self._title_of(name) for name in frame["analysis"]]
        if self.run_folder is not None:
            write_json(self.run_folder / POOLED_CHECK, {"differing": differing(frame)})
        return frame

    @cached_property
    def _pooled(self) -> pd.DataFrame:
        return pooled_rows(self.study, self.pooled_data)

    def _verdict(self) -> str:
        """Whether the analyses are those of the pooled rows; empty where nothing can be compared."""
        if self.compared is None:
            return ""
        said = escape(verdict(self.compared))
        return f'<div class="failure"><p>{said}</p></div>' if differing(self.compared) else f"<p>{said}</p>"

    def question(self) -> Section:
        """The question and the analyses that answer it."""
        rows = []
        for c in self.study.curves:
            rows.append({"Analysis": c.title, "Method": curve_method(c), "Formula": c.formula})
            rows += [_asked_row(c, asked) for asked in curve_follow_ups(c)]
        for i in self.study.incidences:
            rows.append({"Analysis": i.title, "Method": "Aalen–Johansen", "Formula": i.formula})
            rows += [_asked_row(i, asked) for asked in incidence_follow_ups(i)]
        for key, spec in self.study.weights.items():
            for of_weights in weights_analyses(key, spec):
                title, how = weights_title(spec, self.study, of_weights), weights_method(spec, of_weights)
                rows.append({"Analysis": title, "Method": how, "Formula": of_weights.formula})
        for m in self.study.models:
            how = method(m, self.study.codebook)
            rows.append({"Analysis": model_title(m), "Method": how, "Formula": m.formula})
            for after in follow_ups(m):
                title, how = title_of(m, after, self.study), method_of(m, after)
                rows.append({"Analysis": title, "Method": how, "Formula": m.formula})
        if (described := self.study.table_one) is not None:
            by = (described.by,) if isinstance(described.by, str) else described.by or ()
            formula = " + ".join(described.variables) + (f" by {' and '.join(by)}" if by else "")
            rows.insert(0, {"Analysis": described.title, "Method": "Description", "Formula": formula})
        if (empty := self.study.missingness) is not None:
            formula = " + ".join(empty.variables or ("every column that may be empty",))
            formula += f" by {empty.by}" if empty.by else ""
            rows.insert(0, {"Analysis": empty.title, "Method": "Counts of empty cells", "Formula": formula})
        if (counted := self.study.attrition) is not None:
            how, formula = "Counts of everybody screened", "steps of cohort.toml"
            rows.insert(0, {"Analysis": counted.title, "Method": how, "Formula": formula})
        listed = table(pd.DataFrame(rows), caption="Prespecified analyses")
        version = f"<p>Study {escape(self.study.id)}, version {escape(self.study.version)}.</p>"
        return Section(f"<p>{escape(self.study.question)}</p>", version, listed)

    def sites(self) -> Section:
        """Who took part, and whether the exchange holds together."""
        faults = [*self.ledger.verify(), *other_sites(self.ledger, self.study)]
        state = (
            "The exchange is complete: every question and answer is signed by its place and follows the one before it by "
            "its sha256. " + self._about_keys()
        )
        if faults:
            state = "The exchange does not hold together: " + " ".join(faults)
        counts = (
            "How many patients each site has is not listed: numbers of patients by site are not asked for "
            "unless an analysis asks for them."
        )
        unknown = "" if self.account.archived else NO_ARCHIVE
        return Section(self.account.sites(), paragraph(unknown), paragraph(counts), paragraph(state))

    def patients(self) -> Section:
        """Who left at which step of eligibility, and Table 1."""
        parts: list[Any] = []
        left = self.found.get("attrition")
        if left is not None and self.study.attrition is not None:
            shown = isinstance(left, Attrition)
            parts += attrition_parts(self.study.attrition.title, left) if shown else [left]
        empty, asked = self.found.get("missingness"), self.study.missingness
        if empty is not None and asked is not None:
            shown = isinstance(empty, Missingness)
            parts += missingness_parts(asked.title, empty, self.study.codebook) if shown else [empty]
        found = self.found.get("table_one")
        if found is None:
            return Section(*parts, "<p>The study asks for no table of patient characteristics.</p>")
        if isinstance(found, NotAvailable):
            return Section(*parts, found)
        title = self.study.table_one.title if self.study.table_one else "Patient characteristics"
        return Section(*parts, *patient_tables(title, found, self.study.codebook))

    def curves(self) -> Section:
        """Kaplan-Meier curves with numbers at risk and medians, what was worked out of their counts, and incidences of causes."""
        return Section(*curve_parts(self.study, self.found))

    def models(self) -> Section:
        """Effects as forest plots and tables."""
        return Section(*model_parts(self.study, self.found))

    def egress(self) -> Section:
        """What left each site, by kind of question: how many answers, numbers and bytes."""
        if not self.account.archived:
            return Section(self.account.egress(), paragraph(NO_ARCHIVE))
        history = list(self.archive.history())
        found = refusals(history)
        found["asked"] = [question_title(one.query, self.study) for one in history for _ in one.refused]
        listed = [refusals_table(found, self.study.site_title)] if len(found) else []
        return Section(self.account.egress(), *listed)

    def pooled_check(self) -> Section:
        """The largest difference to the same analyses of the pooled rows, where these are at hand."""
        if self.compared is None:
            return Section("<p>The rows are not in one place, so there is no pooled fit to compare with.</p>")
        frame = self.compared.copy()
        summary = headline(frame)
        small = dict.fromkeys(("largest difference", "in standard errors"), formats.precise)
        frame["kept"] = np.where(frame["kept"], "kept", "not kept")
        said = f"<p>The rows of this study may be pooled. {escape(summary)}</p>"
        note = "Pooled rows, fitted by independent software with tight convergence limits."
        checked = table(
            frame,
            caption="Federated and pooled estimates",
            note=note,
            formats=small,
            labels={"kept": "Tolerance"},
        )
        return Section(said, checked, *cell_effects(self.study, self.found, self._pooled, self._title_of))

    def provenance(self) -> Section:
        """From what this report was made."""
        facts: dict[str, str] = {
            "Study files, sha256": self.study.digest,
            "Results file, sha256": str(sha256_of(self.results_file)),
            "Questions in the exchange": formats.count(len(self.ledger.questions())),
        }
        for version in self.ledger.members.versions()[1:]:
            asked = sum(1 for q in self.ledger.questions() if q.version < version.number)
            stands = (
                "asked anew"
                if version.new_data or version.revoked
                else f"{asked} questions from before stand"
            )
            facts[f"Version {version.number} of the study"] = f"{version.why} ({stands})"
        if self.run_folder is not None:
            facts |= _run_facts(self.run_folder / "manifest.json")
        frame = pd.DataFrame({"What": list(facts), "Value": list(facts.values())})
        return Section(table(frame, caption="Provenance"))

    def _about_keys(self) -> str:
        """Whether the keys were compared beforehand."""
        places = {COORDINATOR, *self.study.sites}
        if places <= set(self.study.fingerprints):
            return "The study names the fingerprints of all keys."
        return "Keys were believed on first use; compare the fingerprints with the sites."

    def _title_of(self, name: str) -> str:
        titles = {c.name: c.title for c in self.study.curves} | {m.name: m.title for m in self.study.models}
        titles |= {a.name: title_of(m, a, self.study) for m in self.study.models for a in follow_ups(m)}
        for key, spec in self.study.weights.items():
            titles |= {a.name: weights_title(spec, self.study, a) for a in weights_analyses(key, spec)}
        titles |= {i.name: i.title for i in self.study.incidences}
        titles |= {a.name: curve_title_of(c, a) for c in self.study.curves for a in curve_follow_ups(c)}
        titles |= {
            a.name: curve_title_of(i, a) for i in self.study.incidences for a in incidence_follow_ups(i)
        }
        if self.study.table_one is not None:
            titles["table_one"] = self.study.table_one.title
        if self.study.missingness is not None:
            titles["missingness"] = self.study.missingness.title
        if self.study.attrition is not None:
            titles["attrition"] = self.study.attrition.title
        return titles.get(name, name)


def _asked_row(spec: CurveSpec | IncidenceSpec, asked: FollowUp) -> dict[str, str]:
    return {
        "Analysis": curve_title_of(spec, asked),
        "Method": curve_method_of(asked),
        "Formula": spec.formula,
    }


def _run_facts(manifest: Path) -> dict[str, str]:
    if not manifest.is_file():
        return {}
    content = json.loads(manifest.read_text(encoding="utf-8"))
    made = content.get("made_from", {})
    git = made.get("git") or {}
    facts = {
        "Run": content.get("run", ""),
        "Started": content.get("started", ""),
        "fedstats": made.get("fedstats") or "",
    }
    if git.get("commit"):
        facts["Commit"] = git["commit"] + (" (with uncommitted changes)" if git.get("dirty") else "")
    facts |= {"Code, sha256": made.get("code_sha256", ""), "Lock file, sha256": made.get("lock_sha256") or ""}
    facts |= {"Python": made.get("python", ""), "Platform": made.get("platform", "")}
    facts["Packages"] = ", ".join(f"{k} {v}" for k, v in made.get("packages", {}).items())
    return {k: str(v) for k, v in facts.items() if v}
