"""Checks a finished exchange from outside: who has said what, and whether the results follow from it.

It needs the exchange folder, the study's files, the coordinator's archive of opened sums and the
results; neither keys nor patients.  Where the coordinator's keys lie beside its archive, the sums are
compared with the sealed answers as well.
"""

import hashlib
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from fedstats.contract.printed import Printed
from fedstats.federations.archive import Archive
from fedstats.federations.files import LedgerMismatch, explained, present
from fedstats.federations.keys import COORDINATOR, KEY_FILE, Identity, home_of
from fedstats.federations.ledger import Ledger
from fedstats.federations.together import together
from fedstats.study.definition import Study
from fedstats.study.saved_results import save_results

_PLACES = ["place", "fingerprint", "named_by_study", "software", "profile", "answers"]


@dataclass(frozen=True, repr=False)
class Verification(Printed):
    """What a check of an exchange has found.

    Attributes
    ----------
    faults : tuple of str    one sentence each; none when all is well
    places : DataFrame       place fingerprint named_by_study software profile answers
    questions : int
    beyond : tuple of str    questions that no analysis of the study asks, by number and kind
    results, rebuilt : str   sha256 of the results file, and of the results rebuilt from the archive
    compared : bool          whether the archive's sums were compared with the sealed answers, which only the
                             coordinator's keys open
    closed : bool            whether the coordinator has said that there are no more questions
    """

    faults: tuple[str, ...]
    places: pd.DataFrame
    questions: int
    beyond: tuple[str, ...]
    results: str
    rebuilt: str
    compared: bool = False
    closed: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def __str__(self) -> str:
        well = (
            f"{self.questions} questions: all signed, in one chain, nothing missing. The results follow from the archive "
            f"bit for bit (sha256 {self.rebuilt})."
        )
        compared = (
            "The archive's sums were compared with the sealed answers, which the coordinator's keys have opened."
            if self.compared
            else "The archive's sums were not compared with the sealed answers: that takes the coordinator's keys."
        )
        said = (*(self.faults or (well,)), compared)
        if not self.closed:
            said = (
                *said,
                "The coordinator has not closed the exchange: questions may follow, or its last ones have been taken away.",
            )
        if self.beyond:
            said = (*said, f"Asked beyond the study's analyses: question {', '.join(self.beyond)}.")
        unnamed = [p.place for p in self.places.itertuples() if not p.named_by_study]
        if unnamed:
            said = (
                *said,
                f"The study names no fingerprint of {', '.join(unnamed)}: compare them by telephone.",
            )
        return "\n".join(["; ".join(f"{p.place} {p.fingerprint}" for p in self.places.itertuples()), *said])


def verify(
    exchange: str | Path, study: Study, results: str | Path | None = None, *, home: str | Path = ""
) -> Verification:
    """Check signatures, chains and rosters, compare the archive with the answers, and rebuild the results from it.

    Parameters
    ----------
    exchange : path
        The exchange folder.
    study : Study
    results : path, optional
        The results to compare with.
    home : path
        The coordinator's private folder, or a copy without its keys; empty: one below the user's own.
        Only its keys open the answers that the archive's sums are compared with; none are made here.

    Returns
    -------
    Verification
    """
    ledger = Ledger(exchange)
    faults = list(ledger.verify())
    if not _opened(ledger):
        return Verification(tuple(faults), pd.DataFrame(columns=_PLACES), 0, (), "", "")
    if ledger.head.study != study.digest:
        faults.append(
            f"The exchange is about the study {ledger.head.study_id!r} with other files than {study.file.name} and its codebook."
        )
    faults += other_sites(ledger, study)
    rebuilt = found = ""
    beyond: tuple[str, ...] = ()
    compared = False
    if not faults:
        faults += _unnamed_keys(ledger, study)
        own = home_of(study.id, COORDINATOR, home)
        try:
            archive = Archive(ledger, own, study.codebook, study.policy)
            reader = _reader(ledger, own)
            if reader is not None:
                faults += archive.differences(reader)
                compared = True
            rebuilt = _rebuilt(archive, study)
            beyond = tuple(f"{q.number} ({q.kind})" for q in archive.beyond())
        except LedgerMismatch as problem:
            faults.append(str(problem))
    if results is not None:
        found = _sha256(Path(results), faults)
        if rebuilt and found and found != rebuilt:
            faults.append(
                f"The results in {Path(results).name} do not follow from the archive: it gives others."
            )
    once = tuple(dict.fromkeys(faults))  # a broken sum is met when it is compared and when it is used
    places, asked = _places(ledger, study), _number(ledger.questions)
    return Verification(once, places, asked, beyond, found, rebuilt, compared, _closed(ledger))


def _reader(ledger: Ledger, home: Path) -> Identity | None:
    """The coordinator with the keys of this exchange, where they are at hand; none are made."""
    if not present(home / KEY_FILE):
        return None
    own = Identity.at(home, COORDINATOR)
    return own if own.public == ledger.head.keys else None


def _opened(ledger: Ledger) -> bool:
    """Whether it can be read who takes part; what is wrong with that is among the faults already."""
    try:
        return ledger.members.opened
    except LedgerMismatch:
        return False


def _closed(ledger: Ledger) -> bool:
    try:
        return ledger.closed
    except LedgerMismatch:  # among the faults already
        return True


def _rebuilt(archive: Archive, study: Study) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        found = together(archive, **study.analyses())
        return save_results(found, Path(scratch) / "results.json", study=study.digest)


def _sha256(results: Path, faults: list[str]) -> str:
    with explained("folder of the results", results, "read"):
        if results.is_file():
            return hashlib.sha256(results.read_bytes()).hexdigest()
    faults.append(f"There is no results file {results.name}.")
    return ""


def other_sites(ledger: Ledger, study: Study) -> list[str]:
    """Whether the exchange is between other sites than the study, with somebody left out or invented."""
    between, agreed = sorted(ledger.head.sites), sorted(study.sites)
    if between == agreed:
        return []
    return [f"The exchange is between {', '.join(between)}, and the study between {', '.join(agreed)}."]


def _unnamed_keys(ledger: Ledger, study: Study) -> list[str]:
    """Keys that are others than those the study names."""
    found = {COORDINATOR: ledger.head.keys.fingerprint}
    for site in ledger.head.sites:
        keys = ledger.members.keys_of(site, ledger.head.number)
        found |= {site: keys.fingerprint} if keys else {}
    return [
        f"The keys of {place} have the fingerprint {found[place]}, and the study names {named}."
        for place, named in study.fingerprints.items()
        if place in found and found[place] != named
    ]


def _number(found: Callable[[], Collection[Any]]) -> int:
    """How many were found; none where they cannot be read, which is among the faults already."""
    try:
        return len(found())
    except LedgerMismatch:
        return 0


def _places(ledger: Ledger, study: Study) -> pd.DataFrame:
    head = ledger.head
    rows = [[COORDINATOR, head.keys.fingerprint, COORDINATOR in study.fingerprints, head.software, "", 0]]
    for site in head.sites:
        try:
            join = ledger.members.join(site, head.number)
        except LedgerMismatch:  # among the faults already
            join = None
        if join is not None:
            named = site in study.fingerprints
            answers = _number(partial(ledger.answered, site))
            rows.append([site, join.keys.fingerprint, named, join.software, join.profile, answers])
    return pd.DataFrame(rows, columns=_PLACES)
