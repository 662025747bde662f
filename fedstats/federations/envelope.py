"""Signed messages: a header that says what and from whom, a body that may be for one reader alone.

A message is one line of canonical JSON with the keys ``body``, ``header`` and ``signature``.  The
signature stands over the very bytes of the first two, so nothing has to be written again to check
it, and a body is parsed only when it is used: after its signature was checked, unless it brings the
keys to check it with.  A sealed body is encrypted for its reader: X25519 with a key made for this message alone,
HKDF-SHA256, ChaCha20-Poly1305, the header as associated data.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedstats.contract.query import canonical_json
from fedstats.federations.files import LedgerMismatch, read_whole, too_large
from fedstats.federations.keys import Identity, PublicKeys

#: Raised whenever a message is written in another way.
FORMAT = 2
_BEFORE_SIGNATURE, _END = b',"signature":"', b'"}'
_BEFORE_BODY, _BEFORE_HEADER = b'{"body":', b',"header":'
_SIGNATURE = re.compile(rb'([0-9a-f]{128})"}')
_PURPOSE = b"fedstats message 2\n"
#: What a message may take in bytes, by kind; those that are not named hold no numbers.
LARGEST = {"question": 64 * 2**20, "answer": 256 * 2**20, "opened": 256 * 2**20}
_SMALL = 2**20
_LARGEST_HEADER = 10_000  # bytes; parsed before anything is signed
#: A key serves one message only, so its first nonce does.
_NONCE = bytes(12)


@dataclass(frozen=True)
class Envelope:
    """A message as it was read; nothing in it is believed before :meth:`signed_by`.

    Attributes
    ----------
    header : dict       kind, from, format, and what the kind needs
    sha256 : str        of the file's bytes; later messages name it
    """

    name: str
    header: dict[str, Any]
    signed: bytes  # with the purpose in front, as the signature has it
    body_ends: int
    signature: str
    sha256: str

    @cached_property
    def body(self) -> Any:
        """Plain JSON, or the sealed body as base64; parsed here, and not before.

        Raises
        ------
        LedgerMismatch
            It is not JSON, or takes more than this machine has.
        """
        return _parsed(self.signed[len(_PURPOSE) + len(_BEFORE_BODY) : self.body_ends], self.name)

    def signed_by(self, keys: PublicKeys, whose: str) -> "Envelope":
        """This message, if that place has signed it.

        Raises
        ------
        LedgerMismatch
            It has been changed, or somebody else has written it.
        """
        if self.header["from"] != whose or not keys.verify(self.signature, self.signed):
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
        except (InvalidTag, KeyError, TypeError, ValueError):
            raise LedgerMismatch(
                f"{self.name} cannot be opened with the keys of {reader.place} ({reader.public.fingerprint}): it was "
                "sealed for other keys."
            ) from None
        except MemoryError:
            raise too_large(self.name) from None
        return _parsed(plain, self.name)


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


def read_envelope(path: Path, kind: str) -> Envelope:
    """A message of a kind; its signature is still to be checked.

    Raises
    ------
    LedgerMismatch
        Not a regular file, larger than its kind may be, cut off, or no message of this kind and format.
    """
    return parse_envelope(read_whole(path, LARGEST.get(kind, _SMALL)), path.name, kind)


def parse_envelope(raw: bytes, name: str, kind: str) -> Envelope:
    """As :func:`read_envelope`, from bytes."""
    end = raw.rfind(_BEFORE_SIGNATURE)
    signature = _SIGNATURE.fullmatch(raw, end + len(_BEFORE_SIGNATURE)) if end >= 0 else None
    if signature is None:
        raise LedgerMismatch(f"{name} is not a signed message: it has been changed, damaged or cut off.")
    split = raw.rfind(_BEFORE_HEADER, 0, end)
    start = split + len(_BEFORE_HEADER)
    if not raw.startswith(_BEFORE_BODY) or split < 0 or end - start > _LARGEST_HEADER:
        raise LedgerMismatch(f"{name} has no body and header of a message: it has been changed or damaged.")
    header = _parsed(raw[start:end], name)
    if not isinstance(header, dict) or not isinstance(header.get("from"), str) or header.get("kind") != kind:
        raise LedgerMismatch(f"{name} does not hold a message of the kind {kind!r}.")
    if header.get("format") != FORMAT:
        raise LedgerMismatch(
            f"{name} is written in another format than this version reads ({FORMAT}): install the version that the "
            "exchange was begun with."
        )
    signed = b"".join((_PURPOSE, memoryview(raw)[:end], b"}"))  # one copy: a message may be large
    body_ends = len(_PURPOSE) + split
    sha256 = hashlib.sha256(raw).hexdigest()
    return Envelope(name, header, signed, body_ends, signature[1].decode("ascii"), sha256)


def _parsed(text: bytes, name: str) -> Any:
    """Plain JSON values.

    Raises
    ------
    LedgerMismatch
        It is not JSON in ASCII, nests without end, or takes more memory than there is.
    """
    try:
        return json.loads(text.decode("ascii"))
    except (ValueError, RecursionError):
        raise LedgerMismatch(f"{name} is not JSON: it has been changed or damaged.") from None
    except MemoryError:
        raise too_large(name) from None


def _header(header: dict[str, Any]) -> bytes:
    return canonical_json(header).encode()


def _cipher(key: bytes, once: str, reader: str) -> ChaCha20Poly1305:
    """The cipher of one message: its key depends on both public keys, so it serves no other pair."""
    salt = bytes.fromhex(once + reader)
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt, _PURPOSE).derive(key))
