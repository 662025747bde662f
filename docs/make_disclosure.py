"""Write ``disclosure.md``: every question that can be asked, every number that leaves, what protects it.

Nothing of the page is typed in.  The questions are those that this version knows, their words and the
names of their sums are their own, the rules are read off what the gate judges when the question is put
to the table below, and the thresholds are the profiles'.

    python docs/make_disclosure.py            writes the page
    python docs/make_disclosure.py --check    says whether the page is up to date
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

import fedstats.methods  # noqa: F401 (registers every query)
from fedstats.contract.aggregate import Aggregate, Rule
from fedstats.contract.codebook import Codebook
from fedstats.contract.design import Column, Design, Part, Period
from fedstats.contract.disclosure import DisclosurePolicy
from fedstats.contract.entries import Entries
from fedstats.contract.propensity_weight import PropensityWeight
from fedstats.contract.query import _VOCABULARY, Query
from fedstats.contract.remedies import remedy
from fedstats.contract.site_data import SiteData
from fedstats.contract.variable import TimeGrid, Variable
from fedstats.methods.attrition import AttritionCounts
from fedstats.methods.cox_model import CoxMeat, CoxModel
from fedstats.methods.cox_regression import CoxDerivatives
from fedstats.methods.cox_shared_baseline import CoxCurvature, CoxRiskSets
from fedstats.methods.descriptives import DistinctValues, Histogram, LevelCounts, Moments
from fedstats.methods.discrimination import CoxPairs, GlmPairs
from fedstats.methods.doubly_robust import AugmentedMeans
from fedstats.methods.empty_cells import EmptyCells, EmptyCellsOfGroups
from fedstats.methods.firth_correction import CoxFirthCorrection, FirthCorrection
from fedstats.methods.fitting import LocalEstimate
from fedstats.methods.folds import WithoutFolds
from fedstats.methods.follow_up import DistinctTimes
from fedstats.methods.glm_model import GlmDerivatives, GlmMeat, GlmModel
from fedstats.methods.local_log_rank import LocalLogRank
from fedstats.methods.milestone_risks import MilestoneCells, MilestoneErrors
from fedstats.methods.own_sums import OwnSums
from fedstats.methods.penalised_fit import DesignMoments
from fedstats.methods.practice_estimates import PracticeEstimates
from fedstats.methods.predicted_risks import RiskCells, SquaredErrors
from fedstats.methods.proportional_hazards import CoxTimeTrends
from fedstats.methods.risk_table import RiskTable
from fedstats.methods.stacked_equations import CoxPropensityTerms, GlmPropensityTerms, PropensityScores
from fedstats.methods.standardisation import MarginalSlopes, StandardisedMeans
from fedstats.methods.standardised_curves import ExpectedSurvival
from fedstats.methods.weighted_arms import EDGES, ArmSums, PropensityHistogram

PAGE = Path(__file__).with_name("disclosure.md")
PROFILES = (
    DisclosurePolicy(),
    DisclosurePolicy.opensafely(),
    DisclosurePolicy.teaching(),
    DisclosurePolicy.none(),
)

# One question of each kind, and a table that can answer it ------------------------------------

CODEBOOK = Codebook(
    (
        Variable("entry", "time"),
        Variable("time", "time", unit="months"),
        Variable("event", "event"),
        Variable("age", "numeric", centre=60.0, scale=8.0, edges=(50.0, 60.0, 70.0)),
        Variable("sex", "factor", levels=("F", "M")),
        Variable("arm", "factor", levels=("A", "B", "C")),
        Variable("cause", "factor", levels=("0", "1", "2")),
        Variable("weight", "numeric"),
        Variable("practice", "label"),
    ),
    TimeGrid("months", (6.0, 12.0), 24.0),
)
GRID = (6.0, 12.0, 18.0, 24.0)


def cohort(n: int = 600) -> pd.DataFrame:
    """Made-up patients in whom nothing is rare."""
    random, i = np.random.default_rng(11), np.arange(n)
    return pd.DataFrame(
        {
            "entry": 0.0,
            "time": 1.0 + random.integers(0, 30, n),
            "event": random.integers(0, 2, n),
            "age": 40.0 + random.integers(0, 40, n),
            "sex": np.where(i % 2, "M", "F"),
            "arm": np.array(["A", "B", "C"])[i % 3],
            "cause": np.array(["0", "1", "2"])[(i // 3) % 3],
            "weight": 0.5 + (i % 29) / 29,
            "practice": np.where(i % 5 < 2, "one", "two"),
        }
    )


DESIGN = Design((Column("age", (Part("age"),), 60.0, 8.0), Column("sex[M]", (Part("sex", "M"),))))
COX = CoxModel("entry", "time", "event", DESIGN, ("practice",), "efron", None, None, 0.0, None)
OF_ARM = replace(
    COX, design=Design(tuple(Column(f"arm[{level}]", (Part("arm", level),)) for level in ("B", "C")))
)
SHARED = replace(COX, strata=("sex",), grid=GRID, strata_levels=("F", "M"))
MILESTONE = replace(COX, entry=None, strata=(), ties="breslow", grid=GRID)
#: The effect of sex is another after 7 months, which is no agreed cut.
CHANGING = replace(
    COX,
    design=Design(
        (
            DESIGN.columns[0],
            *(replace(DESIGN.columns[1], period=period) for period in (Period(0.0, 7.0), Period(7.0, None))),
        )
    ),
)
LOGISTIC = GlmModel("event", replace(DESIGN, intercept=True), None, None, None)
WITHIN = GlmModel("event", DESIGN, None, None, None, intercepts="practice")
#: A weight by the propensity of being a man, for questions that are weighted.
WEIGHT = PropensityWeight(
    "ipw", "sex", "M", Design(DESIGN.columns[:1], True), (0.1, 0.2), "ATE", low=0.05, high=0.95
)
OF_SEX = GlmModel("sex", Design(DESIGN.columns[:1], True), None, None, None, event_level="M")
WEIGHTED = replace(LOGISTIC, weights="ipw")
CELLS, P = 2 * len(GRID), 2
ZERO = (0.0, 0.0)
GROUPS = ("arm", ("A", "B", "C"))
#: By kind, the questions whose judgements make up the page: with and without what changes the rules.
EXAMPLES: dict[str, tuple[Query, ...]] = {
    "AttritionCounts": (AttritionCounts("arm", ("A", "B", "C")),),
    "ArmSums": (ArmSums("sex", "M", "ipw", Design(DESIGN.columns[:1])).with_columns(WEIGHT),),
    "AugmentedMeans": (AugmentedMeans(WEIGHTED, (0.0,) * 3, "sex", ("F", "M")).with_columns(WEIGHT),),
    "CoxPropensityTerms": (CoxPropensityTerms(replace(COX, weights="ipw"), ZERO).with_columns(WEIGHT),),
    "GlmPropensityTerms": (GlmPropensityTerms(WEIGHTED, (0.0,) * 3).with_columns(WEIGHT),),
    "PropensityHistogram": (
        PropensityHistogram("sex", "M", "ipw", EDGES[2]).with_columns(WEIGHT.of_propensity),
    ),
    "PropensityScores": (PropensityScores(OF_SEX, (0.0, 0.0), 0.5),),
    "CoxCurvature": (CoxCurvature(SHARED, ZERO, (0.01,) * CELLS, (0.001,) * CELLS),),
    "CoxDerivatives": (CoxDerivatives(COX, ZERO), CoxDerivatives(CHANGING, (0.0,) * 3)),
    "CoxFirthCorrection": (CoxFirthCorrection(COX, ZERO, (0.01,) * 3),),
    "CoxMeat": (CoxMeat(COX, ZERO), CoxMeat(SHARED, ZERO, (0.01,) * (CELLS * (2 + 3 * P)))),
    "CoxPairs": (CoxPairs(COX, ZERO), CoxPairs(replace(COX, entry=None), ZERO, "n/G2", 12.0)),
    "CoxRiskSets": (CoxRiskSets(SHARED, ZERO), CoxRiskSets(replace(SHARED, grid=(7.0, 24.0)), ZERO)),
    "LocalLogRank": (
        LocalLogRank(OF_ARM, ((0.0, 0.0),)),
        LocalLogRank(OF_ARM, ((0.0, 0.0), (0.0, 1.0))),
    ),
    "CoxTimeTrends": (
        CoxTimeTrends(COX, ZERO, "identity"),
        CoxTimeTrends(COX, ZERO, "steps", GRID, (0.0, 0.2, 0.4, 0.6, 0.8)),
        CoxTimeTrends(COX, ZERO, "steps", (7.0, 24.0), (0.0, 0.5, 1.0)),
    ),
    "DesignMoments": (DesignMoments(GlmDerivatives(LOGISTIC, (0.0,) * 3)),),
    "EmptyCells": (EmptyCells(("age", "sex")),),
    "EmptyCellsOfGroups": (EmptyCellsOfGroups(("age", "sex"), "practice"),),
    "ExpectedSurvival": (ExpectedSurvival(SHARED, ZERO, (0.01,) * CELLS, "sex", ("F", "M")),),
    "FirthCorrection": (FirthCorrection(LOGISTIC, (0.0,) * 3, (0.01,) * 6),),
    "DistinctTimes": (DistinctTimes("time", "event"),),
    "DistinctValues": (DistinctValues("age", *GROUPS),),
    "Histogram": (Histogram("age", *GROUPS, (50.0, 60.0, 70.0)),),
    "LevelCounts": (LevelCounts("sex", *GROUPS, ("F", "M")),),
    "LocalEstimate": (LocalEstimate(GlmDerivatives(LOGISTIC, (0.0,) * 3)),),
    "GlmDerivatives": (
        GlmDerivatives(LOGISTIC, (0.0,) * 3),
        GlmDerivatives(replace(LOGISTIC, link="log"), (-1.0, 0.0, 0.0)),
        GlmDerivatives(replace(LOGISTIC, family="poisson", link="log"), (0.0,) * 3),
        GlmDerivatives(WITHIN, ZERO),
        GlmDerivatives(WEIGHTED, (0.0,) * 3).with_columns(WEIGHT),
    ),
    "GlmPairs": (GlmPairs(LOGISTIC, (0.0,) * 3),),
    "GlmMeat": (GlmMeat(LOGISTIC, (0.0,) * 3), GlmMeat(WITHIN, ZERO)),
    "WithoutFolds": (
        WithoutFolds(GlmDerivatives(LOGISTIC, (0.0,) * 3), 2, points=((0.0,) * 3,) * 3),
        WithoutFolds(GlmDerivatives(LOGISTIC, (0.0,) * 3), 3, "arm", ("A", "B", "C"), ((0.0,) * 3,) * 4),
        WithoutFolds(CoxDerivatives(replace(COX, strata=()), ZERO), 2, points=(ZERO,) * 3),
        WithoutFolds(DesignMoments(GlmDerivatives(LOGISTIC, (0.0,) * 3)), 2),
    ),
    "MarginalSlopes": (MarginalSlopes(LOGISTIC, (0.0,) * 3, "age"),),
    "Moments": (Moments("age", *GROUPS, 60.0, 8.0),),
    "OwnSums": (OwnSums(LevelCounts("sex", *GROUPS, ("F", "M"))),),
    "PracticeEstimates": (
        PracticeEstimates(CoxDerivatives(COX, ZERO), "practice", (), (1,)),
        PracticeEstimates(GlmDerivatives(WITHIN, ZERO), "practice", (), (1,)),
        PracticeEstimates(CoxDerivatives(replace(COX, strata=()), ZERO), None, (), (1,)),
    ),
    "MilestoneCells": (MilestoneCells(MILESTONE, (0.5, 0.5), (0.7,), 12.0, (0.0, 0.4, 0.6, 1.0)),),
    "MilestoneErrors": (MilestoneErrors(MILESTONE, (0.5, 0.5), (0.7,), 12.0, (1.0, 0.9, 0.8)),),
    "RiskCells": (RiskCells(LOGISTIC, (0.0, 0.5, 0.5), (0.0, 0.4, 0.6, 1.0)),),
    "SquaredErrors": (SquaredErrors(LOGISTIC, (0.0,) * 3),),
    "RiskTable": (
        RiskTable("entry", "time", "event", *GROUPS, GRID),
        RiskTable(None, "time", "event", *GROUPS, (7.0, 24.0)),
        RiskTable(None, "time", "event", *GROUPS, (12.0,), strata=("sex",), strata_levels=(("F", "M"),)),
        RiskTable("entry", "time", "cause", *GROUPS, GRID, causes=("1", "2")),
        RiskTable(None, "time", "event", *GROUPS, GRID, weights="weight"),
        RiskTable("entry", "time", "event", *GROUPS, GRID, ("age", "weight"), weighted_by="weight"),
    ),
    "StandardisedMeans": (StandardisedMeans(LOGISTIC, (0.0,) * 3, "sex", ("F", "M")),),
}


def kinds() -> list[type[Query]]:
    """Every kind of question of the vocabulary, in alphabetical order; what tests plant is none of ours."""
    known = (k for k in _VOCABULARY.values() if k.__module__.startswith("fedstats."))
    return sorted((k for k in known if issubclass(k, Query)), key=lambda k: k.__name__)


def answered(query: Query) -> Aggregate:
    """What a site has computed before its gate judges."""
    data = SiteData(CODEBOOK.harmonise(cohort(), "the example"), CODEBOOK)
    return query.aggregate(data.with_columns(query.made).among(query.where))


# The page -------------------------------------------------------------------------------------

HEAD = """# What leaves a site

