"""A site's half of an exchange: it joins, checks who asks, and files answers of which it keeps the bytes."""

import json
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from fedstats.contract.aggregate import Release
from fedstats.contract.disclosure import Refusal
from fedstats.federations.asking import require_fingerprint
from fedstats.federations.envelope import compose
from fedstats.federations.files import (
    LedgerMismatch,
    make_folder,
    present,
    read_whole,
    replace_private,
    write_once,
    write_private,
)
from fedstats.federations.keys import COORDINATOR, KEY_FILE, Identity, home_of, require_apart
from fedstats.federations.ledger import Ledger, Question, numbers
from fedstats.federations.membership import Version, first_that_counts, require_plain
from fedstats.federations.outbox import Outbox
from fedstats.federations.site import Site
from fedstats.federations.software import SOFTWARE, require_same_software

_KNOWN = "known.json"


class Desk:
    """A site at an exchange folder.

    Parameters
    ----------
    exchange : path
    site : Site
        Its ``home`` is the private folder that keeps its keys and a copy of everything that it has sent.
    study : str, optional
        Digest of the study that the site has agreed to.
    """

    def __init__(self, exchange: str | Path, site: Site, study: str | None = None) -> None:
        self.ledger = Ledger(exchange)
        self.site = site
        self.study = study
        self._agreed: set[str] = set()

    @cached_property
    def home(self) -> Path:
        """The site's private folder."""
        home = home_of(self.ledger.head.study_id, self.site.name, self.site.home)
        require_apart(home, self.ledger.folder)
        return home

    @cached_property
    def identity(self) -> Identity:
        """The site's keys."""
        return Identity.of(self.home, self.site.name)

    @property
    def outbox(self) -> Path:
        """Where the site keeps what it has sent in this exchange, byte for byte."""
        return self.home / "exchanges" / self.ledger.head.exchange / "outbox"

    @cached_property
    def _sent(self) -> Outbox:
        return Outbox(self.outbox, self.site.name, self.ledger)

    def has_sent(self, question: Question) -> bool:
        """Whether this site has answered a question; its own bytes lie in the exchange then.

        Raises
        ------
        LedgerMismatch
            Something else lies there under the site's name.
        """
        return self._sent.has_sent(question)

    def open_questions(self) -> list[Question]:
        """Questions that this site has not answered yet; looking writes nothing that has not left before.

        Raises
        ------
        LedgerMismatch
            The exchange is about another study, has other keys, runs other software, asks anew what
            was answered, or holds an answer that is not this site's; nothing has been sent.
        """
        self.check()
        since = first_that_counts(self.ledger.members.versions())
        return self._sent.open([q for q in self.ledger.questions() if q.version >= since])

    def check(self) -> None:
        """A look at who asks, about which study, and at what this site has said in the exchange so far."""
        head = self.ledger.head
        if head.sha256 not in self._agreed:  # a version does not change: it is looked at once
            self._check_version(head)
            self._agreed.add(head.sha256)
        self._check_join(head)
        self._check_kept()
        self._check_memory()
        self._check_roster(head)

    def _check_version(self, head: Version) -> None:
        """Between whom the exchange is, about which study, with which software, and by whom."""
        self.ledger.members.require_site(self.site.name)
        if self.study is not None and head.study != self.study:
            raise LedgerMismatch(
                f"The exchange is about the study {head.study_id!r} in another version than this site has agreed to. "
                "Compare the study files of the coordinator and the site."
            )
        if self.site.among and sorted(head.sites) != sorted(self.site.among):
            raise LedgerMismatch(
                f"The exchange is between {', '.join(sorted(head.sites))}, and the study between {', '.join(sorted(self.site.among))}: "
                "its totals would be of others than was agreed. Another division takes a new version of the study."
            )
        require_same_software(SOFTWARE, head.software, "the coordinator")
        self._know_coordinator(head)
        revoked = {key for version in self.ledger.members.versions() for key in version.revoked}
        # a site that only looks has no keys yet, and none are made for this
        if revoked and self.identity.public.fingerprint in revoked:
            raise LedgerMismatch(
                f"The keys of {self.site.name} in {self.home} ({self.identity.public.fingerprint}) have been revoked: remove "
                f"{KEY_FILE} there, start again, which makes new ones, and tell the study's authors their fingerprint."
            )

    def _check_join(self, head: Version) -> None:
        """Once this site has joined: with these keys, these rows and this profile."""
        join = self.ledger.members.join(self.site.name, head.number)
        if join is None:
            if (
                head.number > 1
            ):  # a site that only looks at a first version has no keys yet, and none are made for this
                mine = self.identity.public, self._rows
                self.ledger.members.require_same_rows(self.site.name, head.number, *mine)
            return
        if join.keys != self.identity.public:
            raise LedgerMismatch(
                f"Somebody has joined the exchange as {self.site.name} with other keys ({join.keys.fingerprint}) than "
                f"those in {self.home} ({self.identity.public.fingerprint}): name the folder that holds this site's keys, "
                "or tell the coordinator."
            )
        if join.rows != self._rows:
            raise LedgerMismatch(
                f"The rows of {self.site.name} are others than when it joined this exchange: sums of both do not add up. "
                "Use the table of that time, or ask the coordinator for a new version of the study about the new data."
            )
        if join.policy != self.site.policy.digest():
            raise LedgerMismatch(
                f"{self.site.name} joined this exchange with the disclosure profile {join.profile!r} and has another one "
                "now: go on with the first, or ask the coordinator for a new version of the study."
            )

    def _check_kept(self) -> None:
        """No question is gone of which this site has kept its answer."""
        lost = [n for n in sorted(numbers(self.outbox)) if n > len(self.ledger.questions())]
        if lost:
            raise LedgerMismatch(
                f"The exchange has lost question {lost[0]}, which {self.site.name} has answered: its folder has been set "
                "back to an earlier state. Nothing was sent."
            )

    def _check_memory(self) -> None:
        """The site's memories are those that it had when it last answered here, or have grown since."""
        if not present(self._note):
            return
        try:
            noted = json.loads(read_whole(self._note, 1000))
            which, answers = str(noted["memory"]), int(noted["answers"])
            of_screened = str(noted.get("screened", "")), int(noted.get("screened_answers", 0))
        except (ValueError, KeyError, TypeError):
            which, answers, of_screened = "", 0, ("", 0)
        held = [(self.site, (which, answers))]
        if self.site.screened is not None and of_screened[0]:  # a later version may ask nothing of them
            held.append((self.site.screened, of_screened))
        for site, then in held:
            now = site.memory.state if site.memory is not None else ("", 0)
            if now[0] != then[0] or now[1] < then[1]:
                raise LedgerMismatch(
                    f"{self.site.name} has answered in this exchange, and its memory of what has left is gone, another one or an "
                    f"older one: put it back from a copy; nothing is answered without it. To begin anew on purpose, remove {self._note}."
                )

    @property
    def _note(self) -> Path:
        return self.outbox.parent / "memory.json"

    def _check_roster(self, head: Version) -> None:
        """The coordinator knows this site by its own keys."""
        roster = self.ledger.members.roster(head.number)
        if roster is not None and roster[1][self.site.name] != self.identity.public:
            raise LedgerMismatch(
                f"The coordinator's roster lists other keys of {self.site.name} than its own: nothing was sent."
            )

    def join(self) -> None:
        """Take part in the version in force: before the first answer, with keys, software and profile."""
        self.check()
        head = self.ledger.head
        body = {
            "keys": self.identity.public.to_dict(),
            "software": SOFTWARE,
            "profile": self.site.policy.name,
            "policy": self.site.policy.digest(),
            "rows": self._rows,
        }
        path = self.ledger.members.join_path(self.site.name, head.number)
        if not present(path):
            require_plain(self.site.name, self.site.policy.name, SOFTWARE)
            with suppress(FileExistsError):
                write_once(path, compose(self.identity, "join", {"study": head.sha256}, body))
            self._check_join(head)  # another may have been the first

    @cached_property
    def _rows(self) -> str:
        """Fingerprint of the site's rows, made with its own key."""
        return self.site.data.fingerprint(self.identity.secret("rows"))

    def _know_coordinator(self, head: Version) -> None:
        """Trust on first use, then no other: the study may name the fingerprint, else the first one counts."""
        found = head.keys.fingerprint
        require_fingerprint(self.site.fingerprints, COORDINATOR, found)
        path = self.home / _KNOWN
        if not present(path):
            with suppress(FileExistsError):
                write_private(path, json.dumps({COORDINATOR: found}).encode())
        try:
            known = json.loads(read_whole(path, 10_000))[COORDINATOR]
        except (ValueError, KeyError, TypeError):
            raise LedgerMismatch(
                f"{path} does not say which coordinator this site knows: put it back from a copy, or compare the "
                f"fingerprint {found} with the coordinator by telephone and, if it is right, remove the file."
            ) from None
        if known != found:
            raise LedgerMismatch(
                f"The coordinator's keys have the fingerprint {found}; those this site knows from before have "
                f"{known}. Compare the fingerprint with the coordinator by telephone; if the new one is "
                f"right, remove {path}."
            )

    def send(self, question: Question, content: Release | Refusal) -> Path:
        """File an answer once; the bytes are kept first, so that they can be sent again and never made anew."""
        path = self.ledger.answer_path(self.site.name, question.number)
        if self.has_sent(question):
            return path
        self.join()
        part = "release" if isinstance(content, Release) else "refusal"
        header = {
            "number": question.number,
            "question": question.sha256,
            "previous": self._sent.last_sent(),
            "roster": question.roster,
            "policy": self.site.policy.digest(),
            "software": SOFTWARE,
        }
        body = {part: content.to_dict()}
        if self.site.memory is not None:
            which, answers = self.site.memory.state
            note: dict[str, str | int] = {"memory": which, "answers": answers}
            screened = self.site.screened
            if screened is not None and screened.memory is not None:
                which, answers = screened.memory.state
                note |= {"screened": which, "screened_answers": answers}
            make_folder(self._note.parent, 0o700)
            replace_private(self._note, json.dumps(note).encode())
        message = compose(self.identity, "answer", header, body, reader=self.ledger.head.keys)
        self._sent.send(question, message)
        return path
