"""Labels as attacks (C3.35): whatever they hold, no page and no notebook runs them or reads backwards."""

import bs4
import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.codebook import Codebook
from fedstats.contract.curve import Curve
from fedstats.contract.fit import Fit
from fedstats.contract.labels import unseen
from fedstats.contract.results import Table
from fedstats.contract.variable import Variable
from fedstats.federations.answering import asked
from fedstats.federations.ledger import Question
from fedstats.methods.proportional_hazards import ProportionalHazardsTest
from fedstats.reporting import figure, forest_plot, survival_plot, table
from fedstats.reporting.study_report import Section
from fedstats.running.index_page import index_page
from tests.attacks.labels import EVERY, MARKUP, crafted, runs_in_a_spreadsheet, what_a_site_reviews
from tests.attacks.targets import NONE, STRICT
from tests.reporting.pages import exported, harmful, shows
from tests.reporting.sample_report import effects, survival_curve

pytestmark = pytest.mark.acceptance(35)


def fit(label):
    """A fit whose terms, formula, sites and status bear the label."""
    return Fit("cox", label, (label, "age"), np.zeros(2), np.eye(2), -1.0, -2.0, 1.0, 50, 20, 0, 3, 4, 99,
               (label,), {"strata": label}, status=label)  # fmt: skip


def curve(label):
    frame = survival_curve((label, "b"), n=40)
    medians = pd.DataFrame({"group": [label, "b"], "median": 1.0, "conf_low": 0.5, "conf_high": 2.0})
    return Curve(label, frame, medians, label, label, 1, 1, (label,))


def descriptive(label):
    row = {"variable": label, "level": label, "group": label, "n": 12, "percent": 50.0}
    return Table(label, pd.DataFrame([row]), ((label, label),), label, 1, 1, (label,))


def study(label):
    """A study whose title, question, note and sites' titles are the label (as a file would not allow)."""
    study = fs.Study.load("studies/lung")
    study.title = study.question = study.data_note = label
    study._content = study._content.model_copy(update={"site_titles": dict.fromkeys(study.sites, label)})
    return study


def site(label):
    """A site with a column of that name."""
    frame = pd.DataFrame({label: [1.0, 2.0], "g": [label, label]})
    return fs.Site("north", frame, Codebook((Variable(label, "numeric"), Variable("g", "label"))), STRICT)


SHOWN = {
    "fit": fit,
    "curve": curve,
    "table": descriptive,
    "test of proportional hazards": lambda label: ProportionalHazardsTest(
        pd.DataFrame([{"term": label, "statistic": 1.0, "df": 1, "p_value": 0.3}]),
        label,
        label,
        1,
        1,
        (label,),
    ),
    "not available": lambda label: fs.NotAvailable(label, label),
    "results": lambda label: fs.Results({label: fs.NotAvailable(label, label), "f": fit(label)}),
    "study": study,
    "site": site,
    "questions": lambda label: asked([Question(1, crafted(label), "d", "s")]),
    "review": what_a_site_reviews,
    "report's table": lambda label: table(
        pd.DataFrame({label: [label, label], "g": label}), caption=label, note=label, groups="g"
    ),
    "report's forest": lambda label: figure(
        forest_plot(effects((label, "b")), effect="HR"), alt=label, caption=label, data=effects((label, "b"))
    ),
    "report's curve": lambda label: figure(
        survival_plot(survival_curve((label, "b"), n=40), unit="days"), alt=label, caption=label
    ),
    "report's section": lambda label: Section(fs.NotAvailable(label, label), fit(label)),
}


#: A drawing takes a second.
FOUR = {name: EVERY[name] for name in ("a script", "LaTeX", "equals", "right to left")}
FEW = {"report's forest": FOUR, "report's curve": FOUR}


def markup_of(thing):
    """What a notebook shows of an object."""
    return thing._repr_html_()