<!-- Written by docs/make_disclosure.py from the code; change the code, then run that script. -->

Every question that this version of fedstats can ask a site, every number that then leaves, and what protects it. No other
question can be asked: a message that is not one of these is not read, and no code travels.

A *number* is a sum over patients of the site. Before it leaves, the site's gate judges how many patients stand behind it,
and the counts that it would give away together with the others. One rule that is not met refuses the whole answer; then
nothing leaves but the name of the question, the kind of entry and the name of the rule.

Letters in the columns "numbers": *p* coefficients of the model (the intercept is one), *q* those of the propensity behind its
weights (and the share of the treated of stabilised ones), *m* tests by other weights of time, *c* time cells (each for every
stratum), *b* cells of the predicted risk, *g* groups (each in every
stratum), *k* causes, or some of the coefficients, *l* levels, *e* edges, *v* values of a column. Sums are 128-bit integers in units of a fixed power of two: sixteen bytes a number.
"""
QUESTIONS = """
## The questions

*Judged entry by entry* are the numbers themselves, by the patients who contribute to each. *Judged as a whole* is what the
answer would give away beyond its numbers: those counts are made for the gate and never leave.
"""
TAIL = """
## What leaves besides

- A refusal: the question's name, the kind of entry, the rule. A question that does not fit the site's table (an unknown column, a
  weight below zero) is refused in words of the question, never with a value.
