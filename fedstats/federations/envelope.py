"""Signed messages: a header that says what and from whom, a body that may be for one reader alone.

A message is one line of canonical JSON with the keys ``body``, ``header`` and ``signature``.  The
signature stands over the very bytes of the first two, so nothing has to be written again to check
it.  A sealed body is encrypted for its reader: X25519 with a key made for this message alone,
HKDF-SHA256, ChaCha20-Poly1305, the header as associated data.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedstats.contract.query import canonical_json
from fedstats.federations.files import LedgerMismatch, read_whole
from fedstats.federations.keys import Identity, PublicKeys

#: Raised whenever a message is written in another way.
FORMAT = 2
_BEFORE_SIGNATURE, _END = b',"signature":"', b'"}'
_SIGNATURE = re.compile(rb'([0-9a-f]{128})"}')
_PURPOSE = b"fedstats message 2\n"
#: A key serves one message only, so its first nonce does.
_NONCE = bytes(12)


@dataclass(frozen=True)
class Envelope:
    """A message as it was read; nothing in it is believed before :meth:`signed_by`.

    Attributes
    ----------
    header : dict       kind, from, format, and what the kind needs
    body : object       plain JSON, or the sealed body as base64
    sha256 : str        of the file's bytes; later messages name it
    """

    name: str
    header: dict[str, Any]
    body: Any
    signed: bytes
    signature: str
    sha256: str

    def signed_by(self, keys: PublicKeys, whose: str) -> "Envelope":
        """This message, if that place has signed it.

        Raises
        ------
        LedgerMismatch
            It has been changed, or somebody else has written it.
        """
        if self.header["from"] != whose or not keys.verify(self.signature, _PURPOSE + self.signed):
            raise LedgerMismatch(
                f"{self.name} is not signed by {whose} (keys {keys.fingerprint}): it has been changed, or somebody else "
                "has written it."
            )
        return self

    def opened(self, reader: Identity) -> Any:
        """The sealed body, for its reader.

        Raises
        ------
        LedgerMismatch
            It was sealed for somebody else, or has been changed.
        """
        try:
            key = reader.sealing.exchange(
                X25519PublicKey.from_public_bytes(bytes.fromhex(self.header["sealed"]))
            )
            cipher = _cipher(key, self.header["sealed"], reader.public.seal)
            plain = cipher.decrypt(_NONCE, base64.b64decode(self.body, validate=True), _header(self.header))
            return json.loads(plain)
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise LedgerMismatch(
                f"{self.name} cannot be opened with the keys of {reader.place} ({reader.public.fingerprint}): it was "
                "sealed for other keys."
            ) from None


def compose(
    writer: Identity, kind: str, header: dict[str, Any], body: Any, reader: PublicKeys | None = None
) -> bytes:
    """A signed message; sealed if it has one reader.

    Parameters
    ----------
    writer : Identity
    kind : str                 what it is: a question, an answer ...
    header : dict              plain JSON values
    body : object              plain JSON values
    reader : PublicKeys, optional
        The one place that may read the body.
    """
    header = header | {"kind": kind, "from": writer.place, "format": FORMAT}
    if reader is not None:
        once = X25519PrivateKey.generate()
        header["sealed"] = once.public_key().public_bytes_raw().hex()
        key = once.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(reader.seal)))
        cipher = _cipher(key, header["sealed"], reader.seal)
        sealed = cipher.encrypt(_NONCE, canonical_json(body).encode(), _header(header))
        body = base64.b64encode(sealed).decode("ascii")
    signed = canonical_json({"body": body, "header": header}).encode()
    return signed[:-1] + _BEFORE_SIGNATURE + writer.sign(_PURPOSE + signed).encode() + _END


def read_envelope(path: Path, kind: str, limit: int | None = None) -> Envelope:
    """A message of a kind; its signature is still to be checked.

    Raises
    ------
    LedgerMismatch
        Not a regular file, too large, cut off, or no message of this kind and format.
    """
    return parse_envelope(read_whole(path, limit), path.name, kind)


def parse_envelope(raw: bytes, name: str, kind: str) -> Envelope:
    """As :func:`read_envelope`, from bytes."""
    head, _, tail = raw.rpartition(_BEFORE_SIGNATURE)
    signature = _SIGNATURE.fullmatch(tail)
    if signature is None:
        raise LedgerMismatch(f"{name} is not a signed message: it has been changed, damaged or cut off.")
    signed = head + b"}"
    try:
        content = json.loads(signed.decode("ascii"))
        header, body = content["header"], content["body"]
        known = isinstance(header, dict) and isinstance(header["from"], str) and len(content) == 2
    except (KeyError, TypeError, ValueError, RecursionError):
        raise LedgerMismatch(f"{name} is not JSON: it has been changed or damaged.") from None
    if not known or header.get("kind") != kind:
        raise LedgerMismatch(f"{name} does not hold a message of the kind {kind!r}.")
    if header.get("format") != FORMAT:
        raise LedgerMismatch(
            f"{name} is written in another format than this version reads ({FORMAT}): install the version that the "
            "exchange was begun with."
        )
    return Envelope(name, header, body, signed, signature[1].decode("ascii"), hashlib.sha256(raw).hexdigest())


def _header(header: dict[str, Any]) -> bytes:
    return canonical_json(header).encode()


def _cipher(key: bytes, once: str, reader: str) -> ChaCha20Poly1305:
    """The cipher of one message: its key depends on both public keys, so it serves no other pair."""
    salt = bytes.fromhex(once + reader)
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt, _PURPOSE).derive(key))
