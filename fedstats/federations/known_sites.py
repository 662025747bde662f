"""Whose keys a coordinator has accepted: of every site the first, and others only once those were revoked.

``known/<site>/0001.json`` in the coordinator's private folder holds a fingerprint; ``0002.json`` that
of the keys which were accepted after the first had been revoked.  Nothing is ever replaced.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from fedstats.federations.files import LedgerMismatch, present, read_whole, write_private


class KnownSites:
    """The sites that a coordinator knows, in all exchanges and versions of a study.

    Parameters
    ----------
    home : path    the coordinator's private folder
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "known"
        self._accepted: dict[str, str] = {}

    def require(self, site: str, found: str, revoked: Collection[str], version: int) -> None:
        """Accept the first keys of a site, and others only in place of revoked ones.

        Parameters
        ----------
        found : str             fingerprint of the keys that the site takes part with
        revoked : collection    fingerprints that this version of the study, or one before it, has revoked
        version : int

        Raises
        ------
        LedgerMismatch
            The coordinator knows the site by other keys.
        """
        if self._accepted.get(site) == found:
            return
        known = self._known(site)
        if not known or (known[-1] in revoked and found not in known):
            with suppress(FileExistsError):  # another start has just accepted some: those count
                write_private(self._path(site, len(known) + 1), json.dumps({"fingerprint": found}).encode())
            known = self._known(site)
        if known[-1] != found:
            raise LedgerMismatch(
                f"{site} takes part in version {version} with keys of the fingerprint {found}, and was known by others "
                f"before ({known[-1]}): somebody else may be writing in its name. Compare the fingerprint with the site by "
                "telephone. If these are its new keys, list the earlier ones under revoked_keys in a new version of the "
                f"study; if not, take joins/{version:04d}/{site}.json, and answers signed with them, out of the exchange folder."
            )
        self._accepted[site] = found

    def _path(self, site: str, number: int) -> Path:
        return self.folder / site / f"{number:04d}.json"

    def _known(self, site: str) -> list[str]:
        """Fingerprints in the order in which they were accepted."""
        known: list[str] = []
        while present(path := self._path(site, len(known) + 1)):
            try:
                known.append(str(json.loads(read_whole(path, 1000))["fingerprint"]))
            except (ValueError, KeyError, TypeError):
                raise LedgerMismatch(
                    f"{path} does not say by which keys the coordinator knows {site}: put it back from a copy."
                ) from None
        return known
