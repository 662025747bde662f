"""A question that asks for more than sums (C3.22): other thresholds, seeds, rows, files, code.  All it has is its fields."""

import copy
import json
import sys
from dataclasses import fields, replace
from functools import partial

import pytest

from fedstats.contract.aggregate import Release
from fedstats.contract.formula import FormulaError, parse
from fedstats.contract.query import Query, QueryError, canonical_json, spec_from_dict
from fedstats.federations.in_process import InProcess
from fedstats.federations.site import Site
from fedstats.methods.descriptives import LevelCounts
from tests.attacks.questions import QUESTIONS
from tests.attacks.targets import BOOK, NONE, STRICT, ask, cohort
from tests.contract.strategies import PLAIN_QUERIES

pytestmark = pytest.mark.acceptance(22)


def parts(value, kind, here=()):
    """Where every part of that kind lies in a JSON value."""
    if isinstance(value, kind):
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from parts(part, kind, (*here, key))


def changed(value, path, change):
    """A copy in which one part is another."""
    whole = copy.deepcopy({"whole": value})
    inner = whole
    for key in ("whole", *path)[:-1]:
        inner = inner[key]
    last = ("whole", *path)[-1]
    inner[last] = change(inner[last])
    return whole["whole"]


def plain(question):
    return json.loads(canonical_json(question.to_dict()))


def test_there_is_a_question_of_every_kind():
    assert {kind.__name__ for kind in PLAIN_QUERIES} <= set(QUESTIONS)
    assert all(spec_from_dict(plain(q), Query) == q for q in QUESTIONS.values())


def test_most_of_the_questions_are_answered_so_that_refusals_mean_something():
    answers = {name: ask(cohort(), q, NONE) for name, q in QUESTIONS.items()}
    assert [name for name, answer in answers.items() if isinstance(answer, str)] == []


# Keys that no question has ----------------------------------------------------------------------------

EXTRA = {
    "policy": {"is": "DisclosurePolicy", **{f.name: getattr(NONE, f.name) for f in fields(NONE)}},
    "min_patients": 0,
    "min_cell": 0,
    "off": True,
    "profile": "none",
    "threshold": 1,
    "seed": 1,
    "random_state": 1,
    "rows": [7],
    "indices": [7, 7, 7],
    "iloc": 7,
    "path": "/etc/passwd",
    "data_file": "../north.csv",
    "formula": "y ~ exec('1')",
    "code": "print(1)",
    "aggregate": "lambda data: data.frame",
    "__class__": "Leak",
    "__dict__": {},
    "_typed": None,
    "summable": False,
    "where ": [],
    "": 0,
}


def by_a_trusting_site(message):
    """Stand-in for a site that lets a message set what it finds in it."""
    policy = replace(STRICT, **{k: v for k, v in message.get("policy", {}).items() if k != "is"})
    question = LevelCounts(*[tuple(v) if isinstance(v, list) else v for k, v in message.items() if k in ("variable", "by", "groups", "levels")])  # fmt: skip
    return ask(cohort(sex=["M"] + ["F"] * 359), question, policy)


def test_a_site_that_trusts_a_message_answers_with_a_single_patient():
    message = {"variable": "sex", "by": None, "groups": [], "levels": ["F", "M"]}
    shown = by_a_trusting_site(message)
    assert (shown["counts"].tolist(), shown["together"].tolist()) == ([[0, 0, 0]], [360])
    assert by_a_trusting_site(message | {"policy": EXTRA["policy"]})["counts"].tolist() == [[359, 1, 0]]


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize("key", EXTRA)
def test_a_key_that_no_question_has_is_refused_wherever_it_is_put(kind, key):
    message = plain(QUESTIONS[kind])
    for path in parts(message, dict):
        with pytest.raises(QueryError, match="has the fields"):
            spec_from_dict(changed(message, path, lambda part: part | {key: EXTRA[key]}), Query)


@pytest.mark.parametrize(
    "kind", ["DisclosurePolicy", "Refusal", "Codebook", "Variable", "SiteData", "Site", "Query", "Spec"]
)
def test_nothing_but_a_question_is_taken_for_one(kind):
    message = plain(QUESTIONS["Moments"])
    for path in parts(message, dict):
        with pytest.raises(QueryError):
            spec_from_dict(changed(message, path, lambda part: part | {"is": kind}), Query)


