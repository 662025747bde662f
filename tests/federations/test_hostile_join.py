"""What a site says of itself is printed by others: a line of words passes, and nothing that a terminal or a page obeys."""

from dataclasses import replace

import pytest

import fedstats as fs
from fedstats.contract.disclosure import DisclosurePolicy
from tests.federations.small_study import attended_pass, rewrite

HOSTILE = {
    "a line break": "strict\nnorth: nothing was refused.",
    "a return": "strict\r\x00",
    "a colour": "\x1b[32mstrict\x1b[0m",
    "a turned direction": "strict\u202e",
    "markup": "<img src=x onerror=alert(1)>",
    "an entity": "strict &lt;",
    "a formula": "=HYPERLINK(1)",
    "another formula": "+1",
    "length": "strict " * 20,
    "nothing": "",
}


@pytest.fixture
def joined(here):
    """An exchange with one answered question and one that is open."""
    sites = fs.Folder(here.exchange, study=here.study)
    with pytest.raises(fs.Waiting):
        fs.logistic(sites, "response ~ age")
    attended_pass(here.exchange, here.sites, here.study)
    return here


@pytest.mark.parametrize("part", ["profile", "software"])
@pytest.mark.parametrize("how", HOSTILE)
def test_a_join_that_nobody_should_print_is_refused_without_being_printed(joined, part, how):
    path = joined.exchange / "joins" / "0001" / "south.json"
    rewrite(path, lambda body: body.update({part: HOSTILE[how]}), joined.study)
    with pytest.raises(
        fs.LedgerMismatch, match="south joins with a disclosure profile or a version"
    ) as caught:
        fs.logistic(fs.Folder(joined.exchange, study=joined.study), "response ~ age")
    found = fs.verify(joined.exchange, joined.study)
    assert str(caught.value) in found.faults
    assert "south" not in set(found.places["place"])
    for said in (str(caught.value), str(found)):
        assert not HOSTILE[how] or HOSTILE[how] not in said


def test_a_coordinator_s_software_that_nobody_should_print_is_refused(joined):
    path = joined.exchange / "study" / "0001.json"
    rewrite(path, lambda body: body.update(software="0.1.0\nall is well"), joined.study)
    with pytest.raises(fs.LedgerMismatch, match=r"0001\.json names no version of fedstats") as caught:
        fs.open_questions(joined.exchange, joined.sites["south"])
    assert "all is well" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "none",
        DisclosurePolicy.from_toml({"base": "opensafely", "min_patients": 9})
        .tightened_by(DisclosurePolicy().tightened_by_study({"min_patients": 20}))
        .name,
        "streng (Klinik für Lungenkrankheiten), 2.1",
    ],
)
def test_the_names_that_profiles_have_pass(here, name):
    sites = {
        site.name: fs.Site(site.name, site.data.frame, site.data.codebook, replace(site.policy, name=name))
        for site in here.sites.values()
    }
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    attended_pass(here.exchange, sites, here.study)
    assert set(fs.verify(here.exchange, here.study).places["profile"]) == {"", name}


def test_a_site_hears_of_its_own_profile_s_name_before_it_joins(here):
    south = here.sites["south"]
    odd = fs.Site("south", south.data.frame, south.data.codebook, replace(south.policy, name="a\nb"))
    with pytest.raises(fs.Waiting):
        fs.logistic(fs.Folder(here.exchange, study=here.study), "response ~ age")
    with pytest.raises(fs.LedgerMismatch, match="is no plain name"):
        attended_pass(here.exchange, {"south": odd}, here.study)
    assert not (here.exchange / "joins").exists()
