"""A finished exchange is checked from outside, and its results are rebuilt without keys and without patients."""

import shutil
from types import SimpleNamespace

import pytest

import fedstats as fs
from fedstats.federations.keys import COORDINATOR
from tests.federations.small_study import rewrite, serving, site_objects


@pytest.fixture(scope="module")
def finished(two_models, tmp_path_factory):
    """A whole study over a folder: the exchange, the coordinator's private folder, the results."""
    folder = tmp_path_factory.mktemp("finished")
    study = two_models.study
    exchange, results, home = folder / "exchange", folder / "results.json", folder / "coordinator"
    with serving(exchange, site_objects(study, two_models.frames, homes=folder / "homes"), study):
        sites = fs.Folder(exchange, study=study, wait_seconds=20, home=home)
        sha256 = fs.save_results(fs.together(sites, **study.analyses()), results, study=study.digest)
        sites.close()
    return SimpleNamespace(
        study=study, exchange=exchange, results=results, home=home, sha256=sha256, folder=folder
    )


@pytest.fixture
def copied(finished, tmp_path):
    """A copy to spoil, as a third party gets it: the archive without the coordinator's keys."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    (tmp_path / "copy" / "coordinator" / "keys.json").unlink()
    return finished, tmp_path / "copy"


def check(finished, folder):
    return fs.verify(
        folder / "exchange", finished.study, folder / "results.json", home=folder / "coordinator"
    )


@pytest.mark.acceptance(40)
def test_a_third_party_rebuilds_the_results_bit_for_bit(copied):
    found = check(*copied)
    assert found.ok
    assert found.rebuilt == found.results == copied[0].sha256
    assert "The results follow from the archive bit for bit" in str(found)
    assert not (copied[1] / "coordinator" / "keys.json").exists()  # and it made none


@pytest.mark.acceptance(39)
def test_who_answered_under_which_profile_is_told(copied):
    places = check(*copied).places.set_index("place")
    assert set(places.index) == {COORDINATOR, "north", "south", "west"}
    assert places.loc["north", "profile"] == "none"
    assert places.loc["north", "answers"] == len(fs.Ledger(copied[1] / "exchange").questions())
    assert not places["named_by_study"].any()


SPOILT = {
    "a removed answer": lambda f: (f / "exchange/answers/south/000002.json").unlink(),
    "a removed question": lambda f: (f / "exchange/questions/000002.json").unlink(),
    "a removed roster": lambda f: (f / "exchange/roster/0001.json").unlink(),
    "a removed join": lambda f: (f / "exchange/joins/0001/south.json").unlink(),
    "answers in another order": lambda f: swap(
        f / "exchange/answers/south/000002.json", f / "exchange/answers/south/000003.json"
    ),
    "a changed result": lambda f: (f / "results.json").write_text(
        (f / "results.json").read_text().replace("0.", "0.1", 1)
    ),
    "no result": lambda f: (f / "results.json").unlink(),
    "a removed opened sum": lambda f: next((f / "coordinator/exchanges").rglob("000002.json")).unlink(),
    "opened sums in another order": lambda f: swap(
        *sorted((f / "coordinator/exchanges").rglob("00000[23].json"))
    ),
    "no archive": lambda f: shutil.rmtree(f / "coordinator"),
    "no exchange": lambda f: shutil.rmtree(f / "exchange"),
}


def swap(one, two):
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)


@pytest.mark.acceptance(39)
@pytest.mark.parametrize("how", SPOILT)
def test_whatever_is_changed_removed_or_moved_is_found(copied, how):
    SPOILT[how](copied[1])
    found = check(*copied)
    assert not found.ok
    assert all(fault.endswith(".") and "\n" not in fault for fault in found.faults)


@pytest.mark.acceptance(39)
def test_an_opened_sum_with_another_header_is_not_believed(copied):
    path = next((copied[1] / "coordinator" / "exchanges").rglob("000001.json"))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"number":1,', b'"number":2,'))
    assert any("is not signed by coordinator" in fault for fault in check(*copied).faults)


def test_another_study_is_said_to_be_another(copied, small):
    folder = copied[1]
    found = fs.verify(folder / "exchange", small.study, folder / "results.json", home=folder / "coordinator")
    assert "with other files than study.toml and its codebook" in found.faults[0]


def test_an_amended_opening_by_the_coordinator_breaks_what_follows(fitted):
    rewrite(fitted.exchange / "study" / "0001.json", lambda body: body.update(why="other"), fitted.study)
    assert list(fs.Ledger(fitted.exchange).verify())
