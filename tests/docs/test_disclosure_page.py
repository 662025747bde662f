"""docs/disclosure.md is what the code says today."""

import math
import re
from typing import get_args

import pytest

from fedstats.contract.aggregate import Rule
from fedstats.contract.disclosure import DisclosurePolicy
from tests.docs.disclosure_page import EXAMPLE_IDS, EXAMPLES, PAGE

TEXT = PAGE.PAGE.read_text(encoding="utf-8")
KINDS = [kind.__name__ for kind in PAGE.kinds()]


def test_the_page_is_up_to_date():
    assert PAGE.page() == TEXT, "run python docs/make_disclosure.py"


def test_the_script_says_whether_it_is(capsys, monkeypatch, tmp_path):
    assert PAGE.main(["--check"]) == 0
    monkeypatch.setitem(PAGE.main.__globals__, "PAGE", tmp_path / "disclosure.md")
    assert PAGE.main(["--check"]) == 1
    assert PAGE.main([]) == PAGE.main(["--check"]) == 0
    assert (tmp_path / "disclosure.md").read_text(encoding="utf-8") == TEXT


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_question_has_its_section_and_sums(kind):
    section = TEXT.split(f"\n### {kind}\n")[1].split("\n### ")[0]
    for name in {name for query in PAGE.EXAMPLES[kind] for name in query.entries()}:
        assert f"| `{name}` |" in section


@pytest.mark.parametrize("rule", get_args(Rule))
def test_every_rule_stands_with_its_threshold_in_each_profile(rule):
    (line,) = [line for line in TEXT.splitlines() if line.startswith(f"| {rule} |")]
    assert DisclosurePolicy().needs(rule) in line
    assert DisclosurePolicy.teaching().needs(rule) in line
    assert "| off |" in line


def test_every_rule_judges_some_question_or_is_named_for_all():
    judged = " ".join(re.findall(r"^Judged .*|^\| `.*", TEXT, re.MULTILINE))
    assert [rule for rule in get_args(Rule) if rule not in judged] == []


@pytest.mark.parametrize(("kind", "i", "query"), EXAMPLES, ids=EXAMPLE_IDS)
def test_the_formula_of_how_many_numbers_is_right(kind, i, query):
    model = getattr(query, "model", getattr(getattr(query, "question", None), "model", None))
    design = model.design if model else getattr(query, "design", None)
    letters = {"p": len(design.names) if design else 0, "g": 3, "l": 2, "e": 3, "v": 2}
    letters["q"] = sum(len(weight.design.names) + weight.stabilised for weight in query.made)
    letters["g"] *= math.prod(len(levels) for levels in getattr(query, "strata_levels", ()))
    letters["k"] = len(getattr(query, "causes", ()))
    letters["m"] = len(getattr(query, "exponents", ()))
    letters["c"] = len(model.cells) if getattr(model, "grid", ()) else len(getattr(query, "grid", ()))
    if hasattr(query, "hazards") and hasattr(query, "values"):
        letters["e"] = len(model.grid)
    if hasattr(query, "times_until"):
        letters["c"] = len(query.times_until())
    letters["b"] = len(getattr(query, "edges", ())) - 1
    if kind == "PropensityHistogram":
        letters["c"] = len(query.edges) - 1
    answer = PAGE.answered(query)
    if (columns := getattr(query, "columns", None)) is not None:  # the rows decide how many groups there are
        letters |= {"k": len(columns), "g": len(answer.sums["n"].values), "l": len(query.levels)}
    if kind == "EmptyCellsOfGroups":
        letters["g"] = len(answer.sums["n"].values)
    for name, entries in answer.sums.items():
        count = query.entries()[name].count
        if "distinct" not in count:
            product = re.sub(r"(?<=[a-z)\d]) (?=[a-z(\d])", " * ", count)
            assert eval(product, {}, letters) == entries.values.size, (name, count)
