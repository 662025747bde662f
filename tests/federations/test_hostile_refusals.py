"""The text of a refusal comes from a site, which may be anybody's: the coordinator prints a rule, and nothing else."""

from functools import partial
from typing import get_args

import pytest

import fedstats as fs
from fedstats.contract.aggregate import Rule
from fedstats.contract.query import QueryError, spec_from_dict
from fedstats.contract.refusal import SUM_NOT_FINITE, SUM_TOO_LARGE, Refusal, received
from fedstats.federations import archive
from fedstats.federations.desk import Desk
from tests.federations.small_study import attended_pass

HOSTILE = {
    "length": Refusal("GlmDerivatives", "entry", "x" * 100_000),
    "a long sentence": Refusal("GlmDerivatives", "question", "x" * 100_000),
    "two lines": Refusal("GlmDerivatives", "question", "it is refused\nnorth: all is well"),
    "an entry": Refusal("GlmDerivatives", "<img src=x onerror=alert(1)>", "entry"),
    "a kind": Refusal("=cmd|' /C calc'!A0", "entry", "entry"),
    "a rule": Refusal("GlmDerivatives", "entry", "=HYPERLINK(1)"),
    "a rule that says a value": Refusal("GlmDerivatives", "entry", "age 71.3"),
}


def told(here, refusal):
    """What the coordinator is told where the site south has sent this refusal."""
    ask = partial(fs.logistic, fs.Folder(here.exchange, study=here.study), "response ~ age")
    with pytest.raises(fs.Waiting):
        ask()
    desk = Desk(here.exchange, here.sites["south"])
    desk.send(desk.ledger.questions()[0], refusal)
    others = {name: site for name, site in here.sites.items() if name != "south"}
    attended_pass(here.exchange, others, here.study)
    with pytest.raises((fs.LedgerMismatch, fs.SiteRefused)) as caught:
        ask()
    return str(caught.value)


def test_any_text_was_printed(here, monkeypatch):
    monkeypatch.setattr(archive, "received", lambda content: spec_from_dict(content, Refusal))
    assert "=HYPERLINK(1)" in told(here, HOSTILE["a rule"])


@pytest.mark.parametrize("how", ["length", "a rule"])
def test_a_rule_that_nobody_knows_is_an_answer_that_cannot_be_read(here, how):
    said = told(here, HOSTILE[how])
    assert "of south cannot be read: it refuses by a rule that this version does not know" in said
    assert HOSTILE[how].rule not in said


@pytest.mark.parametrize("how", HOSTILE)
def test_what_no_site_sends_is_not_read(how):
    with pytest.raises(QueryError) as caught:
        received(HOSTILE[how].to_dict())
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("rule", [*get_args(Rule), SUM_TOO_LARGE, SUM_NOT_FINITE])
def test_every_rule_is_read(rule):
    for entry in (rule if rule in get_args(Rule) else "sum", "observed", "question as such"):
        refusal = Refusal("CoxDerivatives", entry, rule)
        assert received(refusal.to_dict()) == refusal


def test_so_is_a_question_that_does_not_fit():
    refusal = Refusal("CoxDerivatives", "question", "rho and gamma are among 0, 1, of up to 8 tests.")
    assert received(refusal.to_dict()) == refusal
