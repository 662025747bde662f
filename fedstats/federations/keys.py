"""Keys of a place: one pair to sign what it says, one to read what is said to it alone.

They are made where they are used and never travel; what travels is the public half, known by its
fingerprint.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from fedstats.federations.files import LedgerMismatch, explained, present, read_whole, write_private

#: The name under which the coordinator signs; no site may have it.
COORDINATOR = "coordinator"
KEY_FILE = "keys.json"
#: What a fingerprint looks like.
FINGERPRINT = r"[0-9a-f]{4}(-[0-9a-f]{4}){7}"
#: Where places keep what is their own, unless they say otherwise.
HOME_VARIABLE, HOME_FOLDER = "FEDSTATS_HOME", ".fedstats"


@dataclass(frozen=True)
class PublicKeys:
    """The public half of a place's keys, as hexadecimal.

    Attributes
    ----------
    sign : str    Ed25519, 32 bytes
    seal : str    X25519, 32 bytes
    """

    sign: str
    seal: str

    @property
    def fingerprint(self) -> str:
        """128 bits of sha256 in groups of four digits: short enough to be read over the telephone."""
        digits = hashlib.sha256(bytes.fromhex(self.sign + self.seal)).hexdigest()[:32]
        return "-".join(digits[i : i + 4] for i in range(0, 32, 4))

    def verify(self, signature: str, message: bytes) -> bool:
        """Whether this place has signed the message."""
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.sign)).verify(
                bytes.fromhex(signature), message
            )
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_dict(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"sign": self.sign, "seal": self.seal}

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """Inverse of :meth:`to_dict`.

        Raises
        ------
        LedgerMismatch
            Anything that is not two keys of 32 bytes.
        """
        try:
            keys = cls(value["sign"], value["seal"])
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys.sign))
            X25519PublicKey.from_public_bytes(bytes.fromhex(keys.seal))
        except (KeyError, TypeError, ValueError):
            raise LedgerMismatch("A message does not hold the public keys that it should.") from None
        return keys


@dataclass(frozen=True)
class Identity:
    """A place with its private keys."""

    place: str
    signing: Ed25519PrivateKey = field(repr=False)
    sealing: X25519PrivateKey = field(repr=False)

    @classmethod
    def of(cls, home: Path, place: str) -> Self:
        """The keys in a place's private folder, made there if there are none yet; raises what :meth:`at` raises."""
        path = home / KEY_FILE
        if not present(path):
            content = {"place": place, "sign": os.urandom(32).hex(), "seal": os.urandom(32).hex()}
            with suppress(FileExistsError):  # another start has just made them: those count
                write_private(path, json.dumps(content).encode())
        return cls.at(home, place)

    @classmethod
    def at(cls, home: Path, place: str) -> Self:
        """The keys that are in a place's private folder.

        Raises
        ------
        LedgerMismatch
            The file is open to others, of another place, or no key file.
        """
        path = home / KEY_FILE
        with explained("private folder", path, "read"):
            mode = path.stat().st_mode
        if mode & 0o077:
            raise LedgerMismatch(
                f"The keys in {path} can be read by others: make the file private (chmod 600), or remove it and tell "
                "everybody the fingerprint of the new keys."
            )
        try:
            content = json.loads(read_whole(path, 10_000))
            signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(content["sign"]))
            sealing = X25519PrivateKey.from_private_bytes(bytes.fromhex(content["seal"]))
            whose = content["place"]
        except (KeyError, TypeError, ValueError):
            raise LedgerMismatch(f"{path} is not a file of keys.") from None
        if whose != place:
            raise LedgerMismatch(f"The keys in {path} are those of {whose}, not of {place}.")
        return cls(place, signing, sealing)

    @property
    def public(self) -> PublicKeys:
        """What others may know."""
        return PublicKeys(
            self.signing.public_key().public_bytes_raw().hex(),
            self.sealing.public_key().public_bytes_raw().hex(),
        )

    def secret(self, purpose: str) -> bytes:
        """32 bytes for one purpose that nobody else can make."""
        raw = self.sealing.private_bytes_raw()
        return hashlib.blake2b(purpose.encode(), key=raw, digest_size=32).digest()

    def sign(self, message: bytes) -> str:
        """Signature in hexadecimal."""
        return self.signing.sign(message).hex()


def require_apart(home: Path, exchange: Path) -> None:
    """Raise :class:`LedgerMismatch` for a private folder that lies where others read."""
    if home.resolve().is_relative_to(exchange.resolve()):
        raise LedgerMismatch(
            f"The private folder {home} lies inside the exchange folder, which others read: name another one as home."
        )


def home_of(study: str, place: str, home: str | Path = "") -> Path:
    """The private folder of a place in a study.

    Parameters
    ----------
    study : str     its id
    place : str     a site's name, or :data:`COORDINATOR`
    home : path     the folder itself; empty: ``$FEDSTATS_HOME`` or ``~/.fedstats``, by study and place
    """
    if str(home):
        return Path(home)
    base = os.environ.get(HOME_VARIABLE)
    return (Path(base) if base else Path.home() / HOME_FOLDER) / study / place
