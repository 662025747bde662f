"""docs/threat-model.md names every adversary, says what is not protected, and quotes what the attacks measure."""

import re
from pathlib import Path

import pytest

from fedstats.contract.disclosure import DisclosurePolicy
from tests.attacks.test_risk_sets import DAYS, recovered

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "threat-model.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "who",
    [
        "A curious coordinator",
        "An active coordinator",
        "A curious site",
        "A reader of the exchange folder",
        "A writer to the exchange folder",
        "A reader of the report",
    ],
)
def test_every_adversary_has_a_section_that_says_what_stops_it(who):
    section = TEXT.split(f"\n### {who}")[1].split("\n##")[0]
    assert "*What stops it:*" in section


def test_what_is_not_protected_and_the_hard_case_are_sections_of_their_own():
    assert "\n## What is not protected\n" in TEXT
    assert "\n## The hard case: two sites\n" in TEXT
    assert "masked sums" in TEXT


def test_the_share_of_rows_that_the_page_quotes_is_what_the_attack_measures():
    share = recovered(DisclosurePolicy.none(), DAYS)
    (said,) = {int(n) for n in re.findall(r"(\d+) % of", TEXT)}
    assert round(100 * share) == said


def test_every_link_leads_somewhere():
    for name in re.findall(r"\]\(([\w-]+\.md)\)", TEXT):
        assert (DOCS / name).is_file()
