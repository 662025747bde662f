"""Results on disk: the same bytes again and again, whole or not at all."""

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest

import fedstats as fs
from fedstats.contract.curve import Curve
from fedstats.contract.fit import Fit
from fedstats.contract.results import NotAvailable, Table
from fedstats.numerics.rounded_covariance import rounded_covariance
from tests.federations.small_study import tables

NAN, INF = float("nan"), float("inf")


def fit(**changes):
    values = {
        "kind": "cox",
        "formula": "Surv(time, status) ~ age",
        "names": ("age", "C(ecog)[2]"),
        "beta": np.array([0.1, -INF]),
        "covariance": np.array([[1 / 3, NAN], [NAN, INF]]),
        "loglik": -123.45678901234567,
        "loglik_null": NAN,
        "score_test": 5e-324,
        "n": 10,
        "n_event": 5,
        "dropped": 0,
        "steps": 3,
        "rounds": 4,
        "n_bytes": 160,
        "sites": ("north", "süd"),
        "options": {"ties": "efron", "strata": ("a", "b"), "weights": None, "robust": False},
        "terms": ("age", "C(ecog)"),
        "profile_limits": {"age": (-INF, 0.3)},
    }
    return Fit(**(values | changes))


EVERYTHING = {
    "fit": fit(),
    "empty": fit(names=(), beta=np.zeros(0), covariance=np.zeros((0, 0))),
    "curve": Curve(
        "Surv(time, status) ~ sex",
        pd.DataFrame({"group": ["F", "M"], "time": [0.0, 1 / 3], "n_risk": [3, 2], "conf_low": [NAN, -0.0]}),
        pd.DataFrame({"group": ["F"], "median": [INF]}),
        "months",
        "exact",
        2,
        64,
        ("north",),
    ),
    "table": Table(
        "sex",
        pd.DataFrame({"variable": ["age", "ecog"], "level": ["", "2+"], "n": [3, 4], "mean": [60.1, NAN]}),
        (("ecog", "level"),),
        "exact",
        1,
        16,
        ("north", "south"),
    ),
    "no_rows": Table(None, pd.DataFrame(columns=["variable", "n"]), (), "exact", 0, 0, ()),
    "not_available": NotAvailable("not released", "The site north refused “it”."),
}


@pytest.fixture(scope="module")
def estimated():
    """What the estimators give."""
    sites = fs.InProcess(tables(), policy=fs.DisclosurePolicy.none())
    return fs.together(
        sites,
        cox=lambda s: fs.cox(s, "Surv(time, status) ~ age + ecog", strata="practice", robust=True),
        logistic=lambda s: fs.logistic(s, "response ~ age", cluster="practice"),
        test=lambda s: fs.cox_zph(s, fs.cox(s, "Surv(time, status) ~ age + ecog", strata="practice")),
        curve=lambda s: fs.kaplan_meier(s, "Surv(time, status) ~ sex"),
        whole_curve=lambda s: fs.kaplan_meier(s.where("age > 85"), "Surv(time, status) ~ 1"),
        table=lambda s: fs.table_one(s, by="sex", variables=["age", "ecog", "practice"][:2]),
        risks=lambda s: fs.standardised_risks(s, fs.logistic(s, "response ~ age + sex"), "sex"),
        effects=lambda s: fs.marginal_effects(s, fs.logistic(s, "response ~ age + sex")),
        hazard=lambda s: fs.baseline_hazard(s, fs.cox(s, "Surv(time, status) ~ age")),
        folds=lambda s: fs.cross_validate(s, "response ~ age + sex", folds=2, n_strengths=3),
        plain_table=lambda s: fs.table_one(s.where("age > 200"), variables=["age", "ecog"]),
    )


def twice(results, folder):
    first, second = folder / "first.json", folder / "second.json"
    sha256 = fs.save_results(results, first, study="digest")
    assert fs.save_results(fs.load_results(first), second, study="digest") == sha256
    return first.read_bytes(), second.read_bytes()


@pytest.mark.parametrize("name", EVERYTHING)
def test_saved_loaded_and_saved_again_is_the_same_to_the_byte(tmp_path, name):
    first, second = twice({name: EVERYTHING[name]}, tmp_path)
    assert first == second


def test_what_the_estimators_give_is_saved_the_same_to_the_byte(tmp_path, estimated):
    first, second = twice(estimated, tmp_path)
    assert first == second


def test_what_is_loaded_is_what_was_saved(tmp_path, estimated):
    fs.save_results(estimated, tmp_path / "r.json", full_digits=True)
    loaded = fs.load_results(tmp_path / "r.json")
    for name in ("cox", "logistic"):
        pd.testing.assert_frame_equal(loaded[name].tidy(), estimated[name].tidy(), check_exact=True)
        pd.testing.assert_frame_equal(loaded[name].glance(), estimated[name].glance(), check_exact=True)
        assert loaded[name].vcov.equals(estimated[name].vcov)
    for name in ("test", "curve", "table", "risks", "effects", "hazard", "folds"):
        pd.testing.assert_frame_equal(loaded[name].tidy(), estimated[name].tidy(), check_exact=True)


