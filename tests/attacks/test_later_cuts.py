"""Points of a model counted over cuts of the data: a few new patients do not begin a new count of what is told of all others.

Whoever has more sums than values may solve for these (tests/attacks/test_chosen_points.py): each cut that counts anew
tells as many again of patients who have not changed.
"""

import numpy as np
import pandas as pd
import pytest

from fedstats.contract.codebook import Codebook
from fedstats.contract.refusal import Refusal
from fedstats.contract.variable import Variable
from fedstats.federations.memory import Memory
from fedstats.federations.site import Site
from tests.attacks.targets import BOOK, STRICT, cohort, column, logistic

KNOWN = Codebook((*BOOK.variables, Variable("who", "label", unique=True)))
COLUMNS = column("a"), column("lab", scale=15.0)


def cut(more):
    """360 patients, and so many new ones, like some of them in all that is asked."""
    frame = cohort()
    new = frame.iloc[np.arange(more) * 11 % 360]
    whole = pd.concat([frame, new], ignore_index=True)
    return whole.assign(who=[f"patient {i}" for i in range(len(whole))])


def answered(frame, folder, first, most=50):
    """At how many points, each its own, a model of two columns is answered; and the rule that ends it."""
    place = Site("north", frame, KNOWN, STRICT, Memory(folder))
    for k in range(most):
        beta = (0.1, 0.2, 0.01 * (first + k) - 0.5)
        content = place.remembered(place.answer(logistic(*COLUMNS, beta=beta))).content
        if isinstance(content, Refusal):
            return k, content.rule
    return most, ""


def over_cuts(folder, *more):
    return [answered(cut(new), folder, 100 * i)[0] for i, new in enumerate(more)]


def test_a_later_cut_of_nearly_the_same_patients_counts_on(tmp_path, monkeypatch):
    with monkeypatch.context() as off:
        off.setattr("fedstats.federations.cuts.NEARLY_ALL", 2.0)  # no two cohorts are the same
        anew = over_cuts(tmp_path / "off", 0, 36)
    found = over_cuts(tmp_path / "on", 0, 36)
    assert found[0] == anew[0] > 20
    assert anew[1] > 15  # as many as the new patients hide, by the rule on points of a difference
    assert 10 <= found[1] < anew[1] - 3  # a fit made again, and what the numbers of the new patients allow


def test_a_cut_of_many_new_patients_begins_a_count_of_its_own(tmp_path):
    first, later = over_cuts(tmp_path, 0, 120)
    assert later >= first


@pytest.mark.parametrize("more", [24, 36])
def test_a_fit_is_made_again_of_corrected_data(tmp_path, more):
    assert answered(cut(0), tmp_path, 0, most=7) == (7, "")
    assert answered(cut(more), tmp_path, 100, most=7) == (7, "")