- That an answer came, and when.
- The site keeps for itself a sheet of every answer with all its numbers (notebook parameter `egress`).

What these rules do not stop is in [threat-model.md](threat-model.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            HEAD,
            *_profiles(),
            QUESTIONS,
            *_elsewhere(),
            *(line for kind in kinds() for line in _question(kind)),
            TAIL,
        ]
    )


def _profiles() -> Iterator[str]:
    yield "## The rules and the profiles\n"
    yield "The site chooses a profile; a study can tighten it and never loosen it. `none` is for public or synthetic data.\n"
    names = [policy.name for policy in PROFILES]
    yield _row("rule", *(f"`{name}`" for name in names), "what makes a refused question pass")
    yield _row(*["---"] * (len(names) + 2))
    for rule in get_args(Rule):
        yield _row(rule, *(policy.needs(rule) for policy in PROFILES), remedy(rule))


def _question(kind: type[Query]) -> Iterator[str]:
    examples = EXAMPLES[kind.__name__]
    yield f"### {kind.__name__}\n"
    yield f"{_first_paragraph(kind)}\n"
    yield f"For instance: *{examples[0].in_words()}*.\n"
    if not kind.summable:
        yield "Answered by each site on its own; never added up, for the answers are meant as the sites' own or have different lengths.\n"
    by_entry, as_a_whole = _rules(examples)
    yield _row("sum", "one number is", "numbers", "judged entry by entry")
    yield _row(*["---"] * 4)
    for name, entries in _entries(examples).items():
        yield _row(f"`{name}`", entries.means, entries.count, ", ".join(by_entry[name]))
    yield f"\nJudged as a whole: {', '.join(as_a_whole)}.\n" if as_a_whole else "\nNot judged as a whole.\n"