def test_evaluations_are_saved_with_the_fits_that_they_are_of(tmp_path):
    sites = fs.InProcess(
        {**tables(), "east": tables()["north"].assign(age=lambda rows: rows["age"] + 1)},
        policy=fs.DisclosurePolicy.none(),
    )
    fit, formula = fs.logistic(sites, "response ~ age + sex"), "response ~ age + sex"
    found = {
        "auc": fs.auc(sites, fit),
        "calibration": fs.calibration(sites, fit),
        "brier": fs.brier_score(sites, fit),
        "benefit": fs.net_benefit(sites, fit),
        "left_out": fs.internal_external_validation(sites, lambda some: fs.logistic(some, formula)),
    }
    path, again = tmp_path / "results.json", tmp_path / "again.json"
    sha256 = fs.save_results(found, path)
    loaded = fs.load_results(path)
    assert fs.save_results(loaded, again) == sha256
    for name, result in found.items():
        pd.testing.assert_frame_equal(loaded[name].tidy(), result.tidy(), check_dtype=False)
    kept = loaded["left_out"].fits["east"]
    whole = found["left_out"].fits["east"]
    np.testing.assert_array_equal(kept.beta, whole.beta)
    np.testing.assert_array_equal(kept.covariance, rounded_covariance(whole.covariance))


def test_covariances_are_saved_with_the_digits_that_tests_need(tmp_path, estimated):
    fs.save_results(estimated, tmp_path / "r.json")
    loaded = fs.load_results(tmp_path / "r.json")
    for name in ("cox", "logistic"):
        ours, kept = estimated[name], loaded[name]
        pd.testing.assert_frame_equal(kept.tidy(), ours.tidy(), check_exact=True)
        assert not kept.vcov.equals(ours.vcov)
        scale = np.outer(*2 * [np.sqrt(np.diag(ours.covariance))])
        np.testing.assert_allclose(kept.covariance / scale, ours.covariance / scale, atol=5.1e-5)
        np.testing.assert_allclose(
            kept.joint_tests()["statistic"], ours.joint_tests()["statistic"], rtol=1e-3
        )


@pytest.mark.parametrize("nearness", [0.0, 0.9, 0.9999, 1 - 1e-7, 1 - 1e-13])
def test_contrasts_of_what_is_nearly_the_same_keep_their_variance(nearness):
    random = np.random.default_rng(4)
    for _ in range(50):
        error = np.exp(random.normal(size=3))
        off = 1 - (1 - nearness) * random.uniform(0.5, 1)
        matrix = np.array([[1, off, 0.3], [off, 1, 0.3], [0.3, 0.3, 1]]) * np.outer(error, error)
        kept = rounded_covariance(matrix)
        np.testing.assert_array_equal(np.diag(kept), np.diag(matrix))
        np.testing.assert_array_equal(rounded_covariance(kept), kept)
        if nearness < 1 - 1e-6:
            contrast = np.array([1 / error[0], -1 / error[1], 0])
            assert contrast @ kept @ contrast == pytest.approx(contrast @ matrix @ contrast, rel=1.5e-3)


def test_analyses_come_back_in_the_order_in_which_they_were_asked(tmp_path):
    fs.save_results({"b": EVERYTHING["fit"], "a": EVERYTHING["table"]}, tmp_path / "r.json")
    assert list(fs.load_results(tmp_path / "r.json")) == ["b", "a"]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_numpys_and_pythons_floats_are_the_same_bytes(tmp_path, value):
    a = fs.save_results({"fit": fit(loglik=value)}, tmp_path / "a.json")
    b = fs.save_results({"fit": fit(loglik=np.float64(value))}, tmp_path / "b.json")
    assert a == b
    assert str(fs.load_results(tmp_path / "b.json").fit.loglik) == str(value)


def test_numpys_whole_numbers_and_truth_values_are_saved(tmp_path):
    a = fs.save_results({"fit": fit(n=10, converged=True)}, tmp_path / "a.json")
    b = fs.save_results({"fit": fit(n=np.int64(10), converged=np.bool_(True))}, tmp_path / "b.json")
    assert a == b


def test_the_file_is_plain_json_without_clock_or_machine(tmp_path):
    fs.save_results(EVERYTHING, tmp_path / "r.json", study="digest")
    content = json.loads((tmp_path / "r.json").read_bytes(), parse_constant=pytest.fail)
    assert set(content) >= {"analyses", "format", "study"}
    assert content["study"] == "digest"
    assert str(tmp_path) not in json.dumps(content)


def no_space(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("calls", [("fsync",), ("replace", "rename")], ids=["writing", "renaming"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, calls):
    path = tmp_path / "results.json"
    fs.save_results({"fit": fit()}, path)
    before = path.read_bytes()
    for call in calls:
        monkeypatch.setattr(os, call, no_space)
    with pytest.raises(OSError, match="No space left"):
        fs.save_results({"fit": fit(n=11)}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    fs.save_results({"fit": fit()}, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        fs.save_results({"fit": object()}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_results_that_are_not_there_say_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no results in results\.json: run the coordinator's notebook"
    ):
        fs.load_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"format":2,"analyses":{}}',
        b'{"format":1}',
        b'{"format":1,"analyses":[7]}',
        b'{"format":1,"analyses":{"a":{"is":"Fit"}}}',
        b'{"format":1,"analyses":{"a":{"is":"Pickle","code":"x"}}}',
        b'{"format":1,"analyses":{"a":{"is":"float","value":"seven"}}}',
    ],
)
def test_a_file_that_holds_no_results_is_one_clear_sentence(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"^results\.json [^\n]*\.$"):
        fs.load_results(tmp_path / "results.json")
