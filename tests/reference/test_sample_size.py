"""Riley's minimum sample sizes against the published closed forms in R: whole numbers, so equal.

The largest R squared is one logarithm and one exponential of numbers that R has fitted or written down: 1e-10.
"""

import json
from pathlib import Path

import pytest

from fedstats.numerics.sample_size import binary_sample_size, survival_sample_size

CASES = json.loads(Path(__file__).with_name("sample_size.json").read_text(encoding="utf-8"))["cases"]
SIZES = {"binary": binary_sample_size, "survival": survival_sample_size}


@pytest.mark.parametrize("case", CASES, ids=[f"{case['kind']}-{i}" for i, case in enumerate(CASES)])
def test_a_number_is_that_of_the_papers_formulas(case):
    found, expected = SIZES[case["kind"]](**case["given"]), case["expected"]
    assert (found.shrinkage, found.optimism, found.overall) == (
        expected["shrinkage"],
        expected["optimism"],
        expected["overall"],
    )
    assert found.largest_r2 == pytest.approx(expected["largest_r2"], rel=1e-10)
    assert found.patients == max(expected["shrinkage"], expected["optimism"], expected["overall"])


def test_each_criterion_asks_for_the_most_in_some_case():
    """So that none of them could be left out unseen."""
    most = {(c["kind"], SIZES[c["kind"]](**c["given"]).criterion) for c in CASES}
    assert {kind for kind, _ in most} == {"binary", "survival"}
    assert {criterion for _, criterion in most} == {"shrinkage", "optimism", "overall"}
