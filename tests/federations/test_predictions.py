"""What is asked of a fit afterwards travels through an exchange as any question does, and is the same as in one process."""

import numpy as np
import pandas as pd

import fedstats as fs
from tests.federations.small_study import ask_until_answered, files


def analysis(sites):
    """A chain of fits and what is predicted from them, as one analysis."""
    fit = fs.logistic(sites, "response ~ age + sex")
    more = sites.with_linear_predictor("score", fit)
    curve = fs.cox(sites, "Surv(time, status) ~ age + sex", baseline="shared", grid=6, ties="breslow")
    newdata = pd.DataFrame({"age": [55.0, 70.0], "sex": ["F", "M"]})
    return [
        fs.cox(more.where("score > 0"), "Surv(time, status) ~ score", strata="practice").tidy(),
        fs.table_one(more, by="sex", variables=["score"]).tidy(),
        fs.standardised_risks(sites, fit, "sex").tidy(),
        fs.marginal_effects(sites, fit).tidy(),
        fs.predict_survival(sites, curve, newdata).tidy(),
    ]


def test_the_carrier_makes_no_difference_and_a_replay_asks_nothing(here):
    found = ask_until_answered(here.exchange, here.sites, here.study, analysis)
    for through_folder, in_process in zip(found, analysis(here.whole), strict=True):
        numbers = in_process.select_dtypes("number").columns.intersection(
            through_folder.dropna(axis=1).columns
        )  # quartiles are asked for where distinct values may leave
        np.testing.assert_array_equal(through_folder[numbers], in_process[numbers])
        assert len(numbers) > 1
    before = files(here.exchange)
    again = analysis(fs.Folder(here.exchange, study=here.study))
    assert files(here.exchange) == before
    for frame, known in zip(again, found, strict=True):
        pd.testing.assert_frame_equal(frame, known)
