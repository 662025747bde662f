"""Every number of the list of acceptance tests that is due has a test that bears it."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

#: Numbers of the list that concern what is there: the exchange, the gate, the notebooks, the data.
DUE = {*range(1, 18), *range(20, 25), *range(26, 29), *range(32, 38), 39, 40}


def borne():
    """Numbers that some test bears."""
    sources = (path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py"))
    return {int(n) for source in sources for n in re.findall(r"mark\.acceptance\((\d+)\)", source)}


def test_every_number_that_is_due_is_borne_by_a_test():
    assert sorted(DUE - borne()) == []
