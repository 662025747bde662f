"""The coordinator's half of an exchange: it opens it, asks, lists the keys, opens answers, archives sums."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fedstats.contract.query import Query
from fedstats.federations.archive import Answer, Opened, archive_path, open_answer
from fedstats.federations.envelope import compose
from fedstats.federations.files import LedgerMismatch, explained, present, write_once, write_private
from fedstats.federations.keys import COORDINATOR, Identity, PublicKeys, require_apart
from fedstats.federations.known_sites import KnownSites
from fedstats.federations.ledger import CLOSED, Ledger, Question
from fedstats.federations.membership import SITE_NAME, Version, first_that_counts
from fedstats.federations.software import SOFTWARE


class Asking:
    """The coordinator at an exchange folder.

    Parameters
    ----------
    folder : path
        The exchange.
    home : path
        The coordinator's private folder: its keys, those it knows the sites by, and the archive of opened sums.
    fingerprints : mapping, optional
        Fingerprints of keys that the study's authors have compared, by place; others count from first use.
    """

    def __init__(self, folder: str | Path, home: Path, fingerprints: Mapping[str, str] | None = None) -> None:
        self.ledger = Ledger(folder)
        self.home = home
        require_apart(home, self.ledger.folder)
        self.identity = Identity.of(home, COORDINATOR)
        self.fingerprints = dict(fingerprints or {})
        require_fingerprint(self.fingerprints, COORDINATOR, self.identity.public.fingerprint)
        self._known = KnownSites(home)
        self._answers: dict[tuple[str, int], tuple[Answer, str]] = {}

    def open(
        self,
        study: str,
        study_id: str,
        sites: tuple[str, ...],
        *,
        amend: str = "",
        new_data: bool = False,
        revoked: tuple[str, ...] = (),
    ) -> None:
        """Begin an exchange, go on with it, or amend it.

        Parameters
        ----------
        study, study_id : str    digest and id
        sites : tuple of str
        amend : str              the reason, if the study is another than the one the exchange was begun with
        new_data : bool          the sites' tables are new as well
        revoked : tuple of str   fingerprints of all sites' keys that count no more

        Raises
        ------
        LedgerMismatch
            The folder belongs to another study, another version of it, other sites or another coordinator.
        """
        for site in sites:
            if not SITE_NAME.fullmatch(site):
                raise ValueError(
                    f"The site name {site!r} must be lower-case letters, digits, - and _, at most 31, and not 'coordinator'."
                )
        if not self.ledger.members.opened:
            self._file_version(uuid.uuid4().hex, study, study_id, sites, "", new_data=True, revoked=revoked)
        head = self.ledger.head
        if head.keys != self.identity.public:
            raise LedgerMismatch(
                f"The exchange in {self.ledger.folder} was opened with other keys of the coordinator "
                f"({head.keys.fingerprint}) than those in {self.home} ({self.identity.public.fingerprint}): "
                "name the folder that holds them, or use a new exchange folder."
            )
        same = (head.study, head.study_id, head.sites) == (study, study_id, sites)
        if amend and not (same and amend == head.why):
            self._file_version(
                head.exchange, study, study_id, sites, amend, new_data=new_data, revoked=revoked
            )
        elif not same:
            raise LedgerMismatch(
                f"The exchange in {self.ledger.folder} is about the study {head.study_id!r} in another version or with "
                "other sites. Use a new exchange folder, or the study files it was begun with; or amend the study, with "
                "the reason."
            )

    def _file_version(
        self,
        exchange: str,
        study: str,
        study_id: str,
        sites: tuple[str, ...],
        why: str,
        *,
        new_data: bool,
        revoked: tuple[str, ...],
    ) -> None:
        known = self.ledger.members.versions()
        before = {key for version in known for key in version.revoked}
        header = {"previous": known[-1].sha256 if known else ""}
        body = {
            "exchange": exchange,
            "study": study,
            "study_id": study_id,
            "sites": list(sites),
            "keys": self.identity.public.to_dict(),
            "software": SOFTWARE,
            "why": why,
            "new_data": new_data,
            "revoked": sorted(set(revoked) - before),
        }
        with suppress(FileExistsError):  # another start has opened it: whether it is ours is looked at next
            write_once(
                self.ledger.members.version_path(len(known) + 1),
                compose(self.identity, "study", header, body),
            )

    def ask(self, query: Query) -> Question:
        """File a new question; one that another start has filed in the meantime is taken as it is."""
        while True:
            known = list(self.ledger.questions())  # one look: who files in between makes the number taken
            head = self.ledger.head
            since = first_that_counts(self.ledger.members.versions())
            filed = next((q for q in reversed(known) if q.query == query and q.version >= since), None)
            if filed is not None:
                return filed
            roster = self.list_keys(head)
            header = {
                "number": len(known) + 1,
                "previous": known[-1].sha256 if known else "",
                "study": head.sha256,
                "roster": roster,
            }
            path = self.ledger.question_path(len(known) + 1)
            with suppress(FileExistsError):  # somebody else's question has taken this number
                write_once(path, compose(self.identity, "question", header, query.to_dict()))

    def list_keys(self, version: Version) -> str:
        """Write the roster once every site has joined; its sha256, empty before."""
        members = self.ledger.members
        roster = members.roster(version.number)
        if roster is None:
            keys = {}
            for site in version.sites:
                join = members.join(site, version.number)
                if join is None:
                    return ""
                self._require_known(site, join.keys, version.number)
                keys[site] = join.keys.to_dict()
            with suppress(FileExistsError):
                write_once(
                    members.roster_path(version.number),
                    compose(self.identity, "roster", {"study": version.sha256}, keys),
                )
            roster = members.roster(version.number)
            assert roster is not None
        for site, listed in roster[1].items():
            self._require_known(site, listed, version.number)
        return roster[0]

    def _require_known(self, site: str, keys: PublicKeys, version: int) -> None:
        """A site's keys are those the study names and those accepted before, or the first ones ever.

        Raises
        ------
        LedgerMismatch
            They are others, and no version of the study up to this one has revoked those before.
        """
        require_fingerprint(self.fingerprints, site, keys.fingerprint)
        versions = self.ledger.members.versions()
        if any(keys.fingerprint in known.revoked for known in versions):
            return  # they signed in an earlier version, are refused since, and are learned from no more
        revoked = {key for known in versions[:version] for key in known.revoked}
        self._known.require(site, keys.fingerprint, revoked, version)

    def answer(self, site: str, question: Question) -> Answer | None:
        """A site's answer, opened; None while there is none.

        Raises
        ------
        LedgerMismatch
            It is not the site's, belongs to another question, or cannot be read.
        """
        known = self._answers.get((site, question.number))
        if known is not None:
            return known[0]
        message = self.ledger.sealed_answer(site, question)
        if message is None:
            return None
        keys = self.ledger.members.keys_of(site, question.version)
        assert keys is not None  # sealed_answer has checked the signature with them
        self._require_known(site, keys, question.version)
        answer = open_answer(message, self.identity, site, question.number)
        self._answers[site, question.number] = answer, message.sha256
        return answer

    def archive(self, question: Question, answers: Mapping[str, Answer], *, each: bool) -> None:
        """Keep the opened sum: with it anybody can rebuild the results, without keys and without patients.

        Parameters
        ----------
        each : bool
            Keep every site's own sums, where these are what was asked.
        """
        path = archive_path(self.home, self.ledger.head.exchange, question.number, each=each)
        if present(path):
            return
        sealed = {site: self._answers[site, question.number][1] for site in answers}
        opened = Opened.of(sealed, answers, each=each)
        header = {"question": question.sha256, "number": question.number}
        with suppress(FileExistsError):
            write_private(path, compose(self.identity, "opened", header, opened.to_dict()))

    def close(self) -> None:
        """No more questions: sites that wait may leave."""
        known = self.ledger.questions()
        header = {"exchange": self.ledger.head.exchange, "last": known[-1].sha256 if known else ""}
        self.reopen()  # an earlier word of closing named fewer questions
        with suppress(FileExistsError):
            # the exchange folder itself may be a link, which whoever runs this has named
            write_once(self.ledger.folder.resolve() / CLOSED, compose(self.identity, "closed", header, {}))

    def reopen(self) -> None:
        """Questions may come again: a coordinator has been started anew."""
        path = self.ledger.folder / CLOSED
        with explained("exchange folder", path, "written"):
            path.unlink(missing_ok=True)


def require_fingerprint(agreed: Mapping[str, str], place: str, found: str) -> None:
    """Raise :class:`LedgerMismatch` if the study names another fingerprint for a place."""
    if place in agreed and agreed[place] != found:
        raise LedgerMismatch(
            f"The keys of {place} have the fingerprint {found}, and the study names {agreed[place]}: somebody else may be "
            "writing in its name. Compare the fingerprint by telephone before anything else."
        )
