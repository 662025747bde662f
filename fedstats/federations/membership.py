"""Who takes part in an exchange, with which keys, in which version of the study."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fedstats.federations.envelope import read_envelope
from fedstats.federations.files import LedgerMismatch, present, real_folder
from fedstats.federations.keys import COORDINATOR, FINGERPRINT, PublicKeys

SITE_NAME = re.compile(r"(?!coordinator$)[a-z0-9][a-z0-9_-]{0,30}")
# Both name folders at a site: nothing but what cannot lead elsewhere.
_EXCHANGE = re.compile(r"[0-9a-f]{32}")
_STUDY = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
# Both are shown to others: a line of words, without what a terminal or a page could take for more.
_PROFILE = re.compile(r"\w[\w ,.()'+-]{0,119}")
_SOFTWARE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!-]{0,39}")


class NotOpened(FileNotFoundError):  # noqa: N818 (a state, not an error)
    """The coordinator has not opened the exchange yet."""

    def _render_traceback_(self) -> list[str]:  # a notebook shows one calm line instead of a traceback
        return [str(self)]


@dataclass(frozen=True)
class Version:
    """A version of the study that an exchange is about.

    Attributes
    ----------
    number : int             1, 2 ...
    exchange : str           the same in all versions: the exchange's own random name
    study, study_id : str    digest and id
    sites : tuple of str
    keys : PublicKeys        the coordinator's
    software : str           version of fedstats
    why : str                reason of an amendment; empty for the first
    new_data : bool          the sites' tables are new: answers from before do not mix with later ones
    revoked : tuple of str   fingerprints of sites' keys that count no more from here on
    sha256 : str             of the file
    """

    number: int
    exchange: str
    study: str
    study_id: str
    sites: tuple[str, ...]
    keys: PublicKeys
    software: str
    why: str
    new_data: bool
    revoked: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Join:
    """A site takes part in a version: its keys and what it works with."""

    site: str
    keys: PublicKeys
    software: str
    profile: str
    policy: str
    rows: str
    sha256: str


class Membership:
    """Versions of the study, the sites' joins and the coordinator's rosters, read and checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions: list[Version] = []

    def versions(self) -> list[Version]:
        """All versions in order, each signed with the first one's keys and naming the one before."""
        while present(path := self.version_path(len(self._versions) + 1)):
            self._versions.append(self._read_version(path))
        return self._versions

    @property
    def head(self) -> Version:
        """The version in force.

        Raises
        ------
        NotOpened
            The coordinator has not opened the exchange yet.
        """
        if not self.versions():
            raise NotOpened(
                f"There is no exchange in {self.folder} yet: the coordinator opens it. Run this again when the coordinator "
                "has started."
            )
        return self._versions[-1]

    @property
    def opened(self) -> bool:
        """Whether the coordinator has opened the exchange."""
        return bool(self.versions())

    def version_path(self, number: int) -> Path:
        """Where a version lies."""
        return real_folder(self.folder, "study") / f"{number:04d}.json"

    def _read_version(self, path: Path) -> Version:
        before = self._versions[-1] if self._versions else None
        message = read_envelope(path, "study")
        body = message.body
        try:
            keys = before.keys if before else PublicKeys.from_dict(body["keys"])
            sites = tuple(body["sites"])
            version = Version(
                number=len(self._versions) + 1,
                exchange=str(body["exchange"]),
                study=str(body["study"]),
                study_id=str(body["study_id"]),
                sites=sites,
                keys=keys,
                software=str(body["software"]),
                why=str(body["why"]),
                new_data=body["new_data"] is True,
                revoked=tuple(str(key) for key in body["revoked"]),
                sha256=message.sha256,
            )
        except (KeyError, TypeError):
            raise LedgerMismatch(
                f"{path.name} does not say which study and sites the exchange is about: it has been changed."
            ) from None
        message.signed_by(keys, COORDINATOR)
        if not _EXCHANGE.fullmatch(version.exchange) or not _STUDY.fullmatch(version.study_id):
            raise LedgerMismatch(
                f"{path.name} has no proper name of an exchange or a study: it has been changed."
            )
        if not _SOFTWARE.fullmatch(version.software):
            raise LedgerMismatch(f"{path.name} names no version of fedstats: it has been changed.")
        if not all(re.fullmatch(FINGERPRINT, key) for key in version.revoked):
            raise LedgerMismatch(f"{path.name} revokes what is no fingerprint: it has been changed.")
        if not sites or not all(isinstance(s, str) and SITE_NAME.fullmatch(s) for s in sites):
            raise LedgerMismatch(f"{path.name} names sites that cannot be: {len(sites)} in all.")
        if message.header.get("previous") != (before.sha256 if before else "") or (
            before and version.exchange != before.exchange
        ):
            raise LedgerMismatch(f"Version {version.number} of the study does not follow the one before it.")
        return version

    def join_path(self, site: str, version: int) -> Path:
        """Where a site's word that it takes part lies."""
        self.require_site(site)
        return real_folder(self.folder, "joins", f"{version:04d}") / f"{site}.json"

    def join(self, site: str, version: int) -> Join | None:
        """A site's join, or None while there is none.

        Raises
        ------
        LedgerMismatch
            It is not signed with the keys it names, belongs to another opening, or says what nobody should print.
        """
        path = self.join_path(site, version)
        if not present(path):
            return None
        message = read_envelope(path, "join")
        body = message.body
        try:
            keys = PublicKeys.from_dict(body["keys"])
            join = Join(
                site=site,
                keys=keys,
                software=str(body["software"]),
                profile=str(body["profile"]),
                policy=str(body["policy"]),
                rows=str(body["rows"]),
                sha256=message.sha256,
            )
        except (KeyError, TypeError):
            raise LedgerMismatch(f"The join of {site} is incomplete: it has been changed.") from None
        message.signed_by(keys, site)
        if message.header.get("study") != self.versions()[version - 1].sha256:
            raise LedgerMismatch(
                f"{site} has joined another opening of this exchange (other keys of the coordinator, or another study): "
                "compare the fingerprints with the site before going on."
            )
        require_plain(site, join.profile, join.software)
        self._require_valid(site, keys, version)
        self.require_same_rows(site, version, join.keys, join.rows)
        return join

    def require_same_rows(self, site: str, version: int, keys: PublicKeys, rows: str) -> None:
        """Raise where a site's rows are others than in an earlier version whose answers still count: they would mix.

        A fingerprint of rows is made with a site's keys: with others it is another one, and the keys are what is looked at.
        """
        versions = self.versions()[:version]
        for earlier in range(version - 1, first_that_counts(versions) - 1, -1):
            known = self.join(site, earlier)
            if known is not None:
                if known.keys == keys and known.rows != rows:
                    raise LedgerMismatch(
                        f"The rows of {site} are others than in version {earlier} of the study, whose answers still count in "
                        f"version {version}: results would mix two tables. Use the table of that time, or let the coordinator make a "
                        "new version that says that the data are new (new_data=True): then everything is asked anew."
                    )
                return

    def _require_valid(self, site: str, keys: PublicKeys, version: int) -> None:
        """Keys that have been revoked, in this version or before it, count no more: whoever holds them may be anybody."""
        for known in self.versions()[:version]:
            if keys.fingerprint in known.revoked:
                raise LedgerMismatch(
                    f"{site} takes part in version {version} with keys that version {known.number} of the study has revoked "
                    f"({keys.fingerprint}): somebody else may be writing in its name. The site makes new keys (remove its "
                    "keys.json) and joins with these."
                )

    def roster_path(self, version: int) -> Path:
        """Where the list of everybody's keys lies."""
        return real_folder(self.folder, "roster") / f"{version:04d}.json"

    def roster(self, version: int) -> tuple[str, Mapping[str, PublicKeys]] | None:
        """The roster's sha256 and everybody's keys, or None before all have joined.

        Raises
        ------
        LedgerMismatch
            The coordinator has not signed it, or it lists other sites.
        """
        path = self.roster_path(version)
        if not present(path):
            return None
        message = read_envelope(path, "roster")
        opening = self.versions()[version - 1]
        message.signed_by(opening.keys, COORDINATOR)
        if not isinstance(message.body, dict) or set(message.body) != set(opening.sites):
            raise LedgerMismatch("The roster does not list the sites of the study: it has been changed.")
        keys = {site: PublicKeys.from_dict(k) for site, k in message.body.items()}
        for site, own in keys.items():
            self._require_valid(site, own, version)
        return message.sha256, keys

    def keys_of(self, site: str, version: int, named: str = "") -> PublicKeys | None:
        """A site's public keys: as the roster lists them, else as it has joined with them.

        Parameters
        ----------
        site : str
        version : int
        named : str    sha256 of the roster that a message names; then no other will do, nor a join alone

        Raises
        ------
        LedgerMismatch
            The roster that is named is not there.
        """
        roster = self.roster(version)
        if named and (roster is None or roster[0] != named):
            raise LedgerMismatch(
                f"The roster of version {version} is missing or another than its questions name: it has been taken away."
            )
        if roster is not None:
            return roster[1][site]
        join = self.join(site, version)
        return None if join is None else join.keys

    def require_site(self, site: str) -> None:
        """Raise :class:`LedgerMismatch` for a site that the exchange does not know."""
        if site not in self.head.sites:
            raise LedgerMismatch(
                f"The exchange is between {', '.join(self.head.sites)}; it does not know the site {site}."
            )


def require_plain(site: str, profile: str, software: str) -> None:
    """Raise :class:`LedgerMismatch` for a site's profile or software that is no plain line of words."""
    if not _PROFILE.fullmatch(profile) or not _SOFTWARE.fullmatch(software):
        raise LedgerMismatch(
            f"{site} joins with a disclosure profile or a version of fedstats that is no plain name: at most 120 letters, "
            "digits, spaces and , . ( ) ' + - will do for a profile, and a number for a version; ask the site to name its "
            "own."
        )


def first_that_counts(versions: list[Version]) -> int:
    """The first version of which answers still count: those from before are about other rows, or signed with revoked keys."""
    return max(v.number for v in versions if v.new_data or v.revoked)
