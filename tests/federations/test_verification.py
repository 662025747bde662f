"""A finished exchange is checked from outside, and its results are rebuilt without keys and without patients."""

import shutil
from types import SimpleNamespace

import pytest

import fedstats as fs
from fedstats.contract.refusal import Refusal
from fedstats.federations.archive import Archive
from fedstats.federations.envelope import compose, read_envelope
from fedstats.federations.keys import COORDINATOR, Identity
from fedstats.reporting.study_report import StudyReport
from tests.federations.small_study import rewrite, serving, site_objects

#: What a federation over a folder reads of a study.
PARTS_OF_A_STUDY = ("digest", "id", "codebook", "fingerprints", "revoked_keys", "policy")


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


# The archive against the sealed answers ----------------------------------------------------------------


@pytest.fixture
def with_keys(finished, tmp_path):
    """A copy to spoil that has the coordinator's keys, as the coordinator itself has it."""
    shutil.copytree(finished.folder, tmp_path / "own")
    return finished, tmp_path / "own"


def forge(finished, folder, name, change):
    """Let the coordinator change what it has archived, sign it properly, and write results that follow from it."""
    home = folder / "coordinator"
    path = next((home / "exchanges").rglob(f"archive/{name}"))
    message = read_envelope(path, "opened")
    change(message.body)
    header = {name: message.header[name] for name in ("question", "number")}
    path.chmod(0o600)
    path.write_bytes(compose(Identity.at(home, COORDINATOR), "opened", header, message.body))
    archive = Archive(fs.Ledger(folder / "exchange"), home, finished.study.codebook, finished.study.policy)
    found = fs.together(archive, **finished.study.analyses())
    fs.save_results(found, folder / "results.json", study=finished.study.digest)


def double_information(body):
    """Another answer's sum twice over: standard errors shrink, and the fit takes the same course."""
    total = fs.Release.from_dict(body["total"])
    information = (total + total).to_dict()["information"]
    body["total"]["information"] = information


def last_of(folder, kind):
    return max(q.number for q in fs.Ledger(folder / "exchange").questions() if q.kind == kind)


def test_the_coordinator_s_keys_compare_every_archived_sum(with_keys):
    found = check(*with_keys)
    assert (found.ok, found.compared) == (True, True)
    assert "The archive's sums were compared with the sealed answers" in str(found)


def test_without_the_keys_the_sums_are_not_compared_and_the_report_says_so(copied):
    found = check(*copied)
    assert (found.ok, found.compared) == (True, False)
    assert "The archive's sums were not compared with the sealed answers" in str(found)


def test_a_forged_total_passes_without_the_keys_and_is_found_out_with_them(with_keys):
    finished, folder = with_keys
    number = last_of(folder, "GlmDerivatives")
    forge(finished, folder, f"{number:06d}.json", double_information)
    found = check(finished, folder)
    (fault,) = found.faults
    assert fault.startswith(
        f"The archive holds other sums of question {number} (GlmDerivatives) than the sites'"
    )
    (folder / "coordinator" / "keys.json").unlink()
    assert check(finished, folder).ok
    assert not (folder / "coordinator" / "keys.json").exists()


def test_an_invented_refusal_is_found_out_with_the_keys(with_keys):
    finished, folder = with_keys
    number = last_of(folder, "GlmDerivatives")

    def refuse(body):
        del body["total"]
        body["refused"] = {"south": Refusal("GlmDerivatives", "entry", "entry").to_dict()}

    forge(finished, folder, f"{number:06d}.json", refuse)
    assert [f"question {number}" in fault for fault in check(finished, folder).faults] == [True]


def test_sums_of_two_sites_that_change_places_are_found_out_with_the_keys(with_keys):
    finished, folder = with_keys
    sites = fs.Folder(folder / "exchange", study=finished.study, home=folder / "coordinator")
    number = last_of(folder, "GlmDerivatives")
    sites.ask(sites.ledger.questions()[number - 1].query, each=True)
    assert check(finished, folder).ok

    def swap_sites(body):
        body["each"]["south"], body["each"]["north"] = body["each"]["north"], body["each"]["south"]

    forge(finished, folder, f"{number:06d}-each.json", swap_sites)
    assert [f"question {number}" in fault for fault in check(finished, folder).faults] == [True]


def test_keys_of_somebody_else_compare_nothing(with_keys):
    finished, folder = with_keys
    (folder / "coordinator" / "keys.json").unlink()
    Identity.of(folder / "coordinator", COORDINATOR)
    found = check(finished, folder)
    assert (found.ok, found.compared) == (True, False)


def test_another_study_is_said_to_be_another(copied, small):
    folder = copied[1]
    found = fs.verify(folder / "exchange", small.study, folder / "results.json", home=folder / "coordinator")
    assert "with other files than study.toml and its codebook" in found.faults[0]


def test_an_amended_opening_by_the_coordinator_breaks_what_follows(fitted):
    rewrite(fitted.exchange / "study" / "0001.json", lambda body: body.update(why="other"), fitted.study)
    assert list(fs.Ledger(fitted.exchange).verify())


def test_an_exchange_that_is_not_closed_is_told(copied):
    finished, folder = copied
    assert check(finished, folder).closed
    (folder / "exchange" / "closed.json").unlink()
    found = check(finished, folder)
    assert not found.closed
    assert "its last ones have been taken away" in str(found)


def test_a_version_that_is_no_message_is_a_fault_and_no_traceback(copied):
    finished, folder = copied
    (folder / "exchange" / "study" / "0002.json").write_text("{}")
    found = check(finished, folder)
    assert not found.ok
    assert "0002.json is not a signed message" in str(found)


@pytest.mark.parametrize("changed", [("north", "south"), ("north", "south", "west", "invented")])
def test_an_exchange_between_other_sites_is_joined_by_none_and_told_of(two_models, tmp_path, changed):
    """One of three left out is not seen in the totals; an invented one makes a site believe that it is one of four."""
    study, exchange, home = two_models.study, tmp_path / "exchange", tmp_path / "coordinator"
    frames = {**two_models.frames, "invented": two_models.frames["west"]}
    careless = site_objects(study, {name: frames[name] for name in changed}, homes=tmp_path / "homes")
    own_program = SimpleNamespace(**{n: getattr(study, n) for n in PARTS_OF_A_STUDY} | {"sites": changed})
    with serving(
        exchange, careless, study
    ):  # sites that know nothing of the study's list: the attack succeeds
        sites = fs.Folder(exchange, study=own_program, wait_seconds=20, home=home)
        found = fs.together(sites, **study.analyses())
        sites.close()
    results = tmp_path / "results.json"
    fs.save_results(found, results, study=study.digest)
    assert found["response"].n != sum(two_models.frames[s]["response"].notna().sum() for s in study.sites)

    checked = fs.verify(exchange, study, results, home=home)
    assert any("and the study between north, south, west" in fault for fault in checked.faults)
    report = StudyReport(study.file, results, exchange, home=home)
    assert "does not hold together: The exchange is between" in report.sites()._repr_html_()
    two_models.frames["north"].to_csv(tmp_path / "north.csv", index=False)
    careful = study.site("north", tmp_path / "north.csv", "none", home=tmp_path / "careful")
    with pytest.raises(fs.LedgerMismatch, match="the study between north, south, west: its totals would be"):
        fs.open_questions(exchange, careful, study=study.digest)