def _entries(examples: tuple[Query, ...]) -> dict[str, Entries]:
    """The sums of all examples, as the first that has one calls it."""
    return {name: entries for query in reversed(examples) for name, entries in query.entries().items()}


def _rules(examples: tuple[Query, ...]) -> tuple[dict[str, list[str]], list[str]]:
    """Rules that the strict gate applies: to each sum, and to the answer as a whole; of all examples together."""
    reviews = [DisclosurePolicy().review(answered(query)) for query in examples]
    judged = pd.concat(reviews).drop_duplicates(["entry", "rule"])
    names = list(_entries(examples))
    by_entry = {name: judged.loc[judged["entry"] == name, "rule"].tolist() for name in names}
    order = {rule: i for i, rule in enumerate(get_args(Rule))}
    whole = judged.loc[~judged["entry"].isin(names), "rule"]
    return by_entry, sorted(set(whole), key=lambda rule: order[rule])


def _elsewhere() -> Iterator[str]:
    """Rules that no table of numbers shows: they are judged by what a site permits and remembers."""
    judged = {rule for queries in EXAMPLES.values() for found in _rules(queries) for rule in _flat(found)}
    rest = [rule for rule in get_args(Rule) if rule not in judged]
    if rest:
        yield f"\nJudged for every question by what the site permits and remembers: {', '.join(rest)}."


def _flat(found: dict[str, list[str]] | list[str]) -> list[str]:
    return [rule for rules in found.values() for rule in rules] if isinstance(found, dict) else found


def _first_paragraph(kind: type[Query]) -> str:
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it."""
    if arguments == ["--check"]:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        sys.stdout.write("up to date\n" if same else "out of date: run python docs/make_disclosure.py\n")
        return 0 if same else 1
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
