"""The table of exit codes: the first cause decides."""

import pytest

from fedstats.running.exit_codes import MEANING, ExitCode, exit_code
from fedstats.running.outcome import Outcome, first_line


def ended(name, status, error="", at=1.0):
    return Outcome(name, status, started=0.0, ended=at, error=error)


OK = ended("site-south", "ok", at=9)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        ([OK], 0),
        ([OK, ended("site-north", "failed", "ValueError")], 2),
        ([OK, ended("site-north", "failed", "SystemExit")], 2),
        ([OK, ended("site-north", "killed", "KernelDied")], 2),
        ([OK, ended("site-north", "timeout", "Timeout")], 2),
        ([OK, ended("site-north", "failed", "DataError")], 3),
        ([OK, ended("report", "failed", "ReleaseCheckFailed")], 4),
        ([OK, ended("coordinator", "failed", "SiteMissing")], 5),
        ([OK, ended("coordinator", "failed", "Waiting")], 5),
        ([OK, ended("coordinator", "failed", "StudyError")], 64),
        # the site's own failure is the cause of the coordinator's
        (
            [
                ended("coordinator", "failed", "SiteMissing", at=5),
                ended("site-north", "failed", "ValueError", at=2),
            ],
            2,
        ),
        (
            [
                ended("coordinator", "failed", "SiteMissing", at=5),
                ended("site-north", "failed", "DataError", at=2),
            ],
            3,
        ),
        # a site that waited for a coordinator which failed is no cause
        (
            [
                ended("site-north", "stopped", "Stopped", at=2),
                ended("coordinator", "failed", "SiteMissing", at=5),
            ],
            5,
        ),
        ([ended("site-north", "stopped", "Stopped")], 0),
    ],
)
def test_first_cause_decides(outcomes, code):
    assert exit_code(outcomes) == code


def test_a_difference_from_the_pooled_rows_is_a_code_of_its_own_where_nothing_failed():
    assert exit_code([OK], ["Survival"]) == 6
    assert exit_code([OK, ended("report", "failed", "ValueError")], ["Survival"]) == 2


def test_every_code_is_explained():
    assert set(MEANING) == set(ExitCode)
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 64, 130]


def test_sentences_are_one_line():
    assert first_line("\n  \n a \n b") == "a"
    assert len(first_line("x" * 1000)) == 300
    assert ended("a", "killed", "ProcessDied").sentence() == "before its first cell, ProcessDied"
