"""What would make a refused question pass, in one sentence a rule, for whoever may not see the numbers."""

from collections.abc import Mapping

from fedstats.contract.aggregate import Rule
from fedstats.contract.query import Query

_FEW = "merge the level with another one in the codebook, or leave the column out"

#: No number stands here: a refusal and its remedy are read by the coordinator.
REMEDIES: dict[Rule, str] = {
    "entry": f"Too few patients stand behind one of the sums: {_FEW}.",
    "patients": "The site has too few complete rows for this model: use columns with fewer empty cells, or go on without the site in a new version of the study.",
    "level": f"Too few patients are in a level, or outside it: {_FEW}.",
    "level by outcome": f"Too few patients of a level have the outcome, or do not: {_FEW}.",
    "pair of levels": "Too few patients share two levels: merge levels, or leave one of the two columns out.",
    "joint cell of levels": "The model, or the propensity behind its weights, is of levels alone, and too few patients share all of theirs: merge levels, use fewer factors, or put a measurement such as age into it as a number.",
    "patients of one predictor": "At these coefficients patients have few different linear predictors, and too few share one: put more terms into the model, or cut a number into levels that hold enough.",
    "leavers of a time cell": "Too few patients leave in a cell of the time grid, or between two cuts: ask with wider cells, or agree on fewer cuts.",
    "events of a time cell": "Too few events lie in a cell of the time grid: ask with wider cells, with ties='breslow', or of the test of proportional hazards with transform='identity'.",
    "events in their order": "Too few patients leave while events happen, or between this outcome and another one of the same patients, so that their levels could be worked out in the order of events: ask of a longer follow-up, of horizons further apart, with baseline='shared', or of fewer outcomes.",
    "distinct values": "Single values and times do not leave: give the codebook edges or a [grid].",
    "agreed grid": "The edges, the cuts of an effect, or a spline's knots, are none of the codebook's: ask with a candidate or the cuts of its [grid] or with its knots, or agree on them first.",
    "dropped rows": "A few rows are left out for an empty cell or a weight of zero: give the column a level for what is missing, or leave it out.",
    "patients of the subset": "The subset holds too few patients at the site, or none: ask about a wider one.",
    "complement of the subset": "The subset leaves a few patients out: ask about all of them, or about a narrower subset.",
    "parameters per event": "The model has too many coefficients for the site's events (a log-rank test within practices counts as five for each group but one): leave terms or tests out, or merge levels.",
    "effective size of a level": "Within a level a few patients weigh too much at these coefficients: merge the level with another one in the codebook, or rescale or cap the column that singles them out.",
    "effective sample size": "A few patients weigh too much at these coefficients: rescale or cap the column that singles them out, use wider cells of time, or start from zero.",
    "size of coefficients": "A coefficient has grown too large: a level may hold no event, or a column may predict the outcome perfectly; leave it out or merge levels.",
    "dominance": "One patient makes up most of a sum: cap the column in the codebook, take its logarithm, or cut it into levels.",
    "dominance of two": "Two patients make up most of a sum: cap the column in the codebook, take its logarithm, or cut it into levels.",
    "difference between cohorts": "Together with earlier answers this one tells of a few patients: ask about exactly the same patients as before, or clearly other ones.",
    "level of a difference": "Together with earlier answers this one tells of a few patients of a level: ask about exactly the same patients as before, for instance with a level for what is missing, or of those in whom it is known (a step of cohort.toml), or merge the level in the codebook.",
    "points of a difference": "The model has been answered of other patients too, and at so many points that the values of the few who are in one of both alone would follow: ask about exactly the same patients as before, for instance with a level for what is missing, or of those in whom it is known (a step of cohort.toml); of completed columns for fewer copies, cycles or terms.",
    "bounded model": "A log-binomial model has a likelihood only where every risk is below one, and where that ends tells of the patient with the largest: ask with family = 'poisson' and robust = true, whose ratios are of risks as well, or agree with the site that its profile says bounded_models = true.",
    "number of refusals": "The model has been refused at as many points as the site allows, each of which tells a little of its rows: simplify it, or agree on more with the site.",
    "numbers of a model": "As many numbers have left about the model as it has patients, beyond those of a fit, and more would be enough to work out single rows: ask for fewer strengths of a penalty, profiles or log-rank tests within practices, take a smaller model, or agree with the site that its own profile says more (max_numbers_per_patient).",
    "number of coefficients": "The model has been answered at as many points as the site allows: reuse the answers that are there, or agree on more with the site.",
    "kind of question": "The site does not answer this kind of question: leave the analysis out, or agree with the site to allow it.",
    "analysis of the study": "No analysis of the study asks this: name it in a new version of study.toml, or agree with the site that its profile says beyond_study = true.",
    "per-site estimate": "The site does not give an estimate of its own: use start='zero', or agree with the site to allow it.",
}


def remedy(rule: str, query: Query | None = None) -> str:
    """What would make it pass; of a refusal that is no rule's (sums that are not finite), nothing.

    Parameters
    ----------
    rule : str
        As a refusal names it.
    query : Query, optional
        What was refused: some questions have words of their own for a rule.
    """
    own: Mapping[str, str] = {} if query is None else query.remedies()
    return own.get(rule) or next((words for known, words in REMEDIES.items() if known == rule), "")