def without_escaping(label):
    """The stand-in: what a page would be if somebody forgot to escape."""
    return f"<p title='{label}'>{label}</p>"


RUNS = [
    name
    for name in MARKUP
    if name not in {"an entity", "LaTeX", "LaTeX that reads a file", "Markdown", "a template"}
]


@pytest.mark.parametrize("label", RUNS)
def test_without_escaping_a_label_runs(label):
    assert harmful(bs4.BeautifulSoup(without_escaping(MARKUP[label]), "html.parser"))


@pytest.mark.filterwarnings("ignore:Glyph")  # matplotlib's, of a character that its font does not have
@pytest.mark.parametrize("place", SHOWN)
def test_no_label_becomes_markup_in_what_a_notebook_shows(place):
    for label in FEW.get(place, MARKUP).values():
        source = markup_of(SHOWN[place](label))
        soup = bs4.BeautifulSoup(source, "html.parser")
        assert [element for element in harmful(soup) if element.name != "style"] == []  # that one is pandas'
        assert not soup.select("script, svg, a[href], b, strong > em")
        assert not any(
            element.name == "img" and "data:" not in element["src"] for element in soup.select("img")
        )


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("place", [*SHOWN])
def test_no_label_becomes_markup_a_formula_or_a_turn_of_direction_in_a_report(place, tmp_path):
    things = [SHOWN[place](label) for label in FEW.get(place, EVERY).values()]
    soup = exported(tmp_path, *(shows(text__html=markup_of(thing)) for thing in things))
    assert harmful(soup) == []
    assert not soup.select("main a:not([href^='#']), main svg, main code, main math, main b, main em")
    assert unseen(soup.get_text()) == ""
    for element in soup.select("[aria-label], [alt], [title]"):
        assert unseen(" ".join(str(value) for value in element.attrs.values())) == ""
    for cell in soup.find_all(["td", "th"]):
        assert not runs_in_a_spreadsheet(cell.get_text())


def test_a_label_is_read_as_it_was_written(tmp_path):
    label = MARKUP["a script"] + MARKUP["LaTeX"] + MARKUP["Markdown"]
    soup = exported(tmp_path, shows(text__html=markup_of(SHOWN["report's table"](label))))
    assert label in soup.get_text()


def page(label):
    """The page of a run whose title, sites, messages and steps are the label."""
    step = {"status": "failed", "label": label, "cell": 3, "heading": label, "error": "DataError"}
    made = {
        "git": None,
        "fedstats": label,
        "code_sha256": "",
        "lock_sha256": "",
        "python": "",
        "platform": label,
    }
    return {
        "run": label, "status": "failed", "resumed": [], "started": "", "ended": "", "reports": {label: {}},
        "study": {"id": label, "title": label, "sites": [label], "files": {label: label}},
        "steps": {label: step | {"message": label, "file": label, "seconds": 1.0}},
        "made_from": made | {"packages": {label: label}},
    }  # fmt: skip


@pytest.mark.parametrize("label", EVERY)
def test_no_label_becomes_markup_or_a_turn_of_direction_on_the_page_of_a_run(label, tmp_path):
    text = index_page(tmp_path, page(EVERY[label]), EVERY[label])
    soup = bs4.BeautifulSoup(text, "html.parser")
    assert not soup.select("script, img, svg, a, meta[http-equiv=refresh]")
    assert unseen(text) == ""


@pytest.mark.parametrize("label", EVERY)
def test_an_error_of_the_data_shows_every_character_on_the_page_of_a_run(label, tmp_path):
    book = Codebook((Variable("g", "factor", levels=("a", "b")),))
    with pytest.raises(fs.DataError) as found:
        fs.Site("north", pd.DataFrame({"g": ["a", EVERY[label]]}), book, NONE)
    text = index_page(tmp_path, page(str(found.value)), "x")
    assert unseen(text) == ""
    assert not bs4.BeautifulSoup(text, "html.parser").select("script, img, svg, a")