# Texts that would be code or a path, were they evaluated ------------------------------------------------

PLANTED = "planted by a question"
HOSTILE = {
    "a call": f"__import__('pathlib').Path({PLANTED!r}).touch()",
    "a lambda": f"(lambda: open({PLANTED!r}, 'w').close())()",
    "a column with a call": f"age if open({PLANTED!r}, 'w').close() else age",
    "an attribute": "age.__class__.__init__.__globals__",
    "pandas' variables": "@pd.io.common.os.system('touch planted')",
    "a template": "{0.__class__}{age!r}%s%(age)s",
    "a path": "/etc/passwd",
    "a path upwards": "../../etc/passwd",
    "an address": "https://example.org/x.csv",
    "a row": "0",
    "a position": "-1",
    "rows": "[0, 1]",
    "nothing": "",
    "pandas' index": "index",
    "a dunder": "__array__",
}


@pytest.fixture(scope="module")
def heard():
    """Everything that this process opens, starts, compiles or connects to, while it listens."""
    events, listening = [], []

    def hook(event, arguments):
        if listening and event.split(".")[0] in {
            "open",
            "compile",
            "exec",
            "subprocess",
            "os",
            "socket",
            "import",
        }:
            events.append((event, str(arguments)))

    sys.addaudithook(hook)

    def listen(do):
        events.clear()
        listening.append(True)
        try:
            return do(), list(events)
        finally:
            listening.clear()

    return listen


@pytest.mark.parametrize("text", ["a call", "a lambda", "a column with a call"])
def test_a_site_that_evaluates_a_text_runs_it(text, tmp_path, monkeypatch, heard):
    monkeypatch.chdir(tmp_path)
    _, events = heard(lambda: eval(HOSTILE[text], {"age": 1}))
    assert (tmp_path / PLANTED).exists()
    assert any(PLANTED in said for _, said in events)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_text_of_a_question_is_evaluated_opened_or_taken_for_rows(kind, tmp_path, monkeypatch, heard):
    monkeypatch.chdir(tmp_path)
    message = plain(QUESTIONS[kind])
    site = Site("north", cohort(), BOOK, NONE)
    assert isinstance(site.answer(QUESTIONS[kind]).content, Release)
    for path in parts(message, str):
        for text in HOSTILE.values():
            answer, events = heard(partial(answered, site, changed(message, path, lambda _, text=text: text)))
            assert not [said for _, said in events if len(text) > 3 and text in said], path
            assert not isinstance(answer, Release) or is_a_label(path)
    assert list(tmp_path.iterdir()) == []


def is_a_label(path):
    """Names of columns and courses are used for nothing; a level that nobody has is an empty cell."""
    if (
        "values" in path and "where" not in path
    ):  # levels to which a column is set; another than agreed is refused
        return True
    return any(
        key in ("name", "term", "course", "level", "event_level", "levels", "groups", "strata_levels")
        for key in path
    )


def answered(site, message):
    """What leaves a site that is sent a message: sums, a refusal, or nothing."""
    try:
        return site.answer(spec_from_dict(message, Query)).content
    except QueryError:
        return None


LONG = [text for text in HOSTILE.values() if len(text) > 3]  # 0 and -1 mean something in a formula
FORMULAS = [
    *LONG,
    *(f"{{{text}}}" for text in LONG),
    *(f"`{text}`" for text in LONG),
    "exec('1')",
    "I(age + lab)",
    "np.exp(age)",
    "C(age, contr.treatment)",
    "poly(age, lab)",
    "age.to_csv('x')",
    "C(ecog).__class__",
    "Q('age')",
    "y ~ age | lab",
]


@pytest.mark.parametrize("text", FORMULAS, ids=range(len(FORMULAS)))
def test_a_formula_or_condition_with_more_than_columns_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for formula in (f"y ~ {text}", f"{text} ~ age", f"Surv({text}, y) ~ age", f"y ~ age + {text}:sex"):
        with pytest.raises(FormulaError):
            parse(formula, BOOK, intercept=True)
    sites = InProcess({"north": cohort()}, BOOK)
    for condition in (text, f"{text} > 1", f"age > {text} and {text}", f"age in [{text}] or True"):
        with pytest.raises(QueryError):
            sites.where(condition)
    assert list(tmp_path.iterdir()) == []
