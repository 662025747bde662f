"""What a site's own notebook shows: what the site has, what it is asked, what leaves."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fedstats.contract.curve import Curve
from fedstats.contract.fit import Fit
from fedstats.contract.results import Table
from fedstats.contract.survival_results import CumulativeIncidence
from fedstats.federations.answering import review
from fedstats.federations.ledger import Question
from fedstats.federations.site import Answer, Site
from fedstats.reporting import formats
from fedstats.reporting.analysis_text import median_table, paragraph, patient_tables
from fedstats.reporting.cohort_view import rows_section
from fedstats.reporting.counts_view import curve_follow_up_tables
from fedstats.reporting.egress_view import account_table, sheets
from fedstats.reporting.follow_up_view import follow_up_tables
from fedstats.reporting.model_text import effect_table, method, model_title
from fedstats.reporting.section import Section
from fedstats.reporting.weights_view import weights_parts
from fedstats.study.curve_follow_ups import curve_follow_ups, incidence_follow_ups
from fedstats.study.definition import Study
from fedstats.study.follow_ups import follow_ups
from fedstats.study.site_rows import SiteRows


class SitePage:
    """Lays out a site's page; sends nothing.

    Parameters
    ----------
    study : Study
    site : str      the site's name, as the study lists it
    """

    def __init__(self, study: Study, site: str) -> None:
        self.study, self.site = study, site

    def title(self) -> Section:
        """Whose page this is, of which study, and what becomes of it."""
        study, named = self.study, escape(self.study.site_title(self.site))
        sites = ", ".join(escape(study.site_title(s)) for s in study.sites)
        return Section(
            f"<p>This is the page of <strong>{named}</strong> ({escape(self.site)}) in the study “{escape(study.title)}”: "
            "what the site has, what it is asked, and what leaves. <strong>What leaves:</strong> sums over patients that "
            "the site's own disclosure policy has let out. This page stays at the site.</p>",
            paragraph(study.question),
            f"<p>Sites: {sites}. Disclosure profile of the study: <strong>{escape(study.profile)}</strong>. "
            f"{escape(study.data_note)}</p>",
        )

    def rows(self, rows: SiteRows) -> Section:
        """What the site's rows are, and how they came about where they are a cohort."""
        return rows_section(rows, self.study.codebook)

    def alone(self, found: Mapping[str, Any]) -> Section:
        """The study's analyses of this site's rows.

        Parameters
        ----------
        found : mapping of name to result
        """
        parts: list[Any] = []
        if "table_one" in found and self.study.table_one is not None:
            title = self.study.table_one.title
            parts += [f"<h3>{escape(title)}</h3>", *self._patients(found["table_one"], title)]
        for curve in (c for c in self.study.curves if c.name in found):
            result = found[curve.name]
            shown = median_table(curve, result) if isinstance(result, Curve) else result
            parts += [f"<h3>{escape(curve.title)}</h3>", shown]
            for asked in curve_follow_ups(curve):
                parts += curve_follow_up_tables(curve, asked, found.get(asked.name))
        for incidence in (i for i in self.study.incidences if i.name in found):
            result = found[incidence.name]
            shown = [] if isinstance(result, CumulativeIncidence) else [result]
            parts += [f"<h3>{escape(incidence.title)}</h3>", *shown]
            for asked in incidence_follow_ups(incidence):
                parts += curve_follow_up_tables(incidence, asked, found.get(asked.name))
        parts += weights_parts(self.study, found, drawn=False)
        for model in (m for m in self.study.models if m.name in found):
            result = found[model.name]
            parts.append(f"<h3>{escape(model_title(model))}</h3>")
            if isinstance(result, Fit):
                said = f"{method(model, self.study.codebook)}: {formats.count(result.n)} patients, "
                parts.append(paragraph(f"{said}{formats.count(result.n_event)} events."))
                result = effect_table(model, result, self.study.codebook, std_error=True)
            parts.append(result)
            for asked in follow_ups(model):
                parts += follow_up_tables(model, asked, found.get(asked.name), self.study)
        return Section(*parts)

    def _patients(self, found: Any, title: str) -> list[Any]:
        return patient_tables(title, found, self.study.codebook) if isinstance(found, Table) else [found]

    def review(self, questions: Sequence[Question], answers: Sequence[Answer], *, serving: bool) -> Section:
        """A line a question: what is asked, and the judgement that came closest to refusing."""
        if serving:
            return Section("<p>This run answers questions as they come; the next section says how many.</p>")
        if not questions:
            return Section("<p>No question is open: there is nothing to look at.</p>")
        asked = {"question": [q.number for q in questions], "asked": [q.query.in_words() for q in questions]}
        return Section(account_table(review(answers).assign(**asked), caption="What would leave this site"))

    def sheets(
        self, exchange: str | Path, here: Site, questions: Sequence[Question], answers: Sequence[Answer]
    ) -> Section:
        """Every number that would leave, question by question; nothing where no question is open."""
        return Section(*([sheets(exchange, here, questions, answers)] if questions else []))

    def sent(self, sent: Sequence[Any], questions: Sequence[Question], *, serving: bool) -> Section:
        """How many of the open questions were answered; nothing where none is open, or they are answered as they come."""
        said = f"{len(sent)} of {len(questions)} open questions answered and sent."
        return Section(*([paragraph(said)] if questions and not serving else []))

    def served(self, served: Sequence[Any], *, serving: bool) -> Section:
        """How many questions were answered as they came."""
        said = f"{len(served)} questions answered as they came." if serving else "This run looks, then sends."
        return Section(paragraph(said))
